"""Changes that are saved up and made together, as a batch."""

from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import Count, plugin, spec

DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), learn="rate")


@register("rule", "accumulating")
@spec
class Accumulating(Wrapper):
    """The changes of the inner rule in `every` steps are made together in the last of them.

        m <- m + g
        delta_w = m, and m <- 0        in every `every`-th step with plasticity
        delta_w = 0                    in all others

    g: the change that the inner rule asks for, at the weight as it is.
    m: the sum, on the synapse, 0 at birth, which a new trial keeps.

    Clock `trial`: steps are counted, whatever dt. With `every` equal to the number of plastic steps
    a life has one update.

    Args:
        rule: the inner rule.
        every: the number of steps.

    Limits: every = 1 is the inner rule.
    Source: elementary.
    """

    still: ClassVar[bool] = True
    silent: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = DELTA
    every: Count = 4

    @property
    def clock(self) -> Clock:
        return "trial"

    def transparent(self) -> dict[str, float] | None:
        if self.every != 1:
            return None
        return {}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        inner = super().init_state(theta, connection)
        return with_entries(
            inner,
            synapse={"accumulating_m": connection.zeros()},
            scalar={"accumulating_n": jnp.zeros(())},
        )

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        inner, change = self.rule.step(self.inner(theta), state, connection, view, dt)
        total = state.synapse["accumulating_m"] + change
        n_steps = state.scalar["accumulating_n"] + 1.0
        due = n_steps >= self.every
        after = with_entries(
            inner,
            synapse={"accumulating_m": jnp.where(due, 0.0, total)},
            scalar={"accumulating_n": jnp.where(due, 0.0, n_steps)},
        )
        return after, jnp.where(due, total, 0.0)
