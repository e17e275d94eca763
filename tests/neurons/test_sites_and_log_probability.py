"""The potential where an edge ends, and the probability of what a unit drew."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.feedback.none import None_
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.base import AbstractNeuron
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.mixed import Mixed
from metaplast.neurons.stochastic import Stochastic
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import decode, spec
from metaplast.testing.base import quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests._numbers import Numbers

DT = 1e-3
N = 300


@register("neuron", "branched")
@spec
class Branched(AbstractNeuron):
    """A soma between two dendrites: u = I + v_basal + v_apical / 2, each v half of its drive."""

    ports: ClassVar[tuple[str, ...]] = ("soma", "basal", "apical")
    signed: ClassVar[tuple[str, ...]] = ports

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"basal": jnp.zeros(n), "apical": jnp.zeros(n)}

    def step(self, theta: Theta, state: Theta, drive: Any, dt: float, key: Key) -> Any:
        after = {name: 0.5 * drive[name] for name in state}
        u = drive["soma"] + after["basal"] + 0.5 * after["apical"]
        return after, neuron_view(u, u, jnp.ones_like(u))

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Any:
        return state.get(port, view.potential)


@register("network", "branches")
@spec
class Branches(AbstractNetwork):
    """The input reaches the output at all three ports."""

    neuron: Literal["plain", "mixed"] = "plain"

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n = inputs["input"]
        cell = {"plain": Branched(), "mixed": Mixed((("a", Branched()), ("b", Branched())))}
        populations = (Population("input", n), Population("output", n_out, cell[self.neuron]))
        edges = [
            Edge("input", "output", Dense(n_out, n), port=port, label=port)
            for port in Branched.ports
        ]
        return Wiring(populations, tuple(edges))


@pytest.mark.parametrize("neuron", ["plain", "mixed"])
def test_a_rule_reads_the_potential_of_the_dendrite_where_its_edge_ends(neuron):
    """In NumPy: dw = rate site pre, with the site of the soma, of the basal, of the apical port."""
    rate = 0.2
    rule = Polynomial(terms=("site*pre",), initial=(1.0,), rate=rate, learn="none")
    lifetime = Lifetime(
        task=Numbers(),
        network=Branches(neuron=neuron),
        feedback=None_(),
        slots=(Slot(rule=rule),),
        record=("weights",),
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return born.synapses, lifetime.advance(theta, task, born, 4, start=0)[1].recorded

    with jax.enable_x64(True):
        born, recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    w = {name: synapses.weight for name, synapses in born.items()}
    for t, x in enumerate(Numbers().stimuli()[:4]):
        drive = {port: w[port] @ x for port in w}
        site = {"basal": drive["basal"] / 2, "apical": drive["apical"] / 2}
        site["soma"] = drive["soma"] + site["basal"] + site["apical"] / 2
        w = {port: w[port] + rate * np.outer(site[port], x) for port in w}
        for port in w:
            np.testing.assert_allclose(recorded["weights"][port][t], w[port], rtol=1e-10)


def test_wrappers_pass_the_site_on_and_two_compartments_tell_their_dendrite():
    drive = {port: jnp.asarray([1.0, 2.0]) * k for k, port in enumerate(Branched.ports, 1)}
    leaky = Leaky(neuron=Branched())
    state, view = leaky.step({}, leaky.init_state({}, 2), drive, DT, jax.random.key(0))
    np.testing.assert_allclose(leaky.at_port({}, state, view, "apical"), [1.5, 3.0])
    for name in ("two_compartment", "refractory", "starting"):
        inner = decode("neuron", {"name": "two_compartment"})
        cell = (
            inner
            if name == "two_compartment"
            else decode("neuron", {"name": name, "neuron": {"name": "two_compartment"}})
        )
        drive = {port: jnp.full(3, 0.4) for port in cell.ports}
        state, view = cell.step({}, cell.init_state({}, 3), drive, DT, jax.random.key(0))
        attenuated = 0.4 * inner.g_dendrite / (1 + inner.g_dendrite)
        np.testing.assert_allclose(cell.at_port({}, state, view, "dendrite"), attenuated, rtol=1e-6)
        np.testing.assert_array_equal(cell.at_port({}, state, view, "soma"), view.potential)


CELLS = {
    "sigmoid": (
        {"name": "stochastic", "noise": "sigmoid", "tau_m": 0.0, "threshold": 0.3},
        lambda u: 1 / (1 + np.exp(-(u - 0.3) / 0.2)),
    ),
    "escape": (
        {"name": "stochastic", "tau_m": 0.0, "rate": 300.0},
        lambda u: 1 - np.exp(-300.0 * DT * np.exp((u - 1.0) / 0.2)),
    ),
    "poisson": ({"name": "poisson", "scale": 400.0}, lambda u: 1 - np.exp(-0.4 * np.maximum(u, 0))),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_log_probability_of_a_spike_is_its_closed_form_and_the_score_its_slope(name):
    fields, probability = CELLS[name]
    cell = decode("neuron", fields)
    u = np.linspace(-0.5, 1.5, N)

    @quick_jit
    def step(u: Any) -> Any:
        def total(u: Any) -> Any:
            state = cell.init_state({}, N)
            view = cell.step({}, state, {"soma": u}, DT, jax.random.key(1))[1]
            return jnp.sum(view.log_probability), view

        return jax.grad(total, has_aux=True)(u)

    with jax.enable_x64(True):
        slope, view = jax.tree.map(np.asarray, step(jnp.asarray(u)))
    spikes = view.activity > 0
    assert 10 < spikes.sum() < N - 10
    p = probability(u)
    with np.errstate(divide="ignore"):
        expected = np.where(spikes, np.log(p), np.log(1 - p))
    np.testing.assert_allclose(view.log_probability, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(slope, view.score, rtol=1e-9, atol=1e-12)


def test_the_log_probability_of_a_choice_is_that_of_the_chosen_unit():
    cell = decode("neuron", {"name": "choice", "inverse_temperature": 2.0})
    u = np.asarray([0.3, -0.2, 0.5, 0.1], np.float32)
    view = cell.step({}, {}, {"soma": jnp.asarray(u)}, DT, jax.random.key(4))[1]
    p = np.exp(2.0 * u) / np.exp(2.0 * u).sum()
    np.testing.assert_allclose(view.log_probability, view.activity * np.log(p), rtol=1e-5)
    assert view.activity.sum() == 1


def test_the_record_holds_the_log_probability_of_every_step():
    """p from the recorded potential; a population that draws nothing has 0, the log of 1."""
    output = Stochastic(noise="sigmoid", threshold=0.0)
    lifetime = Lifetime(
        task=Numbers(n_out=30),
        network=Feedforward(hidden=(), output=output),
        feedback=None_(),
        slots=(),
        record=("activity", "potential", "log_probability"),
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return lifetime.advance(theta, task, born, 12, start=0)[1].recorded

    recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    p = 1 / (1 + np.exp(-recorded["potential"]["output"] / output.width))
    spikes = recorded["activity"]["output"]
    expected = np.log(np.where(spikes > 0, p, 1 - p))
    np.testing.assert_allclose(recorded["log_probability"]["output"], expected, rtol=1e-4)
    assert not recorded["log_probability"]["input"].any()


def test_a_dead_time_is_certain():
    cell = decode("neuron", {"name": "refractory", "period": 5e-3, "neuron": CELLS["sigmoid"][0]})
    state = cell.init_state({}, 50)
    drive = {"soma": jnp.full(50, 0.3)}
    state, first = cell.step({}, state, drive, DT, jax.random.key(0))
    _, second = cell.step({}, state, drive, DT, jax.random.key(1))
    silent = np.asarray(first.activity) > 0
    assert 0 < silent.sum() < 50
    expected = np.where(silent, 0.0, np.log(0.5))
    np.testing.assert_allclose(second.log_probability, expected, rtol=1e-5)
