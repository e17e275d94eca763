"""Hebbian change with a sliding threshold."""

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._traces import faded
from metaplast.rules.base import Clock, TermRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import Positive, spec


@register("rule", "bcm")
@spec
class Bcm(TermRule):
    """A Hebbian change with a threshold that follows the square of the activity.

        delta_w_ji = dt rate x_i y_j (y_j - theta_j)
        theta_j <- exp(-dt/tau) theta_j + (1 - exp(-dt/tau)) y_j^2

    x, y: pre- and postsynaptic activity.
    theta: the threshold [n_post], 0 at birth, which a new trial keeps.
    rate: of the change of weight, in 1 / second.
    tau: seconds. It must be short against the time that the weights take.
    learn: whether log_rate [] and log_tau [] are in theta.

    Fixed point for one constant input: y = theta = 1. The other one, y = 0, is unstable. The
    threshold follows y^2, not y: only a superlinear threshold is stable.
    Source: Intrator & Cooper 1992, after Bienenstock, Cooper & Munro 1982.
    """

    rate: Positive = 10.0
    tau: Positive = 20e-3
    learn: bool = False

    @property
    def clock(self) -> Clock:
        return "time"

    @property
    def slow(self) -> frozenset[str]:
        return frozenset({"bcm_threshold"})

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate", "tau") if self.learn else ()

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return rule_state(post={"bcm_threshold": jnp.zeros(connection.n_post)})

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        y = view.post.activity
        threshold = state.post["bcm_threshold"]
        term = Term(dt * value(self, theta, "rate") * y * (y - threshold), view.pre.activity)
        moved = y**2 + faded(threshold - y**2, value(self, theta, "tau"), dt)
        return with_entries(state, post={"bcm_threshold": moved}), [term]
