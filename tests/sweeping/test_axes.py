"""The words of a sweep: lists, ranges, brackets, and refusals in one line."""

import pytest

from metaplast.registry import BadInput
from metaplast.runs.values import split_values
from metaplast.sweeping.axes import MAX_RUNS, Axis, at, axes_of, points, words_of


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ("{a: [1,2], b: 3},{}", ["{a: [1,2], b: 3}", "{}"]),
        ("[1,[2,3]],4", ["[1,[2,3]]", "4"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("['a],b',1],2", ["['a],b',1]", "2"]),
        ("it's,5", ["it's", "5"]),
        ("a,,b", ["a", "", "b"]),
        ("", [""]),
    ],
)
def test_commas_split_outside_of_brackets_and_quotes(text: str, values: list[str]) -> None:
    assert split_values(text) == values


def test_lists_and_ranges_are_axes_and_all_else_is_common() -> None:
    texts = ["experiment=oja", "rows={a: 1, b: 2}", "seed=0..2,7", "outer=bptt,es", "task.n=5..5"]
    words = words_of(texts)
    assert words[:2] == texts[:2]
    assert words[2:] == [
        Axis("seed", ("0", "1", "2", "7")),
        Axis("outer", ("bptt", "es")),
        Axis("task.n", ("5",)),
    ]


def test_points_have_the_words_in_their_order() -> None:
    words = words_of(["outer=bptt,es", "rows={}", "seed=0,1"])
    found = [at(words, point) for point in points(axes_of(words))]
    assert found == [
        ["outer=bptt", "rows={}", "seed=0"],
        ["outer=bptt", "rows={}", "seed=1"],
        ["outer=es", "rows={}", "seed=0"],
        ["outer=es", "rows={}", "seed=1"],
    ]
    assert at(words, {"outer": "es"}) == ["outer=es", "rows={}"]


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["seed=3..1"], "seed=3..1: an empty range - expected FIRST..LAST - write 1..3"),
        (["seed=0..2,1"], "seed=1 beside seed=1 - expected distinct values"),
        (["outer.std=1e-3,0.001"], "outer.std=0.001 beside outer.std=1e-3"),
        (["network.hidden=[3],[3 ]"], "network.hidden=[3 ] beside network.hidden=[3]"),
        (["outer=es,"], "outer=es,: an empty value"),
        (["seed=4"], "words with one value each - expected a word with several values"),
        ([], "words with one value each"),
        (["seed=0,1", "seeds=3"], "seeds in a sweep"),
        (["seed=0,1", "vary.std=[1,2]"], "vary.std in a sweep"),
        (["seed=0,1", "seed=3"], "seed in 2 words - expected one word"),
        ([f"seed=0..{MAX_RUNS}"], "seed=0..10000: 10,001 values - expected at most 10,000"),
        (["seed=0..999", "task.n=1..11"], "11,000 runs - expected at most 10,000"),
        (["seed=1,2", "a.b=[1,{2]"], ""),
    ],
)
def test_wrong_words_are_refused_in_one_line(texts: list[str], line: str) -> None:
    if not line:
        assert words_of(texts)[1] == texts[1]  # the composition refuses it
        return
    with pytest.raises(BadInput) as caught:
        words_of(texts)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_one_and_true_differ() -> None:
    assert words_of(["task.a=1,true"]) == [Axis("task.a", ("1", "true"))]
