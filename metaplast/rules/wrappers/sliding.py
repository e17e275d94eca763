"""A sliding bias: a rule that sees activities as deviations from their own running mean."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._running import moved
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import Positive, plugin, spec

HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), learn="none")


@register("rule", "sliding")
@spec
class Sliding(Wrapper):
    """The inner rule reads y_j - b_j for y_j and/or x_i - b_i for x_i;   b <- b + (activity - b) / steps, afterwards.

    sides: whose activity is taken relative to its mean, `post`, `pre` or `both`; steps: over how
    many steps it is.
    State: b [n_post] and/or [n_pre], 0 at birth, which a new trial keeps. Clock `trial`: the mean
    counts steps. Around a `sum` with a part of spike times, b is the mean of what is at the
    synapse, for all parts.
    Fixed point: b = mean activity; inner Hebb with independent x and y then changes nothing on
    average: with `both` or either side it is the covariance rule (Sejnowski 1977), delta_w = eta
    cov(x, y) on average.
    learn: log_steps [] in theta. Limits: steps -> infinity is the inner rule. Reach is that of the
    inner rule.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = HEBB
    sides: Literal["post", "pre", "both"] = "post"
    steps: Positive = 20.0
    learn: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        return ("steps",) if self.learn else ()

    @property
    def clock(self) -> Clock:
        return "trial"

    @property
    def _biased(self) -> tuple[str, ...]:
        return ("post", "pre") if self.sides == "both" else (self.sides,)

    @property
    def slow(self) -> frozenset[str]:
        return self.rule.slow | {f"sliding_{side}" for side in self._biased}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        state, sizes = (
            super().init_state(theta, connection),
            {"post": connection.n_post, "pre": connection.n_pre},
        )
        fresh = {
            s: {**getattr(state, s), f"sliding_{s}": jnp.zeros(sizes[s])} for s in self._biased
        }
        return replace(state, **fresh)

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        bias = {side: getattr(state, side)[f"sliding_{side}"] for side in self._biased}
        seen = _relative(view, bias)
        if view.transmitted is not None:
            seen = replace(seen, transmitted=_relative(view.transmitted, bias))
        new, delta = self.rule.step(self.inner(theta), state, connection, seen, dt)
        steps = value(self, theta, "steps")
        after = {s: moved(b, getattr(view, s).activity, steps) for s, b in bias.items()}
        sides = {s: {**getattr(new, s), f"sliding_{s}": b} for s, b in after.items()}
        return replace(new, **sides), delta


def _relative(view: SynapseView, bias: Mapping[str, Array]) -> SynapseView:
    """The view with the activity of each side in `bias` relative to it."""
    sides = {}
    for side, mean in bias.items():
        neurons = getattr(view, side)
        sides[side] = replace(neurons, activity=neurons.activity - mean)
    return replace(view, **sides)
