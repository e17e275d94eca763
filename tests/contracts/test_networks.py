"""One step for every wiring: one graph runs every neuron, and a small one is a plain NumPy loop."""

import dataclasses
import math
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.sparse import Sparse
from metaplast.feedback.none import None_ as Silent
from metaplast.feedback.random import Random as RandomFeedback
from metaplast.feedback.symmetric import Symmetric
from metaplast.genomes.base import draw
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.autoassociative import Autoassociative
from metaplast.networks.clamped import Clamped
from metaplast.networks.ei import Ei
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.linear import Linear
from metaplast.neurons.relu import Relu
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput, find
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.exponential import Exponential
from metaplast.wiring import Edge, Population, Wiring
from tests.contracts._enrolled import enrolled

DT = 1e-3
N_STEPS = 6
RNG = np.random.default_rng(0)


def _live(wiring: Wiring, weights: Any, stimuli: Any) -> Any:
    synapses = {name: Synapses(weight=w, mask=1.0) for name, w in weights.items()}
    theta = network.init(wiring, jax.random.key(0))

    def step(state: Any, now: Any) -> Any:
        return network.step(wiring, theta, synapses, state, now, DT, jax.random.key(1))

    return jax.lax.scan(step, network.init_state(wiring, theta, DT), stimuli)[1]


_run = quick_jit(_live, static_argnums=0)


# An autoassociative network's input is its output; a clamped one's cells are recorded, whatever
# they are.
INPUTS = {"autoassociative": {"input": 2}, "clamped": {"input": 3, "recorded": 2}}


def _inputs(name: str) -> dict[str, int]:
    return INPUTS.get(name, {"input": 3})


def _with(name: str, cell: str) -> Wiring:
    network = find("network", name)()
    if _takes_cells(name):
        network = dataclasses.replace(network, neuron=find("neuron", cell)())
    return network.wiring(_inputs(name), 2)


def _takes_cells(name: str) -> bool:
    return "neuron" in {field.name for field in dataclasses.fields(find("network", name))}


@pytest.mark.parametrize("name", enrolled("network"))
def test_the_same_wiring_takes_every_neuron(name):
    for cell in enrolled("neuron") if _takes_cells(name) else ("recorded",):
        wiring = _with(name, cell)
        assert wiring.output.n == 2
        if _takes_cells(name) or name == "clamped":
            assert find("neuron", cell)() in {p.neuron for p in wiring.populations}
        weights = {
            e.name: jax.ShapeDtypeStruct(e.connection.shape, np.float32) for e in wiring.edges
        }
        stimuli = {
            n: jax.ShapeDtypeStruct((N_STEPS, size), np.float32)
            for n, size in _inputs(name).items()
        }
        views, sent = jax.eval_shape(partial(_live, wiring), weights, stimuli)
        assert {k: v.activity.shape for k, v in views.items()} == {
            p.name: (N_STEPS, p.n) for p in wiring.populations
        }
        assert {k: v.shape for k, v in sent.items()} == {
            e.name: (N_STEPS, e.connection.n_pre) for e in wiring.edges
        }


@pytest.mark.parametrize("cell", enrolled("neuron"))
def test_a_recurrent_network_runs_on_every_neuron(cell):
    wiring = _with("recurrent", cell)
    weights = {
        e.name: 0.1 * RNG.normal(size=e.connection.shape).astype(np.float32) for e in wiring.edges
    }
    x = RNG.normal(size=(N_STEPS, 3)).astype(np.float32)
    # a drive is strong or weak by the units of the cell
    for scale in np.float32(10.0) ** np.arange(7, dtype=np.float32):
        views, _ = _run(wiring, weights, {"input": scale * x})
        for view in views.values():
            assert np.isfinite(view.activity).all()
        if np.any(np.asarray(views["output"].activity) != 0):
            return
    pytest.fail("no drive makes a cell active within this short a life")


