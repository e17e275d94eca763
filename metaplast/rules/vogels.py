"""Inhibitory plasticity that drives its target to a set rate."""

from typing import ClassVar

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._traces import Order, coincident, faded, jumped
from metaplast.rules.base import TermRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import Positive, spec


@register("rule", "vogels")
@spec
class Vogels(TermRule):
    """Inhibitory plasticity that drives the postsynaptic neuron to a set rate.

        delta_w_ji = rate [z_i (y_j - alpha) + z_j x_i]
        alpha = 2 target_rate tau
        x_i <- exp(-dt/tau) x_i + z_i       (pre side: exact decay, then the jump)
        y_j <- exp(-dt/tau) y_j + z_j       (post side)

    w: an inhibitory magnitude.
    z: spikes of this step (0/1).
    x, y: traces of spikes [n_pre], [n_post].
    tau: time constant of both traces, in seconds.
    target_rate: the postsynaptic rate at which nothing changes on average, in hertz.
    rate: in units of the weight.
    at_post_spike, at_pre_spike: the trace of the other side that a spike sees where both neurons
        fire in one step. The defaults are Brian2's order, pre pathway first: an isolated coincident
        pair gives delta_w = rate (1 - alpha).
    learn: whether theta holds log_rate, log_target_rate, log_tau [], 0 at the start: a value is
        spec exp(5 theta).

    A count of spikes in one step acts as that many close ones. Weights need a lower bound of 0: put
    the rule on an edge whose population has sign -1, or at the port `inhibitory`.
    Fixed point for uncorrelated spikes, whatever the presynaptic rate: a postsynaptic rate of
    alpha/(2 tau) = target_rate.
    Limits: target_rate = 0 is a symmetric Hebbian window.
    Source: Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011.
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
        return rule_state(
            pre={"vogels_x": jnp.zeros(connection.n_pre)},
            post={"vogels_y": jnp.zeros(connection.n_post)},
        )

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        rate = value(self, theta, "rate")
        tau = value(self, theta, "tau")
        alpha = 2.0 * value(self, theta, "target_rate") * tau
        z_pre = view.pre.activity
        z_post = view.post.activity
        x = faded(state.pre["vogels_x"], tau, dt)
        y = faded(state.post["vogels_y"], tau, dt)
        x_after = jumped(x, z_pre)
        y_after = jumped(y, z_post)
        terms = [
            Term(rate * (coincident(y, y_after, self.at_pre_spike) - alpha), z_pre, sparse="pre"),
            Term(rate * z_post, coincident(x, x_after, self.at_post_spike), sparse="post"),
        ]
        return with_entries(state, post={"vogels_y": y_after}, pre={"vogels_x": x_after}), terms
