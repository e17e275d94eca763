"""The verdict on a rule in other worlds: of one world, and of a grid."""

import shlex
from dataclasses import replace

import numpy as np

from metaplast.inspection.grid_verdict import grid_verdict
from metaplast.inspection.world_verdict import ShortVerdict, world_verdict
from metaplast.results.changed_world import Lived, cell
from metaplast.results.grid import About, Grid, GridCell, health
from metaplast.results.summary import TrainedRow, Verdict
from metaplast.results.table import RowFacts

N = 40
OWN = np.linspace(0.8, 0.9, N)
TRAINED = Verdict("trained", "accuracy")
FAILED = Verdict("not trained", "accuracy", against="start")


def facts(searched: Verdict = TRAINED, tuned: Verdict = TRAINED) -> dict[str, RowFacts]:
    row = TrainedRow(reach="synapse", feedback="none", reads=[], learned=3)
    return {
        "discovered": RowFacts(replace(row, verdict=searched)),
        "tuned": RowFacts(replace(row, verdict=tuned)),
    }


def world(gain: float | None = 0.1, changes: str = "a=1 b=2", seeds: tuple[int, ...] = (0,)):
    lives = []
    for seed in seeds:
        rows = {"discovered": OWN.tolist()}
        if gain is not None:
            rows["tuned"] = (OWN - gain).tolist()
        lives.append(Lived(changes=changes.split(), seed=seed, metric="accuracy", rows=rows))
    return cell(lives, facts(), "discovered")


def judged(one, of_rows=None, is_changed: bool = True) -> ShortVerdict:
    return world_verdict(one, of_rows or facts(), "discovered", ["runs/my a"], 200, is_changed)


def test_the_claim_is_that_of_the_paired_difference():
    better = judged(world(0.1))
    assert better.found == (
        "a=1 b=2: the rule has accuracy 0.850 [0.841, 0.859]; it is better than the best tuned "
        "baseline there, tuned, by 0.100 [0.100, 0.100] (n 40)."
    )
    assert "worse than the best tuned baseline there, tuned, by 0.100" in judged(world(-0.1)).found
    assert "not told apart from" in judged(world(0.0)).found
    assert "no tuned baseline has a score there" in judged(world(None)).found


def test_the_next_command_in_a_world_imports_the_plug_ins_of_the_runs():
    imports = ["--import", "mine"]
    for is_changed, verb in ((True, "eval"), (False, "inspect")):
        one = world_verdict(world(), facts(), "discovered", ["a"], 9, is_changed, imports)
        assert one.next_command.startswith(f"metaplast {verb} --import mine a")


def test_the_doubt_is_that_nothing_was_tuned_there_and_the_next_command_tunes():
    one = judged(world())
    assert one.doubts.startswith("Why not to believe it: No row was tuned in a=1 b=2: ")
    assert shlex.split(one.next_command) == (
        ["metaplast", "eval", "runs/my a", "a=1", "--grid", "--factor", "b=2"]
    )
    assert one.text.splitlines() == [
        *(one.found, one.sure, one.doubts, ""),
        f"Next: {one.next_command}",
    ]
    unchanged = judged(world(changes=""), is_changed=False)
    assert "No row was tuned" not in unchanged.doubts
    assert unchanged.next_command == "metaplast inspect 'runs/my a'"


def test_the_task_of_a_world_is_chosen_before_its_fields_are_set():
    changes = " ".join(sorted(["task=moons", "task.n_in=5"]))
    one = judged(world(changes=changes))
    assert shlex.split(one.next_command) == (
        ["metaplast", "eval", "runs/my a", "task=moons", "--grid", "--factor", "task.n_in=5"]
    )


def test_seeds_say_how_sure_it_is():
    assert "one seed (0); the interval covers lives of one split" in judged(world()).sure
    assert "Student's t over 2 splits" in judged(world(seeds=(0, 1))).sure


def test_searches_that_failed_are_named_and_come_first():
    weak = judged(world(), facts(tuned=FAILED))
    assert "A search failed: tuned (not trained); " in weak.sure
    assert weak.next_command == "metaplast train --config 'runs/my a/config.yaml' outer.steps=400"
    lost = judged(world(), facts(searched=FAILED))
    assert lost.found.startswith("Nothing was found: the search of the rule failed (not trained")
    assert lost.next_command.endswith("outer.steps=400")
    assert "No baseline's search failed." in judged(world()).sure


