"""A teacher's spike trains, and the distance to them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inner_tasks.spike_train_teacher import SpikeTrainTeacher
from metaplast.signals import neuron_view

DT = 1e-3


def _lived(family: Any, answer: Any) -> tuple[Any, np.ndarray]:
    """Outcomes of a life, and the teacher's spikes, where the student sends answer(t, teacher)."""
    task = family.sample(jax.random.key(0), "train")
    key = jax.random.key(1)
    n_out = family.n_out

    def step(state: Any, _: None) -> Any:
        blank = neuron_view(*[jnp.zeros(n_out)] * 3)
        teacher = family.step(task, state, blank, key, DT)[1].feedback.target
        sent = answer(state.t, teacher)
        view = neuron_view(sent, jnp.zeros(n_out), jnp.ones(n_out))
        after, outcome = family.step(task, state, view, key, DT)
        return after, (outcome, teacher)

    n_steps = family.shape().n_steps
    _, (outcomes, spikes) = jax.lax.scan(step, family.begin(task, key, DT), None, n_steps)
    return outcomes, np.asarray(spikes)


def test_teachers_fire_at_rates_of_cortex_and_their_own_trains_cost_nothing():
    outcomes, spikes = _lived(SpikeTrainTeacher(n_out=20), lambda t, teacher: teacher)
    assert 2.0 < spikes.mean() / DT < 40.0
    assert not np.any(outcomes.score.loss)


def test_the_loss_is_the_distance_of_van_rossum():
    family = SpikeTrainTeacher(n_out=3)
    quiet = SpikeTrainTeacher(n_out=3, weight_sd=0.0)

    def one_spike(t: Any, teacher: Any) -> Any:
        return (t == 100).astype(float) * jnp.asarray([1.0, 0.0, 0.0])

    outcomes, spikes = _lived(quiet, one_spike)
    assert not spikes.any()
    distance = DT / quiet.tau * float(outcomes.score.loss.sum()) * 3
    lost = DT / quiet.tau / -np.expm1(-2 * DT / quiet.tau)  # 1/2 as dt -> 0
    np.testing.assert_allclose(distance, lost, rtol=1e-5)

    outcomes, spikes = _lived(family, lambda t, teacher: jnp.zeros(3))
    kernel = np.exp(-np.arange(len(spikes)) * DT / family.tau)
    filtered = [np.convolve(spikes[:, j], kernel)[: len(spikes)] for j in range(3)]
    expected = np.mean(np.square(filtered), axis=0)
    np.testing.assert_allclose(outcomes.score.loss, expected, rtol=1e-4, atol=1e-6)


def test_inputs_are_spikes_of_the_given_probability():
    family = SpikeTrainTeacher()
    inputs = np.asarray(family.sample(jax.random.key(0), "train").inputs)
    assert set(np.unique(inputs)) == {0.0, 1.0}
    p = family.spike_probability
    assert abs(inputs.mean() - p) < 4 * np.sqrt(p / inputs.size)
