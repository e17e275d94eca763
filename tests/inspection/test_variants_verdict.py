"""The verdict on variants of one search names the best, and those that are not told apart."""

from dataclasses import replace

import numpy as np

from metaplast.inspection.variants_verdict import variants_verdict
from metaplast.inspection.verdict import PageVerdict
from metaplast.results import table
from metaplast.results.summary import TrainedRow, Verdict
from metaplast.results.table import RowFacts

LIVES = np.linspace(0.2, 0.4, 40)
NOISE = np.tile([-0.1, 0.1], 20)
OF_BEST = PageVerdict("alone", "Nothing is shown.", "", "", "", "metaplast train")
TRAINED = RowFacts(
    TrainedRow(
        reach="synapse", feedback="none", reads=[], learned=3, verdict=Verdict("trained", "loss")
    )
)


def judged(values, facts=None, lost=(), unshared=()):
    scores = table.scores(values, "loss", "a=1")
    of_rows = facts or dict.fromkeys(values, TRAINED)
    return variants_verdict(scores, "a=1", of_rows, [0], lost, unshared, OF_BEST)


def test_the_best_is_named_and_the_others_are_worse():
    one = judged({"a=1": [LIVES], "a=2": [LIVES + 0.1]})
    assert one.found.startswith("Of 2 variants, a=1 has the best loss on 40 held-out lives, 0.3 [")
    assert one.found.endswith("; every other one is worse.")
    assert "No variant's search failed." in one.sure
    assert one.doubts.endswith("Of a=1 alone: Nothing is shown.")
    assert one.next_command == "metaplast train"


def test_variants_that_are_level_are_named_with_their_difference():
    one = judged({"a=1": [LIVES], "a=2": [LIVES + NOISE + 0.01], "a=3": [LIVES + 0.1]})
    assert "it is not told apart from a=2 (difference 0.01 [" in one.found
    assert "a=3" not in one.found


def test_what_failed_is_named():
    failed = replace(TRAINED.row, verdict=Verdict("not trained", "loss", against="start"))
    broken = np.where(np.arange(40) == 0, np.nan, LIVES)
    one = judged(
        {"a=1": [LIVES], "a=2": [broken]},
        {"a=1": TRAINED, "a=2": RowFacts(failed)},
        lost=["seed-0-a-3"],
        unshared=["seed-1-a-1"],
    )
    assert "A search failed: a=2 (not trained: it ended below its own start, " in one.sure
    assert "a=2 has no score: 1 lives are not finite." in one.doubts
    assert "Without scores, so left out: seed-0-a-3." in one.doubts
    assert "for another variant has no scores of their seed: seed-1-a-1." in one.doubts
    nothing = judged({"a=1": [broken], "a=2": [broken]})
    assert nothing.found == "Nothing was found: no variant of 2 has a finite score."


def test_a_variant_without_a_score_is_not_called_worse():
    broken = np.where(np.arange(40) == 0, np.nan, LIVES)
    one = judged({"a=1": [LIVES], "a=2": [broken]})
    assert one.found.endswith("; worse than it are 0 of the 1 others.")
    two = judged({"a=1": [LIVES], "a=2": [broken], "a=3": [LIVES + 0.1]})
    assert two.found.endswith("; worse than it are 1 of the 2 others.")
