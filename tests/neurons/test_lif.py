"""Leaky integrate-and-fire, with and without adaptation: closed forms, exactness in dt, options,
surrogates.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.neurons._surrogates import SURROGATES, Surrogate, spike
from metaplast.neurons.alif import Alif
from metaplast.neurons.lif import Lif
from metaplast.numerics.propagator import passed_on
from metaplast.testing import neuron as contract
from metaplast.testing.base import keys, quick_jit
from tests.neurons._constant import DT, constant, exactly


def test_the_firing_period_is_the_textbook_one():
    neuron = Lif(v_reset=-0.2)
    current, dt = 1.6, 1e-4
    times = dt * np.flatnonzero(constant(neuron, 4000, dt, soma=current)[0])
    exact = neuron.tau_m * math.log((current - neuron.v_reset) / (current - neuron.threshold))
    np.testing.assert_allclose(np.diff(times), exact, atol=1.01 * dt)
    assert len(times) > 10
    assert constant(neuron, 4000, dt, soma=0.99)[0].sum() == 0  # below rheobase


def test_a_jump_moves_the_potential_by_the_weight_and_a_steady_input_by_its_share():
    w, alpha = 0.25, math.exp(-DT / 20e-3)
    assert constant(Lif(soma_input="jump"), 1, soma=w)[1][0] == pytest.approx(w)
    assert constant(Lif(), 1, soma=w)[1][0] == pytest.approx((1 - alpha) * w, rel=1e-5)
    assert constant(Lif(soma_input="jump"), 1, 1e-4, soma=w)[1][0] == pytest.approx(w)
    assert constant(Lif(integration="euler"), 1, soma=w)[1][0] == pytest.approx(
        w * DT / 20e-3, rel=1e-5
    )


def _impulse(neuron: Lif, dt: float, n_steps: int) -> np.ndarray:
    """V at every step after one input of 1 in the first."""
    drive = np.zeros((n_steps, contract.N))
    drive[0] = 1.0
    with jax.enable_x64(True):
        return np.asarray(
            contract.run(neuron, dt, {}, {"soma": drive}, keys(0, n_steps))[1].potential
        )[:, 0]


def test_a_synaptic_current_gives_the_exact_postsynaptic_potential_at_any_dt():
    """tau_s / (tau_s - tau_m) (exp(-t / tau_s) - exp(-t / tau_m)) after an input of 1, and its
    limit for equal ones.
    """
    tau_m, t = 20e-3, 4e-3 * np.arange(1, 11)
    settings = partial(Lif, tau_m=tau_m, threshold=1e9)
    for tau_syn in (50e-3, 5e-3):
        exact = tau_syn / (tau_syn - tau_m) * (np.exp(-t / tau_syn) - np.exp(-t / tau_m))
        np.testing.assert_allclose(_impulse(settings(tau_syn=tau_syn), 4e-3, 10), exact, rtol=1e-12)
    np.testing.assert_allclose(
        _impulse(settings(tau_syn=tau_syn), 1e-3, 40)[3::4], exact, rtol=1e-12
    )
    late = _impulse(settings(tau_syn=tau_syn, current_jumps="after"), 4e-3, 11)
    assert late[0] == 0.0
    np.testing.assert_allclose(late[1:], exact, rtol=1e-12)
    euler = settings(tau_syn=tau_syn, integration="euler")
    assert (
        np.abs(_impulse(euler, 4e-3, 10) - exact).max() > 1e-2
    )  # control: Euler is right only in the limit
    assert passed_on(1.0, 1e-6, 1e-6) == 0.0  # far apart in either way: no overflow
    assert passed_on(1.0, 1e6, 1e-6) == pytest.approx(1.0)
    assert passed_on(1.0, 1e-6, 1e6) == pytest.approx(1e-12)
    assert passed_on(4e-3, 20e-3, (1 + 1e-9) * 20e-3) == pytest.approx(
        0.2 * math.exp(-0.2), rel=1e-8
    )
    exact = t / tau_m * np.exp(-t / tau_m)
    np.testing.assert_allclose(_impulse(settings(tau_syn=tau_m), 4e-3, 10), exact, rtol=1e-12)


def test_a_subtractive_reset_keeps_what_was_above_the_threshold():
    neuron = Lif(soma_input="jump", reset_mode="subtract", v_reset=0.25)
    z, v, _ = constant(neuron, 3, soma=1.2)
    alpha = math.exp(-DT / neuron.tau_m)
    np.testing.assert_allclose(
        v, [1.2, 0.45 * alpha + 1.2, (0.45 * alpha + 0.45) * alpha + 1.2], rtol=1e-6
    )
    np.testing.assert_array_equal(z, 1.0)


def test_the_threshold_adapts_to_the_closed_form_of_a_regular_train():
    """Driven to a spike every `period`, b just before a spike is 1 / (exp(T / tau_a) - 1), times
    exp(dt / tau_a).
    """
    neuron = Alif(soma_input="jump", tau_a=50e-3, beta=0.01)
    drive = np.zeros((1000, contract.N))
    drive[::10] = 3.0
    states, view = contract.run(neuron, DT, {}, {"soma": drive.astype(np.float32)}, keys(0, 1000))
    np.testing.assert_array_equal(np.asarray(view.activity), drive > 0)
    before = np.asarray(states["adaptation"])[990, 0] * math.exp(
        -DT / 50e-3
    )  # the step of the spike fades it first
    assert before == pytest.approx(math.exp(DT / 50e-3) / (math.exp(10 * DT / 50e-3) - 1), rel=1e-5)


def test_adaptation_slows_a_train_down_and_without_beta_there_is_none():
    intervals = np.diff(np.flatnonzero(constant(Alif(beta=0.3), 800, soma=3.0)[0]))
    assert intervals[-1] > 1.5 * intervals[0]
    plain, none = (constant(neuron, 800, soma=3.0)[0] for neuron in (Lif(), Alif(beta=0.0)))
    np.testing.assert_array_equal(plain, none)


@pytest.mark.exact
@pytest.mark.parametrize("name", sorted(SURROGATES))
def test_the_surrogate_is_the_gradient_and_leaves_the_spikes_alone(name):
    neuron = Lif(surrogate=name, slope=3.0, dampening=0.3)
    plain, mine = exactly(Lif(), 80, soma=1.7), exactly(neuron, 80, soma=1.7)
    np.testing.assert_array_equal(mine[0], plain[0])
    np.testing.assert_array_equal(mine[1], plain[1])

    def fired(v: Any) -> Any:
        _, view = neuron.step(
            {}, {"v": jnp.full(1, v)}, {"soma": jnp.zeros(1)}, DT, jax.random.key(0)
        )
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


@pytest.mark.exact
def test_a_learned_slope_moves_the_gain_and_no_spike():
    neuron = Lif(learn_slope=True, slope=2.0)
    assert neuron.init(jax.random.key(0), 4) == {"log_slope": 0.0}
    runs = [exactly(neuron, 80, {"log_slope": jnp.asarray(x)}, soma=1.7) for x in (0.0, 0.2)]
    fixed = [exactly(Lif(slope=s), 80, soma=1.7) for s in (2.0, 2.0 * math.e)]
    for (z, v, gain), (z_fixed, v_fixed, gain_fixed) in zip(runs, fixed, strict=True):
        np.testing.assert_array_equal(z, z_fixed)
        np.testing.assert_array_equal(v, v_fixed)
        np.testing.assert_allclose(gain, gain_fixed, rtol=1e-5)
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert np.abs(runs[0][2] - runs[1][2]).max() > 0.01
    with jax.enable_x64(True):
        contract.check_gradient(neuron, {"log_slope": np.asarray(0.1)})


def test_adaptation_passes_the_gradient_of_a_spike_and_a_reset_does_not():
    """Two steps of e-prop's neuron.

    dV1 / dV0 = alpha although z0 resets V1; dA1 / dV0 = beta psi0.
    """
    neuron = Alif(
        soma_input="jump", reset_mode="subtract_late", beta=0.2, surrogate="triangle", slope=1.0
    )

    def second(v: Any) -> Any:
        state = {**neuron.init_state({}, 1), "v": jnp.full(1, v)}
        for _ in range(2):
            state, view = neuron.step({}, state, {"soma": jnp.zeros(1)}, DT, jax.random.key(0))
        return {"v": view.potential[0], "level": neuron.level(state)[0]}

    slopes, alpha = quick_jit(jax.jacobian(second))(1.3), math.exp(-DT / neuron.tau_m)
    assert quick_jit(second)(1.3)["v"] == pytest.approx(1.3 * alpha**2 - 1.0, abs=1e-6)
    assert slopes["v"] == pytest.approx(alpha**2, rel=1e-5)
    assert slopes["level"] == pytest.approx(0.2 * alpha * (1 - abs(1.3 * alpha - 1)), rel=1e-5)


@pytest.mark.parametrize("mode", ["value", "subtract", "subtract_late"])
def test_a_reset_passes_its_gradient_where_it_is_asked_to(mode):
    """Two steps from V0 = 1.3 with a spike in the first: dV2 / dV0, by hand."""
    alpha = math.exp(-DT / Lif().tau_m)
    v = 1.3 * alpha
    psi = 1 - abs(v - 1)
    passed = {
        "value": alpha * -v * psi,
        "subtract": alpha * (1 - psi),
        "subtract_late": alpha - psi,
    }[mode]
    blocked = {"value": 0.0, "subtract": alpha, "subtract_late": alpha}[mode]

    def slope(reset_gradient: bool) -> Any:
        neuron = Lif(
            reset_mode=mode, reset_gradient=reset_gradient, surrogate="triangle", slope=1.0
        )

        def second(v: Any) -> Any:
            state = {**neuron.init_state({}, 1), "v": jnp.full(1, v)}
            for _ in range(2):
                state, view = neuron.step({}, state, {"soma": jnp.zeros(1)}, DT, jax.random.key(0))
            return view.potential[0]

        return quick_jit(jax.value_and_grad(second))(1.3)

    (with_it, passes), (without, stops) = slope(True), slope(False)
    assert with_it == pytest.approx(float(without), abs=1e-6)
    assert passes == pytest.approx(alpha * passed, rel=1e-5)
    assert stops == pytest.approx(alpha * blocked, rel=1e-5, abs=1e-7)


def test_the_step_function_is_zero_at_the_threshold_and_has_its_own_default_slope():
    x = jnp.asarray([-1e-6, 0.0, 1e-6])
    np.testing.assert_array_equal(spike(x, Surrogate()(x)), [0.0, 0.0, 1.0])
    assert Surrogate("superspike")(jnp.asarray(0.04)) == pytest.approx(
        0.25
    )  # 1 / (1 + 25 * 0.04)^2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"v_reset": 2.0}, r"v_reset=2\.0 - expected a value below threshold=1\.0"),
        (
            {"soma_input": "jump", "tau_syn": 5e-3},
            "soma_input='jump' with tau_syn > 0 - expected steady_state",
        ),
        (
            {"current_jumps": "after"},
            "current_jumps='after' with tau_syn=0 - expected a current that decays",
        ),
        (
            {"surrogate_unit": "threshold", "v_rest": 1.5},
            r"v_rest=1\.5 - expected a rest below threshold=1\.0",
        ),
    ],
)
@pytest.mark.parametrize("cls", [Lif, Alif])
def test_what_makes_no_sense_together_is_refused_by_name(cls, fields, words):
    with pytest.raises(ValueError, match=words):
        cls(**fields)