def test_a_recurrent_and_a_delayed_edge_are_a_plain_loop():
    """Three edges, each with its own delay.

    in -> cells arrives two steps late. cells -> cells is inhibitory, and sends the output of the
    last step through an exponential synapse. cells -> out arrives in the same step.
    """
    cells = Population("cells", 2, Tanh(), sign=-1)
    late = Edge("in", "cells", Dense(2, 3), Delayed(delay=2e-3))
    loop = Edge("cells", "cells", Dense(2, 2), Exponential(tau=4e-3))
    wiring = Wiring(
        (Population("in", 3), cells, Population("out", 1, Linear())),
        (late, loop, Edge("cells", "out", Dense(1, 2))),
    )
    w_in = RNG.normal(size=(2, 3))
    w_loop = RNG.random((2, 2))
    w_out = RNG.random((1, 2))
    x = RNG.normal(size=(N_STEPS, 3))
    with jax.enable_x64(True):
        views, sent = _run(
            wiring,
            {"in_to_cells": w_in, "cells_to_cells": w_loop, "cells_to_out": w_out},
            {"in": x},
        )
    h = np.zeros(2)
    trace = np.zeros(2)
    for t in range(N_STEPS):
        arrived = x[t - 2] if t >= 2 else np.zeros(3)
        trace = math.exp(-DT / 4e-3) * trace + h
        u = w_in @ arrived - w_loop @ trace
        h = np.tanh(u)
        np.testing.assert_allclose(sent["in_to_cells"][t], arrived, atol=1e-12)
        np.testing.assert_allclose(sent["cells_to_cells"][t], trace, atol=1e-12)
        np.testing.assert_allclose(views["cells"].potential[t], u, atol=1e-12)
        np.testing.assert_allclose(views["out"].activity[t], -w_out @ h, atol=1e-12)


def test_excitatory_and_inhibitory_cells_are_a_plain_loop():
    """i comes first, then e: signals of i reach e in the same step, all others one step late.

    Signs apply at the soma. Each of the four edges has a graph of its own.
    """
    network = Ei(
        n_e=4,
        n_i=3,
        source=Linear(),
        neuron=Relu(),
        interneuron=Tanh(),
        connection=Sparse(probability=0.6),
    )
    wiring = network.wiring({"input": 3}, 2)
    assert [(p.name, p.n, p.sign) for p in wiring.populations] == [
        ("input", 3, 0),
        ("i", 3, -1),
        ("e", 4, 1),
        ("output", 2, 0),
    ]
    weights = {edge.name: np.abs(RNG.normal(size=edge.connection.shape)) for edge in wiring.edges}
    x = RNG.normal(size=(N_STEPS, 3))
    full = {}
    for edge in wiring.edges:
        full[edge.name] = weights[edge.name]
        if isinstance(edge.connection, Sparse):
            full[edge.name] = np.zeros((edge.connection.n_post, edge.connection.n_pre))
            full[edge.name][edge.connection.topology()] = weights[edge.name]
    with jax.enable_x64(True):
        views, _ = _run(wiring, weights, {"input": x})
    e = np.zeros(4)
    i = np.zeros(3)
    for t in range(N_STEPS):
        i = np.tanh(full["input_to_i"] @ x[t] + full["e_to_i"] @ e - full["i_to_i"] @ i)
        e = np.maximum(full["input_to_e"] @ x[t] + full["e_to_e"] @ e - full["i_to_e"] @ i, 0.0)
        np.testing.assert_allclose(views["i"].activity[t], i, atol=1e-12)
        np.testing.assert_allclose(views["e"].activity[t], e, atol=1e-12)
        np.testing.assert_allclose(views["output"].activity[t], full["e_to_output"] @ e, atol=1e-12)
    graphs = [e.connection.topology() for e in wiring.edges if isinstance(e.connection, Sparse)]
    assert len({(g.post.tobytes(), g.pre.tobytes()) for g in graphs}) == 4


