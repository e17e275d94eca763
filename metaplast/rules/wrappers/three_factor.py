"""Eligible changes that act when a modulator calls for them."""

from typing import Annotated, ClassVar

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules._traces import faded
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import Positive, plugin, spec

HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), rate=1.0, learn="none")


@register("rule", "three_factor")
@spec
class ThreeFactor(Wrapper):
    """The eligible changes of the inner rule, times a modulator.

        delta_w = rate m e
        e <- exp(-dt/tau) e + d

    modulator: the name of the channel, as the task offers it.
    d: the change of the inner rule, which is never applied itself.
    e: the eligibility, on the synapse, which a new trial keeps. It is moved first.
    m: the global channel `modulator` of this step.
    tau: spec exp(5 log_tau), in seconds.
    rate: spec exp(5 log_rate), per step with m = 1: a reward is an event. A modulator that is a
        concentration d(t), as in dw/dt = c d, is integrated by rate = dt.

    State: e, and the state of the inner rule.
    theta: {rule: the inner theta, log_rate [], log_tau []}, both 0 at the start.
    Limits: tau -> 0 is m times the inner rule. m = 0 learns nothing but remembers. Inner stdp with
    m = reward is reward-modulated STDP (Izhikevich 2007; Fremaux & Gerstner 2016).
    Source: Izhikevich 2007; Fremaux & Gerstner 2016.
    """

    still: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = HEBB
    modulator: str = "reward"
    tau: Positive = 1.0
    rate: Positive = 0.1

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate", "tau")

    @property
    def clock(self) -> Clock:
        return "event"

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        inner = super().init_state(theta, connection)
        return with_entries(inner, synapse={"eligibility": connection.zeros()})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        inner, change = self.rule.step(theta["rule"], state, connection, view, dt)
        eligibility = faded(state.synapse["eligibility"], value(self, theta, "tau"), dt) + change
        new = with_entries(inner, synapse={"eligibility": eligibility})
        return new, value(self, theta, "rate") * view.modulators[self.modulator] * eligibility
