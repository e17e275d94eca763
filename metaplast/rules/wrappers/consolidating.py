"""Two time scales in one synapse: a fast part is drawn to a slow part, which follows it."""

from typing import Annotated

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import log_to_nothing, value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import Positive, plugin, spec


@register("rule", "consolidating")
@spec
class Consolidating(Wrapper):
    """A pull of the weight to a slow part, which follows it.

        delta_w = d - pull (w - w0 - s)
        s <- s + follow (w - w0 - s)

    d: the change of the inner rule.
    w0: the weight at birth.
    s: how far the slow part has moved, on the synapse, 0 at birth.
    pull: the share of w - w0 - s that the weight loses, per step.
    follow: the share of it that the slow part gains, per step.
    learn: whether log_pull [] and log_follow [] are in theta.

    Clock `trial`: both rates count steps. Reach `synapse` where the inner rule has it.
    Fixed point for d = 0: w = w0 + s. A change d leaves the share follow / (pull + follow) of
    itself for good, to first order in both rates.
    Limits: pull = 0 is the inner rule. follow = 0 decays to the weights at birth.
    Source: the case of two variables of Benna & Fusi 2016.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    pull: Positive = 0.02
    follow: Positive = 0.02
    learn: bool = True

    @property
    def own(self) -> tuple[str, ...]:
        return ("pull", "follow") if self.learn else ()

    @property
    def clock(self) -> Clock:
        return "trial"

    def transparent(self) -> dict[str, float] | None:
        """The leaf at which pull vanishes: there the inner rule is left."""
        if not self.learn:
            return None
        return {"log_pull": log_to_nothing(self.pull)}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        inner = super().init_state(theta, connection)
        return with_entries(inner, synapse={"consolidating_s": connection.zeros()})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        inner, change = self.rule.step(self.inner(theta), state, connection, view, dt)
        slow = state.synapse["consolidating_s"]
        away = view.weight - view.weight_initial - slow
        followed = slow + value(self, theta, "follow") * away
        new = with_entries(inner, synapse={"consolidating_s": followed})
        return new, change - value(self, theta, "pull") * away
