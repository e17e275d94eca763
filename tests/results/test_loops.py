"""The comparison of outer loops, against numbers worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from metaplast.results import loops
from metaplast.results.loop_comparison import (
    ContestSettings,
    LoopComparison,
    LoopTraining,
    LoopTrainings,
    ScoredMark,
    SeedTraining,
    training_from_json,
    training_to_json,
)

T4 = 4.302653  # 97.5 % point of Student's t with 2 degrees of freedom
SETTINGS = ContestSettings(
    seeds=3, lives=8.0, cpu_s=0.0, tries=1, factor=10.0, fixed=["anneal"], points=2
)
END = ScoredMark(steps=7, lives=8.0, cpu_s=1.0, loss=1.0, not_finite=0, n=16)


def _training(loss: float, moved: bool = True, not_finite: int = 0) -> LoopTraining:
    end = replace(END, loss=loss, not_finite=not_finite)
    return LoopTraining(
        hyper={"rate": 0.1},
        steps=8,
        lives=9.0,
        cpu_s=1.5,
        diverged=1,
        skipped=0,
        moved=moved,
        curve={"lives": [replace(end, loss=2 * loss, not_finite=0), end]},
        heldout={"lives": end},
    )


def _record(name: str, losses: list[float], blown: list[int]) -> loops.LoopRecord:
    """A loop of three seeds with one budget; `blown`: the seeds that lost a life."""
    runs = []
    for seed, loss in enumerate(losses):
        training = _training(loss, name != "still", int(seed in blown))
        runs.append(SeedTraining(seed, training))
    trainings = LoopTrainings([runs[0].training], {"lives": 0}, {"lives": runs})
    return loops.LoopRecord({"name": name}, "", trainings)


def _compared(
    losses: dict[str, list[float]], blown: dict[str, list[int]] | None = None
) -> LoopComparison:
    records = {}
    for name, values in losses.items():
        records[name] = _record(name, values, (blown or {}).get(name, []))
    return loops.compared(loops.Experiment("test", 0, SETTINGS), records, ["lives"])


def test_positive_losses_are_compared_by_paired_ratios():
    comparison = _compared({"a": [1.0, 2.0, 4.0], "b": [2.0, 4.0, 16.0]})
    assert (comparison.best, comparison.scale) == ({"lives": "a"}, "ratio")
    first = comparison.entered["a"]
    score = comparison.entered["b"].scores["lives"]
    logs = np.log([2.0, 2.0, 4.0])
    half = T4 * logs.std(ddof=1) / math.sqrt(3)
    assert score.to_best is not None
    assert score.to_best.mean == pytest.approx(math.exp(logs.mean()), rel=1e-5)
    ends = [math.exp(logs.mean() - half), math.exp(logs.mean() + half)]
    assert list(score.to_best.ci95) == pytest.approx(ends, rel=1e-5)
    assert score.mean == pytest.approx(128 ** (1 / 3), rel=1e-5)
    assert first.scores["lives"].to_best is not None
    assert first.scores["lives"].to_best.ci95 == (1.0, 1.0)
    assert first.curves["lives"][0].mean == pytest.approx(4.0)
    assert first.cpu_s_per_1000_lives == pytest.approx(1000 / 6)
    assert first.diverged == 3


def test_losses_of_both_signs_are_compared_by_paired_differences():
    comparison = _compared({"a": [-1.0, 0.0, 1.0], "b": [0.0, 1.0, 3.0]})
    gap = comparison.entered["b"].scores["lives"].to_best
    assert comparison.scale == "difference"
    assert gap is not None
    assert gap.mean == pytest.approx(4 / 3, rel=1e-5)
    half = T4 * math.sqrt(1 / 3) / math.sqrt(3)
    assert list(gap.ci95) == pytest.approx([4 / 3 - half, 4 / 3 + half], rel=1e-4)
    assert "minus a" in loops.render(comparison)


def test_a_loop_of_which_a_life_blew_up_ranks_last_and_has_no_mean():
    comparison = _compared({"a": [1.0, 1.0, 1.0], "b": [0.1, 0.1, 0.1]}, blown={"b": [2]})
    score = comparison.entered["b"].scores["lives"]
    assert (comparison.best["lives"], score.mean, score.not_finite) == ("a", None, 1)
    assert score.values == [0.1, 0.1, None]
    lines = loops.render(comparison).splitlines()
    assert lines[3].startswith("b ")
    assert "not finite" in lines[3]


def test_where_nobody_is_finite_nobody_is_best():
    losses = {"a": [1.0, 1.0, 1.0], "b": [2.0, 2.0, 2.0]}
    comparison = _compared(losses, blown={"a": [0, 1, 2], "b": [0, 1, 2]})
    assert comparison.best == {"lives": None}
    assert comparison.entered["a"].scores["lives"].to_best is None
    assert "nobody is finite" in loops.render(comparison)
    # One seed of a is finite, none of b.
    assert _compared(losses, blown={"a": [1, 2], "b": [0, 1, 2]}).best == {"lives": None}


def test_a_theta_that_never_moved_is_said_to_stand_still():
    text = loops.render(_compared({"a": [1.0, 1.0, 1.0], "still": [2.0, 2.0, 2.0]}))
    assert text.count("theta never moved") == 1


def test_the_setting_with_the_lowest_finite_loss_is_chosen():
    tries = []
    for loss, not_finite in ((0.5, 0), (math.nan, 4), (0.1, 1), (0.4, 0)):
        tries.append(_training(loss, not_finite=not_finite))
    assert loops.best_try(tries, "lives") == 3
    assert loops.best_try(tries[1:3], "lives") == 0


def test_a_training_reads_back_with_null_where_no_life_was_finite():
    training = _training(math.nan, not_finite=16)
    plain = training_to_json(training)
    assert plain["heldout"]["lives"]["loss"] is None
    assert "accuracy" not in plain["heldout"]["lives"]
    again = training_from_json(plain, "test")
    assert math.isnan(again.heldout["lives"].loss)
    assert again.heldout["lives"].accuracy is None
    assert training_to_json(again) == plain
    plain["heldout"]["lives"]["accuracy"] = None
    unknown = training_from_json(plain, "test").heldout["lives"].accuracy
    assert unknown is not None and math.isnan(unknown)
