"""Steps of the network within a step of the task, signals that edges send, one-to-one synapses."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.one_to_one import OneToOne
from metaplast.feedback.none import None_
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.lif import Lif
from metaplast.neurons.stochastic import Stochastic
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput, register
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.signals import Synapses, feedback
from metaplast.spec import decode, spec
from metaplast.testing.base import quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests._numbers import Numbers
from tests._seen import seen

N = 4
RATE = 0.05
TAU = 3e-3
DT = 1e-3
HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), rate=RATE, learn="none")


@register("network", "pair")
@spec
class Pair(AbstractNetwork):
    """input -> low -> high -> output; high sends its potential back to low, unit by unit."""

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n_in = inputs["input"]
        populations = (
            Population("input", n_in),
            Population("low", N, Leaky(TAU, Tanh())),
            Population("high", N, Tanh()),
            Population("output", n_out),
        )
        edges = (
            Edge("input", "low", Dense(N, n_in)),
            Edge("low", "high", OneToOne(N, N)),
            Edge("high", "low", OneToOne(N, N), sends="potential"),
            Edge("high", "output", Dense(n_out, N)),
        )
        return Wiring(populations, edges)


@register("network", "loop")
@spec
class Loop(AbstractNetwork):
    """output -> output, without effect: what arrives is the output of the step before."""

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        cell = Stochastic(tau_m=0.0, noise="sigmoid", threshold=0.0)
        populations = (Population("input", inputs["input"]), Population("output", n_out, cell))
        return Wiring(populations, (Edge("output", "output", Dense(n_out, n_out), gain=0.0),))


def _plain(w: dict[str, np.ndarray], stimuli: np.ndarray, settle: int) -> list[dict[str, Any]]:
    """The same life in NumPy: weights after every step, and what arrived at low from high."""
    w = {name: values.copy() for name, values in w.items()}
    kept = np.exp(-DT / TAU)
    u = np.zeros(N)
    back = np.zeros(N)
    told = []
    for x in stimuli:
        for _ in range(settle):
            arrived = back
            u = kept * u + (1.0 - kept) * (w["input_to_low"] @ x + w["high_to_low"] * arrived)
            low = np.tanh(u)
            back = w["low_to_high"] * low
            high = np.tanh(back)
            output = w["high_to_output"] @ high
        w["input_to_low"] = w["input_to_low"] + RATE * np.outer(low, x)
        w["low_to_high"] = w["low_to_high"] + RATE * high * low
        w["high_to_low"] = w["high_to_low"] + RATE * low * arrived
        w["high_to_output"] = w["high_to_output"] + RATE * np.outer(output, high)
        told.append({**w, "arrived": arrived, "output": output})
    return told


@pytest.mark.parametrize("settle", [1, 4])
def test_a_life_that_settles_is_the_plain_loop(settle):
    """The network takes `settle` steps under one stimulus, the rules one, after the last."""
    lifetime = Lifetime(
        task=Numbers(),
        network=Pair(),
        feedback=None_(),
        slots=(Slot(rule=HEBB),),
        record=("weights", "sent", "activity"),
        settle=settle,
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return born.synapses, lifetime.advance(theta, task, born, 12, start=0)[1].recorded

    with jax.enable_x64(True):
        born, recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    weights = {name: synapses.weight for name, synapses in born.items()}
    assert weights["low_to_high"].shape == (N,)
    for t, told in enumerate(_plain(weights, Numbers().stimuli(), settle)):
        for name in weights:
            np.testing.assert_allclose(recorded["weights"][name][t], told[name], rtol=1e-10)
        np.testing.assert_allclose(recorded["sent"]["high_to_low"][t], told["arrived"], rtol=1e-10)
        np.testing.assert_allclose(recorded["activity"]["output"][t], told["output"], rtol=1e-10)


def test_every_step_of_a_settling_network_draws_anew():
    """A cell that fires by lot hears, over a loop, its spike of the step before the last."""

    lifetime = Lifetime(
        task=Numbers(n_out=40),
        network=Loop(),
        feedback=None_(),
        slots=(),
        record=("sent", "activity"),
        settle=2,
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return lifetime.advance(theta, task, born, 12, start=0)[1].recorded

    recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    first, last = recorded["sent"]["output_to_output"], recorded["activity"]["output"]
    for spikes in (first, last):
        assert abs(spikes.mean() - 0.5) < 4 * 0.5 / np.sqrt(spikes.size)
    assert abs((first == last).mean() - 0.5) < 4 * 0.5 / np.sqrt(first.size)


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("counts the times of spikes", {"slots": (Slot(rule=Stdp()),)}),
        (
            r"sees spikes as rates \(rate_trace\)",
            {"slots": (Slot(edges="*_hidden_1", rule=HEBB),), "rate_trace": 0.1},
        ),
        (
            "reads the eligibility",
            {"slots": (Slot(rule=decode("rule", {"name": "eligibility", "exact": False})),)},
        ),
    ],
)
def test_rules_that_count_every_step_are_refused_where_the_network_settles(words, fields):
    network = Feedforward(hidden=(5,), source=Lif(), neuron=Lif(), output=Lif())
    lifetime = Lifetime(task=Numbers(), network=network, settle=3, **fields)
    with pytest.raises(BadInput, match=rf"settle=3: the rule at \w+ {words}"):
        lifetime.check()


def _edges(**fields: Any) -> Wiring:
    populations = (Population("a", 3, Lif()), Population("b", 3, Tanh()))
    return Wiring(populations, (Edge("a", "b", Dense(3, 3), **fields),))


def test_an_edge_sends_only_what_its_neuron_offers():
    with pytest.raises(
        ValueError, match=r"edge a_to_b: sends 'score' - expected a signal on offer at a: activity"
    ):
        _edges(sends="score")


def test_only_activity_is_spikes_and_returns_credit():
    plain, potential = _edges(), _edges(sends="potential")
    for wiring, sides, returns in ((plain, {"pre"}, True), (potential, set(), False)):
        (edge,) = wiring.edges
        assert wiring.spiking(edge) == sides
        assert wiring.returns(edge) == returns
    ones = {
        name: decode("neuron", "tanh").step({}, {}, {"soma": np.ones(3)}, DT, None)[1]
        for name in ("a", "b")
    }
    synapses = {"a_to_b": Synapses(weight=np.ones((3, 3), np.float32), mask=np.ones(()))}
    answer = feedback(3, error=np.ones(3, np.float32))
    for wiring, silent in ((plain, False), (potential, True)):
        step = seen(wiring, ones, answer, synapses=synapses)
        credit = Symmetric().step({}, {}, step)[1]
        assert np.any(credit.feedback["b"])
        assert (not np.any(credit.feedback["a"])) == silent


def test_populations_of_two_sizes_are_not_joined_one_to_one():
    with pytest.raises(
        ValueError, match="one_to_one: from 3 neurons to 2 - expected two populations"
    ):
        Feedforward(hidden=(), connection=OneToOne()).wiring({"input": 3}, 2)
