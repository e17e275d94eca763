"""summary.json: its keys, and the files of earlier versions."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from metaplast.registry import BadInput
from metaplast.results import table
from metaplast.results.numbers import Bounds
from metaplast.results.summary import (
    Difference,
    GapClosed,
    Halving,
    NotHalved,
    ReferenceRow,
    Row,
    RowScore,
    RuleCard,
    RunSummary,
    SearchRecord,
    TrainedRow,
    Verdict,
    from_json,
    to_json,
)
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import Config, parse
from metaplast.training import row_words
from metaplast.training.summary import _spiking

SEARCH = SearchRecord(diverged_lives=2, falls=1, fell_at=[3], step_scale=0.5, chosen_step=4)
VERDICT = Verdict("not trained", "loss", "validation", "start", 0.5, (0.25, 0.75), "more steps")
SCORE = RowScore(
    name="discovered",
    split="heldout",
    metric="loss",
    mean=0.5,
    ci95=Bounds(0.25, None),
    n=8,
    not_finite=0,
    difference=Difference(0.0, Bounds(0.0, 0.0)),
)
TRAINED = TrainedRow(
    reach="synapse",
    feedback="symmetric",
    reads=["post.error"],
    learned=3,
    at_bound=0.25,
    units={"silent_output": 0.5},
    faults={"dead": 1},
    search=SEARCH,
    wall_s=1.5,
    note="words",
    contains=["plain"],
    verdict=VERDICT,
    budget=6,
    origin="plain",
)
PLAIN_ROW = TrainedRow("-", "none", [], 0)
REFERENCE = ReferenceRow(chosen={"k": 3}, wall_s=0.5, note="reference: neighbours")
SUMMARY = RunSummary(
    experiment="test",
    seed=3,
    outer_steps=6,
    wall_s=2.5,
    diverged_lives=2,
    rows={"discovered": TRAINED, "plain": PLAIN_ROW, "nearest_neighbour": REFERENCE},
    scores=[SCORE],
    gap_closed=GapClosed("feedback_alignment", None, None, {"discovered": "not trained"}),
    halving=Halving(
        1e-3, 16, {"loss": 1.0}, {"loss": 2.0}, ["loss"], [], {"loss": (0.5, 1.5), "spikes_e": None}
    ),
    rule=RuleCard("polynomial", "synapse", "delta_w = post", {"rule": {"post": 1.0}}),
)
OLDEST = {  # every key of the first version, and no other
    "schema": "metaplast.summary/1",
    "experiment": "test",
    "seed": 0,
    "outer_steps": 2,
    "wall_s": 1,
    "diverged_lives": 0,
    "rows": {
        "discovered": {
            "reach": "synapse",
            "feedback": "random",
            "reads": ["post.error"],
            "learned": 2,
            "wall_s": 1.0,
            "note": "",
        }
    },
    "scores": [
        {
            "name": "discovered",
            "split": "heldout",
            "metric": "loss",
            "mean": None,
            "ci95": [None, None],
            "n": 8,
            "minus_discovered": {"mean": None, "ci95": [None, None]},
        }
    ],
    "gap_closed": None,
}


def test_the_keys_of_summary_json_and_their_order():
    plain = json.loads(json.dumps(to_json(SUMMARY), allow_nan=False))
    head = ["schema", "experiment", "seed", "outer_steps", "wall_s", "diverged_lives", "rows"]
    assert list(plain) == [*head, "scores", "gap_closed", "halving", "rule"]
    facts = ["reach", "feedback", "reads", "learned", "at_bound", "units", "faults"]
    trained = plain["rows"]["discovered"]
    facts += ["spiking", "output", "search"]
    assert list(trained) == [*facts, "wall_s", "note", "contains", "verdict", "budget", "from"]
    assert trained["from"] == "plain"
    record = ["diverged_lives", "falls", "fell_at", "step_scale", "chosen_step"]
    assert list(trained["search"]) == record
    verdict = ["state", "metric", "split", "against", "difference", "interval", "do"]
    assert list(trained["verdict"]) == verdict
    assert plain["rows"]["plain"]["search"] == {}
    assert plain["rows"]["plain"]["verdict"] is None
    assert plain["rows"]["nearest_neighbour"] == {
        "kind": "reference",
        "reach": "-",
        "feedback": "none",
        "reads": [],
        "learned": "-",
        "chosen": {"k": 3},
        "wall_s": 0.5,
        "note": "reference: neighbours",
    }
    assert plain["scores"] == [
        {
            "name": "discovered",
            "split": "heldout",
            "metric": "loss",
            "mean": 0.5,
            "ci95": [0.25, None],
            "n": 8,
            "not_finite": 0,
            "minus_discovered": {"mean": 0.0, "ci95": [0.0, 0.0]},
        }
    ]
    assert plain["gap_closed"] == {
        "from": "feedback_alignment",
        "to": None,
        "share": None,
        "withheld": {"discovered": "not trained"},
    }
    halving = ["dt", "lives", "before", "after", "changed", "untold", "interval"]
    assert list(plain["halving"]) == halving
    assert list(plain["rule"]) == ["form", "reach", "formula", "terms"]


def test_a_summary_reads_back_as_it_was():
    plain = json.loads(json.dumps(to_json(SUMMARY)))
    assert from_json(plain, "summary.json") == SUMMARY
    assert json.dumps(to_json(from_json(plain, "summary.json"))) == json.dumps(plain)


def test_what_is_not_known_is_left_out():
    bare = RunSummary(
        experiment="",
        seed=0,
        outer_steps=1,
        wall_s=0.1,
        diverged_lives=0,
        rows={"discovered": PLAIN_ROW},
        scores=[SCORE],
        gap_closed=GapClosed("feedback_alignment", "backprop", 0.5),
    )
    plain = to_json(bare)
    assert "halving" not in plain
    assert "rule" not in plain
    assert "withheld" not in plain["gap_closed"]
    counted = RunSummary("", 0, 1, 0.1, 0, {}, [], halving=NotHalved(1.0, "digits"))
    assert to_json(counted)["halving"] == {"dt": 1.0, "task": "digits"}
    assert from_json(to_json(counted), "summary.json") == counted


def test_a_file_of_the_first_version_reads():
    summary = from_json(OLDEST, "summary.json")
    row = summary.trained_rows["discovered"]
    assert (row.learned, row.wall_s, row.verdict, row.search) == (2, 1.0, None, None)
    assert summary.scores[0].mean is None
    assert (summary.gap_closed, summary.halving, summary.rule) == (None, None, None)


def test_keys_that_a_later_version_may_add_do_no_harm():
    assert from_json({**to_json(SUMMARY), "weather": "fine"}, "summary.json") == SUMMARY


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "metaplast.summary/2"}, r"summary\.json of another schema - expected"),
        ({"seed": "three"}, r"summary\.json: seed - expected"),
        ({"rows": {"discovered": {}}}, r"summary\.json: rows\.discovered"),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_line(change, words):
    with pytest.raises(BadInput, match=words) as refused:
        from_json({**to_json(SUMMARY), **change}, "summary.json")
    assert "\n" not in str(refused.value)


def _runs(units: dict[str, float], spiking: list[str], n_dead: tuple[int, ...]) -> list[RunSummary]:
    """A run of one row for every number of dead lives, of 8."""
    row = TrainedRow("synapse", "none", [], 1, units=units, spiking=spiking, output="out")
    runs = []
    for n in n_dead:
        rows: dict[str, Row] = {"discovered": replace(row, faults={"dead": n})}
        runs.append(RunSummary("x", 0, 1, 0.0, 0, rows, [SCORE]))
    return runs


def test_a_row_whose_spiking_cells_are_silent_in_every_life_of_every_run_is_dead() -> None:
    runs = _runs({"silent_e": 1.0, "silent_out": 0.0}, ["e"], (8, 8, 7))
    of_two = row_words.over_runs(runs[:2])["discovered"]
    assert of_two.dead == ["e"] and not of_two.silent
    assert table.marked("discovered", of_two) == "discovered (dead)"
    assert not row_words.over_runs(runs)["discovered"].dead


@pytest.mark.parametrize(
    ("units", "spiking", "dead", "silent"),
    [
        ({"silent_e": 0.5, "silent_inh": 1.0}, ["e", "inh"], [], ["inh"]),
        ({"silent_e": 1.0, "silent_inh": 1.0}, ["e", "inh"], ["e", "inh"], []),
        ({"silent_e": 0.5, "silent_out": 1.0}, ["e", "out"], ["out"], []),
        ({"silent_hidden": 1.0, "silent_out": 1.0}, [], [], []),
    ],
)
def test_a_silent_population_voids_a_row_only_where_nothing_else_is_heard(
    units, spiking, dead, silent
) -> None:
    facts = row_words.over_runs(_runs(units, spiking, (8,)))["discovered"]
    assert (list(facts.dead), list(facts.silent)) == (dead, silent)


def test_first_weights_that_leave_cells_silent_are_made_larger() -> None:
    words = ("experiment=inhibition", "rows={}")
    config = parse(compose(words, Sources()), check=False).main
    assert row_words.louder(config) == "network.gain=10"


@pytest.mark.parametrize("gain", [None, (0.5, 0.5), "0.5", 0.0])
def test_a_network_whose_gain_is_no_number_is_not_made_louder(gain) -> None:
    config = cast(Config, SimpleNamespace(network=SimpleNamespace(gain=gain)))
    assert row_words.louder(config) == ""


@pytest.mark.parametrize(
    ("experiment", "names"), [("inhibition", ["i", "e"]), ("spiking", ["hidden_1"]), ("digits", [])]
)
def test_spiking_cells_are_known_without_inputs_and_graded_units(experiment, names) -> None:
    words = (f"experiment={experiment}", "rows={}")
    config = parse(compose(words, Sources()), check=False).main
    assert _spiking(config.meta_problem().lifetime.wiring()) == names
