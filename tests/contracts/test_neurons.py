"""Every neuron file keeps every promise and is its plain NumPy program."""

import pytest

from metaplast.registry import find
from metaplast.testing import check_neuron
from tests.contracts._enrolled import enrolled
from tests.oracles import neurons


@pytest.mark.parametrize("name", enrolled("neuron"))
def test_a_neuron_keeps_its_promises(name):
    check_neuron(find("neuron", name)(), getattr(neurons, name))  # none there? write it: the closed form of one step


def test_no_neuron_is_its_own_oracle():
    assert not any(getattr(neurons, name).__module__.startswith("metaplast") for name in enrolled("neuron"))


@pytest.mark.parametrize("name", enrolled("neuron"))
def test_the_default_method_is_stable_at_the_default_step(name):
    assert find("neuron", name)().stable_dt() >= 1e-3
