"""Leaky integrate-and-fire against closed forms and a plain loop."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from metaplast.neurons._surrogates import SURROGATES, Surrogate, spike
from metaplast.neurons.lif import Lif
from tests._compiler import as_users_jit

DT = 1e-3


def _run(neuron: Lif, n_steps: int, dt: float = DT, **drive: float) -> list[np.ndarray]:
    """[spikes, potential, gain], each [n_steps], of one neuron under a constant drive."""
    ports = {port: jnp.full(1, drive.get(port, 0.0)) for port in neuron.ports}
    return [np.asarray(x) for x in _scan(neuron, n_steps, dt, ports)]


@partial(as_users_jit, static_argnums=(0, 1, 2))  # bits are compared
def _scan(neuron: Lif, n_steps: int, dt: float, ports: dict[str, Array]) -> tuple[Array, Array, Array]:
    def step(state, _):
        state, view = neuron.step({}, state, ports, dt, jax.random.key(0))
        return state, (view.activity[0], view.potential[0], view.gain[0])

    return jax.lax.scan(step, neuron.init_state({}, 1), None, n_steps)[1]


def test_the_membrane_follows_its_closed_form_under_current_and_conductances():
    neuron = Lif(threshold=1e9)
    for g_e, g_i, current in ((0.0, 0.0, 0.5), (0.3, 0.7, -0.2)):
        _, v, _ = _run(neuron, 40, soma=current, excitatory=g_e, inhibitory=g_i)
        total = 1 + g_e + g_i
        v_inf = (neuron.v_rest + current + g_e * neuron.e_excitatory + g_i * neuron.e_inhibitory) / total
        t = DT * np.arange(1, 41)
        np.testing.assert_allclose(v, v_inf * (1 - np.exp(-t * total / neuron.tau_m)), rtol=2e-5, atol=1e-7)


def test_the_step_is_exact_so_that_the_potential_does_not_depend_on_dt():
    neuron = Lif(threshold=1e9)
    coarse, fine = _run(neuron, 10, 4e-3, soma=0.7)[1], _run(neuron, 40, 1e-3, soma=0.7)[1][3::4]
    np.testing.assert_allclose(coarse, fine, rtol=1e-5)


@pytest.mark.parametrize("refractory", [0.0, 5e-3])
def test_the_firing_period_is_the_textbook_one(refractory):
    neuron = Lif(refractory=refractory, v_reset=-0.2)
    current, dt = 1.6, 1e-4
    times = dt * np.flatnonzero(_run(neuron, 4000, dt, soma=current)[0])
    exact = neuron.tau_m * math.log((current - neuron.v_reset) / (current - neuron.threshold)) + refractory
    np.testing.assert_allclose(np.diff(times), exact, atol=1.01 * dt)
    assert len(times) > 10
    assert _run(neuron, 4000, dt, soma=0.99)[0].sum() == 0  # below rheobase


def test_a_spike_shows_the_potential_before_the_reset_and_then_holds_it():
    neuron = Lif(refractory=3e-3, v_reset=-0.5)
    z, v, gain = _run(neuron, 60, soma=3.0)
    first = int(np.flatnonzero(z)[0])
    assert v[first] > neuron.threshold
    np.testing.assert_array_equal(v[first + 1 : first + 4], np.float32(-0.5))
    np.testing.assert_array_equal(gain[first + 1 : first + 4], 0.0)
    assert v[first + 4] > -0.5
    assert gain[first] > 0


def test_a_jump_moves_the_potential_by_the_weight_and_a_steady_input_by_its_share():
    w = 0.25
    alpha = math.exp(-DT / 20e-3)
    assert _run(Lif(soma_input="jump"), 1, soma=w)[1][0] == pytest.approx(w)
    assert _run(Lif(soma_input="steady_state"), 1, soma=w)[1][0] == pytest.approx((1 - alpha) * w, rel=1e-5)
    assert _run(Lif(soma_input="jump"), 1, 1e-4, soma=w)[1][0] == pytest.approx(w)


@pytest.mark.exact
@pytest.mark.parametrize("name", sorted(SURROGATES))
def test_the_surrogate_is_the_gradient_and_leaves_the_spikes_alone(name):
    neuron = Lif(surrogate=name, slope=3.0, dampening=0.3)
    plain = _run(Lif(), 80, soma=1.7)
    mine = _run(neuron, 80, soma=1.7)
    np.testing.assert_array_equal(mine[0], plain[0])
    np.testing.assert_array_equal(mine[1], plain[1])

    def fired(v):
        drive = {port: jnp.zeros(1) for port in neuron.ports}
        state = {"v": jnp.full(1, v), "remaining": jnp.zeros(1)}
        _, view = neuron.step({}, state, drive, DT, jax.random.key(0))
        return view.activity[0], (view.potential[0], view.gain[0])

    (slope, (potential, gain)) = jax.grad(fired, has_aux=True)(1.1)
    x = float(potential) - 1.0
    by_hand = {
        "superspike": 1 / (1 + 3.0 * abs(x)) ** 2,
        "triangle": max(0.0, 1 - abs(3.0 * x)),
        "arctan": 1 / (math.pi * (1 + (math.pi * 3.0 * x) ** 2)),
        "dampened_triangle": 0.3 * max(0.0, 1 - abs(3.0 * x)),
        "tanh": 4 / (math.exp(3.0 * x) + math.exp(-3.0 * x)) ** 2,
        "boxcar": 0.5 * (abs(3.0 * x) <= 1),
        "straight_through": 1.0,
    }[name]
    assert gain == pytest.approx(0.3 * by_hand, rel=1e-5)
    assert slope == pytest.approx(0.3 * by_hand * math.exp(-DT / neuron.tau_m), rel=1e-5)


def test_the_step_function_is_zero_at_the_threshold_and_has_its_own_default_slope():
    x = jnp.asarray([-1e-6, 0.0, 1e-6])
    np.testing.assert_array_equal(spike(x, Surrogate()(x)), [0.0, 0.0, 1.0])
    assert Surrogate("superspike")(jnp.asarray(0.04)) == pytest.approx(0.25)  # 1 / (1 + 25 * 0.04)^2


def test_a_reset_above_the_threshold_is_refused_by_name():
    with pytest.raises(ValueError, match=r"v_reset=2\.0 - expected a value below threshold=1\.0"):
        Lif(v_reset=2.0)
