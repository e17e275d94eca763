"""The words, tables and numbers on a distilled rule."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaplast.figures.distillation import formula, in_task, part
from metaplast.inspection.distillation import Distillation, Entry, InTask
from metaplast.results.statistics import Estimate

VALUES = np.linspace(-1, 1, 50)
ENTRY = Entry(
    edges=("input_to_output",),
    terms=("post*pre", "weight", "1"),
    coefficients=np.array([0.1, -0.02, 0.5]),
    low=np.array([0.09, -0.03, 0.4]),
    high=np.array([0.11, -0.01, 0.6]),
    taus=None,
    library=("1", "pre", "post", "weight", "post*pre"),
    same=(),
    unnamed=(),
    state=(),
    per_synapse=False,
    fitted=0.97,
    heldout=Estimate(0.96, 0.95, 0.97, 16),
    shrinks=(1.0, 1.0),
    n_samples=1000,
    n_lives=16,
    actual=VALUES,
    distilled=0.9 * VALUES,
)
LIKE = InTask(
    Estimate(1.0, 0.9, 1.1, 64), Estimate(1.1, 1.0, 1.2, 64), Estimate(-0.1, -0.2, 0, 64), 0
)


def found(entry: Entry, compared: InTask | None = LIKE) -> Distillation:
    nothing: Any = None
    return Distillation({"rule": entry}, nothing, {}, compared, {}, {})


def words(entry: Entry, folder: Path, compared: InTask | None = LIKE) -> str:
    return " ".join(part(found(entry, compared), "loss", folder).section.paragraphs)


def test_a_rule_that_fits_is_said_to_with_its_numbers(tmp_path: Path) -> None:
    made = part(found(ENTRY), "loss", tmp_path)
    text = " ".join(made.section.paragraphs)
    assert "3 of 5 terms explain 0.960 [0.950, 0.970]" in text
    assert "16 held-out lives" in text
    assert "does not fit" not in text
    assert made.section.formulas == ["delta_w[rule] ~ 0.1*post*pre - 0.02*weight + 0.5"]
    assert made.section.tables[0].rows[1] == ("weight", "-0.02", "[-0.03, -0.01]")
    assert made.section.figures[0].path.is_file()
    assert json.loads(json.dumps(made.numbers, allow_nan=False))["entries"]["rule"]["fits"]


def test_a_rule_that_does_not_fit_is_said_so(tmp_path: Path) -> None:
    poor = replace(ENTRY, heldout=Estimate(0.6, 0.5, 0.7, 16))
    assert "does not fit into these terms" in words(poor, tmp_path)
    assert not part(found(poor), "loss", tmp_path).numbers["entries"]["rule"]["fits"]


def test_what_no_term_can_hold_is_told(tmp_path: Path) -> None:
    stateful = replace(ENTRY, state=("confidence",), shrinks=(1.2, 0.7), unnamed=("`key`",))
    text = words(stateful, tmp_path)
    assert "state (confidence)" in text
    assert "1.2 in the first fifth" in text
    assert "0.7 in the last" in text
    assert "reads `key`, which no term can name" in text
    assert "for every synapse" not in text
    assert "for every synapse" in words(replace(ENTRY, per_synapse=True), tmp_path)
    alike = replace(ENTRY, same=tuple(f"pre^{k}" for k in range(1, 11)))
    assert "and 2 more" in words(alike, tmp_path)
    nearly = replace(ENTRY, heldout=Estimate(1 - 1e-6, 1 - 2e-6, 1 - 5e-7, 16))
    assert "all but 1e-06 [5e-07, 2e-06]" in words(nearly, tmp_path)


def test_numbers_that_are_not_finite_are_shown(tmp_path: Path) -> None:
    still = replace(
        ENTRY,
        terms=(),
        coefficients=np.zeros(0),
        low=np.zeros(0),
        high=np.zeros(0),
        heldout=Estimate(math.nan, math.nan, math.nan, 16),
        shrinks=(math.nan, math.nan),
        actual=np.zeros(5),
        distilled=np.zeros(5),
    )
    made = part(found(still, None), "loss", tmp_path)
    assert "changes nothing" in " ".join(made.section.paragraphs)
    assert made.section.formulas == ["delta_w[rule] ~ 0"]
    assert made.section.tables == []
    numbers = json.loads(json.dumps(made.numbers, allow_nan=False))
    assert numbers["in_task"] is None
    assert numbers["entries"]["rule"]["explained_heldout"]["mean"] is None


def test_time_constants_stand_in_the_formula() -> None:
    traces = replace(
        ENTRY, terms=("post*pre_trace",), coefficients=np.array([-0.01]), taus=(0.02, 0.04)
    )
    assert formula("rule", traces).startswith("delta_w[rule] ~ -0.01*post*pre_trace")
    assert "pre_trace 0.02 s, of post_trace 0.04 s" in formula("rule", traces)


@pytest.mark.parametrize(
    ("better", "verdict"),
    [
        (Estimate(-0.1, -0.2, -0.05, 64), "is worse"),
        (Estimate(0.1, 0.05, 0.2, 64), "is better"),
        (Estimate(0.1, -0.05, 0.2, 64), "no difference is seen"),
    ],
)
def test_the_comparison_in_the_task_follows_the_interval(better: Estimate, verdict: str) -> None:
    text = in_task(LIKE._replace(better=better, not_finite=3), "loss")
    assert verdict in text
    assert "3 lives are not finite" in text
    nothing = Estimate(math.nan, math.nan, math.nan, 0)
    assert "no finite loss" in in_task(InTask(nothing, nothing, nothing, 9), "loss")
