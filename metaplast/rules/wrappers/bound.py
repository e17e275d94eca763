"""Soft bounds: a weight slows down on its way to either end."""

from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules._soft import soft
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import SynapseView, Theta
from metaplast.spec import NonNegative, plugin, spec


@register("rule", "bound")
@spec
class Bound(StatelessWrapper):
    """Changes that get smaller towards the bounds of the weight.

        delta_w = d ((w_max - w) / (w_max - low))^mu    where d > 0
        delta_w = d ((w - low) / (w_max - low))^mu      where d < 0

    d: the change of the inner rule.
    w_max: the upper bound of the edge, in units of the weight.
    low: the lower bound of the edge (0 for magnitudes), in units of the weight.
    mu: the exponent.

    Beyond a bound, the factor is 0 in that direction. State and theta are those of the inner rule.
    Limits: mu = 0 leaves the inner rule to the hard bounds of the edge. mu = 1 is multiplicative
    (Rubin, Lee & Sompolinsky 2001).
    Parts of opposite sign that meet in one step are bounded as their sum; `stdp` bounds each part
    by its own mu.
    Source: Rubin, Lee & Sompolinsky 2001 for mu = 1; Guetig, Aharonov, Rotter & Sompolinsky 2003
    for the exponent.
    """

    still: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    mu: NonNegative = 1.0
    low: float = 0.0

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        room = jnp.where(change > 0, view.weight_max - view.weight, view.weight - self.low)
        return change * soft(room / (view.weight_max - self.low), self.mu)
