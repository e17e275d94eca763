"""Cells of several types in one population: each is its own cell, and all meet at the same time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from metaplast.connections.dense import Dense
from metaplast.networks import base as network
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.adex import Adex
from metaplast.neurons.alif import Alif
from metaplast.neurons.lif import Lif
from metaplast.neurons.mixed import Mixed
from metaplast.neurons.refractory import Refractory
from metaplast.neurons.starting import Starting
from metaplast.signals import Synapses
from metaplast.spec import decode
from metaplast.testing import check_neuron
from metaplast.wiring import Edge, Population, Wiring
from tests.oracles import neurons

DT = 1e-3
N_STEPS = 300
LSNN = Mixed(
    (
        ("regular", Refractory(Lif(learn_slope=True), 3e-3)),
        ("adaptive", Refractory(Alif(tau_a=0.3, learn_slope=True), 3e-3)),
    )
)


def test_cells_with_theta_in_wrappers_keep_every_promise():
    check_neuron(LSNN)
    theta = LSNN.init(jax.random.key(0), 5)
    assert set(theta) == {"regular", "adaptive"}
    state = LSNN.init_state(theta, 5)
    assert {label: part["inner"]["v"].size for label, part in state.items()} == {
        "regular": 3,
        "adaptive": 2,
    }


@pytest.mark.parametrize(
    ("shares", "n", "sizes"),
    [
        ((), 20, (10, 10)),
        ((10, 10), 20, (10, 10)),
        ((3, 1), 20, (15, 5)),
        ((3, 1), 40, (30, 10)),
        ((), 5, (3, 2)),
        ((), 1, (1, 0)),
        ((1, 5), 1, (0, 1)),
    ],
)
def test_a_population_is_cut_in_the_ratio_of_the_shares(shares, n, sizes):
    cells = Mixed(shares=shares)
    assert cells.alike(n) == sizes
    stretches = cells.stretches(n)
    assert stretches["lif"] == slice(0, sizes[0])
    assert stretches["alif"] == slice(sizes[0], n)


def _recurrent(wiring: Wiring, weights: Any, stimulus: Any) -> Any:
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}

    def step(state: Any, shown: Any) -> Any:
        key = jax.random.key(0)
        state, signals = network.step(wiring, {}, synapses, state, {"input": shown}, DT, key)
        return state, {name: view.activity for name, view in signals.views.items()}

    born = network.init_state(wiring, {}, DT)
    return jax.jit(lambda x: jax.lax.scan(step, born, x)[1])(stimulus)


def _drawn() -> tuple[Wiring, dict[str, np.ndarray], np.ndarray]:
    """A recurrent layer of 10 lif and 10 alif, its weights and its input."""
    rng = np.random.default_rng(0)
    wiring = Recurrent(20, neuron=decode("neuron", "mixed")).wiring({"input": 5}, 1)
    weights = {}
    for edge in wiring.edges:
        weights[edge.name] = rng.normal(0.0, 1.5, edge.connection.shape)
    return wiring, weights, 3.0 * rng.random((N_STEPS, 5))


def test_every_cell_meets_the_spikes_of_the_last_step():
    """10 lif and 10 alif against one loop over cells, each on its own past."""
    wiring, weights, stimulus = _drawn()
    with jax.enable_x64(True):
        spikes = np.asarray(_recurrent(wiring, weights, stimulus)["recurrent"])
    v = np.zeros(20)
    raised = np.zeros(20)
    beta = np.where(np.arange(20) < 10, 0.0, 0.1)
    last = np.zeros(20)
    expected = np.zeros((N_STEPS, 20))
    for t in range(N_STEPS):
        drive = weights["input_to_recurrent"] @ stimulus[t]
        drive = drive + weights["recurrent_to_recurrent"] @ last
        raised = np.exp(-DT / 200e-3) * raised + last
        v = np.exp(-DT / 20e-3) * v + (1.0 - np.exp(-DT / 20e-3)) * drive
        last = 1.0 * (v > 1.0 + beta * raised)
        v = np.where(last > 0, 0.0, v)
        expected[t] = last
    assert expected[:, :10].sum() > 100 and expected[:, 10:].sum() > 100
    np.testing.assert_array_equal(spikes, expected)


def test_two_populations_in_its_place_are_another_network():
    """The control: alif behind lif sees the spikes of lif one step earlier."""
    wiring, weights, stimulus = _drawn()
    one = np.asarray(_recurrent(wiring, weights, stimulus)["recurrent"])
    cells = {"lif": Lif(), "alif": Alif()}
    parts = {"lif": slice(0, 10), "alif": slice(10, 20)}
    edges = []
    own = {}
    for post in parts:
        for pre, n in (("input", 5), ("lif", 10), ("alif", 10)):
            edges.append(Edge(pre, post, Dense(10, n)))
        own[f"input_to_{post}"] = weights["input_to_recurrent"][parts[post]]
        for pre in parts:
            loop = weights["recurrent_to_recurrent"]
            own[f"{pre}_to_{post}"] = loop[parts[post], parts[pre]]
    populations = [Population("input", 5)]
    for name, cell in cells.items():
        populations.append(Population(name, 10, cell))
    views = _recurrent(Wiring(tuple(populations), tuple(edges)), own, stimulus)
    two = np.concatenate([views["lif"], views["alif"]], axis=1)
    assert two.sum() > 200
    assert np.any(two != one)


def test_each_type_draws_for_itself():
    cells = Mixed((("a", Starting(Lif(), (0.0, 1.0))), ("b", Starting(Lif(), (0.0, 1.0)))))
    state = cells.begin({}, 10, jax.random.key(0))
    assert np.all(np.asarray(state["a"]["v"]) != np.asarray(state["b"]["v"]))
    around = Starting(Mixed(), (0.2, 0.9)).begin({}, 10, jax.random.key(0))
    drawn = np.concatenate([around["lif"]["v"], around["alif"]["v"]])
    assert len(set(drawn.tolist())) == 10


def test_one_cell_is_that_cell():
    only = Mixed((("only", Lif()),))
    drive = np.linspace(0.0, 3.0, 4)
    state = only.init_state({}, 4)
    spikes = []
    for _ in range(50):
        now = {"soma": jnp.asarray(drive)}
        state, view = only.step({}, state, now, DT, jax.random.key(0))
        spikes.append(np.asarray(view.activity))
    expected = neurons.lif(Lif(), {"soma": np.tile(drive, (50, 1))}, DT)[0]
    assert expected.sum() > 4
    np.testing.assert_array_equal(spikes, expected)


def test_limits_and_offers_are_those_that_hold_for_all():
    both = Mixed((("lif", Lif()), ("adex", Adex())))
    assert both.stable_dt() == Adex().stable_dt()
    assert both.drives == Lif().drives
    drawn = Mixed((("lif", Lif()), ("stochastic", decode("neuron", "stochastic"))))
    assert "score" not in drawn.offers and "gain" in drawn.offers


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"neurons": {}}, "at least one, distinct labels"),
        ({"neurons": {"a": "lif", "b": "conductance_lif"}}, "ports of the cells differ"),
        ({"neurons": {"a": "lif", "b": "tanh"}}, "all spiking or none"),
        ({"shares": [1]}, "1 shares for 2 neurons"),
        ({"shares": [0, 1]}, "greater than or equal to 1"),
        ({"neurons": {"a": "lif", "b": {"name": "alif", "beta": -1.0}}}, r"b.beta=-1.0 - expected"),
    ],
)
def test_cells_that_do_not_go_together_are_refused_in_one_line(fields, words):
    with pytest.raises(ValidationError, match=words):
        decode("neuron", {"name": "mixed", **fields})