def test_cells_with_ports_for_both_kinds_get_magnitudes_there():
    wiring = Ei(readout=False, connection=Sparse(probability=0.5, self_connections=False)).wiring(
        {"a": 3, "b": 2}, 6
    )
    assert wiring.output.name == "e"
    expected = {}
    for post in ("i", "e"):
        for pre in ("a", "b", "e"):
            expected[f"{pre}_to_{post}"] = ("excitatory", 1.0, True)
        expected[f"i_to_{post}"] = ("inhibitory", 1.0, True)
    actual = {e.name: (e.port, wiring.sign(e), wiring.magnitude(e)) for e in wiring.edges}
    assert actual == expected
    for edge in wiring.edges:
        if edge.pre == edge.post:
            assert not np.any(np.equal(*edge.connection.topology()))
        elif edge.pre in ("e", "i"):
            n_pairs = edge.connection.n_pre * edge.connection.n_post
            assert edge.connection.topology().post.size > 3 * n_pairs / 10


def test_a_recurrent_layer_without_a_readout_is_a_plain_loop():
    """input -> output in the same step, output -> output one step late."""
    wiring = Recurrent(readout=False).wiring({"in": 3}, 2)
    w_in = RNG.normal(size=(2, 3))
    w_loop = RNG.normal(size=(2, 2))
    x = RNG.normal(size=(N_STEPS, 3))
    with jax.enable_x64(True):
        views, _ = _run(wiring, {"in_to_output": w_in, "output_to_output": w_loop}, {"in": x})
    y = np.zeros(2)
    for t in range(N_STEPS):
        y = np.tanh(w_in @ x[t] + w_loop @ y)
        np.testing.assert_allclose(views["output"].activity[t], y, atol=1e-12)
    with pytest.raises(ValueError, match="dale=true with readout=false"):
        Recurrent(dale=True, readout=False)


def test_an_output_acts_back_on_the_recurrent_layer_one_step_later():
    """input -> recurrent -> output in the same step, and both back one step late."""
    wiring = Recurrent(n_recurrent=4, return_gain=2.0).wiring({"in": 3}, 2)
    shapes = {edge.name: edge.connection.shape for edge in wiring.edges}
    w = {name: RNG.normal(size=shape) for name, shape in shapes.items()}
    x = RNG.normal(size=(N_STEPS, 3))
    with jax.enable_x64(True):
        views, _ = _run(wiring, w, {"in": x})
    r = np.zeros(4)
    z = np.zeros(2)
    for t in range(N_STEPS):
        drive = w["in_to_recurrent"] @ x[t] + w["recurrent_to_recurrent"] @ r
        r = np.tanh(drive + w["output_to_recurrent"] @ z)
        z = w["recurrent_to_output"] @ r
        np.testing.assert_allclose(views["output"].activity[t], z, atol=1e-12)
    with pytest.raises(ValueError, match=r"return_gain=2\.0 with readout=false"):
        Recurrent(return_gain=2.0, readout=False)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda: Wiring((Population("a"), Population("a")), ()), "population 'a' stands twice"),
        (
            lambda: Wiring((Population("a"),), (Edge("a", "b"),)),
            "population 'b' - expected one of a",
        ),
        (
            lambda: Wiring(
                (Population("a", 2), Population("b", 3)), (Edge("a", "b", Dense(2, 3)),)
            ),
            r"\(3, 2\)",
        ),
        (
            lambda: Wiring((Population("a"), Population("b")), (Edge("a", "b", port="axon"),)),
            "port 'axon'",
        ),
        (
            lambda: Wiring(
                (Population("a"), Population("b")), (Edge("a", "b", bounds=(1.0, 1.0)),)
            ),
            "lower < upper",
        ),
        (
            lambda: Wiring((Population("a"), Population("b")), (Edge("a", "b"), Edge("a", "b"))),
            "edge 'a_to_b'",
        ),
    ],
)
def test_a_wiring_that_cannot_be_is_refused_by_name(broken, words):
    with pytest.raises(ValueError, match=words):
        broken()


