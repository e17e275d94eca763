"""The facts of an edge: its sign, with which credit returns, and the sides that carry spikes."""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.feedback.base import reverse_walk
from metaplast.feedback.learned import Learned
from metaplast.feedback.random import Random
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.base import AbstractNetwork
from metaplast.networks.ei import Ei
from metaplast.neurons.linear import Linear
from metaplast.neurons.softplus import Softplus
from metaplast.registry import find, register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses, feedback
from metaplast.spec import decode, spec
from metaplast.testing.base import quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests._seen import seen
from tests.contracts._enrolled import enrolled

DT = 1e-3
N_PRE = 4
N_POST = 3
RATE = {"name": "two_compartment", "output": "rate"}
CELLS = {
    "two_compartment": RATE,
    "leaky": {"name": "leaky", "neuron": RATE},
    "conductance_lif": {"name": "conductance_lif", "tau_inhibitory": 10e-3},
    "refractory": {"name": "refractory", "neuron": "conductance_lif"},
}


@register("network", "chain")
@spec
class Chain(AbstractNetwork):
    """input -> cells -> output, all magnitudes where `sign` is one."""

    sign: Literal[-1, 1] = 1

    def wiring(self, inputs: Any, n_out: int) -> Wiring:
        n = inputs["input"]
        cells = Population("cells", 5, Softplus(), sign=self.sign)
        edges = (Edge("input", "cells", Dense(5, n)), Edge("cells", "output", Dense(n_out, 5)))
        return Wiring((Population("input", n), cells, Population("output", n_out)), edges)


def _edge(
    cell: Any, port: str, sign: Any = 0, transmission: Any = "instant", **sizes: int
) -> Wiring:
    n_pre = sizes.get("n_pre", N_PRE)
    n_post = sizes.get("n_post", N_POST)
    populations = (
        Population("input", n_pre, sign=sign),
        Population("output", n_post, decode("neuron", cell)),
    )
    sent = decode("transmission", transmission)
    return Wiring(populations, (Edge("input", "output", Dense(n_post, n_pre), sent, port),))


def _synapses(weights: Any) -> dict[str, Synapses]:
    return {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}


def _seen(wiring: Wiring, weights: Any, stimulus: Any) -> Any:
    """Views after one step from rest."""
    start = network.init_state(wiring, {}, DT)
    return network.step(wiring, {}, _synapses(weights), start, stimulus, DT, jax.random.key(0))[1][
        0
    ]


def _credit_of(rule: Any, wiring: Wiring, weights: Any, views: Any, error: Any) -> Any:
    """(learning signals, the signals that the rule carries back)."""
    state = rule.init_state({}, wiring, jax.random.key(3))
    answer = feedback(wiring.output.n, error=error)
    step = seen(wiring, views, answer, synapses=_synapses(weights))
    _, credit = rule.step({}, state, step)
    return credit.learning_signal, state.get("back")


ROUTES: list[tuple[str, str, int]] = []
for _name, _cell in CELLS.items():
    for _port in decode("neuron", _cell).ports:
        _signs = (-1, 0, 1) if _port == "soma" else (-1,)
        ROUTES += [(_name, _port, _sign) for _sign in _signs]


def test_credit_has_the_sign_with_which_its_edge_acts():
    """Against the gradient of each output alone, d activity / d input.

    It goes through every port of every cell that has more than a soma. The two are the same vector,
    up to a positive factor, which is the factor of the cell's memory.
    """
    rng = np.random.default_rng(0)
    w = np.abs(rng.normal(size=(N_POST, N_PRE)))
    x = 0.1 + rng.random(N_PRE)

    def both(route: tuple[str, str, int], w: Any, x: Any) -> Any:
        wiring = _edge(CELLS[route[0]], *route[1:])
        weights = {"input_to_output": w}
        activity = lambda x: _seen(wiring, weights, {"input": x})["output"].activity
        views = _seen(wiring, weights, {"input": x})
        signal = lambda error: _credit_of(Symmetric(), wiring, weights, views, error)[0]["input"]
        return jax.vmap(signal)(jnp.eye(N_POST)), jax.jacrev(activity)(x)

    with jax.enable_x64(True):
        pairs = quick_jit(lambda w, x: [both(route, w, x) for route in ROUTES])(w, x)
    for (name, port, sign), (signal, slope) in zip(
        ROUTES, jax.tree.map(np.asarray, pairs), strict=True
    ):
        up = -1.0 if port == "inhibitory" or (port, sign) == ("soma", -1) else 1.0
        assert (up * signal > 0).all() and (up * slope > 0).all(), (name, port, sign)
        factor = slope / signal
        np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1], factor.shape), rtol=1e-9)


