"""Adam inside the life: the change of a rule, normalised by its own running moments."""

from typing import Annotated, ClassVar

import jax.numpy as jnp
from annotated_types import Ge, Lt
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import Positive, plugin, spec

Decay = Annotated[float, Ge(0), Lt(1)]
DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), rate=1.0, learn="none")


@register("rule", "adam")
@spec
class Adam(Wrapper):
    """The change of the inner rule, normalised by its running moments.

        delta_w = rate exp(5 log_rate) m^ / sqrt(v^ + eps^2)
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        m^ = m / (1 - b1^t)
        v^ = v / (1 - b2^t)

    g: the change of the inner rule.
    t: the number of the step, from 1.
    rate: size of one change, in units of the weight.
    b1, b2: decay of the running moments, per step.
    eps: in units of the weight. It is inside the root, so that the gradient through learning stays
        finite at v = 0.

    State on the synapse: m, v, and the running powers b1^t, b2^t (scalars).
    theta: {rule: the inner theta, log_rate []}.
    Clock `trial`: the moments count steps, whatever dt.
    Limits: b1 = b2 = 0 with eps -> 0 gives sign(g).
    Source: Kingma & Ba 2015.
    """

    still: ClassVar[bool] = True
    silent: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = DELTA
    rate: Positive = 1e-2
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: Positive = 1e-4

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate",)

    @property
    def clock(self) -> Clock:
        return "trial"

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        moments = {"adam_m": connection.zeros(), "adam_v": connection.zeros()}
        powers = {"adam_b1": jnp.ones(()), "adam_b2": jnp.ones(())}
        inner = super().init_state(theta, connection)
        return with_entries(inner, synapse=moments, scalar=powers)

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        inner, g = self.rule.step(theta["rule"], state, connection, view, dt)
        m = self.b1 * state.synapse["adam_m"] + (1 - self.b1) * g
        v = self.b2 * state.synapse["adam_v"] + (1 - self.b2) * g**2
        b1 = self.b1 * state.scalar["adam_b1"]
        b2 = self.b2 * state.scalar["adam_b2"]
        delta = value(self, theta, "rate") * (m / (1 - b1)) / jnp.sqrt(v / (1 - b2) + self.eps**2)
        moments = {"adam_m": m, "adam_v": v}
        powers = {"adam_b1": b1, "adam_b2": b2}
        return with_entries(inner, synapse=moments, scalar=powers), delta