def test_dales_law_makes_weights_magnitudes():
    edge = Edge("a", "b")
    other = Edge("b", "a", bounds=(-2.0, 3.0))
    wiring = Wiring((Population("a", sign=-1), Population("b")), (edge, other))
    assert wiring.bounds(edge) == (0.0, 10.0)
    assert wiring.sign(edge) == -1.0
    assert wiring.bounds(other) == (-2.0, 3.0)
    assert wiring.sign(other) == 1.0
    assert wiring.backwards(other)
    assert not wiring.backwards(edge)


LAW = Recurrent(n_recurrent=50, neuron=find("neuron", "relu")(), dale=True)


def test_dales_law_splits_the_recurrent_layer():
    wiring = LAW.wiring({"input": 3}, 2)
    assert [(p.name, p.n, p.sign) for p in wiring.populations] == [
        ("input", 3, 0),
        ("inhibitory", 10, -1),
        ("excitatory", 40, 1),
        ("output", 2, 0),
    ]
    assert {
        e.name: (wiring.magnitude(e), wiring.sign(e), wiring.backwards(e)) for e in wiring.edges
    } == {
        "input_to_inhibitory": (False, 1.0, False),
        "input_to_excitatory": (False, 1.0, False),
        "excitatory_to_inhibitory": (True, 1.0, True),
        "inhibitory_to_inhibitory": (True, -1.0, True),
        "excitatory_to_excitatory": (True, 1.0, True),
        "inhibitory_to_excitatory": (True, -1.0, False),
        "excitatory_to_output": (True, 1.0, False),
    }
    assert all(wiring.bounds(e)[0] == 0.0 for e in wiring.edges if wiring.magnitude(e))


@pytest.mark.parametrize("connection", [Dense(), Masked(probability=0.3)], ids=["dense", "masked"])
def test_excitation_and_inhibition_balance_at_birth(connection):
    """Under equal activities, both inputs of a cell add up to 0, within 4 standard errors."""
    wiring = dataclasses.replace(
        LAW, n_recurrent=250, connection=connection, recurrent_gain=1.5
    ).wiring({"in": 1}, 1)
    weights = {n: np.asarray(w) for n, w in draw(wiring, jax.random.key(0)).items()}
    for post in ("excitatory", "inhibitory"):
        sums = {}
        for edge in wiring.into(post):
            if edge.pre != "in":
                w = weights[edge.name] * np.asarray(edge.connection.mask())
                assert w.min() >= 0
                sums[edge.pre] = w.sum(axis=1)
        net = sums["excitatory"] - sums["inhibitory"]
        error = net.std() / np.sqrt(len(net))
        # fan-in is rounded to whole synapses
        assert abs(net.mean()) < 4 * error + 0.02 * sums["excitatory"].mean()
        # control: gains matter
        assert abs(sums["excitatory"].mean() - 0.5 * sums["inhibitory"].mean()) > 10 * error


@pytest.mark.parametrize("share", [0.0, 0.04, 1.0])
def test_an_empty_half_of_dales_law_is_refused(share):
    with pytest.raises(
        ValueError, match=r"excitatory_share=.* of 10 cells - expected at least one"
    ):
        Recurrent(n_recurrent=10, dale=True, excitatory_share=share)
    Recurrent(n_recurrent=10, excitatory_share=share)


