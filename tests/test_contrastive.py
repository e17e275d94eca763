"""Contrastive Hebbian learning against backprop through layers, in plain NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.feedback.contrastive import Contrastive
from metaplast.genomes.twins import Twins
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.bidirectional import Bidirectional
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.linear import Linear
from metaplast.neurons.tanh import Tanh
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses, feedback
from metaplast.testing.base import quick_jit
from tests._numbers import Numbers
from tests._seen import DT, seen

KEPT = np.exp(-DT / 1e-3)
NETWORK = Bidirectional(
    hidden=(5, 4), neuron=Leaky(1e-3, Tanh()), output=Leaky(1e-3, Linear()), gain=0.8
)
WIRING = NETWORK.wiring({"input": 3}, 2)
FORWARD = ("input_to_hidden_1", "hidden_1_to_hidden_2", "hidden_2_to_output")
BACK = {
    "back_to_hidden_1": "hidden_1_to_hidden_2",
    "back_to_hidden_2": "hidden_2_to_output",
}
RNG = np.random.default_rng(0)
WEIGHTS = {
    e.name: 0.8 * RNG.normal(size=e.connection.shape) / np.sqrt(e.connection.fan_in)
    for e in WIRING.edges
    if e.name in FORWARD
}
X = RNG.normal(size=3)
TARGET = RNG.normal(size=2)
SCALES = (4e-3, 2e-3, 1e-3, 5e-4)


def _with_back(weights: Any, scale: float) -> dict[str, np.ndarray]:
    """The weights of all edges, the backward ones `scale` times the transposed ones."""
    return weights | {back: scale * weights[name].T for back, name in BACK.items()}


def _backprop(w: Any, x: Any, target: Any) -> dict[str, np.ndarray]:
    """d loss / d W of |output - target|^2 / 2 in the layers without feedback."""
    one = np.tanh(w["input_to_hidden_1"] @ x)
    two = np.tanh(w["hidden_1_to_hidden_2"] @ one)
    error = w["hidden_2_to_output"] @ two - target
    e_two = (1 - two**2) * (w["hidden_2_to_output"].T @ error)
    e_one = (1 - one**2) * (w["hidden_1_to_hidden_2"].T @ e_two)
    return {
        "input_to_hidden_1": np.outer(e_one, x),
        "hidden_1_to_hidden_2": np.outer(e_two, one),
        "hidden_2_to_output": np.outer(error, two),
    }


def _estimates(scales: Any) -> list[Any]:
    """For every scale ({edge: error pre}, {edge: minus the contrast of the source}), in float64.

    The division by scale^distance stands here, so that all scales share one program.
    """

    @quick_jit
    def both(weights: Any, x: Any, target: Any, scale: Any) -> Any:
        synapses = {n: Synapses(weight=w, mask=jnp.ones(())) for n, w in weights.items()}
        key = jax.random.key(0)
        one = lambda s: network.step(WIRING, {}, synapses, s, {"input": x}, DT, key)
        free = jax.lax.fori_loop(0, 200, lambda _, s: one(s)[0], network.init_state(WIRING, {}, DT))
        after, (views, sent) = one(free)
        answer = feedback(2, error=views["output"].activity - target)
        others = {"synapses": synapses, "sent": sent, "network": after, "stimulus": {"input": x}}
        rule = Contrastive(scale=1.0, n_relax=200)
        credit = rule.step({}, {}, seen(WIRING, views, answer, **others))[1]
        by_credit = {}
        by_contrast = {}
        for distance, name in enumerate(reversed(FORWARD)):
            pre, post = name.split("_to_")
            before, after = views[pre].activity, views[post].activity
            by_credit[name] = jnp.outer(credit.feedback[post], before) / scale**distance
            there = jnp.outer(credit.relaxed[post], credit.relaxed[pre])
            by_contrast[name] = -(there - jnp.outer(after, before)) / scale**distance
        return by_credit, by_contrast

    estimates = []
    with jax.enable_x64(True):
        for scale in scales:
            weights = _with_back(WEIGHTS, scale)
            estimates.append(jax.tree.map(np.asarray, both(weights, X, TARGET, scale)))
    return estimates


def _gap(estimate: Any) -> float:
    """The distance of an estimate from backprop, over the length of backprop."""
    gradient = _backprop(WEIGHTS, X, TARGET)
    away = sum(np.sum((estimate[name] - gradient[name]) ** 2) for name in gradient)
    return float(np.sqrt(away / sum(np.sum(g**2) for g in gradient.values())))


def test_weak_feedback_tends_to_backprop_with_slope_one():
    """By the credit of every edge, and by the contrast of the source."""
    for estimates in zip(*_estimates(SCALES), strict=True):
        gaps = [_gap(estimate) for estimate in estimates]
        assert abs(np.polyfit(np.log(SCALES), np.log(gaps), 1)[0] - 1.0) < 0.05
        assert gaps[-1] < 2e-3


def test_strong_feedback_is_not_backprop():
    for estimate in _estimates([1.0])[0]:
        assert _gap(estimate) > 0.3


@pytest.mark.parametrize("scale", [0.5, 0.1])
def test_a_life_with_a_clamped_phase_is_the_plain_loop(scale):
    """dw = rate (post_relaxed pre_relaxed - post pre), and the credit of hidden_1.

    The network settles for 6 steps, the clamped phase has 4. The task asks for an output of 0.
    """
    rate = 0.1
    terms = ("post_relaxed*pre_relaxed", "post*pre", "error*pre")
    rule = Polynomial(terms=terms, initial=(1.0, -1.0, -0.5), rate=rate, learn="none")
    lifetime = Lifetime(
        task=Numbers(),
        network=NETWORK,
        feedback=Contrastive(scale=scale, n_relax=4),
        genome=Twins(scale=scale),
        slots=(Slot(rule=rule),),
        record=("weights",),
        settle=6,
    )

    @quick_jit
    def live(key: Any) -> Any:
        theta = lifetime.init(key)
        task = lifetime.task.sample(key, "train")
        born = lifetime.begin(theta, task, key)
        return born.synapses, lifetime.advance(theta, task, born, 5, start=0)[1].recorded

    with jax.enable_x64(True):
        born, recorded = jax.tree.map(np.asarray, live(jax.random.key(0)))
    w = {name: synapses.weight for name, synapses in born.items()}
    assert set(w) == {*FORWARD, *BACK}
    for back, name in BACK.items():
        np.testing.assert_allclose(w[back], scale * w[name].T, rtol=1e-12)

    def step(u: Any, x: Any, clamp: Any) -> Any:
        one, two, output = u
        s_two = np.tanh(two)
        to_one = w["input_to_hidden_1"] @ x + w["back_to_hidden_1"] @ s_two
        one = KEPT * one + (1 - KEPT) * to_one
        to_two = w["hidden_1_to_hidden_2"] @ np.tanh(one) + w["back_to_hidden_2"] @ output
        two = KEPT * two + (1 - KEPT) * to_two
        if clamp is not None:
            return one, two, clamp
        to_output = w["hidden_2_to_output"] @ np.tanh(two)
        return one, two, KEPT * output + (1 - KEPT) * to_output

    u = (np.zeros(5), np.zeros(4), np.zeros(2))
    for t, x in enumerate(Numbers().stimuli()[:5]):
        for _ in range(5):
            u = step(u, x, None)
        before, u = u, step(u, x, None)
        clamped = u
        for _ in range(4):
            clamped = step(clamped, x, np.zeros(2))
        activities = {}
        for phase, (one, two, output) in {"before": before, "free": u, "there": clamped}.items():
            layers = {"hidden_1": np.tanh(one), "hidden_2": np.tanh(two), "output": output}
            activities[phase] = {"input": x, **layers}
        e = {"output": u[2]}
        for name, distance, now, then in zip(
            ("hidden_1", "hidden_2"), (2, 1), u, clamped, strict=False
        ):
            e[name] = (now - then) / scale**distance * (1 - np.tanh(now) ** 2)
        after = {}
        for edge in WIRING.edges:
            name, pre, post = edge.name, edge.pre, edge.post
            arrived = activities["before" if name in BACK else "free"][pre]
            there = np.outer(activities["there"][post], activities["there"][pre])
            here = np.outer(activities["free"][post], arrived)
            after[name] = w[name] + rate * (there - here - 0.5 * np.outer(e[post], arrived))
        w = after
        for name, weights in w.items():
            np.testing.assert_allclose(recorded["weights"][name][t], weights, rtol=1e-9, atol=1e-12)
