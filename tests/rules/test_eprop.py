"""e-prop is the online gradient of a recurrent spiking network whose recurrent spikes pass none."""

import itertools
import math
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.at_synapse import AtSynapse
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.life.view import EdgeWeights, edge_view
from metaplast.locality.reads import reach, reads
from metaplast.networks import base as network
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons._integrate_and_fire import EPROP, EPROP_ADAPTATION
from metaplast.neurons.alif import Alif
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.lif import Lif
from metaplast.neurons.linear import Linear
from metaplast.neurons.refractory import Refractory
from metaplast.rules.eprop import Eprop
from metaplast.signals import Synapses, feedback
from metaplast.spec import decode
from metaplast.testing import rule as _rule
from metaplast.testing.base import quick_jit
from metaplast.wiring import Wiring
from tests._seen import seen as step_as_seen
from tests.oracles import eprop
from tests.rules._cut import without_recurrent_gradients

DT = 1e-3
N_STEPS = 60
N_IN = 5
N_OUT = 2
BETA = 0.3
MEMBRANE = 20e-3
ADAPTS = 50e-3
READOUT = 10e-3
KAPPA = math.exp(-DT / READOUT)
CELLS = {
    "lif": Lif(**{**EPROP, "tau_m": MEMBRANE}),
    "alif": Alif(**{**EPROP, **EPROP_ADAPTATION, "tau_m": MEMBRANE, "tau_a": ADAPTS, "beta": BETA}),
}
HIDDEN = {
    "lif": Eprop(rate=1.0, tau_m=MEMBRANE, tau_out=READOUT, readout_input="steady_state"),
    "alif": Eprop(
        rate=1.0,
        tau_m=MEMBRANE,
        tau_out=READOUT,
        readout_input="steady_state",
        beta=BETA,
        tau_a=ADAPTS,
    ),
}
TOP = Eprop(rate=1.0, tau_m=READOUT, tau_out=0.0, soma_input="steady_state")
CASES = list(itertools.product(CELLS, (0.0, 3e-3)))
EDGES = ("input_to_recurrent", "recurrent_to_recurrent", "recurrent_to_output")


class Lived(NamedTuple):
    """The outcome of one life.

    deltas: edge -> the sum of the rule's changes.
    cut: edge -> the gradient with the recurrent spikes cut.
    whole: edge -> the whole gradient.
    seen: edge -> (presynaptic spikes, psi, L), the signals of the rule, [n_steps, n] each.
    spikes: of the layer.
    """

    deltas: dict[str, np.ndarray]
    cut: dict[str, np.ndarray]
    whole: dict[str, np.ndarray]
    seen: dict[str, Any]
    spikes: np.ndarray


def wirings(cell: str, silent: float) -> tuple[Wiring, Wiring]:
    """(as a user builds it, the same with the recurrent spikes cut)."""
    neuron = Refractory(CELLS[cell], period=silent, during="silent") if silent else CELLS[cell]
    net = Recurrent(n_recurrent=8, neuron=neuron, output=Leaky(tau=READOUT, neuron=Linear()))
    wiring = net.wiring({"input": N_IN}, N_OUT)
    return wiring, without_recurrent_gradients(wiring)


def task() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "input": (rng.random((N_STEPS, N_IN)) < 0.25).astype(float),
        "target": rng.normal(size=(N_STEPS, N_OUT)),
        "label": np.eye(N_OUT)[rng.integers(0, N_OUT, N_STEPS)],
    }


def drawn() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    sizes = dict(zip(EDGES, ((8, N_IN), (8, 8), (N_OUT, 8)), strict=True))
    means = dict(zip(EDGES, (0.15, 0.0, 0.0), strict=True))
    return {name: means[name] + 0.3 * rng.normal(size=size) for name, size in sizes.items()}


def loss(y: Any, now: dict[str, Any], softmax: Any) -> Any:
    """Quadratic, or cross-entropy of a softmax where `softmax` is 1."""
    cross = -jnp.sum(now["label"] * jax.nn.log_softmax(y))
    return (1.0 - softmax) * 0.5 * jnp.sum((y - now["target"]) ** 2) + softmax * cross


def summed_loss(wiring: Wiring, weights: Any, shown: Any, softmax: Any) -> Any:
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}

    def step(state: Any, now: Any) -> Any:
        stimulus = {"input": now["input"]}
        state, (views, _) = network.step(
            wiring, {}, synapses, state, stimulus, DT, jax.random.key(0)
        )
        return state, loss(views["output"].activity, now, softmax)

    return jnp.sum(jax.lax.scan(step, network.init_state(wiring, {}, DT), shown)[1])