def test_an_autoassociative_life_is_a_plain_loop():
    """The stimulus drives the output itself, and the error arrives there.

    The rule sees the output of the last step.
    """
    rule = Polynomial(terms=("error*pre",), initial=(-1.0,), rate=0.5, learn="none")
    task = {"name": "teacher_student", "n_in": 4, "n_out": 4, "n_steps": N_STEPS, "input_sd": 1.0}
    lives = Lifetime(
        task=decode("task", task),
        network=Autoassociative(connection=Masked(probability=0.6, self_connections=False)),
        feedback=Symmetric(),
        slots=(Slot(rule=rule),),
        record=("weights", "activity", "feedback"),
    )
    lives.check()
    dataclasses.replace(lives, feedback=RandomFeedback(), measure=("alignment",)).check()

    @quick_jit
    def live(key: Any) -> Any:
        task = lives.task.sample(key, "train")
        born = lives.begin(
            {"rules": {"rule": {}}, "genome": {}, "feedback": {}, "neurons": {}}, task, key
        )
        theta = {
            "rules": {"rule": rule.init(key, Dense(4, 4))},
            "genome": {},
            "feedback": {},
            "neurons": {},
        }
        return (
            task.inputs,
            born.synapses["input_to_input"],
            lives.advance(theta, task, born, N_STEPS)[1].recorded,
        )

    with jax.enable_x64(True):
        x, born, seen = jax.tree.map(np.asarray, live(jax.random.key(3)))
    w = born.weight
    y = np.zeros(4)
    assert not np.any(np.diag(w))
    for t in range(N_STEPS):
        before = y
        y = np.tanh(x[t] + w @ y)
        w = w - 0.5 * born.mask * np.outer(seen["feedback"].error[t] * (1 - y**2), before)
        np.testing.assert_allclose(seen["activity"]["input"][t], y, atol=1e-12)
        np.testing.assert_allclose(seen["weights"]["input_to_input"][t], w, atol=1e-12)
    assert np.abs(w - born.weight).max() > 1e-2


@pytest.mark.parametrize(("inputs", "n_out"), [({"input": 3}, 2), ({"a": 2, "b": 2}, 2), ({}, 2)])
def test_an_autoassociative_network_refuses_what_is_not_one_population(inputs, n_out):
    with pytest.raises(BadInput, match="one input population of the size of the output, 2"):
        Autoassociative().wiring(inputs, n_out)


def test_clamped_synapses_change_nothing_but_themselves():
    """Both populations show their recorded activity, whatever the weights.

    The rule sees both, and weights of either sign.
    """
    task = {
        "name": "spike_pairing",
        "n_in": 3,
        "n_out": 2,
        "n_steps": 5,
        "n_sessions": 4,
        "rate": 400.0,
    }
    rule = Polynomial(terms=("post*pre", "weight"), initial=(1.0, -0.5), rate=0.4, learn="none")
    lives = Lifetime(
        task=decode("task", task),
        network=Clamped(bounds=(-1.0, 1.0)),
        feedback=Silent(),
        slots=(Slot(rule=rule),),
        record=("weights", "activity"),
    )
    lives.check()
    (edge,) = lives.wiring().edges
    assert edge.name == "input_to_recorded"
    assert not lives.wiring().magnitude(edge)
    assert lives.wiring().bounds(edge) == (-1.0, 1.0)

    @quick_jit
    def live(key: Any) -> Any:
        task = lives.task.sample(key, "train")
        theta = lives._init(key)
        born = lives.begin(theta, task, key)
        return (
            task,
            born.synapses["input_to_recorded"].weight,
            lives.advance(theta, task, born, 5)[1],
        )

    with jax.enable_x64(True):
        session, w, trace = jax.tree.map(np.asarray, live(jax.random.key(3)))
    assert w.min() < 0 < w.max()
    assert np.any(session.target != 0)
    np.testing.assert_array_equal(trace.recorded["activity"]["recorded"], session.target)
    np.testing.assert_array_equal(trace.recorded["activity"]["input"], session.stimulus)
    for x, y, weights_now in zip(
        session.stimulus,
        session.target,
        trace.recorded["weights"]["input_to_recorded"],
        strict=True,
    ):
        w = np.clip(w + 0.4 * (np.outer(y, x) - 0.5 * w), -1.0, 1.0)
        np.testing.assert_allclose(weights_now, w, atol=1e-12)


@pytest.mark.parametrize("inputs", [{"input": 3}, {"input": 3, "output": 2}, {}])
def test_a_clamped_network_refuses_a_task_that_does_not_clamp(inputs):
    with pytest.raises(
        BadInput,
        match=r"network clamped: inputs .* - expected input and recorded - set task.clamp=true",
    ):
        Clamped().wiring(inputs, 2)