def test_lives_that_are_not_finite_are_the_first_doubt():
    rows = {"discovered": [float("nan"), *OWN[1:].tolist()], "tuned": OWN.tolist()}
    lived = Lived(changes=["a=1"], seed=0, metric="accuracy", rows=rows)
    one = judged(cell([lived], facts(), "discovered"))
    assert "1 of the rule's 40 held-out lives are not finite" in one.found
    assert one.doubts.startswith(
        "Why not to believe it: discovered has no score: 1 of its 40 lives are not finite."
    )


def test_a_baseline_is_asked_for_where_there_is_none():
    one = judged(world(None))
    assert "There is no tuned baseline to hold it against." in one.doubts
    assert "hebb_tuned" in one.next_command


def grid(*cells: GridCell, **about) -> Grid:
    plain = {
        "rule": "zoo/some",
        "sha256": "",
        "base": "",
        "setting": ["experiment=some"],
        "rows": ["tuned"],
        "searched": 200,
        "budget": 200,
        "lives": N,
    }
    return Grid(about=About(**{**plain, **about}), cells=list(cells))


def lived_cell(factor: str, level: str, gain: float, **more) -> GridCell:
    values = {"accuracy": OWN, "loss": 1.0 - OWN, "at_bound": np.zeros(N)}
    return GridCell(
        **{
            "factor": factor,
            "level": level,
            "words": [f"{factor}={level}"],
            "cell": world(gain),
            "health": health(values, OWN - 0.5, "accuracy"),
            **more,
        }
    )


START = lived_cell("start", "as given", 0.1, words=[])
WIDE = lived_cell("network.hidden", "[80,80]", -0.2)
REFUSED = GridCell(factor="width", level="x2", words=["network.hidden=[20]"], refused="too wide")


def test_a_grid_counts_its_worlds_and_names_the_worst():
    one = grid_verdict(grid(START, WIDE, REFUSED), "discovered")
    assert one.found == (
        "Beside baselines tuned in each of 2 worlds, the rule is better than the best tuned "
        "baseline in 1, worse in 1; at worst in network.hidden [80,80]: worse by 0.200 "
        "[0.200, 0.200] than tuned. Of 3 worlds: learns in 2, refused in 1."
    )
    assert "one seed (0)" in one.sure and "No baseline's search failed." in one.sure
    assert "Refused, so not known: width x2." in one.doubts
    assert "favours the rule" not in one.doubts
    assert one.next_command == "metaplast inspect zoo/some experiment=some"


def test_a_grid_of_small_budgets_is_doubted_and_made_again():
    one = grid_verdict(grid(START, WIDE, REFUSED, budget=50), "discovered")
    assert "The baselines had 50 outer steps and the rule 200, which favours the rule." in (
        one.doubts
    )
    assert shlex.split(one.next_command) == [
        *("metaplast", "eval", "zoo/some", "experiment=some", "--grid", "--factor", "width"),
        *("--factor", "network.hidden=[80,80]", "--row", "tuned", "--lives", "40"),
        *("--budget", "200", "--out", "grid-200"),
    ]


def test_a_search_that_failed_in_a_grid_is_named_with_its_worlds():
    cells = (START, replace(WIDE, failed={"tuned": "not trained"}))
    one = grid_verdict(grid(*cells), "discovered")
    assert "A search failed: tuned (not trained) in network.hidden [80,80]; " in one.sure
    assert "--budget 400 --out grid-400" in one.next_command


def test_a_grid_of_a_run_asks_for_other_seeds():
    one = grid_verdict(grid(START, rule="runs/a", is_run=True), "discovered")
    assert one.next_command.endswith("config.yaml seed=1 seeds=4")


def test_the_next_command_of_a_grid_imports_the_plug_ins_of_its_run():
    of_run = {"rule": "runs/a", "is_run": True, "imports": ["--import", "mine"]}
    for one, verb in (
        (grid(START, budget=50, **of_run), "eval --import mine runs/a experiment=some --grid"),
        (grid(START, **of_run), "train --import mine --config runs/a/config.yaml"),
        (grid(REFUSED, **of_run), "inspect --import mine runs/a"),
    ):
        assert f"{grid_verdict(one, 'discovered').next_command} ".startswith(f"metaplast {verb} ")
    refused = grid_verdict(grid(REFUSED, **of_run), "discovered")
    assert refused.next_command == "metaplast inspect --import mine runs/a"


def test_a_grid_of_refusals_claims_nothing():
    one = grid_verdict(grid(REFUSED), "discovered")
    assert one.found == "Of 1 worlds: refused in 1."
    assert one.sure == "How sure: no world was lived."
