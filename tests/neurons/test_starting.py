"""First membrane potentials: what a cell starts from is what was said, or drawn, and it goes on
from there.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from metaplast.connections.dense import Dense
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.izhikevich import Izhikevich
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.neurons.starting import Starting
from metaplast.rules.stdp import Stdp
from metaplast.spec import decode
from metaplast.wiring import Edge, Population, Wiring
from tests.agreement import _ours, _theirs
from tests.oracles import neurons

DT, N, RANGE = 1e-3, 200, (0.2, 0.9)
MEMBRANES = (
    "lif",
    "alif",
    "conductance_lif",
    "hodgkin_huxley",
    "izhikevich",
    "adex",
    "stochastic",
    "two_compartment",
    "refractory",
    "leaky",
    "mixed",
)
NONE = ("linear", "tanh", "poisson", "spikes", "constant", "recorded")


def shown(neuron: Any, key: Any = None, dt: float = 1e-7) -> np.ndarray:
    """The potential after one step of next to no time [5]."""
    state = neuron.begin(
        neuron.init(jax.random.key(0), 5), 5, jax.random.key(0) if key is None else key
    )
    drive = {port: jnp.zeros(5) for port in neuron.ports}
    return np.asarray(
        neuron.step(neuron.init(jax.random.key(0), 5), state, drive, dt, jax.random.key(1))[
            1
        ].potential
    )


@pytest.mark.parametrize("name", MEMBRANES)
def test_every_cell_with_a_membrane_starts_where_it_is_told(name):
    inner = decode("neuron", name)
    rest = shown(inner)
    first = float(rest[0]) + 0.3
    np.testing.assert_allclose(shown(Starting(inner, first)), first, atol=1e-4)
    np.testing.assert_allclose(shown(Starting(inner, float(rest[0]))), rest, atol=1e-5)
    drawn = shown(Starting(inner, (first, first + 0.5)))
    assert np.all((drawn > first - 1e-3) & (drawn < first + 0.501)) and np.ptp(drawn) > 0.05


def test_what_a_spike_is_decided_on_starts_there_too():
    late = Starting(Lif(spike_on="previous"), 1.5)
    state = late.begin({}, 3, jax.random.key(0))
    view = late.step({}, state, {"soma": jnp.zeros(3)}, DT, jax.random.key(0))[1]
    np.testing.assert_array_equal(view.activity, 1.0)
    np.testing.assert_array_equal(view.potential, 1.5)


@pytest.mark.parametrize("name", NONE)
def test_a_neuron_without_a_membrane_is_refused_by_name(name):
    with pytest.raises(
        ValidationError, match=rf"neuron '{name}': a first potential.*leave starting out"
    ):
        Starting(decode("neuron", name), 0.5)


def test_a_range_without_width_is_refused():
    with pytest.raises(ValidationError, match=r"potential=\(0.5, 0.5\).*low < high"):
        Starting(Lif(), (0.5, 0.5))


def test_the_script_of_izhikevich_starts_at_65_millivolts():
    """v = -65, u = b v, then his equations by Euler steps."""
    neuron = Starting(Izhikevich(), -65.0)
    state, potential = neuron.begin({}, 1, jax.random.key(0)), []
    v, u = -65.0, 0.2 * -65.0
    for _ in range(20):
        state, view = neuron.step({}, state, {"soma": jnp.full(1, 3.0)}, DT, jax.random.key(0))
        v, u = v + 0.04 * v**2 + 5.0 * v + 140.0 - u + 3.0, u + 0.02 * (0.2 * v - u)
        potential.append((float(view.potential[0]), v))
    ours, wanted = np.array(potential).T
    np.testing.assert_allclose(ours, wanted, rtol=1e-5)


def lifetime(potential: Any) -> Lifetime:
    cells = Starting(Refractory(Lif()), potential)
    slots = (Slot(edges="recurrent_to_recurrent", rule=Stdp()),)
    return Lifetime(network=Recurrent(n_recurrent=N, neuron=cells), slots=slots)


def begun(potential: Any, seed: int) -> np.ndarray:
    life = lifetime(potential)
    task = life.task.sample(jax.random.key(0), "train")
    born = life.begin(life.init(jax.random.key(0)), task, jax.random.key(seed))
    return np.asarray(born.network.neurons["recurrent"]["inner"]["v"])


def test_a_range_is_drawn_per_cell_from_the_key_of_the_life():
    first, again, other = begun(RANGE, 1), begun(RANGE, 1), begun(RANGE, 2)
    np.testing.assert_array_equal(first, again)
    assert len(set(first.tolist())) > 0.95 * N and first.min() >= 0.2 and first.max() < 0.9
    assert abs(first.mean() - 0.55) < 4 * 0.7 / math.sqrt(12 * N)
    assert abs(np.corrcoef(first, other)[0, 1]) < 4 / math.sqrt(N)
    np.testing.assert_allclose(begun(0.4, 1), 0.4, rtol=1e-6)


def test_two_populations_draw_their_own():
    cells = Starting(Lif(), RANGE)
    wiring = Wiring(
        (Population("a", 5, cells), Population("b", 5, cells)), (Edge("a", "b", Dense(5, 5)),)
    )
    state = network.begin(wiring, {}, DT, jax.random.key(0))
    assert np.all(np.asarray(state.neurons["a"]["v"]) != np.asarray(state.neurons["b"]["v"]))


def test_cells_go_on_from_where_they_start():
    """Under a constant drive, V <- alpha V + (1 - alpha) I from the drawn V, with the reset, cell
    by cell.
    """
    neuron, drive = Starting(Lif(), RANGE), 1.3
    state = neuron.begin({}, 6, jax.random.key(3))
    v = np.asarray(state["v"], np.float64)
    counted, spikes = np.zeros((60, 6)), np.zeros((60, 6))
    alpha = math.exp(-DT / 20e-3)
    for t in range(60):
        state, view = neuron.step({}, state, {"soma": jnp.full(6, drive)}, DT, jax.random.key(0))
        spikes[t] = view.activity
        v = alpha * v + (1.0 - alpha) * drive
        counted[t] = v > 1.0
        v[v > 1.0] = 0.0
    np.testing.assert_array_equal(spikes, counted)
    assert len({tuple(train) for train in counted.T}) > 3
    at_rest = neurons.lif(neuron.neuron, {"soma": np.full((60, 6), drive)}, DT)[0]
    assert np.any(at_rest != counted)


@pytest.mark.parametrize("first", [0.0, 0.8])
def test_the_same_network_from_the_same_potentials_in_brian2(first):
    rng, n_in, n, steps = np.random.default_rng(0), 40, 20, 200
    spikes, weight = (
        {"input": 1.0 * (rng.random((steps, n_in)) < 0.03)},
        rng.uniform(0.15, 0.5, (n, n_in)),
    )
    cell = ConductanceLif(
        e_excitatory=3.0,
        tau_excitatory=5e-3,
        tau_inhibitory=10e-3,
        conductance_jumps="after",
        tau_m=20e-3,
    )
    held = Starting(Refractory(cell, 2 * DT), 0.8)
    edge = Edge("input", "output", Dense(n, n_in), port="excitatory", bounds=(0.0, 1.0), label="in")
    wiring = Wiring((Population("input", n_in), Population("output", n, held)), (edge,))
    ours = _ours.run(wiring, {}, spikes, {"in": weight}, DT)[0]["output"]
    ends = tuple(axis.ravel() for axis in np.indices(weight.shape))
    numbers = {
        "e_e": 3.0,
        "e_i": -1 / 3,
        "tau_m": 20e-3,
        "tau_e": 5e-3,
        "tau_i": 10e-3,
        "refractory": 3 * DT,
    }
    theirs = {"in": _theirs.Edge("input", "output", ends, weight.ravel(), into="g_e")}
    brian = _theirs.run(theirs, {"output": n}, spikes, (_theirs.CONDUCTANCES, numbers), DT, first)[
        0
    ]["output"]
    assert brian.sum() > n
    assert (np.sum(ours != brian) == 0) == (first == 0.8)
