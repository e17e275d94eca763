"""Exact spikes and their exact gradients, against closed forms, NumPy and central differences."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.events.adjoint import adjoint
from metaplast.events.membrane import EventMembrane
from metaplast.events.simulation import simulated
from metaplast.events.spikes import first_spikes, spikes
from metaplast.testing.base import quick_jit
from tests.oracles import event_driven as oracle

CELLS = EventMembrane(tau_m=20e-3, tau_s=5e-3, duration=40e-3, max_events=96)
N_INPUTS, N = 12, 3
RNG = np.random.default_rng(0)
W = np.concatenate([1.3 * RNG.uniform(0.1, 1.0, (N_INPUTS, N)), RNG.normal(0, 0.5, (N, N))])
TIMES = np.sort(RNG.uniform(0.0, 35e-3, 4 * N_INPUTS))
SOURCES = np.tile(np.arange(N_INPUTS, dtype=np.int32), 4)
CONSTANTS = (CELLS.tau_m, CELLS.tau_s, CELLS.threshold, CELLS.duration)


@pytest.fixture(autouse=True)
def _in_double_precision():
    with jax.enable_x64(True):
        yield


def _of_cells(record: Any, n_inputs: int, n: int) -> Any:
    return (record.sources >= n_inputs) & (record.sources < n_inputs + n)


def _sum_of_times(run: Any, w: Any, times: Any) -> Any:
    record = run(CELLS, w, times, SOURCES)
    return jnp.sum(jnp.where(_of_cells(record, N_INPUTS, N), record.times, 0.0))


_RECORD = quick_jit(lambda w: spikes(CELLS, w, TIMES, SOURCES))
_RECORDS = quick_jit(jax.vmap(lambda w: spikes(CELLS, w, TIMES, SOURCES)))
_LOSS = quick_jit(lambda w, times: _sum_of_times(simulated, w, times))
_GRADIENTS = quick_jit(jax.grad(lambda w, times: _sum_of_times(spikes, w, times), (0, 1)))


def _central(f: Any, x: np.ndarray, h: float) -> np.ndarray:
    slopes = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = h
        slopes[at] = (f(x + step) - f(x - step)) / (2 * h)
    return slopes


def test_the_spikes_of_a_recurrent_network_are_those_of_a_bisection():
    record = _RECORD(W)
    events = oracle.run(W, TIMES, SOURCES, *CONSTANTS)
    n = len(events)
    n_own = sum(e.source >= N_INPUTS for e in events)
    assert n_own > 12
    assert {e.source for e in events if e.source >= N_INPUTS} == {12, 13, 14}
    assert not record.full
    np.testing.assert_array_equal(record.sources[:n], [e.source for e in events])
    np.testing.assert_array_equal(record.sources[n:], N_INPUTS + N)
    np.testing.assert_allclose(record.times[:n], [e.time for e in events], rtol=0, atol=1e-15)
    np.testing.assert_allclose(record.excess[:n], [e.slope for e in events], atol=1e-11)


def test_gradients_are_exact():
    """Within 1e-7 of central differences: weights of inputs, of recurrence, times of inputs."""
    of_w, of_times = _GRADIENTS(W, TIMES)
    numeric = _central(lambda w: _LOSS(w, TIMES), W, 1e-6)
    for part in (slice(0, N_INPUTS), slice(N_INPUTS, None)):
        deviation = np.abs(of_w[part] - numeric[part]).max() / np.abs(numeric[part]).max()
        assert deviation < 1e-7
    of_time = _central(lambda times: _LOSS(W, times), TIMES, 1e-8)
    assert np.abs(of_times - of_time).max() < 1e-7 * np.abs(of_time).max()


def test_the_adjoint_is_that_of_plain_numpy_and_of_the_program_itself():
    of_w, of_times = _GRADIENTS(W, TIMES)
    events = oracle.run(W, TIMES, SOURCES, *CONSTANTS)
    direct = np.array([float(e.source >= N_INPUTS) for e in events])
    expected = oracle.gradient(W, events, direct, *CONSTANTS)
    np.testing.assert_allclose(of_w, expected, rtol=1e-9, atol=1e-13)
    through = jax.grad(lambda w, times: _sum_of_times(simulated, w, times), (0, 1))
    np.testing.assert_allclose(of_w, quick_jit(through)(W, TIMES)[0], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(of_times, quick_jit(through)(W, TIMES)[1], rtol=1e-9, atol=1e-11)


def test_the_form_of_fixed_steps_is_not_the_gradient():
    """The control: W^T lambda_I in place of W^T (lambda_V - lambda_I) is off by far."""
    events = oracle.run(W, TIMES, SOURCES, *CONSTANTS)
    direct = np.array([float(e.source >= N_INPUTS) for e in events])
    right = oracle.gradient(W, events, direct, *CONSTANTS)
    wrong = oracle.gradient(W, events, direct, *CONSTANTS, stepped=True)
    assert np.abs(wrong - right).max() > 0.1 * np.abs(right).max()


@pytest.mark.parametrize("seed", range(4))
def test_other_networks_and_time_constants_spike_as_the_bisection_says(seed):
    rng = np.random.default_rng(10 + seed)
    n_inputs, n = int(rng.integers(2, 6)), int(rng.integers(1, 6))
    cells = EventMembrane(
        tau_m=rng.uniform(4e-3, 30e-3),
        tau_s=rng.uniform(4e-3, 30e-3),
        threshold=rng.uniform(0.5, 1.5),
        duration=30e-3,
        max_events=120,
    )
    w = rng.normal(0.4, 2.0, (n_inputs + n, n))
    times, sources = rng.uniform(0.0, 35e-3, 12), rng.integers(0, n_inputs, 12)
    events = oracle.run(
        w, times, sources, cells.tau_m, cells.tau_s, cells.threshold, cells.duration
    )
    record = spikes(cells, w, times, sources)
    assert len(events) < 120
    np.testing.assert_array_equal(record.sources[: len(events)], [e.source for e in events])
    np.testing.assert_allclose(
        record.times[: len(events)], [e.time for e in events], rtol=0, atol=1e-14
    )


def _one_neuron(tau_m: float, tau_s: float) -> Any:
    cell = EventMembrane(tau_m=tau_m, tau_s=tau_s, duration=50e-3, max_events=4)

    def first(w: Any) -> Any:
        weights = jnp.stack([jnp.atleast_1d(w), jnp.zeros(1)])
        record = spikes(cell, weights, jnp.array([3e-3]), jnp.array([0]))
        return first_spikes(record, 1, 1, cell.duration)[0]

    return jax.value_and_grad(first)


def test_one_spike_of_a_slow_membrane_is_a_closed_form():
    """tau_m = 2 tau_s: V = w (x - x^2) with x = exp(-t / tau_m), so x is a root of a quadratic."""
    tau, w = 10e-3, 4.7
    time, slope = _one_neuron(tau, tau / 2)(w)
    root = np.sqrt(1 - 4 / w)
    x = (1 + root) / 2
    np.testing.assert_allclose(time, 3e-3 - tau * np.log(x), rtol=1e-14)
    np.testing.assert_allclose(slope, -tau / x / (w**2 * root), rtol=1e-12)


def test_one_spike_of_equal_time_constants_is_a_closed_form():
    """V = w (t / tau) exp(-t / tau): dt/dw = -t / (w (1 - t / tau))."""
    tau, w = 8e-3, 3.9
    time, slope = _one_neuron(tau, tau)(w)
    t = float(time) - 3e-3
    np.testing.assert_allclose(w * t / tau * np.exp(-t / tau), 1.0, rtol=1e-13)
    assert t < tau
    np.testing.assert_allclose(slope, -t / (w * (1 - t / tau)), rtol=1e-12)


def test_a_spike_moves_the_spikes_behind_it():
    """The last of a chain is as late as the first: d t_last / d w_in = d t_first / d w_in."""
    cells = replace(CELLS, max_events=8)

    def chain(w: Any, which: int) -> Any:
        weights = jnp.zeros((3, 2)).at[0, 0].set(w).at[1, 1].set(9.0)
        record = spikes(cells, weights, jnp.array([1e-3]), jnp.array([0]))
        return first_spikes(record, 1, 2, cells.duration)[which]

    first, last = (jax.grad(chain)(7.5, which) for which in (0, 1))
    assert chain(7.5, 1) < cells.duration
    assert first < -1e-4
    np.testing.assert_allclose(last, first, rtol=1e-12)


def test_inhibition_that_comes_in_time_prevents_a_spike():
    weights = jnp.array([[9.0], [-9.0], [0.0]])
    cells = replace(CELLS, max_events=8)
    sources = jnp.array([0, 1])
    alone = spikes(cells, weights, jnp.array([1e-3, 1.0]), sources)
    first = float(first_spikes(alone, 2, 1, cells.duration)[0])
    for late, expected in ((-1e-9, 0), (1e-9, 1)):
        record = spikes(cells, weights, jnp.array([1e-3, first + late]), sources)
        n_spikes = int(jnp.sum(record.sources == 2))
        if expected:
            assert n_spikes >= 1
        else:
            assert n_spikes == expected or record.times[2] < first + 1e-6


def test_a_full_table_is_counted_and_a_batch_is_a_loop():
    small = replace(CELLS, max_events=20)
    assert spikes(small, W, TIMES, SOURCES).full
    batch = jnp.stack([W, 0.7 * W, 0.1 * W])
    together = _RECORDS(batch)
    gradients = quick_jit(jax.vmap(jax.grad(lambda w: _sum_of_times(spikes, w, TIMES))))(batch)
    for k, w in enumerate(batch):
        alone = _RECORD(w)
        np.testing.assert_array_equal(together.sources[k], alone.sources)
        np.testing.assert_allclose(together.times[k], alone.times, rtol=1e-13)
        np.testing.assert_allclose(gradients[k], _GRADIENTS(w, TIMES)[0], rtol=1e-9, atol=1e-14)


def test_single_precision_keeps_order_and_direction():
    with jax.enable_x64(False):
        w, times = W.astype(np.float32), TIMES.astype(np.float32)
        record = spikes(CELLS, w, times, SOURCES)
        of_w = jax.grad(lambda w: _sum_of_times(spikes, w, times))(w)
    exact = _RECORD(W)
    assert record.times.dtype == np.float32
    np.testing.assert_array_equal(record.sources, exact.sources)
    np.testing.assert_allclose(record.times, exact.times, atol=2e-7)
    expected = np.asarray(_GRADIENTS(W, TIMES)[0])
    assert np.abs(np.asarray(of_w) - expected).max() < 1e-3 * np.abs(expected).max()


def test_a_grazing_spike_has_a_bounded_jump():
    """|I - threshold| below 1e-6 counts as 1e-6."""
    record = _RECORD(W)
    own = jnp.where(_of_cells(record, N_INPUTS, N), 1.0, 0.0)
    at = int(np.flatnonzero(own)[-1])
    cut, as_cut = (
        adjoint(CELLS, W, replace(record, excess=record.excess.at[at].set(x)), own).weights
        for x in (1e-12, 1e-6)
    )
    assert np.isfinite(cut).all()
    np.testing.assert_array_equal(cut, as_cut)
