"""A limit for the change of a single step."""

from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import SynapseView, Theta
from metaplast.spec import Positive, plugin, spec


@register("rule", "clip")
@spec
class Clip(StatelessWrapper):
    """The change of the inner rule, limited synapse by synapse.

        delta_w = max(-limit, min(limit, d))

    d: the change of the inner rule.
    limit: of one step, whatever dt is, in units of the weight.

    State, theta, reach and clock are those of the inner rule.
    Limits: limit -> infinity is the inner rule.
    Source: elementary.
    """

    still: ClassVar[bool] = True
    silent: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    limit: Positive = 0.2

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        return jnp.clip(change, -self.limit, self.limit)
