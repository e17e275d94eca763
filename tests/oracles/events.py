"""Spike-timing rules as a plain loop from spike to spike of one synapse, in continuous time with
exact exponentials.

Nothing here knows of time steps. Conventions: both sides may fire at one time, `order` says what a
spike sees of the other side's trace then; both see the weight from before, and the bounds act on
what comes out.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.oracles.polynomial import value

Change = Callable[
    [float, bool, bool, float], float
]  # (time, pre fires, post fires, weight) -> change


class Trace:
    """A trace that fades with tau and jumps at the spikes of one side: by 1, or (nearest) to 1."""

    def __init__(self, tau: float, nearest: bool = False) -> None:
        self.tau, self.nearest, self.value, self.last = tau, nearest, 0.0, 0.0

    def at(self, time: float) -> float:
        """Just before a spike at `time`."""
        return self.value * math.exp(-(time - self.last) / self.tau)

    def jump(self, time: float) -> None:
        self.value, self.last = 1.0 if self.nearest else self.at(time) + 1.0, time

    def met(self, time: float, fires: bool, order: str) -> float:
        """By a spike of the other side at `time`, where this side fires too."""
        if not fires or order in ("before", "none"):
            return self.at(time)
        return 1.0 if self.nearest else self.at(time) + 1.0


def weights(
    make: Callable[[], Change],
    pre: np.ndarray,
    post: np.ndarray,
    start: np.ndarray,
    dt: float,
    top: float,
):
    """Final weights [post, pre] under hard bounds 0 and `top` for spikes [n_steps, n], 0/1, at
    times step * dt.
    """
    final = np.zeros(start.shape)
    for j, i in np.ndindex(*start.shape):
        pre_times, post_times = (
            {k * dt for k in np.flatnonzero(s)} for s in (pre[:, i], post[:, j])
        )
        w, change = float(start[j, i]), make()
        for time in sorted(pre_times | post_times):
            w = min(max(w + change(time, time in pre_times, time in post_times, w), 0.0), top)
        final[j, i] = w
    return final


def pair(rule: Any, top: float) -> Change:
    nearest = rule.pairing == "nearest"
    x, y = Trace(rule.tau_pre, nearest), Trace(rule.tau_post, nearest)

    def change(time: float, pre: bool, post: bool, w: float) -> float:
        total = 0.0
        if post:
            total += (
                rule.potentiation
                * (top - w) ** rule.mu_potentiation
                * x.met(time, pre, rule.at_post_spike)
            )
        if pre:
            total -= rule.depression * w**rule.mu_depression * y.met(time, post, rule.at_pre_spike)
        _jump(time, (pre, x), (post, y))
        return total

    return change


def triplet(rule: Any, top: float) -> Change:
    nearest = rule.pairing == "nearest"
    r1, r2 = Trace(rule.tau_plus, nearest), Trace(rule.tau_x, nearest)
    o1, o2 = Trace(rule.tau_minus, nearest), Trace(rule.tau_y, nearest)

    def change(time: float, pre: bool, post: bool, w: float) -> float:
        total = 0.0
        if post:
            size = rule.a2_plus + rule.a3_plus * o2.at(time)
            total += (
                size * (top - w) ** rule.mu_potentiation * r1.met(time, pre, rule.at_post_spike)
            )
        if pre:
            size = rule.a2_minus + rule.a3_minus * r2.at(time)
            total -= size * w**rule.mu_depression * o1.met(time, post, rule.at_pre_spike)
        _jump(time, (pre, r1), (pre, r2), (post, o1), (post, o2))
        return total

    return change


def vogels(rule: Any, top: float) -> Change:
    x, y = Trace(rule.tau), Trace(rule.tau)

    def change(time: float, pre: bool, post: bool, w: float) -> float:
        total = 0.0
        if pre:
            total += rule.rate * (
                y.met(time, post, rule.at_pre_spike) - 2.0 * rule.target_rate * rule.tau
            )
        if post:
            total += rule.rate * x.met(time, pre, rule.at_post_spike)
        _jump(time, (pre, x), (post, y))
        return total

    return change


def taylor(rule: Any, top: float) -> Change:
    """Terms of one product each, written without spaces."""
    nearest = rule.pairing == "nearest"
    names = ("pre_trace", "pre_slow", "post_trace", "post_slow")
    traces = {name: Trace(getattr(rule, f"tau_{name}"), nearest) for name in names}

    def change(time: float, pre: bool, post: bool, w: float) -> float:
        total = 0.0
        for c, term in zip(rule.initial, rule.terms, strict=True):
            at = {"pre": float(pre), "post": float(post), "weight": w}
            for name, trace in traces.items():
                side, fires, order = ("pre", pre, rule.at_post_spike)
                if name.startswith("post"):
                    side, fires, order = ("post", post, rule.at_pre_spike)
                at[name] = (
                    trace.at(time) if side in term.split("*") else trace.met(time, fires, order)
                )
            total += rule.rate * c * value(term, at)
        _jump(
            time,
            *((pre if name.startswith("pre") else post, trace) for name, trace in traces.items()),
        )
        return total

    return change


def _jump(time: float, *sides: tuple[bool, Trace]) -> None:
    for fires, trace in sides:
        if fires:
            trace.jump(time)
