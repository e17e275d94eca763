"""Inhibitory plasticity that drives its target to a set rate."""

from dataclasses import replace
from typing import ClassVar

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._traces import Order, faded, jumped, seen
from metaplast.rules.base import TermRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import Positive, spec


@register("rule", "vogels")
@spec
class Vogels(TermRule):
    """delta_w_ji = rate [z_i (y_j - alpha) + z_j x_i], alpha = 2 target_rate tau; w an inhibitory
    magnitude.

    z: spikes of this step (0/1); x <- exp(-dt/tau) x + z_i on the pre side, y <- exp(-dt/tau) y +
    z_j on the post side (exact decay, then the jump). tau in seconds, target_rate in hertz, rate in
    units of the weight. Fixed point for uncorrelated spikes, whatever the presynaptic rate:
    postsynaptic rate alpha/(2 tau) = target_rate.
    at_post_spike, at_pre_spike: what a spike sees of the other side's trace when both fire in one
    step; the default is Brian2's order, pre pathway first: an isolated coincident pair gives
    delta_w = rate (1 - alpha). A count of spikes in one step acts as that many close ones.
    learn: theta holds log_rate, log_target_rate, log_tau [], 0 at the start: a value is spec exp(5
    theta).
    Limits: target_rate = 0 is a symmetric Hebbian window. Weights need a lower bound of 0: put it
    on an edge whose population has sign -1, or at the port `inhibitory`. Vogels, Sprekeler, Zenke,
    Clopath & Gerstner 2011.
    """

    spike_timing: ClassVar[bool] = True

    rate: Positive = 1e-2
    target_rate: Positive = 5.0
    tau: Positive = 20e-3
    at_post_spike: Order = "after"
    at_pre_spike: Order = "before"
    learn: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate", "target_rate", "tau") if self.learn else ()

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        x, y = jnp.zeros(connection.n_pre), jnp.zeros(connection.n_post)
        return rule_state(pre={"vogels_x": x}, post={"vogels_y": y})

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        rate, tau = value(self, theta, "rate"), value(self, theta, "tau")
        alpha = 2.0 * value(self, theta, "target_rate") * tau
        z_pre, z_post = view.pre.activity, view.post.activity
        x, y = faded(state.pre["vogels_x"], tau, dt), faded(state.post["vogels_y"], tau, dt)
        x_after, y_after = jumped(x, z_pre), jumped(y, z_post)
        terms = [
            Term(rate * (seen(y, y_after, self.at_pre_spike) - alpha), z_pre, sparse="pre"),
            Term(rate * z_post, seen(x, x_after, self.at_post_spike), sparse="post"),
        ]
        new = replace(
            state,  # pyright: ignore[reportAttributeAccessIssue]
            post={**state.post, "vogels_y": y_after},
            pre={**state.pre, "vogels_x": x_after},
        )
        return new, terms
