"""Conductance-driven integrate-and-fire against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.networks import base as network
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.signals import Synapses
from metaplast.testing import neuron as contract
from metaplast.testing.base import keys, quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests.neurons._constant import DT, constant


def test_the_membrane_follows_its_closed_form_under_current_and_conductances():
    neuron = ConductanceLif(threshold=1e9)
    for g_e, g_i, current in ((0.0, 0.0, 0.5), (0.3, 0.7, -0.2)):
        _, v, _ = constant(neuron, 40, soma=current, excitatory=g_e, inhibitory=g_i)
        total = 1 + g_e + g_i
        v_inf = (
            neuron.v_rest + current + g_e * neuron.e_excitatory + g_i * neuron.e_inhibitory
        ) / total
        t = DT * np.arange(1, 41)
        np.testing.assert_allclose(
            v, v_inf * (1 - np.exp(-t * total / neuron.tau_m)), rtol=2e-5, atol=1e-7
        )


@pytest.mark.parametrize("soma_input", ["steady_state", "jump"])
def test_without_conductances_it_is_lif(soma_input):
    for found, expected in zip(
        constant(ConductanceLif(soma_input=soma_input, v_reset=-0.3), 80, soma=1.7),
        constant(Lif(soma_input=soma_input, v_reset=-0.3), 80, soma=1.7),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_a_conductance_that_decays_is_an_exponential_synapse_and_goes_on_under_hold():
    """The same spikes go through transmission `exponential` and to a port with the tau.

    Then they go to a refractory cell, whose potential is held.
    """
    rng = np.random.default_rng(0)
    drive = {
        port: 0.4 * (rng.random((60, contract.N)) < 0.2) for port in ("excitatory", "inhibitory")
    }
    drive["soma"] = np.full((60, contract.N), 0.4)
    taus = {"excitatory": 4e-3, "inhibitory": 9e-3}
    age = np.arange(60)[:, None] - np.arange(60)[None, :]
    kernels = {port: np.tril(np.exp(-np.maximum(age, 0) * DT / tau)) for port, tau in taus.items()}
    filtered = {port: kernels[port] @ x if port in kernels else x for port, x in drive.items()}
    under = lambda cell, x: jax.tree.map(np.asarray, contract.run(cell, DT, {}, x, keys(0, 60))[1])
    with jax.enable_x64(True):
        inside = under(ConductanceLif(tau_excitatory=4e-3, tau_inhibitory=9e-3), drive)
        outside = under(ConductanceLif(), filtered)
        held = under(
            Refractory(ConductanceLif(tau_excitatory=4e-3, tau_inhibitory=9e-3), period=3e-3), drive
        )
        by_hand = under(Refractory(ConductanceLif(), period=3e-3), filtered)
    assert outside.activity.sum() > 3
    assert by_hand.activity.sum() > 3
    for found, expected in ((inside, outside), (held, by_hand)):
        np.testing.assert_array_equal(found.activity, expected.activity)
        np.testing.assert_allclose(found.potential, expected.potential, atol=1e-12)


def test_a_reset_above_the_threshold_is_refused_by_name():
    with pytest.raises(ValueError, match=r"v_reset=2\.0 - expected a value below threshold=1\.0"):
        ConductanceLif(v_reset=2.0)


def test_where_nothing_arrives_a_conductance_has_its_whole_slope_and_below_nothing_none():
    """d potential / d stimulus of a graded source at 0 through the port `excitatory`, against a
    difference from above; what is negative there is cut."""
    cell = ConductanceLif()
    edge = Edge("input", "cell", Dense(1, 1), port="excitatory")
    wiring = Wiring((Population("input", 1), Population("cell", 1, cell)), (edge,))

    def potential(x):
        synapses = {edge.name: Synapses(weight=jnp.ones((1, 1)), mask=jnp.ones(()))}
        start = network.init_state(wiring, {}, DT)
        views = network.step(
            wiring, {}, synapses, start, {"input": x[None]}, DT, jax.random.key(0)
        )[1][0]
        return views["cell"].potential[0]

    with jax.enable_x64(True):
        at = jnp.asarray([0.0, 1e-7, -1.0])
        values, slopes = map(np.asarray, quick_jit(jax.vmap(jax.value_and_grad(potential)))(at))
    assert slopes[0] == pytest.approx((values[1] - values[0]) / 1e-7, rel=1e-5)
    assert values[2] == values[0] and slopes[2] == 0.0
