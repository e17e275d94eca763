"""What residuals ask for, on residuals made by hand; and the words of a verdict."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metaplast.fitting.advice import advice
from metaplast.fitting.verdict import verdict
from metaplast.genomes.direct import Direct
from metaplast.genomes.per_subject import PerSubject
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid

N_SESSIONS, N_STEPS, N_IN = 6, 200, 3


def _lifetime(likelihood: Any = None, **network: Any) -> Any:
    task = SimpleNamespace(parts=lambda: (likelihood or Gaussian()).parts(1))
    genome = network.pop("genome", Direct())
    return SimpleNamespace(task=task, network=Feedforward(hidden=(), **network), genome=genome)


@dataclass(frozen=True)
class Recording:
    """The fields of a session that advice reads."""

    target: np.ndarray
    observed: np.ndarray
    stimulus: np.ndarray
    subject: np.ndarray


def _sessions(target: np.ndarray, stimulus: np.ndarray) -> Any:
    return Recording(target, np.ones(target.shape), stimulus, np.arange(len(target)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _advised(
    lifetime: Any, expected: np.ndarray, target: np.ndarray, stimulus: np.ndarray
) -> dict[str, float]:
    found = advice(lifetime, expected[..., None], _sessions(target[..., None], stimulus))
    return {one.change: one.share for one in found}


def test_noise_asks_for_nothing(rng):
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = expected + rng.normal(size=expected.shape)
    assert _advised(_lifetime(), expected, target, stimulus) == {}


def test_an_offset_asks_for_a_constant_input(rng):
    """c^2 / (c^2 + sd^2) of the residual variance, for an offset c and noise of standard deviation
    sd.
    """
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = expected + 0.5 + rng.normal(size=expected.shape)
    found = _advised(_lifetime(), expected, target, stimulus)
    assert list(found) == ["constant"]
    assert found["constant"] == pytest.approx(0.25 / 1.25, abs=0.05)
    assert _advised(_lifetime(bias=True), expected, target, stimulus) == {}
    steady = np.concatenate([stimulus, np.ones((N_SESSIONS, N_STEPS, 1))], axis=2)
    assert _advised(_lifetime(), expected, target, steady) == {}


def test_an_offset_that_the_weights_took_over_is_seen_too(rng):
    """Inputs between 0 and 1: the weights make up for most of it, and the mean is a tenth of the
    mean square.
    """
    stimulus = rng.random((N_SESSIONS, N_STEPS, N_IN))
    target = stimulus @ [1.0, -1.0, 0.5] - 2.0 + 0.1 * rng.normal(size=stimulus.shape[:2])
    flat = stimulus.reshape(-1, N_IN)
    expected = stimulus @ np.linalg.lstsq(flat, target.reshape(-1), rcond=None)[0]
    left = target - expected
    assert left.mean() ** 2 < 0.15 * (left**2).mean()
    found = _advised(_lifetime(), expected, target, stimulus)
    assert max(found, key=lambda change: found[change]) == "constant"
    assert found["constant"] > 0.9


def test_values_that_level_off_ask_for_a_bounded_output(rng):
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = np.tanh(1.5 * expected) + 0.05 * rng.normal(size=expected.shape)
    scale = float((expected * target).sum() / (expected**2).sum())
    assert "bounded" in _advised(_lifetime(), scale * expected, target, stimulus)
    assert "bounded" not in _advised(
        _lifetime(output=Sigmoid()), scale * expected, target, stimulus
    )


def test_subjects_that_begin_apart_ask_for_first_weights_of_their_own(rng):
    """Weights of every subject's own, w + v_s: the shared ones leave |v_s|^2 of the variance and
    the noise.
    """
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    own = rng.normal(size=(N_SESSIONS, N_IN))
    own -= own.mean(axis=0)
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = (
        expected + np.einsum("sti,si->st", stimulus, own) + 0.5 * rng.normal(size=expected.shape)
    )
    found = _advised(_lifetime(), expected, target, stimulus)
    assert list(found) == ["first_weights"]
    left = (own**2).sum(axis=1).mean()
    assert found["first_weights"] == pytest.approx(left / (left + 0.25), abs=0.1)
    assert (
        _advised(_lifetime(genome=PerSubject(n_subjects=N_SESSIONS)), expected, target, stimulus)
        == {}
    )


def test_choices_that_follow_the_model_ask_for_nothing(rng):
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    drive = stimulus @ [1.0, -1.0, 0.5]
    target = (rng.random(drive.shape) < 1 / (1 + np.exp(-drive))).astype(float)
    assert _advised(_lifetime(Bernoulli()), drive, target, stimulus) == {}
    more = (rng.random(drive.shape) < 1 / (1 + np.exp(-drive - 1.5))).astype(float)
    assert list(_advised(_lifetime(Bernoulli()), drive, more, stimulus)) == ["constant"]


def _told(low: float, high: float, **changes: Any) -> dict[str, Any]:
    explained = {"mean": 0.5, "ci95": [0.4, 0.6], "n": 3}
    hardest = {"mean": (low + high) / 2, "ci95": [low, high], "n": 3}
    row = {
        "explained": {"mean": explained, "glm_history": hardest},
        "minus_discovered": {"mean": 0.0, "ci95": [0.0, 0.0], "n": 3},
        "numbers": {"pre": 1.0, "post": -0.2},
        "stable": True,
        "starts": {"n": 3, "same": 3, "spread": 0.01},
        "splits": {"heldout": {"deviance": 10.0}},
    }
    return {
        "nulls": {
            "mean": {"heldout": {"deviance": 20.0}},
            "glm_history": {"heldout": {"deviance": 12.0}},
        },
        "data": {"heldout_by": "subjects"},
        "rows": {"discovered": {**row, **changes}},
        "bootstrap": {"ci95": {"pre": [0.9, 1.1], "post": [-0.5, 0.1]}},
        "recover": None,
    }


@pytest.mark.parametrize(
    ("low", "high", "begins"),
    [
        (0.1, 0.3, "Found: the rule explains 0.200 of the deviance that glm_history leaves"),
        (-0.1, 0.3, "Not settled: over 3 held out, the rule is not told apart from glm_history."),
        (-0.3, -0.1, "Not found: the rule is worse than glm_history."),
        (-0.3, 0.1, "Not found: the rule is no better than glm_history."),
    ],
)
def test_a_verdict_is_about_the_hardest_null(low, high, begins):
    assert verdict(_told(low, high), "discovered")[0].startswith(begins)


def test_a_verdict_counts_the_numbers_that_are_settled():
    assert verdict(_told(0.1, 0.3), "discovered")[1].startswith("1 of its 2 numbers")
    alone = verdict(_told(0.1, 0.3, numbers={"pre": 1.0}), "discovered")
    assert alone[1] == "Its one number, of pre, has an interval that leaves out 0."
    moving = verdict(_told(0.1, 0.3, stable=False), "discovered")
    assert moving[1] == "Its numbers are not settled: they were still moving when the search ended."
    assert moving[-1].startswith("Next: raise outer.steps")


def test_a_verdict_names_the_family_that_is_better():
    told = _told(0.1, 0.3)
    told["rows"]["other"] = {
        **told["rows"]["discovered"],
        "minus_discovered": {"mean": 0.1, "ci95": [0.05, 0.2], "n": 3},
    }
    assert "other explains 0.100 more" in " ".join(verdict(told, "discovered"))


def test_a_verdict_ends_with_the_advice():
    told = {**_told(-0.3, -0.1), "advice": [{"words": "A constant input would explain 72 %."}]}
    assert verdict(told, "discovered")[-1] == "Next: A constant input would explain 72 %."


def test_numbers_that_the_data_leave_open_are_not_settled():
    told = {
        **_told(0.1, 0.3),
        "intervals": {"open": [{"pre": 0.7, "pre^2": -0.7}], "separated": []},
    }
    said = verdict(told, "discovered")
    assert said[1] == "Its numbers are not settled: the data do not settle pre, pre^2."
    assert said[-1].startswith("Next: hold or drop what is not settled")


def test_numbers_that_the_data_leave_at_nothing_are_not_settled_either():
    """Where the gate never opens every number stays 0, and the rule has none to show."""
    told = {**_told(0.1, 0.3, numbers={}), "intervals": {"open": [{"pre": 1.0}], "separated": []}}
    assert (
        verdict(told, "discovered")[1] == "Its numbers are not settled: the data do not settle pre."
    )


def test_a_verdict_counts_the_warnings_of_its_data():
    told = {**_told(0.1, 0.3), "reading": {"warnings": ["44 % of the rows have no choice"]}}
    assert (
        verdict(told, "discovered")[-2]
        == "It holds if the data were read as you mean them: 1 warning, told below."
    )
    sound = {**told, "reading": {"warnings": []}}
    assert not [line for line in verdict(sound, "discovered") if line.startswith("It holds")]


def test_numbers_of_one_subject_are_not_settled():
    known = {"open": [], "separated": [], "alone": ["pre"], "over": "subjects"}
    said = verdict({**_told(0.1, 0.3), "intervals": known}, "discovered")
    assert said[1] == "Its numbers are not settled: one subject alone settles pre."


def test_numbers_along_which_choices_are_separated_ask_for_other_choices():
    told = {**_told(0.1, 0.3), "intervals": {"open": [], "separated": ["pre"]}}
    assert verdict(told, "discovered")[-1].startswith("Next: record choices that differ")


def test_a_rule_is_found_only_where_every_null_is_told_apart():
    told = _told(0.1, 0.3)
    told["rows"]["discovered"]["explained"]["mean"] = {"mean": 0.5, "ci95": [-0.4, 1.4], "n": 3}
    said = verdict(told, "discovered")[0]
    assert said.startswith(
        "Not settled: over 3 held out, the rule is not told apart from mean. It explains 0.200"
    )


@pytest.mark.parametrize(
    ("rule", "null", "said"),
    [
        (None, 20.0, "Not found: the fitted network diverges on held-out data."),
        (0.0, 0.0, "Not judged: mean predicts all that was held out without fault"),
        (1.0, None, "Not judged: the null model mean diverges on held-out data."),
    ],
)
def test_a_share_of_nothing_is_no_divergence(rule: float | None, null: float | None, said: str):
    """Weights that never change leave no null model anything to explain."""
    told = _told(0.1, 0.3, splits={"heldout": {"deviance": rule}})
    told["rows"]["discovered"]["explained"]["mean"] = {"mean": None, "ci95": [None, None], "n": 0}
    told["nulls"]["mean"]["heldout"]["deviance"] = null
    assert verdict(told, "discovered")[0].startswith(said)


def test_an_interval_that_is_too_wide_asks_for_more_subjects():
    assert "task.held.subjects" in verdict(_told(-0.1, 0.3), "discovered")[-1]
