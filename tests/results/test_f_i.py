"""The f-I curve of a leaky cell against its closed form."""

import numpy as np
import pytest

from metaplast.neurons.alif import Alif
from metaplast.neurons.lif import Lif
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput
from metaplast.results.f_i import f_i_curve

DT = 1e-3


def test_the_rate_of_a_leaky_cell_is_its_closed_form() -> None:
    """V_k = I (1 - exp(-k dt / tau)) after k steps, so a spike comes with the first V_k > 1."""
    drives = np.array([0.0, 0.9, 1.1, 1.5, 2.0, 3.3])
    found = f_i_curve(Lif(tau_m=20e-3), drives, seconds=0.4, dt=DT)
    for index, drive in enumerate(drives):
        steps = [0.0]
        while steps[-1] <= 1.0 and len(steps) < 400:
            steps.append(drive * (1.0 - np.exp(-len(steps) * DT / 20e-3)))
        rate = 0.0 if steps[-1] <= 1.0 else 1.0 / (DT * (len(steps) - 1))
        assert found.onset[index] == pytest.approx(rate)
        assert found.steady[index] == pytest.approx(rate)


def test_an_adapting_cell_slows_down() -> None:
    found = f_i_curve(Alif(beta=1.0, tau_a=0.2), np.array([3.0]), seconds=0.4, dt=DT)
    assert 0.0 < found.steady[0] < 0.7 * found.onset[0]


def test_what_is_no_cell_or_no_drive_is_refused() -> None:
    with pytest.raises(BadInput, match="'tanh' - expected a neuron that spikes"):
        f_i_curve(Tanh(), np.ones(2))
    with pytest.raises(BadInput, match="port 'dendrite'"):
        f_i_curve(Lif(), np.ones(2), port="dendrite")
    with pytest.raises(BadInput, match="finite"):
        f_i_curve(Lif(), np.array([np.nan]))
    with pytest.raises(BadInput, match="two steps"):
        f_i_curve(Lif(), np.ones(2), seconds=DT)
