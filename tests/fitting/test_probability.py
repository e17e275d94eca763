"""A rule that reads the probability of a choice, against the same lives in NumPy."""

from typing import Any

import jax
import numpy as np
import pytest
from scipy.special import expit, softmax

from inner_tasks.recordings import Recordings
from metaplast.fitting.predict import activity
from metaplast.fitting.request import request_of
from metaplast.fitting.row_problem import problem_of
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.joint import Joint
from metaplast.runs.config import Sources
from tests._runs import fit_job

N_ANIMALS = 5
N_ROWS = 40
RATE = 0.3
SMALL = ("rows={}", "genome=constant", "rule=polynomial", "rule.learn=none", f"rule.rate={RATE}")


def _lives(n_options: int) -> dict[str, np.ndarray]:
    """Lives of w <- w + RATE x (reward - P).

    P: the probability of choice 1; of several options, of option 1.
    """
    rng = np.random.default_rng(0)
    n_out = 1 if n_options == 2 else n_options
    rows: dict[str, list[Any]] = {
        "stimulus": [],
        "choice": [],
        "reward": [],
        "session": [],
        "eta": [],
    }
    for animal in range(N_ANIMALS):
        w = np.zeros((n_out, 3))
        for _ in range(N_ROWS):
            x = rng.normal(size=3)
            eta = w @ x
            p = softmax(eta)
            if n_out == 1:
                p = np.asarray([1 - expit(eta[0]), expit(eta[0])])
            reward = float(rng.random() < 0.5)
            rows["stimulus"].append(x)
            rows["choice"].append(rng.choice(n_options, p=p))
            rows["reward"].append(reward)
            rows["session"].append(animal)
            rows["eta"].append(eta)
            w = w + RATE * x * (reward - p[1])
    return {name: np.asarray(values) for name, values in rows.items()}


@pytest.mark.parametrize(("n_options", "signal"), [(2, "probability"), (3, "probability_1")])
def test_a_rule_reads_the_probability_of_a_choice(tmp_path, n_options, signal):
    arrays = _lives(n_options)
    eta = arrays.pop("eta")
    np.savez(tmp_path / "a.npz", **arrays)
    terms = f"rule.terms=[modulator.reward*pre, modulator.{signal}*pre]"
    words = (str(tmp_path / "a.npz"), *SMALL, "genome.value=0", terms, "rule.initial=[1.0, -1.0]")
    config = fit_job(request_of(words, (), Sources()).config).main
    lifetime = problem_of(config).lifetime
    sessions = config.task.recorded().sessions
    predicted = activity(lifetime, lifetime.init(jax.random.key(0)), sessions, 0)
    np.testing.assert_allclose(predicted.reshape(eta.shape), eta, rtol=2e-3, atol=2e-3)
    assert f"modulator.{signal[:11]}" in config.task.describe()


def test_a_recorded_signal_of_that_name_goes_before(tmp_path):
    rng = np.random.default_rng(1)
    probability = rng.random(20)
    arrays = {
        "stimulus": rng.normal(size=(20, 2)),
        "choice": rng.integers(0, 2, 20),
        "modulator.probability": probability,
    }
    np.savez(tmp_path / "a.npz", **arrays)
    words = (str(tmp_path / "a.npz"), "rows={}")
    family = fit_job(request_of(words, (), Sources()).config).main.task
    assert isinstance(family, Recordings)
    session = jax.tree.map(lambda x: x[0], family.whole("train"))
    output = type("View", (), {"activity": np.zeros(1)})()
    _, outcome = family.step(session, 3, output, jax.random.key(0), 0.001)
    assert outcome.feedback.modulators["probability"] == pytest.approx(probability[3])


def test_neurons_tell_no_probability_and_a_choice_beside_them_does():
    assert Recordings().channels() == {}
    both = Recordings(target="both", likelihood=Joint())
    assert both.channels() == {"probability": 2}  # after two units
    options = Joint(choices=Categorical(), n_choices=2)
    assert Recordings(target="both", likelihood=options).channels() == {
        "probability_0": 2,
        "probability_1": 3,
    }
