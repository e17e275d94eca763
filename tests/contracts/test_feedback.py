"""Credit signals: the gradient, the alignment with it, and the contract of every feedback."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.feedback.direct import Direct
from metaplast.feedback.direct_sign import DirectSign
from metaplast.feedback.learned import Learned
from metaplast.feedback.none import None_
from metaplast.feedback.random import Random
from metaplast.feedback.symmetric import Symmetric
from metaplast.feedback.target import Target
from metaplast.genomes.random import Random as Drawn
from metaplast.life.alignment import degrees_between
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.life.view import edge_reads
from metaplast.networks import base as network
from metaplast.networks.bidirectional import Bidirectional
from metaplast.networks.event_driven import EventDriven
from metaplast.networks.feedforward import Feedforward
from metaplast.networks.recurrent import Recurrent
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.registry import BadInput, find
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses, feedback, neuron_view
from metaplast.spec import decode
from metaplast.testing.base import demand_same_type, quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests._seen import seen
from tests.contracts._enrolled import enrolled

DT = 1e-3
NET = Feedforward(hidden=(5, 4), neuron=Tanh(), output=Tanh(), bias=True).wiring({"input": 3}, 2)
LOOP = Recurrent(n_recurrent=3).wiring({"input": 3}, 2)
BOTH_WAYS = Bidirectional(hidden=(5, 4)).wiring({"input": 3}, 2)
# layer by layer; past the layers; by the network itself, over edges that run backwards
WALKS = ("symmetric", "random", "random_shared", "learned", "predictive")
JUMPS = ("direct", "direct_sign", "target", "learning_network")
LOOPS = ("equilibrium", "contrastive")
# at the spikes of an event-driven network (tests/test_event_driven.py holds their credit)
EVENTS = ("eventprop",)
STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")


def _credit(rule: Any, wiring: Wiring, weights: Any, x: Any, target: Any) -> tuple[Any, Any]:
    """(credit, views) after one step of a network that sees x, with error 2 (output - target)."""
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}
    start = network.init_state(wiring, {}, DT)
    stimulus = {"input": x}
    after, (views, sent) = network.step(
        wiring, {}, synapses, start, stimulus, DT, jax.random.key(0)
    )
    signals = feedback(
        wiring.output.n, error=2.0 * (views[wiring.output.name].activity - target), target=target
    )
    state = rule.init_state(rule.init(jax.random.key(1), wiring), wiring, jax.random.key(2))
    others = {"synapses": synapses, "sent": sent, "stimulus": stimulus, "network": after}
    return rule.step({}, state, seen(wiring, views, signals, **others))[1], (views, sent)


def test_symmetric_feedback_and_the_delta_rule_are_the_gradient():
    """dw = -error * pre is exactly minus the gradient of the loss of the step, in every layer.

    So is -learning_signal * gain * pre.
    """
    wiring = NET
    rng = np.random.default_rng(0)
    weights = {e.name: rng.normal(size=e.connection.shape) for e in wiring.edges}
    x = rng.normal(size=3)
    target = rng.normal(size=wiring.output.n)

    @quick_jit
    def both(weights: Any) -> Any:
        credit, (views, sent) = _credit(Symmetric(), wiring, weights, x, target)
        through = {
            name: signal * views[name].gain for name, signal in credit.learning_signal.items()
        }
        local = []
        for signal in (credit.feedback, through):
            changes = {}
            for e in wiring.edges:
                changes[e.name] = -signal[e.post][:, None] * sent[e.name][None, :]
            local.append(changes)

        def loss(weights: Any) -> Any:
            _, (views, _) = _credit(Symmetric(), wiring, weights, x, target)
            return jnp.sum((views[wiring.output.name].activity - target) ** 2)

        return local, jax.grad(loss)(weights)

    with jax.enable_x64(True):
        local, grad = both(weights)
    for name in weights:
        assert np.abs(grad[name]).max() > 1e-6
        for change in local:
            np.testing.assert_allclose(change[name], -grad[name], atol=1e-12)


def test_credit_passes_dales_sign_and_stops_at_backward_edges():
    cells = Population("cells", 2, Linear(), sign=-1)
    edges = (
        Edge("input", "cells", Dense(2, 3)),
        Edge("cells", "cells", Dense(2, 2)),
        Edge("cells", "out", Dense(1, 2)),
    )
    wiring = Wiring((Population("input", 3), cells, Population("out", 1, Linear())), edges)
    w = {
        "input_to_cells": np.ones((2, 3)),
        "cells_to_cells": np.full((2, 2), 7.0),
        "cells_to_out": np.asarray([[1.0, 3.0]]),
    }
    with jax.enable_x64(True):
        credit = quick_jit(
            lambda w: _credit(Symmetric(), wiring, w, np.zeros(3), np.full(1, -0.5))[0]
        )(w)
    np.testing.assert_allclose(credit.feedback["out"], [1.0])
    np.testing.assert_allclose(credit.feedback["cells"], [-1.0, -3.0])
    np.testing.assert_allclose(credit.feedback["input"], [-4.0, -4.0, -4.0])


@pytest.mark.parametrize("wiring", [NET, LOOP, BOTH_WAYS], ids=["layers", "loop", "both_ways"])
@pytest.mark.parametrize("name", enrolled("feedback"))
def test_a_feedback_keeps_its_type_and_reaches_every_population(name, wiring):
    rule = find("feedback", name)()
    if name in LOOPS and wiring is not BOTH_WAYS:
        words = f"feedback {name}: no path from output to hidden_1, hidden_2 - expected edges in"
        if wiring is LOOP:
            words = f"feedback {name}: no path from output to recurrent - expected edges in"
        with pytest.raises(BadInput, match=words):
            rule.init_state({}, wiring, jax.random.key(0))
        return
    if name in EVENTS:
        wiring = EventDriven().wiring({"input": 3}, 2)
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), wiring))
    state = jax.eval_shape(lambda t: rule.init_state(t, wiring, jax.random.key(0)), theta)
    views = {
        p.name: neuron_view(jnp.ones(p.n), jnp.ones(p.n), jnp.ones(p.n)) for p in wiring.populations
    }
    answer = feedback(2, modulators={"reward": jnp.ones(())})
    step = lambda t, s: rule.step(t, s, seen(wiring, views, answer))
    after, credit = jax.eval_shape(step, theta, state)
    demand_same_type(state, after, "the state of a feedback keeps its type")
    for signals in (credit.feedback, credit.learning_signal):
        assert {n: x.shape for n, x in signals.items()} == {
            p.name: (p.n,) for p in wiring.populations
        }
    assert "reward" in credit.modulators
    relaxed = {p.name: (p.n,) for p in wiring.populations} if rule.relaxes else {}
    assert {n: x.shape for n, x in credit.relaxed.items()} == relaxed
    synapses = {e.name: e.connection.shape for e in wiring.edges} if rule.at_synapses else {}
    assert {n: x.shape for n, x in credit.synapses.items()} == synapses
    assert rule.resets <= set(state)


@pytest.mark.parametrize("name", [name for name in enrolled("feedback") if name not in EVENTS])
def test_the_learning_signal_is_the_credit_without_the_gain_of_the_unit_itself(name):
    """In NumPy: L_output = error, and feedback = L * gain everywhere.

    L holds the gains of the populations above alone.
    """
    rule = find("feedback", name)()
    wiring = BOTH_WAYS if name in LOOPS else NET
    rng = np.random.default_rng(4)
    drawn = {p.name: rng.normal(size=(3, p.n)) for p in wiring.populations}
    weights = {e.name: rng.normal(size=e.connection.shape) for e in wiring.edges}
    fields = {"error": rng.normal(size=2), "target": rng.normal(size=2)}

    @quick_jit
    def both(drawn: Any, weights: Any, fields: Any) -> Any:
        views = {n: neuron_view(*x) for n, x in drawn.items()}
        flat = {
            n: neuron_view(x[0], x[1], 0.5 * x[2] if n.startswith("hidden") else x[2])
            for n, x in drawn.items()
        }
        synapses = {n: Synapses(weight=w, mask=jnp.ones(())) for n, w in weights.items()}
        theta = rule.init(jax.random.key(0), wiring)
        state = rule.init_state(theta, wiring, jax.random.key(0))
        answer = feedback(2, **fields)
        others = {"synapses": synapses, "stimulus": {"input": drawn["input"][0]}}
        step = lambda v: rule.step(theta, state, seen(wiring, v, answer, **others))[1]
        return step(views), step(flat)

    with jax.enable_x64(True):
        credit, halved = jax.tree.map(np.asarray, both(drawn, weights, fields))
    for n, (_, _, gain) in drawn.items():
        np.testing.assert_allclose(credit.feedback[n], credit.learning_signal[n] * gain, rtol=1e-12)
    signal = credit.learning_signal
    if name != "equilibrium":  # whose output answers the nudge as part of the loop
        np.testing.assert_allclose(signal["output"], fields["error"] if rule.carries else 0.0)
    np.testing.assert_allclose(halved.learning_signal["hidden_2"], signal["hidden_2"], rtol=1e-12)
    if not rule.carries:
        return
    assert np.abs(signal["hidden_1"]).max() > 1e-3
    for rules, share in ((WALKS, 0.5), (JUMPS + LOOPS, 1.0)):
        if name in rules:
            np.testing.assert_allclose(
                halved.learning_signal["hidden_1"], share * signal["hidden_1"], rtol=1e-12
            )


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Mean angle between rows, in degrees."""
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.degrees(np.arccos(cosine)).mean())


