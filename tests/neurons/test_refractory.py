"""Refractoriness around any spiking neuron: how long, what is shown, what goes on meanwhile."""

import math
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.neurons._integrate_and_fire import EPROP, EPROP_ADAPTATION, LSNN, LSNN_ADAPTATION
from metaplast.neurons.alif import Alif
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.neurons.two_compartment import TwoCompartment
from metaplast.numerics.steps import whole_steps
from metaplast.spec import decode
from metaplast.testing import neuron as contract
from metaplast.testing.base import quick_jit
from metaplast.transmission.delayed import Delayed
from tests.neurons._constant import DT, constant


@pytest.mark.parametrize(
    "inner", [Lif(v_reset=-0.2), ConductanceLif(v_reset=-0.2)], ids=["lif", "conductance_lif"]
)
def test_the_firing_period_is_the_textbook_one_and_the_hold(inner):
    current, dt = 1.6, 1e-4
    exact = inner.tau_m * math.log((current - inner.v_reset) / (current - inner.threshold))
    for period in (0.0, 5e-3):
        neuron = Refractory(neuron=inner, period=period)
        times = dt * np.flatnonzero(constant(neuron, 4000, dt, soma=current)[0])
        np.testing.assert_allclose(np.diff(times), exact + period, atol=1.01 * dt)
        assert len(times) > 10
    assert constant(Refractory(neuron=inner), 4000, dt, soma=0.99)[0].sum() == 0  # below rheobase


def test_a_spike_shows_the_potential_before_the_reset_and_then_holds_the_one_after_it():
    for inner in (Lif(v_reset=-0.5), Lif(v_reset=-0.5, spike_on="previous"), Alif(v_reset=-0.5)):
        neuron = Refractory(neuron=inner, period=3e-3)
        z, v, gain = constant(neuron, 60, soma=3.0)
        first = int(np.flatnonzero(z)[0])
        assert v[first] > inner.threshold
        np.testing.assert_array_equal(v[first + 1 : first + 4], np.float32(-0.5))
        np.testing.assert_array_equal(gain[first + 1 : first + 4], 0.0)
        assert (v[first + 4 :] != np.float32(-0.5)).any()
        assert gain[first] > 0


@pytest.mark.parametrize("during", ["hold", "silent"])
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_neuron_driven_to_spike_in_every_step_is_silent_for_exactly_the_period(during, steps):
    z, _, _ = constant(
        Refractory(neuron=Lif(soma_input="jump"), period=steps * DT, during=during), 40, soma=5.0
    )
    np.testing.assert_array_equal(np.flatnonzero(z), np.arange(0, 40, steps + 1))


def test_a_time_between_two_steps_is_rounded_half_up():
    for half, steps in ((0.5e-3, 1), (2.5e-3, 3), (3.5e-3, 4), (4.5e-3, 5), (2.4e-3, 2)):
        assert whole_steps(half, DT) == steps
        assert Delayed(delay=half).init_state(1, DT)["queue"].shape == (steps, 1)
    z, _, _ = constant(Refractory(neuron=Lif(soma_input="jump"), period=2.5 * DT), 40, soma=5.0)
    np.testing.assert_array_equal(np.flatnonzero(z), np.arange(0, 40, 4))


def test_what_is_not_the_membrane_goes_on_during_a_hold():
    """A synaptic current and an adaptive threshold, against a plain loop."""
    inner = Alif(tau_syn=5e-3, integration="euler", beta=0.3, tau_a=50e-3)
    z, v, _ = constant(Refractory(neuron=inner, period=6e-3), 150, soma=1.0)
    i, u, b, before, silent = 0.0, 0.0, 0.0, 0.0, 0
    for t in range(150):
        b = b * math.exp(-DT / 50e-3) + before
        i += 1.0
        u += DT / 20e-3 * (i - u) if silent == 0 else 0.0
        i -= DT / 5e-3 * i
        before = float(silent == 0 and u > 1 + 0.3 * b)
        assert z[t] == before
        np.testing.assert_allclose(v[t], u, rtol=1e-4)
        u, silent = (0.0, 6) if before else (u, max(0, silent - 1))
    assert 5 < z.sum() < 15


def test_a_silent_neuron_goes_on_integrating_and_is_not_reset_by_what_it_does_not_send():
    inner = Lif(v_reset=0.0)
    z, v, gain = constant(Refractory(neuron=inner, period=30e-3, during="silent"), 60, soma=3.0)
    first = int(np.flatnonzero(z)[0])
    t = DT * np.arange(1, 31)
    np.testing.assert_allclose(
        v[first + 1 : first + 31], 3.0 * (1 - np.exp(-t / inner.tau_m)), rtol=1e-5
    )
    assert v[first + 30] > inner.threshold and z[first + 30] == gain[first + 30] == 0.0
    assert z[first + 31] == 1.0


@pytest.mark.parametrize(
    "fields", [{**LSNN, **LSNN_ADAPTATION}, {**EPROP, **EPROP_ADAPTATION}], ids=["lsnn", "eprop"]
)
def test_the_gain_is_the_derivative_under_the_options_of_the_sources_too(fields):
    with jax.enable_x64(True):
        contract.check_gain(Refractory(neuron=Alif(**fields), period=3e-3, during="silent"), {})


def test_what_cannot_be_made_refractory_is_refused_by_name():
    words = (
        r"refractory: neuron 'tanh' - expected a spiking neuron, such as lif - set neuron\.neuron"
    )
    with pytest.raises(ValueError, match=words):
        decode("neuron", {"name": "refractory", "neuron": {"name": "tanh"}})
    with pytest.raises(ValueError, match="neuron 'refractory'"):
        Refractory(neuron=Refractory())
    with pytest.raises(ValueError, match="during='hold' around reset_mode='subtract_late'"):
        Refractory(neuron=Alif(**EPROP))
    with pytest.raises(
        ValueError, match="neuron 'two_compartment' of graded activity - expected one that sends"
    ):
        Refractory(neuron=TwoCompartment(output="rate"))
    assert quick_jit(lambda: Refractory().init_state({}, 3))()["remaining"].shape == (3,)
    made: Any = decode(
        "neuron", {"name": "refractory", "neuron": {"name": "alif", "beta": 0.2}, "period": 5e-3}
    )
    assert made == Refractory(neuron=Alif(beta=0.2), period=5e-3)
    assert jax.tree.leaves(made.init(jax.random.key(0), 3)) == []
