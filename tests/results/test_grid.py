"""The cells of a grid: how a rule breaks, the table, and the way to JSON and back."""

import json
from dataclasses import replace

import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.results import table
from metaplast.results.changed_world import cell_of_scores
from metaplast.results.grid import (
    NEEDS_PACKAGE,
    NO_WORLD,
    About,
    Grid,
    GridCell,
    counts,
    grid_from_json,
    grid_to_json,
    health,
    lines,
    remarks,
    render,
)
from metaplast.results.summary import TrainedRow
from metaplast.results.table import RowFacts
from metaplast.training.grid_text import grid_text

N = 40
LEARNED = np.linspace(0.8, 0.9, N)
CHANCE = np.linspace(0.4, 0.6, N)


def _lives(accuracy, at_bound=0.0, **idle):
    values = {"accuracy": accuracy, "loss": 1.0 - accuracy, "at_bound": np.full(N, at_bound)}
    for name, share in idle.items():
        values[name] = np.full(N, share)
    return values


def _about(**changes):
    plain = {
        "rule": "zoo/some",
        "sha256": "",
        "base": "",
        "setting": ["experiment=some"],
        "rows": ["tuned", "weak"],
        "searched": 200,
        "budget": 50,
        "lives": N,
    }
    return About(**{**plain, **changes})


def _cell(level, **changes):
    values = {"discovered": [LEARNED], "tuned": [LEARNED - 0.1], "weak": [CHANCE]}
    facts = {}
    for name in values:
        facts[name] = RowFacts(TrainedRow("synapse", "none", [], 3))
    scores = table.scores(values, "accuracy", "discovered")
    fields = {
        "factor": "width",
        "level": level,
        "words": [f"network.hidden=[{level}]"],
        "cell": cell_of_scores([], [0], scores, facts, "discovered"),
        "health": health(_lives(LEARNED), CHANCE, "accuracy"),
    }
    return GridCell(**{**fields, **changes})


def test_a_rule_learns_where_it_is_surely_better_than_its_network_at_birth():
    found = health(_lives(LEARNED), CHANCE, "accuracy")
    assert found.how == "learns"
    assert found.over_birth.mean == pytest.approx(0.35)
    assert found.over_birth.ci95.low > 0.3
    # a smaller loss is better
    assert health(_lives(LEARNED), 1.0 - CHANCE, "loss").over_birth.mean == pytest.approx(0.35)


@pytest.mark.parametrize("accuracy", [CHANCE, CHANCE[::-1], CHANCE - 0.1])
def test_a_rule_that_is_not_surely_better_does_not_learn(accuracy):
    assert health(_lives(accuracy), CHANCE, "accuracy").how == "does not learn"


@pytest.mark.parametrize(
    ("at_bound", "silent", "how"),
    [(0.25, 0.0, "saturates"), (0.0, 0.3, "saturates"), (0.2, 0.2, "does not learn")],
)
def test_it_saturates_where_many_weights_or_units_are_at_their_end(at_bound, silent, how):
    lives = _lives(CHANCE, at_bound, silent_hidden_1=silent)
    assert health(lives, CHANCE, "accuracy").how == how


@pytest.mark.parametrize(
    ("at_start", "at_bound", "how"),
    [(0.6, 0.0, "learns"), (0.8, 0.0, "learns little"), (0.8, 0.3, "saturates")],
)
def test_it_breaks_where_less_than_half_of_its_first_gain_is_left(at_start, at_bound, how):
    """Its gain is 0.35 here."""
    assert health(_lives(LEARNED, at_bound), CHANCE, "accuracy", at_start).how == how


def test_full_weights_do_no_harm_to_a_rule_that_learns():
    found = health(_lives(LEARNED, at_bound=0.9), CHANCE, "accuracy")
    assert (found.how, found.at_bound) == ("learns", 0.9)


def test_one_life_that_is_not_finite_is_a_divergence_and_is_counted():
    lives = _lives(LEARNED)
    lives["loss"] = np.where(np.arange(N) == 3, np.nan, lives["loss"])
    found = health(lives, CHANCE, "accuracy")
    assert (found.how, found.diverged, found.n) == ("diverges", 1, N)


def test_the_table_says_the_best_baseline_and_the_paired_difference():
    refused = _cell("9", cell=None, health=None, refused="too wide", refusal=NO_WORLD)
    grid = Grid(about=_about(), cells=[_cell("5", failed={"tuned": "not trained"}), refused])
    head, first, second = lines(grid, "discovered")
    assert dict(zip(head, first, strict=True)) == {
        "world": "width 5",
        "score": "0.850",
        "95 % interval": "[+0.100, +0.100]",  # of the difference, the second of that name
        "best tuned baseline": "tuned (not trained)",
        "rule better by": "+0.100",
        "over birth": "+0.350",
        "n": str(N),
        "the rule": "learns",
    }
    assert second[-1] == "refused (no such world)"
    text = grid_text(grid)
    assert render(grid, "discovered") in text
    assert "in 50 outer steps; the rule had 200" in text
    assert "width 9: refused (no such world): too wide." in text
    assert "Of 2 worlds: learns in 1, refused (no such world) in 1." in text
    assert counts(grid.cells) == {"learns": 1, "refused (no such world)": 1}


def test_a_refused_cell_of_an_earlier_version_has_no_kind():
    refused = _cell("9", cell=None, health=None, refused="too wide", refusal=NEEDS_PACKAGE)
    plain = grid_to_json(Grid(about=_about(), cells=[_cell("5"), refused]))
    assert plain["cells"][1]["refusal"] == "needs a package"
    for cell in plain["cells"]:
        del cell["refusal"]
    found = grid_from_json(plain, "file")
    assert found.cells[1] == replace(refused, refusal="")
    assert lines(found, "discovered")[2][-1] == "refused"


def test_worlds_with_the_same_note_share_a_line():
    cells = [_cell(level, notes=["images again"]) for level in ("1", "2")]
    grid = Grid(about=_about(), cells=[*cells, _cell("3")])
    assert remarks(grid) == ["width 1, width 2: images again."]


def test_it_comes_back_from_json():
    broken = health(_lives(CHANCE, silent_hidden_1=0.7), CHANCE, "accuracy")
    refused = _cell("9", cell=None, health=None, refused="too wide")
    grid = Grid(about=_about(searched=None), cells=[_cell("5", health=broken), refused])
    plain = json.loads(json.dumps(grid_to_json(grid), allow_nan=False))
    assert grid_from_json(plain, "file") == grid
    with pytest.raises(BadInput, match="another schema"):
        grid_from_json({**plain, "schema": "metaplast.grid/2"}, "file")