def test_forward_weights_align_with_random_feedback():
    """Lillicrap et al. 2016: a linear 30-20-10 net learns a linear map.

    The angle between the error that returns through B and the one that would return through W falls
    from about 90 to below 45 degrees.
    """
    teacher = {
        "name": "teacher_student",
        "n_in": 30,
        "n_out": 10,
        "n_steps": 2000,
        "input_sd": 1.0,
        "weight_sd": 0.5,
    }
    lifetime = Lifetime(
        task=decode("task", {**teacher, "neuron": "linear", "teacher": STILL}),
        network=Feedforward(hidden=(20,), neuron=Linear(), gain=0.03),
        genome=Drawn(),
        feedback=Random(gain=1.3),
        slots=(
            Slot(rule=Polynomial(terms=("error*pre",), initial=(-1.0,), rate=0.025, learn="none")),
        ),
    )

    @quick_jit
    def lives(key: Any) -> Any:
        k_task, k_life = jax.random.split(key)
        task = lifetime.task.sample(k_task, "train")
        theta = lifetime.init(key)
        born = lifetime.begin(theta, task, k_life)
        after, trace = lifetime.advance(theta, task, born, 2000, start=0)
        pick = lambda life: life.synapses["hidden_1_to_output"].weight
        return (
            pick(born),
            pick(after),
            after.feedback["back"]["hidden_1_to_output"],
            trace.score.loss,
        )

    before, after, back, loss = jax.tree.map(np.asarray, lives(jax.random.key(0)))
    errors = np.random.default_rng(0).normal(size=(200, 10))
    assert 80 < _angle(errors @ before, errors @ back) < 100
    assert _angle(errors @ after, errors @ back) < 45
    assert loss[-50:].mean() < 0.05 * loss[:50].mean()


