"""Soft bounds: a weight slows down on its way to either end."""

from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules._soft import soft
from metaplast.rules.base import AbstractRule, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import NonNegative, plugin, spec


@register("rule", "bound")
@spec
class Bound(Wrapper):
    """Changes that get smaller towards the bounds of the weight:

        delta_w = d ((w_max - w) / (w_max - low))^mu    where d > 0
        delta_w = d ((w - low) / (w_max - low))^mu      where d < 0

    d: the change of the inner rule.
    w_max: the upper bound of the edge, in units of the weight.
    low: the lower bound of the edge (0 for magnitudes), in units of the weight.
    mu: the exponent.

    Beyond a bound, the factor is 0 in that direction. State and theta are those of the inner rule.
    Limits: mu = 0 leaves the inner rule to the hard bounds of the edge. mu = 1 is multiplicative
    (van Rossum et al. 2000).
    Parts of opposite sign that meet in one step are bounded as their sum; `stdp` bounds each part
    by its own mu.
    """

    still: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    mu: NonNegative = 1.0
    low: float = 0.0

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        state, delta = self.rule.step(theta, state, connection, view, dt)
        room = jnp.where(delta > 0, view.weight_max - view.weight, view.weight - self.low)
        return state, delta * soft(room / (view.weight_max - self.low), self.mu)
