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
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import Positive, plugin, spec

HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), learn="none")


@register("rule", "sliding")
@spec
class Sliding(Wrapper):
    """The inner rule reads activity - b instead of the activity.

        delta_w_ji = d_ji(x_i - b_i, y_j - b_j)
        b <- b + (a - b) / steps

    d: the change of the inner rule at these activities.
    x, y: pre- and postsynaptic activity.
    a: the activity of a side that is taken; the b of the other side is 0.
    sides: whose activity is taken relative to its mean: `post` (y_j), `pre` (x_i) or `both`.
    b: the running mean of a [n_post], [n_pre], 0 at birth, which a new trial keeps. It moves after
        the inner rule has read it.
    steps: the number of steps that the mean goes over.
    learn: whether log_steps [] is in theta.

    Clock `trial`: the mean counts steps. The reach is the inner rule's. Around a `sum` with a part
    of spike times, b is the mean of the activity at the synapse, for all parts.
    Fixed point: b = mean activity. Inner Hebb with independent x and y then changes nothing on
    average: with either side or both it is the covariance rule (Sejnowski 1977),
    delta_w = eta cov(x, y) on average.
    Limits: steps -> infinity is the inner rule.
    Source: Sejnowski 1977.
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
        if self.sides == "both":
            return ("post", "pre")
        return (self.sides,)

    @property
    def slow(self) -> frozenset[str]:
        return self.rule.slow | {f"sliding_{side}" for side in self._biased}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        state = super().init_state(theta, connection)
        sizes = {"post": connection.n_post, "pre": connection.n_pre}
        means = {side: {f"sliding_{side}": jnp.zeros(sizes[side])} for side in self._biased}
        return with_entries(state, **means)

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        bias = {side: getattr(state, side)[f"sliding_{side}"] for side in self._biased}
        relative = _relative(view, bias)
        if view.transmitted is not None:
            relative = replace(relative, transmitted=_relative(view.transmitted, bias))
        new, delta = self.rule.step(self.inner(theta), state, connection, relative, dt)
        steps = value(self, theta, "steps")
        means = {}
        for side, mean in bias.items():
            mean = moved(mean, getattr(view, side).activity, steps)
            means[side] = {f"sliding_{side}": mean}
        return with_entries(new, **means), delta


def _relative(view: SynapseView, bias: Mapping[str, Array]) -> SynapseView:
    """The view in which the activity of each side in `bias` is relative to its bias."""
    sides = {}
    for side, mean in bias.items():
        neurons = getattr(view, side)
        sides[side] = replace(neurons, activity=neurons.activity - mean)
    return replace(view, **sides)
