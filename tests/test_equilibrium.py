"""Equilibrium propagation against the gradient at a fixed point, in plain NumPy."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.feedback.equilibrium import Equilibrium
from metaplast.genomes.twins import Twins
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks import base as network
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.leaky import Leaky
from metaplast.neurons.tanh import Tanh
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Synapses, feedback
from metaplast.spec import spec
from metaplast.testing.base import quick_jit
from metaplast.wiring import Edge, Population, Wiring
from tests._numbers import Numbers
from tests._seen import DT, seen

CELL = Leaky(1e-3, Tanh())
KEPT = np.exp(-DT / 1e-3)
FORWARD = ("input_to_low", "low_to_high", "high_to_output")
BACK = {"high_to_low": "low_to_high", "output_to_high": "high_to_output"}


@register("network", "both_ways")
@spec
class BothWays(AbstractNetwork):
    """input -> low <-> high <-> output."""

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        sizes = {"low": 5, "high": 4, "output": n_out}
        populations = [Population("input", inputs["input"])]
        populations += [Population(name, n, CELL) for name, n in sizes.items()]
        sizes["input"] = inputs["input"]
        edges = []
        for name in (*FORWARD, *BACK):
            pre, post = name.split("_to_")
            edges.append(Edge(pre, post, Dense(sizes[post], sizes[pre])))
        return Wiring(tuple(populations), tuple(edges))


WIRING = BothWays().wiring({"input": 3}, 2)
RNG = np.random.default_rng(0)
WEIGHTS = {
    e.name: 0.5 * RNG.normal(size=e.connection.shape) / np.sqrt(e.connection.fan_in)
    for e in WIRING.edges
}
X = RNG.normal(size=3)
TARGET = 0.5 * RNG.normal(size=2)
TIED = WEIGHTS | {back: WEIGHTS[name].T for back, name in BACK.items()}


def _settled(w: Any, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The activities of low, high and output at the fixed point."""
    low, high, output = np.zeros(5), np.zeros(4), np.zeros(2)
    for _ in range(2000):
        low = np.tanh(w["input_to_low"] @ x + w["high_to_low"] @ high)
        high = np.tanh(w["low_to_high"] @ low + w["output_to_high"] @ output)
        output = np.tanh(w["high_to_output"] @ high)
    return low, high, output


def _gradients(w: Any, x: Any, target: Any) -> dict[str, np.ndarray]:
    """d loss / d W of |output - target|^2 / 2 at the fixed point, each direction by itself.

    The adjoint of s = tanh(M s + x) is solved as one linear system: L = error + M^T (f' * L).
    """
    low, high, output = _settled(w, x)
    s = np.concatenate([low, high, output])
    slope = 1 - s**2
    m = np.zeros((11, 11))
    m[0:5, 5:9] = w["high_to_low"]
    m[5:9, 0:5] = w["low_to_high"]
    m[5:9, 9:11] = w["output_to_high"]
    m[9:11, 5:9] = w["high_to_output"]
    error = np.concatenate([np.zeros(9), output - target])
    signal = np.linalg.solve(np.eye(11) - m.T * slope, error)
    e = slope * signal
    return {
        "input_to_low": np.outer(e[0:5], x),
        "low_to_high": np.outer(e[5:9], low),
        "high_to_output": np.outer(e[9:11], high),
        "high_to_low": np.outer(e[0:5], high),
        "output_to_high": np.outer(e[5:9], output),
    }


def _tied(changes: Any) -> dict[str, np.ndarray]:
    """The changes of the forward weights, where both directions of a synapse are one number."""
    tied = {name: changes[name] for name in FORWARD}
    for back, name in BACK.items():
        tied[name] = tied[name] + changes[back].T
    return tied


def _estimates(weights: Any, nudges: Any, symmetric: bool) -> list[Any]:
    """For every nudge ({edge: error pre}, {edge: -contrast of products / nudge}), in float64."""

    @quick_jit
    def live(weights: Any, x: Any, target: Any) -> Any:
        synapses = {n: Synapses(weight=w, mask=jnp.ones(())) for n, w in weights.items()}
        key = jax.random.key(0)
        one = lambda s: network.step(WIRING, {}, synapses, s, {"input": x}, DT, key)
        free = jax.lax.fori_loop(0, 500, lambda _, s: one(s)[0], network.init_state(WIRING, {}, DT))
        after, (views, sent) = one(free)
        told = feedback(2, error=views["output"].activity - target)
        others = {"synapses": synapses, "sent": sent, "network": after, "stimulus": {"input": x}}
        step = seen(WIRING, views, told, **others)
        estimates = []
        for nudge in nudges:
            rule = Equilibrium(nudge=nudge, symmetric=symmetric, n_relax=500)
            credit = rule.step({}, {}, step)[1]
            by_credit = {}
            by_contrast = {}
            for e in WIRING.edges:
                pre, post = views[e.pre].activity, views[e.post].activity
                by_credit[e.name] = jnp.outer(credit.feedback[e.post], pre)
                there = jnp.outer(credit.relaxed[e.post], credit.relaxed[e.pre])
                by_contrast[e.name] = -(there - jnp.outer(post, pre)) / nudge
            estimates.append((by_credit, by_contrast))
        return estimates

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, live(weights, X, TARGET))


NUDGES = (2e-3, 1e-3, 5e-4, 2.5e-4)


def _slope(estimates: Any, gradient: Any) -> float:
    """The slope of log distance over log nudge, over all edges and NUDGES."""
    distances = []
    for estimate in estimates:
        gaps = [np.sum((estimate[name] - gradient[name]) ** 2) for name in gradient]
        distances.append(np.sqrt(np.sum(gaps)))
    return float(np.polyfit(np.log(NUDGES), np.log(distances), 1)[0])