def learned(wiring: Wiring, rules: dict[str, Eprop], weights: Any, shown: Any, softmax: Any) -> Any:
    """The library's own step of network, credit and rules, with the weights held.

    Returns: (summed changes, the signals of the rules, the spikes).
    """
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}

    def step(carry: Any, now: Any) -> Any:
        state, states = carry
        stimulus = {"input": now["input"]}
        state, (views, sent) = network.step(
            wiring, {}, synapses, state, stimulus, DT, jax.random.key(0)
        )
        answer = feedback(N_OUT, error=jax.grad(loss)(views["output"].activity, now, softmax))
        credit = Symmetric().step({}, {}, step_as_seen(wiring, views, answer, synapses=synapses))[1]
        new = {}
        deltas = {}
        seen = {}
        for edge in wiring.edges:
            w = weights[edge.name]
            rule = rules[edge.name]
            used = reads(rule, edge.connection, ())
            weight = EdgeWeights(w, w, 10.0, wiring.effect(edge))
            arrived = AtSynapse(sent[edge.name], {})
            view = edge_view(edge, used, weight, views, arrived, credit, jax.random.key(0))
            new[edge.name], deltas[edge.name] = rule.step(
                {}, states[edge.name], edge.connection, view, DT
            )
            seen[edge.name] = (view.pre.activity, view.post.gain, view.post.learning_signal)
        return (state, new), (deltas, seen, views["recurrent"].activity)

    born = {e.name: rules[e.name].init_state({}, e.connection) for e in wiring.edges}
    deltas, seen, spikes = jax.lax.scan(step, (network.init_state(wiring, {}, DT), born), shown)[1]
    return {name: jnp.sum(d, axis=0) for name, d in deltas.items()}, seen, spikes


@lru_cache(maxsize=8)
def _program(cell: str, silent: float) -> Any:
    wiring, cut = wirings(cell, silent)
    rules = dict(zip(EDGES, (HIDDEN[cell], HIDDEN[cell], TOP), strict=True))

    def program(weights: Any, shown: Any, softmax: Any) -> Any:
        slope = lambda wiring: jax.grad(lambda w: summed_loss(wiring, w, shown, softmax))(weights)
        deltas, seen, spikes = learned(wiring, rules, weights, shown, softmax)
        return deltas, seen, spikes, slope(cut), slope(wiring)

    return quick_jit(program)


@lru_cache(maxsize=16)
def lived(cell: str, silent: float, softmax: float) -> Lived:
    with jax.enable_x64(True):
        deltas, seen, spikes, cut, whole = jax.tree.map(
            np.asarray, _program(cell, silent)(drawn(), task(), jnp.asarray(softmax))
        )
    return Lived(deltas, cut, whole, seen, spikes)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("softmax", [0.0, 1.0], ids=["quadratic", "softmax"])
@pytest.mark.parametrize(("cell", "silent"), CASES)
def test_the_summed_change_is_the_gradient_with_the_recurrent_spikes_cut(cell, silent, softmax):
    """L[t] ebar[t] is summed online, on the input, the recurrent and the readout edge.

    It is the gradient to a relative 1e-10 in float64 (measured: at most 1.3e-15).
    """
    out = lived(cell, silent, softmax)
    assert 0.02 < out.spikes.mean() < 0.5
    if silent:
        gaps = [np.diff(np.flatnonzero(train)) for train in out.spikes.T]
        assert min(g.min() for g in gaps if g.size) > round(silent / DT)
    for name in EDGES:
        assert np.abs(out.cut[name]).max() > 1e-3
        assert apart(out.deltas[name], -out.cut[name]) < 1e-10


def traces(spikes: np.ndarray, psi: np.ndarray, beta: float, late: bool = True) -> np.ndarray:
    """ebar [n_steps, post, pre] as the paper writes it.

    late: False is the control, with eps_a of the psi and eps_v of this step.
    """
    alpha = math.exp(-DT / MEMBRANE)
    rho = math.exp(-DT / ADAPTS)
    n_post = psi.shape[1]
    n_pre = spikes.shape[1]
    eps_v = np.zeros(n_pre)
    eps_a = np.zeros((n_post, n_pre))
    bar = np.zeros((n_post, n_pre))
    out = []
    old_v = np.zeros(n_pre)
    old_psi = np.zeros(n_post)
    for t in range(len(spikes)):
        eps_v = alpha * eps_v + spikes[t]
        from_v, from_psi = (old_v, old_psi) if late else (eps_v, psi[t])
        eps_a = np.outer(from_psi, from_v) + (rho - from_psi[:, None] * beta) * eps_a
        e = psi[t][:, None] * (eps_v[None, :] - beta * eps_a)
        bar = KAPPA * bar + (1.0 - KAPPA) * e
        out.append(bar)
        old_v = eps_v
        old_psi = psi[t]
    return np.stack(out)


@pytest.mark.parametrize("cell", CELLS)
def test_the_traces_are_those_of_a_plain_program_and_the_usual_mistakes_are_seen(cell):
    out = lived(cell, 3e-3, 0.0)
    beta = BETA if cell == "alif" else 0.0
    for name in EDGES[:2]:
        spikes, psi, signal = out.seen[name]
        bar = traces(spikes, psi, beta)
        assert apart(out.deltas[name], -np.einsum("tj,tji->ji", signal, bar)) < 1e-12
        # control: L times psi
        assert apart(-np.einsum("tj,tji->ji", signal * psi, bar), -out.cut[name]) > 1e-2
        if beta:
            early = traces(spikes, psi, beta, late=False)
            # control: the psi of now
            assert apart(-np.einsum("tj,tji->ji", signal, early), -out.cut[name]) > 1e-3


