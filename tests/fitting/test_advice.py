"""The advice on residuals that were made by hand."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from metaplast.fitting.advice import advice
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
class Sessions:
    """The fields of sessions that advice reads."""

    target: np.ndarray
    observed: np.ndarray
    stimulus: np.ndarray
    subject: np.ndarray


def _sessions(target: np.ndarray, stimulus: np.ndarray) -> Any:
    return Sessions(target, np.ones(target.shape), stimulus, np.arange(len(target)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _advised(
    lifetime: Any, expected: np.ndarray, target: np.ndarray, stimulus: np.ndarray
) -> dict[str, float]:
    changes = advice(lifetime, expected[..., None], _sessions(target[..., None], stimulus))
    return {one.change: one.share for one in changes}


def test_noise_asks_for_nothing(rng):
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = expected + rng.normal(size=expected.shape)
    assert _advised(_lifetime(), expected, target, stimulus) == {}


def test_an_offset_asks_for_a_constant_input(rng):
    """A constant explains c^2 / (c^2 + sd^2) of the residual variance.

    c: the offset.
    sd: the standard deviation of the noise.
    """
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = expected + 0.5 + rng.normal(size=expected.shape)
    shares = _advised(_lifetime(), expected, target, stimulus)
    assert list(shares) == ["constant"]
    assert shares["constant"] == pytest.approx(0.25 / 1.25, abs=0.05)
    assert _advised(_lifetime(bias=True), expected, target, stimulus) == {}
    steady = np.concatenate([stimulus, np.ones((N_SESSIONS, N_STEPS, 1))], axis=2)
    assert _advised(_lifetime(), expected, target, steady) == {}


def test_an_offset_that_the_weights_took_over_is_seen_too(rng):
    """With inputs between 0 and 1 the weights make up for most of an offset.

    The mean of the residuals is then a tenth of their mean square.
    """
    stimulus = rng.random((N_SESSIONS, N_STEPS, N_IN))
    target = stimulus @ [1.0, -1.0, 0.5] - 2.0 + 0.1 * rng.normal(size=stimulus.shape[:2])
    flat = stimulus.reshape(-1, N_IN)
    expected = stimulus @ np.linalg.lstsq(flat, target.reshape(-1), rcond=None)[0]
    left = target - expected
    assert left.mean() ** 2 < 0.15 * (left**2).mean()
    shares = _advised(_lifetime(), expected, target, stimulus)
    assert max(shares, key=lambda change: shares[change]) == "constant"
    assert shares["constant"] > 0.9


def test_values_that_level_off_ask_for_a_bounded_output(rng):
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = np.tanh(1.5 * expected) + 0.05 * rng.normal(size=expected.shape)
    scale = float((expected * target).sum() / (expected**2).sum())
    assert "bounded" in _advised(_lifetime(), scale * expected, target, stimulus)
    assert "bounded" not in _advised(
        _lifetime(output=Sigmoid()), scale * expected, target, stimulus
    )


@pytest.mark.parametrize(
    ("slope", "end", "says", "settings"),
    [
        (1.0, 0.0, "say network.output=tanh", ["network.output=tanh"]),
        (0.4, 0.5, "say network.output=sigmoid", ["network.output=sigmoid"]),
        (3.0, 5.0, "more is expected: scale them to 0 to 1 and say network.output=sigmoid", []),
    ],
)
def test_a_bounded_output_is_named_in_words_of_a_config(rng, slope, end, says, settings):
    """A neuron that cannot reach the values asks for other values first, and no word does it."""
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = end + slope * np.tanh(1.5 * expected)
    scale = float((expected * target).sum() / (expected**2).sum())
    sessions = _sessions(target[..., None], stimulus)
    changes = advice(_lifetime(bias=True), end + scale * expected[..., None], sessions)
    (bounded,) = [one for one in changes if one.change == "bounded"]
    assert bounded.words.endswith(f"{says}.")
    assert bounded.settings == settings


def test_subjects_that_begin_apart_ask_for_first_weights_of_their_own(rng):
    """Subject s has the weights w + v_s: shared weights leave |v_s|^2 and the noise."""
    stimulus = rng.normal(size=(N_SESSIONS, N_STEPS, N_IN))
    beyond = rng.normal(size=(N_SESSIONS, N_IN))
    beyond -= beyond.mean(axis=0)
    expected = stimulus @ [1.0, -1.0, 0.5]
    target = (
        expected + np.einsum("sti,si->st", stimulus, beyond) + 0.5 * rng.normal(size=expected.shape)
    )
    shares = _advised(_lifetime(), expected, target, stimulus)
    assert list(shares) == ["first_weights"]
    left = (beyond**2).sum(axis=1).mean()
    assert shares["first_weights"] == pytest.approx(left / (left + 0.25), abs=0.1)
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
