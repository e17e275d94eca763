"""Momentum inside the life: the average of the changes that a rule has asked for so far."""

from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import plugin, spec

DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), learn="rate")


@register("rule", "momentum")
@spec
class Momentum(Wrapper):
    """The running mean of the changes of the inner rule.

        delta_w = m
        m <- decay m + (1 - decay) g

    g: the change of the inner rule.
    m: the running mean, on the synapse, 0 at birth, which a new trial keeps.
    decay: of the mean, per step.

    Clock `trial`: the mean counts steps, whatever dt.
    Limits: decay = 0 is the inner rule. Heavy-ball momentum (Polyak 1964) of step size eta is this
    rule with a step size of eta / (1 - decay) in the inner rule. An average keeps the size of g, so
    that one step size serves any decay.
    Source: Polyak 1964.
    """

    still: ClassVar[bool] = True
    silent: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = DELTA
    decay: Annotated[float, Ge(0), Lt(1)] = 0.9

    @property
    def clock(self) -> Clock:
        return "trial"

    def transparent(self) -> dict[str, float] | None:
        if self.decay != 0.0:
            return None
        return {}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        inner = super().init_state(theta, connection)
        return with_entries(inner, synapse={"momentum_m": connection.zeros()})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        inner, change = self.rule.step(self.inner(theta), state, connection, view, dt)
        mean = self.decay * state.synapse["momentum_m"] + (1 - self.decay) * change
        return with_entries(inner, synapse={"momentum_m": mean}), mean
