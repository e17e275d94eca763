"""Limit the change of a single step."""

from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import Positive, plugin, spec


@register("rule", "clip")
@spec
class Clip(Wrapper):
    """delta_w = max(-limit, min(limit, d)), synapse by synapse.

    d: the change of the inner rule.
    limit: of one step, whatever dt is, in units of the weight.

    State, theta, reach and clock are those of the inner rule.
    Limits: limit -> infinity is the inner rule.
    """

    still: ClassVar[bool] = True
    silent: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    limit: Positive = 0.2

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        state, delta = self.rule.step(theta, state, connection, view, dt)
        return state, jnp.clip(delta, -self.limit, self.limit)
