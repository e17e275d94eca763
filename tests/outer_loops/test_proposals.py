"""Proposals by files: scores are those of lives, a bad line changes nothing, resume is exact."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.language import expression as e
from metaplast.registry import BadInput
from metaplast.rules.symbolic import Symbolic
from outer_loops import _lines
from outer_loops.genetic_programming import GpState
from outer_loops.proposals import Proposals
from tests.outer_loops.test_genetic_programming import problem

RULE = Symbolic(expression="pre", size=6, inputs=("pre", "post", "weight"), n_constants=1)
PROBLEM = problem(RULE)
BAD = {
    "post*__import__": "signal",
    "(pre": "bracket",
    "post*pre*modulator.reward": "add it to inputs",
    "pre^9": "power",
    "2*pre + 3*post": "at most rule.n_constants=1",
    "pre*pre*pre*pre*pre*pre*pre*pre": "raise size",
    "p\0re": "expected",
    "\xff": "expected",
    "pre" + "+pre" * 200: "characters",
}


def _loop(folder: Path, **fields) -> Proposals:
    numbers = {"steps": 3, "lines": 4, "n_rates": 3, "n_best": 2, "validation": 8, "timeout": 0.01}
    return Proposals(**{"folder": str(folder), **numbers, **fields})


def _answer(folder: Path, *generations: str) -> None:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(generations, 1):
        (folder / f"proposals_{number}.txt").write_text(text, encoding="latin-1")


def _run(outer: Proposals, stop: int = 3, start: int = 0, state=None):
    state = search_loop.begin(PROBLEM, outer, 0) if state is None else state
    return [state, *[s for _, s, _ in search_loop.steps(PROBLEM, outer, 0, state, start, stop)]]


def _read(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search with an answer of two good lines among bad ones, and one with too many lines."""
    folder = tmp_path_factory.mktemp("box")
    first = "# words\n\npost*(pre - post*weight)\npost*post*(\n0.5*post*pre\n"
    _answer(folder, first, "pre\n" * 6)
    outer = _loop(folder)
    return folder, outer, _run(outer)


def test_a_score_is_the_loss_of_lives_of_its_expression_under_its_rate(searched):
    folder, _, states = searched
    oja, refused, hebb = _read(folder, "scores_1")["scores"]
    assert "expected" in refused["error"] and "train_loss" not in refused
    validation = PROBLEM.sample(search_loop.stream(0, "outer"), 8, "validation")
    k_tasks = search_loop.stream(0, "tasks", 1)
    train = search_loop.sample(PROBLEM.lifetime.task, k_tasks, PROBLEM.n_tasks, "train")
    for row in (oja, hebb):
        alone = problem(Symbolic(expression=row["text"], rate=row["rate"], learn="rate"))
        member = jax.tree.map(lambda x: x[None], alone.init(jax.random.key(0)))
        for batch, score in ((train, "train_loss"), (validation, "validation_loss")):
            loss, _ = alone.losses(member, batch)
            np.testing.assert_allclose(row[score], loss[0], rtol=2e-4, atol=1e-9)
    rates = [RULE.rate * factor for factor in (1 / 3, 1, 3)]
    assert min(abs(oja["rate"] / rate - 1) for rate in rates) < 1e-5
    assert oja["nodes"] == 7
    scored = [oja, hebb, *_read(folder, "scores_2")["scores"]]
    best = min(scored, key=lambda row: row["validation_loss"])
    assert _read(folder, "asked")["best"][0]["validation_loss"] == best["validation_loss"]
    settled, _ = RULE.settled(jax.device_get(states[-1].theta["rules"]["rule"]))
    assert settled.expression == best["expression"]


@pytest.mark.parametrize(("line", "words"), BAD.items(), ids=range(len(BAD)))
def test_a_line_that_is_no_expression_of_the_search_is_refused_by_its_part(line, words):
    rule = _searched()
    answer = _lines.kept(_lines.split(line.encode("latin-1")), 1)
    (read,) = _lines.read(rule, _start(), answer)
    assert read.flat is None and words in read.error


def _start():
    return np.asarray(search_loop.begin(PROBLEM, _loop(Path("unused")), 0).start)


def _searched():
    return search_loop.begin(PROBLEM, _loop(Path("unused")), 0).rule


@pytest.mark.parametrize("text", ["post*(pre - post*weight)", "weight*0.25 - pre/post", "-3*pre"])
def test_an_expression_is_the_same_after_its_way_through_theta(text):
    (line,) = _lines.read(_searched(), _start(), _lines.kept([text.encode()], 1))
    assert e.parse(_lines.show(_lines.tree_of(_searched(), line.flat))) == e.parse(text)


def test_lines_beyond_the_largest_number_are_refused_together(searched):
    folder, _, _ = searched
    scores = _read(folder, "scores_2")
    assert len(scores["scores"]) == 4
    assert scores["error"].startswith("2 further lines: at most outer.lines=4")
    assert _read(folder, "asked")["done"]


def test_a_search_goes_on_from_its_state_without_the_answer_that_it_has_read(searched, tmp_path):
    _, outer, states = searched
    saved = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), states[2])
    elsewhere = _loop(tmp_path / "new")
    resumed = _run(elsewhere, start=2, state=saved)[-1]
    jax.tree.map(np.testing.assert_array_equal, resumed, states[3])
    assert _read(tmp_path / "new", "scores_2") == _read(Path(outer.folder), "scores_2")


def test_without_an_answer_the_search_ends_with_the_command_that_goes_on(tmp_path):
    with pytest.raises(BadInput, match=r"proposals_1.txt: no answer within outer.timeout=0.01"):
        _run(_loop(tmp_path))
    question = _read(tmp_path, "asked")
    assert question["generation"] == 1 and not question["done"]
    assert [row["expression"] for row in question["best"]] == ["pre"]


def test_a_folder_serves_one_search(searched):
    _, outer, _ = searched
    state = search_loop.begin(PROBLEM, outer, 1)
    with pytest.raises(BadInput, match="the folder of another search"):
        next(search_loop.steps(PROBLEM, outer, 1, state, 0, 1))
    with pytest.raises(BadInput, match=r"give outer.folder=PATH"):
        search_loop.begin(PROBLEM, Proposals(), 0)


def test_a_rule_without_a_tree_is_searched_by_its_numbers_and_never_asked(tmp_path):
    fixed = problem(Symbolic(expression="post*pre"))
    outer = _loop(tmp_path / "box")
    assert isinstance(search_loop.begin(fixed, outer, 0), GpState)
    assert not (tmp_path / "box").exists()


def test_runs_in_lockstep_read_their_answers_too(tmp_path):
    """On a device where runs train in lockstep, a folder of one search refuses the second run."""
    outer = _loop(tmp_path)
    _answer(tmp_path, "post*pre\n", "post\n")
    run = search_loop.OuterRun(0, search_loop.begin(PROBLEM, outer, 0))
    *_, (_, runs, _) = search_loop.steps_many(PROBLEM, outer, [run], 0, 3, lockstep=True)
    alone = _run(_loop(tmp_path))[-1]
    np.testing.assert_allclose(runs[0].state.last.train, alone.last.train, rtol=1e-4, atol=1e-9)


def test_the_answers_of_the_example_are_lines_of_the_search(searched):
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "proposals"))
    try:
        import mutate
    finally:
        sys.path.pop(0)
    question = _read(searched[0], "asked")
    once, again = mutate.proposals(question, "0"), mutate.proposals(question, "0")
    assert once == again != mutate.proposals(question, "1")
    for text in once:
        e.parse(text)