def test_random_feedback_is_redrawn_in_every_life_and_kept_through_it():
    state = partial(Random().init_state, {}, NET)
    one, same, other = (state(jax.random.key(k))["back"] for k in (0, 0, 1))
    for edge in NET.edges:
        np.testing.assert_array_equal(one[edge.name], same[edge.name])
        assert np.any(np.asarray(one[edge.name]) != np.asarray(other[edge.name]))
    first, second = (np.asarray(one[e.name]).reshape(-1)[:5] for e in NET.edges[:2])
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.99  # no two edges share their numbers
    wide = Wiring((Population("a", 200), Population("b", 50)), (Edge("a", "b", Dense(50, 200)),))
    back = np.asarray(Random(gain=2.0).init_state({}, wide, jax.random.key(0))["back"]["a_to_b"])
    assert abs(back.std() * np.sqrt(200) / 2.0 - 1) < 4 / np.sqrt(2 * back.size)


def test_direct_matrices_have_the_declared_width_in_every_life_anew():
    wide = Wiring((Population("a", 300), Population("b", 50)), (Edge("a", "b", Dense(50, 300)),))
    one, same, other = (
        Direct(gain=2.0).init_state({}, wide, jax.random.key(k))["back"]["a"] for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.any(np.asarray(one) != np.asarray(other))
    assert one.shape == (300, 50)
    assert abs(np.asarray(one).std() * np.sqrt(50) / 2.0 - 1) < 4 / np.sqrt(2 * one.size)


def test_what_reaches_a_layer_directly_is_a_plain_formula():
    """A 3-layer net in NumPy, with three signals through B_l.

    They are the error (Nokland 2016), its sign, and the target (Frenkel et al. 2021).
    """
    rng = np.random.default_rng(4)
    wiring = Feedforward(hidden=(5, 4), neuron=Tanh(), output=Tanh()).wiring({"input": 3}, 2)
    weights = {e.name: rng.normal(size=e.connection.shape) for e in wiring.edges}
    x = rng.normal(size=3)
    target = rng.normal(size=2)
    rules = [Direct(gain=1.5), DirectSign(gain=1.5), Target(gain=1.5)]
    hidden = [p for p in wiring.populations if p.name.startswith("hidden")]

    @quick_jit
    def all_credits(weights: Any, target: Any) -> Any:
        state = rules[0].init_state({}, wiring, jax.random.key(2))
        return state["back"], [
            _credit(rule, wiring, weights, x, target)[0].feedback for rule in rules
        ]

    with jax.enable_x64(True):
        back, credits = jax.tree.map(np.asarray, all_credits(weights, target))
    a = {"input": x}
    for edge in wiring.edges:
        a[edge.post] = np.tanh(weights[edge.name] @ a[edge.pre])
    e = 2.0 * (a["output"] - target) * (1 - a["output"] ** 2)
    for credit, signal in zip(credits, (e, np.sign(e), -target), strict=True):
        np.testing.assert_allclose(credit["output"], e, atol=1e-12)
        np.testing.assert_allclose(credit["input"], back["input"] @ signal, atol=1e-12)
        for p in hidden:
            np.testing.assert_allclose(
                credit[p.name], (back[p.name] @ signal) * (1 - a[p.name] ** 2), atol=1e-12
            )


def _step(rule: Any, wiring: Wiring, state: Any, answer: Any) -> Any:
    views = {
        p.name: neuron_view(jnp.ones(p.n), jnp.ones(p.n), jnp.full(p.n, 0.5))
        for p in wiring.populations
    }
    return rule.step({}, state, seen(wiring, views, answer))[1].feedback


def test_the_sign_of_the_error_forgets_its_size_and_the_target_forgets_the_output():
    error = jnp.asarray([0.3, -2.0])
    target = jnp.asarray([0.0, 1.0])
    for rule, same, other in (
        (
            DirectSign(),
            {"error": 50.0 * error, "target": target},
            {"error": -error, "target": target},
        ),
        (
            Target(),
            {"error": -7.0 * error, "target": target},
            {"error": error, "target": 2.0 * target},
        ),
    ):
        state = rule.init_state({}, NET, jax.random.key(0))
        first, second, third = (
            _step(rule, NET, state, feedback(2, **fields))
            for fields in ({"error": error, "target": target}, same, other)
        )
        np.testing.assert_array_equal(first["hidden_1"], second["hidden_1"])
        assert np.all(np.asarray(first["hidden_1"]) != np.asarray(third["hidden_1"]))
        assert np.all(np.asarray(first["output"]) != np.asarray(second["output"]))


def test_no_feedback_is_zero_but_for_modulators():
    answer = feedback(2, error=jnp.ones(2), modulators={"reward": jnp.asarray(0.7)})
    credit = None_().step({}, {}, seen(NET, {}, answer))[1]
    for signals in (credit.feedback, credit.learning_signal):
        assert not any(np.any(x) for x in signals.values())
    assert credit.modulators == {"reward": 0.7}


def _kolen_pollack(feedback: Learned, n_steps: int) -> Lifetime:
    rule = Polynomial(
        terms=("error*pre", "weight"),
        initial=(-1.0, -feedback.decay / feedback.rate),
        rate=feedback.rate,
    )
    return Lifetime(
        task=decode(
            "task",
            {"name": "teacher_student", "n_in": 4, "n_out": 3, "n_steps": n_steps, "input_sd": 1.0},
        ),
        network=Feedforward(hidden=(5,), neuron=Tanh()),
        feedback=feedback,
        slots=(Slot(rule=rule),),
        measure=("alignment",),
    )


def test_learned_feedback_and_weights_meet_at_the_rate_of_their_decay():
    """Kolen & Pollack 1994: with the same local rule, W - B shrinks by 1 - decay per step."""
    rule = Learned(rate=0.1, decay=0.03)
    lifetime = _kolen_pollack(rule, 200)

    @quick_jit
    def live(key: Any) -> Any:
        task = lifetime.task.sample(key, "train")
        theta = lifetime._init(key)
        born = lifetime.begin(theta, task, key)
        after, trace = lifetime.advance(theta, task, born, 200)
        return born.replace(key=()), (after.replace(key=()), trace)

    with jax.enable_x64(True):
        born, (after, trace) = jax.tree.map(np.asarray, live(jax.random.key(0)))
    for name in born.synapses:
        gap, left = (x.synapses[name].weight - x.feedback["back"][name] for x in (born, after))
        np.testing.assert_allclose(left, gap * (1 - 0.03) ** 200, rtol=1e-9)
        moved = np.abs(
            after.feedback["back"][name] - born.feedback["back"][name] * (1 - 0.03) ** 200
        )
        assert moved.max() > 1e-3  # and not by decay alone
    angle = trace.score.metrics["angle_hidden_1"]
    assert angle[:20].mean() > 45
    assert angle[-20:].mean() < 10


def test_learned_feedback_moves_as_far_as_its_gate_is_open_and_theta_says():
    rule = Learned(rate=0.1, decay=0.03, learn=True)
    theta = rule.init(jax.random.key(0), NET)
    assert theta == {"log_rate": 0.0, "log_decay": 0.0}
    views = {
        p.name: neuron_view(jnp.full(p.n, 0.5), jnp.ones(p.n), jnp.ones(p.n))
        for p in NET.populations
    }
    state = rule.init_state(theta, NET, jax.random.key(1))

    @quick_jit
    def change(theta: Any, gate: Any) -> Any:
        answer = feedback(2, error=jnp.asarray([1.0, -0.5]), gate=gate)
        new = rule.step(theta, state, seen(NET, views, answer))[0]
        return new["back"]["hidden_2_to_output"] - state["back"]["hidden_2_to_output"]

    whole = np.asarray(change(theta, 1.0))
    old = np.asarray(state["back"]["hidden_2_to_output"])
    np.testing.assert_allclose(
        whole, -0.1 * np.outer([1.0, -0.5], np.full(4, 0.5)) - 0.03 * old, atol=1e-6
    )
    np.testing.assert_allclose(change(theta, 0.25), 0.25 * whole, atol=1e-6)
    assert not np.any(np.asarray(change(theta, 0.0)))
    faster = change({"log_rate": jnp.asarray(0.1), "log_decay": jnp.asarray(-0.2)}, 1.0)
    expected = (
        -0.1 * np.exp(0.5) * np.outer([1.0, -0.5], np.full(4, 0.5)) - 0.03 * np.exp(-1.0) * old
    )
    np.testing.assert_allclose(faster, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        (
            "none",
            "teacher_student",
            r"reads post\.feedback; feedback none carries none - expected a signal on offer",
        ),
        (
            "target",
            "error_alone",
            r"reads post\.feedback; feedback target needs target from the task",
        ),
        (
            "direct",
            "reward_alone",
            r"reads post\.feedback; feedback direct needs error from the task",
        ),
    ],
)
def test_a_rule_that_reads_a_credit_nobody_can_give_is_refused_by_name(name, task, words):
    offers = {
        "error_alone": {"error"},
        "reward_alone": {"reward"},
        "teacher_student": {"error", "target"},
    }[task]
    wiring = NET
    rule = Polynomial(terms=("error*pre",))
    edge = wiring.edges[0]
    with pytest.raises(BadInput, match=words):
        edge_reads(wiring, edge, rule, frozenset(offers), find("feedback", name)())
    with pytest.raises(BadInput, match=words.replace("feedback;", "learning_signal;", 1)):
        eprop = Polynomial(terms=("learning_signal*pre",))
        edge_reads(wiring, edge, eprop, frozenset(offers), find("feedback", name)())
    hebb = Polynomial(terms=("post*pre",))
    assert edge_reads(wiring, edge, hebb, frozenset(offers), find("feedback", name)()) == {
        "post.activity",
        "pre.activity",
    }
    everything = frozenset({"error", "target"})
    if name != "none":
        assert "post.feedback" in edge_reads(
            wiring, edge, rule, everything, find("feedback", name)()
        )


def test_the_angle_between_two_credits_is_that_of_plain_trigonometry():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7)).astype(np.float32)
    cosine = np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(
        degrees_between(a, 1e-30 * b), np.degrees(np.arccos(cosine)), rtol=1e-5
    )
    assert degrees_between(a, 3.0 * a) < 1e-3
    np.testing.assert_allclose(degrees_between(a, -a), 180.0, rtol=1e-6)
    np.testing.assert_allclose(degrees_between(a, np.zeros_like(a)), 90.0, rtol=1e-6)
