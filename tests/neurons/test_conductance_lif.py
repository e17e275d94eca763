"""Conductance-driven integrate-and-fire against closed forms."""

import numpy as np
import pytest

from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.lif import Lif
from tests.neurons._constant import DT, constant


def test_the_membrane_follows_its_closed_form_under_current_and_conductances():
    neuron = ConductanceLif(threshold=1e9)
    for g_e, g_i, current in ((0.0, 0.0, 0.5), (0.3, 0.7, -0.2)):
        _, v, _ = constant(neuron, 40, soma=current, excitatory=g_e, inhibitory=g_i)
        total = 1 + g_e + g_i
        v_inf = (neuron.v_rest + current + g_e * neuron.e_excitatory + g_i * neuron.e_inhibitory) / total
        t = DT * np.arange(1, 41)
        np.testing.assert_allclose(v, v_inf * (1 - np.exp(-t * total / neuron.tau_m)), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("soma_input", ["steady_state", "jump"])
def test_without_conductances_it_is_lif(soma_input):
    for found, expected in zip(
        constant(ConductanceLif(soma_input=soma_input, v_reset=-0.3), 80, soma=1.7),
        constant(Lif(soma_input=soma_input, v_reset=-0.3), 80, soma=1.7),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_a_reset_above_the_threshold_is_refused_by_name():
    with pytest.raises(ValueError, match=r"v_reset=2\.0 - expected a value below threshold=1\.0"):
        ConductanceLif(v_reset=2.0)
