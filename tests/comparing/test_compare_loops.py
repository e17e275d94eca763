"""Comparisons of outer loops under equal budgets: contestants, costs, tables and resumes."""

import html
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.comparing import budget
from metaplast.comparing.contestant import Contestant
from metaplast.comparing.files import read_comparison
from metaplast.comparing.kind import KIND
from metaplast.comparing.page import next_command
from metaplast.registry import BadInput
from metaplast.results import loop_verdict
from metaplast.results.loop_comparison import from_json, to_json
from metaplast.runs import provenance
from metaplast.runs.config import Plain, read_yaml
from metaplast.runs.job import parse
from metaplast.settings.compare import Compare
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from outer_loops.forward import Forward
from outer_loops.random_search import RandomSearch
from tests._runs import resume_run, start_comparison
from tests.results._loops import compared

PLAIN = read_yaml(
    """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: [], output: {name: tanh}}
genome: {name: given}
rule: {name: polynomial, rate: 0.1, terms: [post*pre], initial: [0.5]}
objective: {name: mean_loss}
outer: {name: bptt, learning_rate: 0.1}
problem: {n_tasks: 4}
evaluation: {validation: 8, heldout: 8}
compare:
  loops:
    steep: {name: bptt, learning_rate: 0.1, schedule: constant_schedule}
    lazy: {name: bptt, learning_rate: 1.0e-9}
  lives: 40
  cpu_s: 0
  tries: 2
  seeds: 2
  points: 3
""",
    "test",
)


CURRICULUM = {"n_tasks": 4, "curriculum": {"0": 2, "5": 0}}


def _clock(monkeypatch: pytest.MonkeyPatch, steps: list[float]) -> None:
    """A CPU clock. Step i takes steps[i] seconds. Every other step takes one second."""
    taken = itertools.chain(steps, itertools.repeat(1.0))
    marks, now = itertools.count(), [0.0]

    def read() -> float:
        if next(marks) % 2:
            now[0] += next(taken)
        return now[0]

    monkeypatch.setattr(budget.time, "process_time", read)


