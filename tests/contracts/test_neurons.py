"""Every neuron file keeps every promise, and is its plain program.

The programs are in tests/oracles/neurons.py, where a neuron has one.
"""

import pytest

from metaplast.registry import find
from metaplast.testing import check_neuron
from tests.contracts._enrolled import enrolled, programs

PROGRAMS = programs("neurons")


@pytest.mark.parametrize("name", enrolled("neuron"))
def test_a_neuron_keeps_its_promises(name):
    check_neuron(find("neuron", name)(), PROGRAMS.get(name))


@pytest.mark.parametrize("name", enrolled("neuron"))
def test_the_default_method_is_stable_at_the_default_step(name):
    assert find("neuron", name)().stable_dt() >= 1e-3
