"""One step for every wiring: the same graph runs every neuron, and a small one is a plain NumPy loop."""

import dataclasses
import math
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from metaplast._checks.base import quick_jit
from metaplast.connections.dense import Dense
from metaplast.networks import base as network
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import find
from metaplast.signals import Synapses
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.exponential import Exponential
from metaplast.wiring import Edge, Population, Wiring
from tests.contracts._enrolled import enrolled

DT, N_STEPS = 1e-3, 6
RNG = np.random.default_rng(0)


def _live(wiring: Wiring, weights: Any, stimuli: Any) -> Any:
    synapses = {name: Synapses(weight=w, mask=1.0) for name, w in weights.items()}
    theta = network.init(wiring, jax.random.key(0))

    def step(state: Any, now: Any) -> Any:
        return network.step(wiring, theta, synapses, state, now, DT, jax.random.key(1))

    return jax.lax.scan(step, network.init_state(wiring, theta, DT), stimuli)[1]


_run = quick_jit(_live, static_argnums=0)


def _with(name: str, cell: str) -> Wiring:
    return dataclasses.replace(find("network", name)(), neuron=find("neuron", cell)()).wiring({"input": 3}, 2)


@pytest.mark.parametrize("name", enrolled("network"))
def test_the_same_wiring_takes_every_neuron(name):
    for cell in enrolled("neuron"):
        wiring = _with(name, cell)
        assert wiring.output.n == 2
        assert find("neuron", cell)() in {p.neuron for p in wiring.populations}
        weights = {e.name: jax.ShapeDtypeStruct(e.connection.shape, np.float32) for e in wiring.edges}
        stimuli = {"input": jax.ShapeDtypeStruct((N_STEPS, 3), np.float32)}
        views, sent = jax.eval_shape(partial(_live, wiring), weights, stimuli)
        assert {k: v.activity.shape for k, v in views.items()} == {p.name: (N_STEPS, p.n) for p in wiring.populations}
        assert {k: v.shape for k, v in sent.items()} == {e.name: (N_STEPS, e.connection.n_pre) for e in wiring.edges}


@pytest.mark.parametrize("cell", enrolled("neuron"))
def test_a_recurrent_network_runs_on_every_neuron(cell):
    wiring = _with("recurrent", cell)
    weights = {e.name: RNG.normal(size=e.connection.shape).astype(np.float32) for e in wiring.edges}
    views, _ = _run(wiring, weights, {"input": RNG.normal(size=(N_STEPS, 3)).astype(np.float32)})
    for view in views.values():
        assert np.isfinite(view.activity).all()
    assert np.any(np.asarray(views["output"].activity) != 0) or cell == "lif"  # too short a life for a spike


def test_a_recurrent_and_a_delayed_edge_are_a_plain_loop():
    """in -> cells, two steps late; cells -> cells, inhibitory, the last step's output through an exponential synapse;
    cells -> out in the same step."""
    cells = Population("cells", 2, Tanh(), sign=-1)
    late = Edge("in", "cells", Dense(2, 3), Delayed(delay=2e-3))
    loop = Edge("cells", "cells", Dense(2, 2), Exponential(tau=4e-3))
    wiring = Wiring(
        (Population("in", 3), cells, Population("out", 1, Linear())), (late, loop, Edge("cells", "out", Dense(1, 2)))
    )
    w_in, w_loop, w_out = RNG.normal(size=(2, 3)), RNG.random((2, 2)), RNG.random((1, 2))
    x = RNG.normal(size=(N_STEPS, 3))
    with jax.enable_x64(True):
        views, sent = _run(wiring, {"in_to_cells": w_in, "cells_to_cells": w_loop, "cells_to_out": w_out}, {"in": x})
    h, trace = np.zeros(2), np.zeros(2)
    for t in range(N_STEPS):
        arrived = x[t - 2] if t >= 2 else np.zeros(3)
        trace = math.exp(-DT / 4e-3) * trace + h
        u = w_in @ arrived - w_loop @ trace
        h = np.tanh(u)
        np.testing.assert_allclose(sent["in_to_cells"][t], arrived, atol=1e-12)
        np.testing.assert_allclose(sent["cells_to_cells"][t], trace, atol=1e-12)
        np.testing.assert_allclose(views["cells"].potential[t], u, atol=1e-12)
        np.testing.assert_allclose(views["out"].activity[t], -w_out @ h, atol=1e-12)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda: Wiring((Population("a"), Population("a")), ()), "population 'a' stands twice"),
        (lambda: Wiring((Population("a"),), (Edge("a", "b"),)), "population 'b' - expected one of a"),
        (lambda: Wiring((Population("a", 2), Population("b", 3)), (Edge("a", "b", Dense(2, 3)),)), r"\(3, 2\)"),
        (lambda: Wiring((Population("a"), Population("b")), (Edge("a", "b", port="axon"),)), "port 'axon'"),
        (lambda: Wiring((Population("a"), Population("b")), (Edge("a", "b", bounds=(1.0, 1.0)),)), "lower < upper"),
        (lambda: Wiring((Population("a"), Population("b")), (Edge("a", "b"), Edge("a", "b"))), "edge 'a_to_b'"),
    ],
)
def test_a_wiring_that_cannot_be_is_refused_by_name(broken, words):
    with pytest.raises(ValueError, match=words):
        broken()


def test_dales_law_makes_weights_magnitudes():
    edge, other = Edge("a", "b"), Edge("b", "a", bounds=(-2.0, 3.0))
    wiring = Wiring((Population("a", sign=-1), Population("b")), (edge, other))
    assert wiring.bounds(edge) == (0.0, 10.0)
    assert wiring.sign(edge) == -1.0
    assert wiring.bounds(other) == (-2.0, 3.0)
    assert wiring.sign(other) == 1.0
    assert wiring.backwards(other)
    assert not wiring.backwards(edge)