def test_a_step_that_would_pass_a_limit_is_not_within_it(monkeypatch):
    config = parse(PLAIN).main
    problem, outer = config.meta_problem(), config.outer
    _clock(monkeypatch, [2.0, 0.5, 4.0])
    course = budget.spend(
        problem, outer, 3, outer.hyper(), {"lives": [1.0, 8.0, 17.0], "cpu_s": [0.1, 2.5, 6.0]}
    )
    assert [mark.lives for mark in course.marks["lives"]] == [0, 8, 16]  # four lives a step
    assert [mark.cpu_s for mark in course.marks["cpu_s"]] == [0, 2.5, 2.5]  # 2, then 2.5, then 6.5
    assert (course.steps, course.lives, course.cpu_s, course.diverged) == (5, 20, 8.5, 0)
    alone = {0: search_loop.begin(problem, outer, 3)}
    alone |= {
        step: state for step, state, _ in search_loop.steps(problem, outer, 3, alone[0], 0, 5)
    }
    for mark in course.marks["lives"]:
        for a, b in zip(
            jax.tree.leaves(mark.theta),
            jax.tree.leaves(outer.theta(alone[mark.steps])),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


def test_the_experiments_own_loop_enters_with_its_settings():
    known = Compare().contestants(Bptt(learning_rate=0.3, clip=2.0), 8)
    assert set(known) == {"bptt", "truncated_bptt", "pes", "nres", "es", "hybrid", "random_search"}
    assert known["bptt"] == Bptt(learning_rate=0.3, clip=2.0, schedule="constant_schedule")
    assert known["es"] == Es(population=32)
    assert Compare().contestants(Es(std=0.7), 8, ["es", "lbfgs"])["es"] == Es(std=0.7)
    assert (
        Compare().contestants(Forward(learning_rate=0.3), 8, ["forward"])["forward"].learning_rate
        == 0.3
    )  # pyright: ignore[reportAttributeAccessIssue]
    assert "forward" in Compare().contestants(Forward(), 8)


def test_rates_are_constant_and_evolution_leaves_hybrid_two_thirds_of_the_lives():
    known = Compare(lives=7680).contestants(Bptt(), 8, ["hybrid", "forward", "multi_start"])
    hybrid: Any = known["hybrid"]
    assert (hybrid.first.steps, hybrid.first.population) == (10, 32)  # 10 * 32 * 8 = 7680 / 3
    loops: Any = (hybrid.then, known["forward"], known["multi_start"])
    assert [loop.schedule for loop in (*loops[:2], loops[2].inner)] == ["constant_schedule"] * 3
    mine = Compare(loops=(("mine", Bptt()),)).contestants(Bptt(), 8, ["bptt", "mine"])
    assert [loop.schedule for loop in mine.values()] == [
        "constant_schedule",
        "cosine_decay_schedule",
    ]  # pyright: ignore[reportAttributeAccessIssue]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BadInput, match="--loops bpt - expected some of "):
        Compare().contestants(Bptt(), 8, ["bpt"])
    with pytest.raises(BadInput, match=r"compare\.lives=0 and compare\.cpu_s=0"):
        Compare(lives=0, cpu_s=0).budgets()
    with pytest.raises(BadInput, match=r"compare\.loops: name '\.\./up'"):
        parse({**PLAIN, "compare": {"loops": {"../up": {"name": "bptt"}}}})
    for plain, word in (
        (PLAIN | {"seeds": 2}, "seeds=2"),
        (PLAIN | {"problem": CURRICULUM}, "problem.curriculum"),
    ):
        with pytest.raises(BadInput, match=word):
            start_comparison(plain, None, lambda *_: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_comparison(PLAIN, tmp_path_factory.mktemp("compare") / "run", lambda *_: None)


def test_the_loop_that_moves_wins(finished):
    comparison = read_comparison(finished)
    steep = comparison.entered["steep"]
    lazy = comparison.entered["lazy"]
    assert comparison.best == {"lives": "steep"}
    assert comparison.scale == "ratio"
    assert steep.scores["lives"].mean < lazy.scores["lives"].mean
    assert (steep.scores["lives"].steps, steep.scores["lives"].lives_judged) == (10, 8)
    first, second = (training.hyper["learning_rate"] for training in steep.tries)
    assert first == pytest.approx(0.1)
    assert 0.01 < second < 1.0
    text = KIND.render(finished)
    assert "after 40 lives" in text
    assert "over steep" in text
    assert (finished / "figures" / "loops.svg").stat().st_size > 5000


def test_text_and_page_begin_with_the_verdict_and_the_next_command(finished):
    found, then, *_ = KIND.render(finished).split("\n\n")
    told = loop_verdict.verdict(read_comparison(finished))
    assert found.splitlines() == told
    assert told[0].startswith("steep has the lowest held-out loss after 40 lives")
    assert then == ("Next: metaplast compare experiment=NAME --loops steep,lazy compare.seeds=4")
    page = html.unescape((finished / "report.html").read_text())
    places = [page.index(words) for words in (*told, then.removeprefix("Next: "))]
    places += [page.index(words) for words in ("<dt>begun</dt>", "<figure>", "<h2>Reasons")]
    assert places == sorted(places)
    assert f"report   {finished / 'report.html'}" in KIND.render(finished)


def test_a_next_comparison_takes_the_level_loops_or_a_larger_budget(tmp_path):
    command = "metaplast compare experiment=oja --loops a,b compare.seeds=2 --run-dir x"
    provenance.record(tmp_path, command, {})
    level = compared([1.0, 2.0, 3.0], [1.4, 1.9, 3.3])
    begun = "metaplast compare experiment=oja --loops"
    assert next_command(tmp_path, level) == f"{begun} first,second compare.seeds=6"
    idle = compared([1.0, 2.0], [3.0, 4.0], steps=(5, 0))
    more = f"{begun} a,b compare.seeds=2 compare.lives=160"
    assert next_command(tmp_path, idle) == more


def test_compare_json_reads_back_and_prints_as_it_stands(finished):
    text = (finished / "compare.json").read_text()
    plain = json.loads(text)
    assert list(plain) == ["schema", "experiment", "seed", "compare", "loops", "best", "scale"]
    assert plain["schema"] == "metaplast.compare/1"
    assert json.dumps(to_json(read_comparison(finished)), indent=1) + "\n" == text
    assert KIND.render(finished, as_json=True) == json.dumps(plain)
    steep = plain["loops"]["steep"]
    assert list(steep) == [
        "outer",
        "refused",
        "cpu_s_per_1000_lives",
        "diverged",
        "skipped",
        "moved",
        "scores",
        "curves",
        "tries",
    ]
    score = ["hyper", "mean", "ci95", "n", "values", "lives_judged", "steps", "not_finite"]
    assert list(steep["scores"]["lives"]) == [*score, "to_best"]
    assert list(steep["curves"]["lives"][0]) == ["lives", "cpu_s", "mean", "ci95", "n"]
    training = ["hyper", "steps", "lives", "cpu_s", "diverged", "skipped", "moved"]
    assert list(steep["tries"][0]) == [*training, "curve", "heldout"]
    mark = ["steps", "lives", "cpu_s", "loss", "not_finite", "n"]
    assert list(steep["tries"][0]["curve"]["lives"][0]) == mark


def test_a_compare_json_of_another_form_is_refused_in_one_line(finished):
    plain = json.loads((finished / "compare.json").read_text())
    with pytest.raises(BadInput, match=r"compare\.json of another schema - expected"):
        from_json({**plain, "schema": "metaplast.compare/9"}, "compare.json")
    del plain["loops"]["steep"]["scores"]
    with pytest.raises(BadInput, match=r"compare\.json: loops\.steep"):
        from_json(plain, "compare.json")


def test_a_comparison_goes_on_where_it_was_stopped(finished, tmp_path):
    class Stopped(Exception): ...

    calls = itertools.count()

    def stop(*_: object) -> None:
        if next(calls) == 60:
            raise Stopped

    with pytest.raises(Stopped):
        start_comparison(PLAIN, tmp_path / "run", stop)
    kept = sorted((tmp_path / "run" / "loops").rglob("*.json"))
    assert (tmp_path / "run" / "compare_request.json").is_file()
    before = [file.stat().st_mtime_ns for file in kept]
    assert kept
    resume_run(tmp_path / "run", lambda *_: None)
    assert [file.stat().st_mtime_ns for file in kept] == before
    again = read_comparison(tmp_path / "run")
    whole = read_comparison(finished)
    for name in ("steep", "lazy"):  # a budget of lives gives the same numbers every time
        assert again.entered[name].scores == whole.entered[name].scores


def test_numbers_that_are_no_scales_are_not_tuned(tmp_path):
    config = parse(PLAIN).main
    contestant = Contestant(tmp_path / "a", config, RandomSearch(anneal=0.5), lambda *_: None)
    hypers = contestant._settings()
    assert [h["anneal"] for h in hypers] == [0.5, 0.5]
    assert hypers[0]["std"] == pytest.approx(0.3)
    assert 0.03 < hypers[1]["std"] < 3.0


def test_a_loop_that_cannot_work_on_the_problem_is_named_with_the_reason(tmp_path):
    loops = {"good": {"name": "bptt"}, "odd": {"name": "truncated_bptt", "window": 3}}
    plain: Plain = {
        **PLAIN,
        "compare": {**PLAIN["compare"], "loops": loops, "tries": 1, "seeds": 1, "lives": 4},
    }
    run = start_comparison(plain, tmp_path / "run", lambda *_: None)
    assert json.loads((run / "compare.json").read_text())["loops"]["odd"]["refused"].startswith(
        "window=3 of a life of 4"
    )
    assert "odd takes no part: window=3 of a life of 4 steps" in KIND.render(run)
    only = {**plain, "compare": {**plain["compare"], "loops": {"odd": loops["odd"]}}}
    with pytest.raises(
        BadInput, match="odd: window=3 of a life of 4 steps - expected a divisor of 4 - set window="
    ):
        start_comparison(only, tmp_path / "none", lambda *_: None)
    assert not (tmp_path / "none").exists()


def test_a_budget_below_one_step_is_said_and_drawn(tmp_path):
    plain = {**PLAIN, "compare": {**PLAIN["compare"], "lives": 3, "tries": 1, "seeds": 1}}
    text = KIND.render(start_comparison(plain, tmp_path / "run", lambda *_: None))
    assert text.count("no step within the lives") == 2


def test_a_config_that_was_changed_does_not_go_on(finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    (run / "config.yaml").write_text(
        (run / "config.yaml").read_text().replace("seeds: 2", "seeds: 3")
    )
    with pytest.raises(BadInput, match=r"config\.yaml, changed"):
        resume_run(run, lambda *_: None)