def test_a_conductance_acts_towards_its_reversal_potential():
    """Below the threshold, an inhibition that depolarises still lowers.

    Beyond the threshold, it raises as excitation does.
    """
    for cell in ("conductance_lif", "two_compartment"):
        for reversal, lowers in ((-1.0, True), (0.5, True), (2.0, False)):
            wiring = _edge({"name": cell, "e_inhibitory": reversal}, "inhibitory")
            assert wiring.effect(wiring.edges[0]) == (-1.0 if lowers else 1.0)
            assert wiring.sign(wiring.edges[0]) == 1.0  # forward it is a magnitude


@pytest.mark.parametrize("rule", [Random(), Learned()], ids=["random", "learned"])
def test_other_matrices_return_credit_with_the_sign_of_the_edge_too(rule):
    """-B^T (error * gain), in NumPy: at an inhibitory port as at a soma that inhibition reaches."""
    error = np.asarray([1.0, -0.5, 2.0])
    x = np.full(N_PRE, 0.5)
    for cell, port, sign in (
        (RATE, "inhibitory", -1),
        ("tanh", "soma", -1),
        (RATE, "excitatory", 1),
    ):
        wiring = _edge(cell, port, sign)

        @quick_jit
        def lived(w: Any, wiring: Wiring = wiring) -> Any:
            views = _seen(wiring, {"input_to_output": w}, {"input": x})
            return views["output"].gain, *_credit_of(
                rule, wiring, {"input_to_output": w}, views, error
            )

        with jax.enable_x64(True):
            gain, signal, back = jax.tree.map(np.asarray, lived(np.ones((N_POST, N_PRE))))
        expected = (
            (1.0 if port == "excitatory" else -1.0) * back["input_to_output"].T @ (error * gain)
        )
        np.testing.assert_allclose(signal["input"], expected, rtol=1e-9)


def test_inhibitory_cells_of_conductances_are_told_to_fire_less_where_the_output_should_rise():
    """`ei` with its default cells, all of which spike: sum_j W_ji dloss / dW_ji = z_i L_i.

    The left side is by autodiff.
    """
    wiring = Ei(n_e=6, n_i=4, source=Linear(), connection=Sparse(probability=0.7)).wiring(
        {"input": 3}, 1
    )
    weights = {e.name: np.full(e.connection.shape, 0.5) for e in wiring.edges} | {
        "input_to_i": np.full((4, 3), 9.0)
    }
    edge = next(e for e in wiring.edges if e.name == "i_to_e")
    assert edge.port == "inhibitory"

    @quick_jit
    def both(weights: Any) -> Any:
        see = lambda weights: _seen(wiring, weights, {"input": np.full(3, 9.0)})
        output = lambda weights: see(weights)["output"].activity[0]
        slope = jax.grad(output)(weights)[edge.name] * weights[edge.name]
        views = see(weights)
        answer = feedback(1, error=np.ones(1))
        return (
            views["i"].activity,
            edge.connection.reduce_pre(slope),
            reverse_walk(wiring, weights, views, answer)["i"],
        )

    with jax.enable_x64(True):
        fired, slope, signal = map(np.asarray, both(weights))
    assert (fired == 1.0).all() and (slope < 0.0).all()
    np.testing.assert_array_equal(np.sign(signal), np.sign(slope))


SPIKES = (  # by default
    "adex",
    "alif",
    "conductance_lif",
    "hodgkin_huxley",
    "izhikevich",
    "lif",
    "mixed",
    "poisson",
    "refractory",
    "spikes",
    "stochastic",
    "starting",
    "two_compartment",
)
NEURONS = {  # name -> (spec, whether it claims that its activity is spikes)
    **{name: (name, find("neuron", name)().spiking) for name in enrolled("neuron")},
    "two_compartment of rates": (RATE, False),
    "leaky around lif": ({"name": "leaky", "neuron": "lif"}, True),
    "leaky twice": ({"name": "leaky", "neuron": {"name": "leaky", "neuron": "stochastic"}}, True),
    "leaky around rates": ({"name": "leaky", "neuron": RATE}, False),
    "refractory around two_compartment": (
        {"name": "refractory", "neuron": "two_compartment"},
        True,
    ),
}
SILENT = ("instant", "tsodyks_markram", "delayed")  # by default


