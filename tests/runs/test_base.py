"""The `base` of an experiment: one experiment laid on another."""

from pathlib import Path

import pytest

from metaplast.registry import BadInput
from metaplast.runs.config import NEW, Sources, compose
from metaplast.runs.job import parse


def _sources(folder: Path, **files: str) -> Sources:
    (folder / "experiment").mkdir()
    for name, text in files.items():
        (folder / "experiment" / f"{name}.yaml").write_text(text)
    return Sources(folder)


def test_an_experiment_takes_what_it_does_not_say_from_its_base(tmp_path):
    sources = _sources(
        tmp_path,
        low="task: {name: digits, shots: 3}\nouter: {name: bptt, steps: 5}\nrows: {a: {note: x}, "
        "b: {note: y}}\n",
        middle="base: low\ntask: {shots: 4}\n",
        high="base: middle\ntask: {queries: 2}\nrows: {}\n",
    )
    plain = compose(["experiment=high", "outer.steps=7"], sources)
    assert plain == {
        **NEW,
        "experiment": "high",
        "task": {"name": "digits", "shots": 4, "queries": 2},
        "outer": {"name": "bptt", "steps": 7},
        "rows": {},
    }
    assert compose(["experiment=middle"], sources)["rows"] == {
        "a": {"note": "x"},
        "b": {"note": "y"},
    }


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("a", "base 'a'"),
        ("b", "base 'a'"),
        ("nothing", "experiment=nothing"),
        ("[1]", r"base \[1\]"),
        ("''", "base ''"),
    ],
)
def test_a_base_that_cannot_be_is_refused_by_name(tmp_path, base, words):
    sources = _sources(tmp_path, a=f"base: {base}\n", b="base: a\n")
    with pytest.raises(BadInput, match=words):
        compose(["experiment=a"], sources)


def test_an_experiment_drops_rows_of_its_base_by_null_and_none_that_are_not_there(tmp_path):
    sources = _sources(
        tmp_path,
        low="rows: {a: {note: x}, b: {note: y}}\n",
        middle="base: low\nrows: {a: null, c: {note: z}}\n",
        high="base: middle\nrows: {a: {note: again}, b: null}\n",
        wrong="base: middle\nrows: {bb: null}\n",
    )
    assert compose(["experiment=middle"], sources)["rows"] == {
        "b": {"note": "y"},
        "c": {"note": "z"},
    }
    assert compose(["experiment=high", "rows.c=null"], sources)["rows"] == {"a": {"note": "again"}}
    with pytest.raises(
        BadInput, match=r"rows.bb=null - expected a row of the experiment: b, c - did you mean 'b'"
    ):
        compose(["experiment=wrong"], sources)


def test_a_config_of_before_keeps_the_integration_that_was_the_default():
    words = ["experiment=oja", "network.neuron={name: izhikevich}"]
    new = compose(words, Sources())
    before = {key: value for key, value in new.items() if key not in NEW}
    assert parse(new, check=False).rows[0][1].network.neuron.integration == "exact"
    assert parse(before, check=False).rows[0][1].network.neuron.integration == "euler"
    before["network"]["neuron"] = "izhikevich"
    assert parse(before, check=False).rows[0][1].network.neuron.integration == "euler"