def test_filtering_the_eligibility_is_filtering_the_learning_signal_backwards():
    """The online and the offline form are equal.

    sum_t L[t] ebar[t] = sum_t e[t] (1 - kappa) sum_{s >= t} kappa^(s - t) L[s]
    """
    out = lived("alif", 3e-3, 0.0)
    spikes, psi, signal = out.seen["recurrent_to_recurrent"]
    bar = traces(spikes, psi, BETA)
    e = (bar - KAPPA * np.concatenate([np.zeros_like(bar[:1]), bar[:-1]])) / (1.0 - KAPPA)
    steps = np.arange(N_STEPS)
    ahead = np.triu(KAPPA ** np.maximum(steps[None, :] - steps[:, None], 0)) * (1.0 - KAPPA)
    offline = -np.einsum("tj,tji->ji", ahead @ signal, e)
    assert apart(offline, out.deltas["recurrent_to_recurrent"]) < 1e-12


@pytest.mark.parametrize(("cell", "silent"), CASES)
def test_it_points_along_the_whole_gradient(cell, silent):
    """The cosine to backpropagation through time, of all hidden weights, is above 0.5.

    Measured for quadratic and softmax loss: 0.979 and 0.974 for lif, 0.995 and 0.988 for lif with
    refractoriness, 0.697 and 0.660 for alif, 0.983 and 0.996 for alif with refractoriness.
    """
    for softmax in (0.0, 1.0):
        out = lived(cell, silent, softmax)
        a = np.concatenate([out.deltas[name].ravel() for name in EDGES[:2]])
        b = np.concatenate([out.whole[name].ravel() for name in EDGES[:2]])
        cosine = -a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert 0.5 < cosine < 1.0 - 1e-6
        np.testing.assert_allclose(
            out.cut["recurrent_to_output"], out.whole["recurrent_to_output"], rtol=1e-9
        )


OTHERS = (
    {"name": "eprop", "beta": 0.4, "tau_a": 0.03, "learn": True, "readout_input": "steady_state"},
    {
        "name": "eprop",
        "tau_out": 0.0,
        "rate_cost": 0.3,
        "learn": True,
        "soma_input": "steady_state",
    },
)


@pytest.mark.parametrize("settings", OTHERS, ids=["alif", "rate"])
def test_every_setting_is_its_plain_loop_as_local_and_as_differentiable(settings):
    with jax.enable_x64(True):
        bench = _rule.Bench(decode("rule", settings))
        _rule.check_locality(bench)
        _rule.check_copies(bench)
        _rule.check_layouts(bench)
        _rule.check_gradient(bench)
        _rule.check_oracle(bench, eprop.step)


def test_it_reads_what_is_at_the_synapse_and_stores_there_no_more_than_it_needs():
    edge = Dense(3, 4)
    fields = reads(HIDDEN["alif"], edge, ())
    assert fields == {"pre.activity", "post.gain", "post.learning_signal"}
    assert reach(fields) == "synapse"
    kept = {
        rule: set(rule.init_state({}, edge).synapse)
        for rule in (TOP, HIDDEN["lif"], HIDDEN["alif"])
    }
    assert list(kept.values()) == [set(), {"eprop_ebar"}, {"eprop_a", "eprop_ebar"}]
    assert all(rule.fast == names for rule, names in kept.items())


def test_a_new_trial_clears_what_belongs_to_the_trial_before_and_no_moments_or_rates():
    inner = {"name": "eprop", "beta": 0.1, "rate_cost": 1.0}
    rule = decode(
        "rule", {"name": "sum", "rules": {"a": {"name": "adam", "rule": inner}, "b": inner}}
    )
    lifetime = Lifetime(network=Recurrent(n_recurrent=3), slots=(Slot(rule=rule),))
    theta = lifetime.init(jax.random.key(0))
    life = lifetime.begin(
        theta, lifetime.task.sample(jax.random.key(0), "train"), jax.random.key(0)
    )
    used = life.replace(rules=jax.tree.map(jnp.ones_like, life.rules))
    after = {
        reset: lifetime._reset(theta, used, jnp.asarray(reset)).rules[EDGES[1]]
        for reset in (0.0, 1.0)
    }
    cleared = set()
    for part in "ab":
        cleared |= {f"{part}.eprop_{name}" for name in ("eps", "a", "ebar")}
    for reset, state in after.items():
        for name, leaf in {**state.pre, **state.post, **state.synapse}.items():
            assert (leaf == (0.0 if reset and name in cleared else 1.0)).all()
    assert {"a.adam_m", "a.eprop_ebar"} <= set(state.synapse)