def _silent(name: str) -> bool:
    return find("transmission", name)().keeps_silence


# name -> (spec, whether it claims to keep the silence of its input)
TRANSMISSIONS: dict[str, tuple[Any, bool]] = {}
for _name in enrolled("transmission"):
    _delayed = {"name": "delayed", "delay": 3e-3, "transmission": _name}
    TRANSMISSIONS[_name] = (_name, _silent(_name))
    TRANSMISSIONS[f"delayed around {_name}"] = (_delayed, _silent(_name))


def test_what_spikes_and_what_keeps_silence_says_so():
    assert all(NEURONS[name][1] for name in SPIKES)
    assert all(TRANSMISSIONS[name][1] for name in SILENT)


def test_which_sides_of_an_edge_carry_spikes():
    """`pre`: a spiking cell before a silent transmission. `post`: a spiking cell behind it."""
    for before, (source, spikes) in NEURONS.items():
        for between, (transmission, silent) in TRANSMISSIONS.items():
            for after, (cell, fires) in (
                ("lif", ("lif", True)),
                ("tanh", ("tanh", False)),
                (before, (source, spikes)),
            ):
                wiring = _edge(cell, "soma", 0, transmission)
                first = dataclasses.replace(wiring.populations[0], neuron=decode("neuron", source))
                wiring = dataclasses.replace(wiring, populations=(first, wiring.output))
                sides = {
                    side for side, there in (("pre", spikes and silent), ("post", fires)) if there
                }
                assert wiring.spiking(wiring.edges[0]) == sides, (before, between, after)


SENT = np.zeros((30, 2))
SENT[[3, 4, 9], [0, 0, 1]] = 1.0


@quick_jit
def _transmitted() -> dict[str, Any]:
    def live(spec: Any) -> Any:
        synapse = decode("transmission", spec)
        return jax.lax.scan(
            lambda s, x: synapse.step(s, x, DT), synapse.init_state(2, DT), jnp.asarray(SENT)
        )[1]

    return {name: live(spec) for name, (spec, _) in TRANSMISSIONS.items()}


def test_what_says_that_it_keeps_silence_transmits_exactly_0_but_for_the_spikes():
    for name, out in jax.tree.map(np.asarray, _transmitted()).items():
        late = {"delayed": 2}.get(name.split(" ")[-1], 0) + (
            3 if name.startswith("delayed around") else 0
        )
        arriving = np.concatenate([np.zeros((late, 2)), SENT[: len(SENT) - late]])
        at_rest = out[arriving == 0.0]
        assert (out[: 3 + late] == 0.0).all(), name  # nothing was sent yet
        assert np.all(at_rest == 0.0) or not TRANSMISSIONS[name][1], name
        assert np.any(out != 0.0), name


@quick_jit
def _activities() -> dict[str, Any]:
    """The activities of every neuron, at rest for 20 steps, then driven, the last unit hard."""
    strength = jnp.asarray([0.5, 3.0, 30.0, 3000.0])
    on = jnp.concatenate([jnp.zeros(20), jnp.ones(40)])

    def live(spec: Any) -> Any:
        neuron = decode("neuron", spec)

        def step(state: Any, now: Any) -> Any:
            drive = {port: jnp.zeros(4) for port in neuron.ports}
            drive["soma"] = drive["soma"] + now[0] * strength
            state, view = neuron.step({}, state, drive, DT, now[1])
            return state, view.activity

        return jax.lax.scan(
            step, neuron.init_state({}, 4), (on, jax.random.split(jax.random.key(0), 60))
        )[1]

    return {name: live(spec) for name, (spec, _) in NEURONS.items()}