def test_the_gradient_at_a_fixed_point_is_the_slope_of_the_loss():
    """The oracle itself, by central differences of tied weights along one random direction."""
    gradient = _tied(_gradients(TIED, X, TARGET))
    way = {name: np.random.default_rng(1).normal(size=TIED[name].shape) for name in FORWARD}
    losses = []
    for h in (1e-5, -1e-5):
        w = {name: TIED[name] + h * way[name] for name in FORWARD}
        w |= {back: w[name].T for back, name in BACK.items()}
        losses.append(0.5 * np.sum((_settled(w, X)[2] - TARGET) ** 2))
    slope = sum(float(np.sum(gradient[name] * way[name])) for name in FORWARD)
    np.testing.assert_allclose((losses[0] - losses[1]) / 2e-5, slope, rtol=1e-7)


def test_a_one_sided_estimate_tends_to_the_gradient_with_slope_one():
    """By the credit of every edge, and by the contrast of the source, which sums directions."""
    gradient = _gradients(TIED, X, TARGET)
    for sign in (1.0, -1.0):
        estimates = _estimates(TIED, [sign * nudge for nudge in NUDGES], symmetric=False)
        by_credit = [credit for credit, _ in estimates]
        assert abs(_slope(by_credit, gradient) - 1.0) < 0.05
        by_contrast = [_forward(contrast) for _, contrast in estimates]
        assert abs(_slope(by_contrast, _tied(gradient)) - 1.0) < 0.05


def test_a_symmetric_estimate_tends_to_the_gradient_with_slope_two():
    """By the credit, and by the mean of the contrasts under both signs of the nudge."""
    gradient = _gradients(TIED, X, TARGET)
    estimates = _estimates(TIED, NUDGES, symmetric=True)
    opposite = _estimates(TIED, [-nudge for nudge in NUDGES], symmetric=True)
    by_credit = [credit for credit, _ in estimates]
    assert abs(_slope(by_credit, gradient) - 2.0) < 0.01
    means = []
    for (_, one), (_, other) in zip(estimates, opposite, strict=True):
        means.append({name: 0.5 * (one[name] + other[name]) for name in FORWARD})
    assert abs(_slope(means, _tied(gradient)) - 2.0) < 0.01


def test_weights_that_are_not_symmetric_do_not_give_the_gradient():
    gradient = _gradients(WEIGHTS, X, TARGET)
    estimates = [credit for credit, _ in _estimates(WEIGHTS, NUDGES, symmetric=True)]
    assert abs(_slope(estimates, gradient)) < 0.1
    gap = np.abs(estimates[-1]["input_to_low"] - gradient["input_to_low"]).max()
    assert gap > 0.1 * np.abs(gradient["input_to_low"]).max()


def _forward(changes: Any) -> dict[str, np.ndarray]:
    """The changes of the forward edges alone."""
    return {name: changes[name] for name in FORWARD}


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_life_with_two_phases_is_the_plain_loop(symmetric):
    """dw = -rate (error pre + post pre_error) of a network that settles for 6 steps.

    The task asks for an output of 0.
    """
    rate = 0.1
    nudge = -0.3
    terms = ("error*pre", "post*pre_error")
    rule = Polynomial(terms=terms, initial=(-1.0, -1.0), rate=rate, learn="none")
    lifetime = Lifetime(
        task=Numbers(),
        network=BothWays(),
        feedback=Equilibrium(nudge=nudge, symmetric=symmetric, n_relax=4),
        genome=Twins(twins=tuple(BACK.items())),
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
    for back, name in BACK.items():
        np.testing.assert_allclose(w[back], w[name].T, rtol=1e-12)

    def step(u: Any, x: Any, drive: Any) -> Any:
        low, high, output = u
        s_high, s_output = np.tanh(high), np.tanh(output)
        to_low = w["input_to_low"] @ x + w["high_to_low"] @ s_high
        low = KEPT * low + (1 - KEPT) * to_low
        to_high = w["low_to_high"] @ np.tanh(low) + w["output_to_high"] @ s_output
        high = KEPT * high + (1 - KEPT) * to_high
        to_output = w["high_to_output"] @ np.tanh(high) + drive
        return low, high, KEPT * output + (1 - KEPT) * to_output

    u = (np.zeros(5), np.zeros(4), np.zeros(2))
    for t, x in enumerate(Numbers().stimuli()[:5]):
        for _ in range(5):
            u = step(u, x, 0.0)
        before, u = u, step(u, x, 0.0)
        error = np.tanh(u[2])
        ends = {}
        for sign in (1.0, -1.0):
            ends[sign] = u
            for _ in range(4):
                ends[sign] = step(ends[sign], x, -sign * nudge * error)
        other, apart = (ends[-1.0], 2 * nudge) if symmetric else (u, nudge)
        names = ("low", "high", "output")
        e = {}
        s = {"input": x}
        late = {}
        for name, now, one, two, past in zip(names, u, ends[1.0], other, before, strict=True):
            e[name] = (two - one) / apart * (1 - np.tanh(now) ** 2)
            s[name] = np.tanh(now)
            late[name] = np.tanh(past)
        e["input"] = np.zeros(3)
        after = {}
        for name in w:
            pre, post = name.split("_to_")
            arrived = late[pre] if name in BACK else s[pre]
            change = np.outer(e[post], arrived) + np.outer(s[post], e[pre])
            after[name] = w[name] - rate * change
        w = after
        for name, weights in w.items():
            np.testing.assert_allclose(recorded["weights"][name][t], weights, rtol=1e-9, atol=1e-12)


def test_a_nudge_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"nudge=0.0 - expected a number other than 0"):
        Equilibrium(nudge=0.0)
