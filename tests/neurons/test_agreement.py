"""Spike trains of recurrent networks against the equations of norse, LSNN and e-prop, as these
sources write them.

1,000 steps, 100 cells, random weights and input, float64: not one spike may differ, and their
pseudo-derivatives agree. The programs below follow the sources' own order and names; none of our
options stands in them.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.networks import base as network
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons._integrate_and_fire import (
    EPROP,
    EPROP_ADAPTATION,
    LSNN,
    LSNN_ADAPTATION,
    NORSE,
)
from metaplast.neurons.alif import Alif
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.signals import Synapses
from metaplast.testing.base import quick_jit
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.instant import Instant

N, N_IN, N_STEPS, DT = 100, 40, 1000, 1e-3
RNG = np.random.default_rng(0)
X = (RNG.random((N_STEPS, N_IN)) < 0.05).astype(float)
UNIT_IN, UNIT_REC = RNG.normal(size=(N, N_IN)) / np.sqrt(N_IN), RNG.normal(size=(N, N)) / np.sqrt(N)
np.fill_diagonal(UNIT_REC, 0.0)  # no self-connections

Weights = tuple[np.ndarray, np.ndarray]
Run = tuple[np.ndarray, np.ndarray]  # spikes and pseudo-derivatives dz/dv, each [N_STEPS, N]


def norse(weights: Weights, jump_first: bool) -> Run:
    """lif_step: Euler, reset to a value; the current jumps last or, in other versions and
    functions, first.
    """
    (w_in, w_rec), v_leak, v_th, v_reset = weights, 0.0, 1.0, 0.0
    tau_mem_inv, tau_syn_inv = 1 / 1e-2, 1 / 5e-3
    z, v, i = np.zeros(N), np.zeros(N), np.zeros(N)
    spikes, psi = [], []
    for x in X:
        jump = w_in @ x + w_rec @ z
        if jump_first:
            i = i + jump
        v_decayed = v + DT * tau_mem_inv * ((v_leak - v) + i)
        i_decayed = i - DT * tau_syn_inv * i
        z = np.where(v_decayed - v_th > 0, 1.0, 0.0)
        v = (1 - z) * v_decayed + z * v_reset
        i = i_decayed if jump_first else i_decayed + jump
        psi.append(1 / (100 * np.abs(v_decayed - v_th) + 1) ** 2)
        spikes.append(z)
    return np.array(spikes), np.array(psi)


def lsnn(
    weights: Weights, tau=20.0, thr0=0.01, beta=1.7, tau_adaptation=1200.0, n_refractory=3, delay=0
) -> Run:
    """The 2018 program, times in ms: spikes on the voltage before the update, minus the adapted
    threshold, scaled by it; silent while a spike lies in the last n_refractory steps."""
    w_in, w_rec = weights
    decay, decay_b = np.exp(-1.0 / tau), np.exp(-1.0 / tau_adaptation)
    z, v, b = np.zeros(N), np.zeros(N), np.zeros(N)
    buffer, future = np.zeros((N, n_refractory)), np.zeros((N, 11))
    spikes, psi = [], []
    for x in X:
        future[:, 0] += w_in @ x
        future[:, delay] += w_rec @ z
        i_t = future[:, 0]
        b = decay_b * b + (1.0 - decay_b) * z
        thr = thr0 + b * beta
        new_v = decay * v + (1 - decay) * i_t - z * thr
        v_scaled, is_ref = (v - thr) / thr, buffer.max(axis=1) > 0
        new_z = np.where(is_ref, 0.0, v_scaled > 0)
        psi.append(np.where(is_ref, 0.0, 0.3 * np.maximum(1 - np.abs(v_scaled), 0)) / thr)
        buffer = np.concatenate([buffer[:, 1:], new_z[:, None]], axis=1)
        future = np.concatenate([future[:, 1:], np.zeros((N, 1))], axis=1)
        v, z = new_v, new_z
        spikes.append(z)
    return np.array(spikes), np.array(psi)


def eprop(weights: Weights, v_th=0.6, tau_m=20.0, tau_a=2000.0, n_ref=5, adaptive=True) -> Run:
    """Bellec et al. 2020 and NEST, times in ms: input gain 1, spikes on the voltage after the
    update, minus v_th.
    """
    w_in, w_rec = weights
    alpha, rho = np.exp(-1.0 / tau_m), np.exp(-1.0 / tau_a)
    beta = round(1.7 * (1 - rho) / (1 - alpha), 7) if adaptive else 0.0
    z, v, a, r = np.zeros(N), np.zeros(N), np.zeros(N), np.zeros(N)
    spikes, psi = [], []
    for x in X:
        a = rho * a + z
        v = alpha * v + w_in @ x + w_rec @ z - z * v_th
        above = v - (v_th + beta * a)
        z = np.where(r > 0, 0.0, np.heaviside(above, 0.0))
        psi.append(np.where(r > 0, 0.0, 0.3 / v_th * np.maximum(0, 1 - np.abs(above / v_th))))
        r = np.where(z > 0, n_ref, np.maximum(r - 1, 0))
        spikes.append(z)
    return np.array(spikes), np.array(psi)


def _silent(cell: Any, period: float) -> Refractory:
    return Refractory(neuron=cell, period=period, during="silent")


JUMP_FIRST = {**NORSE, "current_jumps": "before"}
# (its equations, ours, scales of the weights, ours with one wrong option)
CASES: dict[str, Any] = {
    "norse": (partial(norse, jump_first=False), Lif(**NORSE), (8.0, 3.0), {"integration": "exact"}),
    "norse_jump_first": (
        partial(norse, jump_first=True),
        Lif(**JUMP_FIRST),
        (8.0, 3.0),
        {"current_jumps": "after"},
    ),
    "lsnn": (lsnn, _silent(Alif(**LSNN, **LSNN_ADAPTATION), 3e-3), (0.5, 0.5), {"spike_on": "new"}),
    "lsnn_lif": (
        partial(lsnn, beta=0.0),
        _silent(Lif(**LSNN), 3e-3),
        (0.4, 0.4),
        {"reset_mode": "subtract"},
    ),
    "eprop": (
        eprop,
        _silent(Alif(**EPROP, **EPROP_ADAPTATION), 5e-3),
        (0.8, 0.5),
        {"subtracted": "adapted"},
    ),
    "eprop_lif": (
        partial(eprop, adaptive=False),
        _silent(Lif(**EPROP), 5e-3),
        (0.8, 0.5),
        {"soma_input": "steady_state"},
    ),
}


@partial(quick_jit, static_argnums=0)
def _run(wiring: Any, weights: Any, x: Any) -> Any:
    synapses = {name: Synapses(weight=w, mask=1.0) for name, w in weights.items()}

    def step(state: Any, now: Any) -> Any:
        state, (views, _) = network.step(
            wiring, {}, synapses, state, {"in": now}, DT, jax.random.key(0)
        )
        return state, (views["output"].activity, views["output"].gain)

    return jax.lax.scan(step, network.init_state(wiring, {}, DT), x)[1]


def _ours(cell: Any, weights: Weights, delay: int = 0) -> Run:
    transmission = Delayed(delay=delay * DT) if delay else Instant()
    wiring = Recurrent(neuron=cell, readout=False, transmission=transmission).wiring(
        {"in": N_IN}, N
    )
    with jax.enable_x64(True):
        return jax.tree.map(
            np.asarray,
            _run(wiring, {"in_to_output": weights[0], "output_to_output": weights[1]}, X),
        )


@pytest.mark.parametrize("name", CASES)
def test_the_spike_trains_are_those_of_the_source(name):
    source, cell, (scale_in, scale_rec), wrong = CASES[name]
    weights = scale_in * UNIT_IN, scale_rec * UNIT_REC
    (expected, psi), (found, gain) = source(weights), _ours(cell, weights)
    assert expected.sum() > 1000
    assert expected.any(axis=0).sum() > N / 2  # of more than half of the cells
    assert (
        source((weights[0], 0.0 * weights[1]))[0] != expected
    ).sum() > 1000  # control: the recurrence matters
    assert (found != expected).sum() == 0
    np.testing.assert_allclose(gain, psi, rtol=1e-8, atol=1e-9 * psi.max())

    inner = dataclasses.replace(getattr(cell, "neuron", cell), **wrong)
    other = dataclasses.replace(cell, neuron=inner) if isinstance(cell, Refractory) else inner
    assert (
        _ours(other, weights)[0] != expected
    ).sum() > 1000  # control: another discretisation is told apart


def test_a_delay_of_whole_steps_is_that_of_the_source():
    """LSNN with 3 steps on the recurrent edge, beyond the one that recurrence takes."""
    _, cell, (scale_in, scale_rec), _ = CASES["lsnn"]
    weights = scale_in * UNIT_IN, scale_rec * UNIT_REC
    expected = lsnn(weights, delay=3)[0]
    assert (_ours(cell, weights, delay=3)[0] != expected).sum() == 0
    assert (lsnn(weights, delay=2)[0] != expected).sum() > 1000  # control


def test_the_preset_of_e_prop_has_the_beta_of_its_paper():
    """beta = 1.7 (1 - rho) / (1 - alpha) at dt = 1 ms."""
    exact = 1.7 * (1 - np.exp(-DT / EPROP_ADAPTATION["tau_a"])) / (1 - np.exp(-DT / EPROP["tau_m"]))
    assert EPROP_ADAPTATION["beta"] == pytest.approx(exact, abs=1e-7)