def test_what_says_that_it_spikes_sends_0_or_1_and_what_does_not_sends_more_than_that():
    """There are three exceptions.

    Given spikes are sent as they are given. A `choice` is one-hot and yet no spike: one unit of the
    population is active in every step. A `constant` is 1 in all steps.
    """
    for name, activity in jax.tree.map(np.asarray, _activities()).items():
        binary = np.isin(activity, (0.0, 1.0)).all()
        if name == "spikes":
            assert (activity[:20] == 0.0).all()
        elif name in ("choice", "constant"):
            assert binary and (activity.max(axis=1) == 1.0).all()
        else:
            assert binary == NEURONS[name][1], name
            assert activity.any(), name
            assert not NEURONS[name][1] or activity[:20].mean() < 0.1, name


def _walks(cell: Any, transmission: Any, probability: float, readout: Any = "tanh") -> int:
    """The walks from spike to spike in one step on a CPU, as loops in the compiled program.

    There are 40 cells that meet all others.
    """
    loop = Sparse(40, 40, probability=probability)
    cells = Population("cells", 40, decode("neuron", cell))
    sent = decode("transmission", transmission)
    edges = (
        Edge("input", "cells", Sparse(40, 40, probability=probability, seed=1), sent),
        Edge("cells", "cells", loop, sent),
        Edge("cells", "output", Sparse(40, 40, probability=probability, seed=2), sent),
    )
    wiring = Wiring(
        (Population("input", 40), cells, Population("output", 40, decode("neuron", readout))), edges
    )
    weights = {e.name: jax.ShapeDtypeStruct(e.connection.shape, np.float32) for e in wiring.edges}
    assert all((w.shape[0] > loop.few) == (probability == 0.6) for w in weights.values())

    def step(weights: Any, state: Any, x: Any) -> Any:
        return network.step(
            wiring, {}, _synapses(weights), state, {"input": x}, DT, jax.random.key(0)
        )

    start = jax.eval_shape(lambda: network.init_state(wiring, {}, DT))
    shown = jax.ShapeDtypeStruct((40,), np.float32)
    program = jax.export.export(jax.jit(step), platforms=["cpu"])(
        weights, start, shown
    ).mlir_module()
    return program.count("stablehlo.while")


@pytest.mark.parametrize(
    ("cell", "transmission", "walks"),
    [
        ("lif", "instant", 2),  # from the cells on; the input is none of spikes
        ("lif", "delayed", 2),
        ("lif", "exponential", 0),
        ({"name": "leaky", "neuron": "lif"}, "instant", 2),
        ("tanh", "instant", 0),
        (RATE, "instant", 0),
    ],
    ids=str,
)
def test_an_edge_of_many_synapses_that_carries_spikes_walks_over_them(cell, transmission, walks):
    assert _walks(cell, transmission, 0.6) == walks


def test_an_edge_of_few_synapses_does_not():
    assert _walks("lif", "instant", 0.2) == 0


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_rule_of_errors_descends_on_edges_that_inhibit_as_on_those_that_excite(sign):
    """`-error*pre` under symmetric feedback is minus the gradient with respect to the magnitudes.

    It holds in a chain of rate cells under Dale's law: input -> cells (sign) -> output.
    """
    chain = Chain(sign)
    task = {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": 1, "input_sd": 1.0}
    rule = Polynomial(terms=("error*pre",), initial=(-1.0,), rate=1.0, learn="none")
    lives = Lifetime(decode("task", task), chain, Symmetric(), slots=(Slot(rule=rule),))

    @quick_jit
    def both(key):
        theta = lives._init(key)
        task = lives.task.sample(key, "train")
        born = lives.begin(theta, task, key)
        born = born.replace(
            synapses={
                n: s.replace(weight=0.1 + jnp.abs(s.weight)) for n, s in born.synapses.items()
            }
        )

        def loss(weights):
            held = {n: s.replace(weight=weights[n]) for n, s in born.synapses.items()}
            return lives.advance(theta, task, born.replace(synapses=held), 1)[1].score.loss[0]

        weights = {name: s.weight for name, s in born.synapses.items()}
        after, _ = lives.advance(theta, task, born, 1)
        changes = {name: s.weight - weights[name] for name, s in after.synapses.items()}
        return changes, jax.grad(loss)(weights)

    with jax.enable_x64(True):
        changes, gradient = both(jax.random.key(4))
    for name, change in changes.items():
        assert np.abs(change).max() > 1e-3
        np.testing.assert_allclose(change, -np.asarray(gradient[name]), atol=1e-12)
