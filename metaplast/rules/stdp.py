"""Spike-timing-dependent plasticity of spike pairs."""

from typing import Literal

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._bounded import BoundedRule
from metaplast.rules._traces import Order, Pairing, coincident, faded, jumped
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "stdp")
@spec
class Stdp(BoundedRule):
    """Each spike changes the weight by the trace of the other neuron's spikes.

        delta_w_ji = + potentiation (w_max - w)^mu_potentiation z_j x_i
                     - depression w^mu_depression y_j z_i

        x_i <- exp(-dt/tau_pre) x_i + z_i       (pre side: exact decay, then the jump)
        y_j <- exp(-dt/tau_post) y_j + z_j      (post side)

    z: spikes at the synapse in this step (0/1: leave the transmission of the edge instant or
        delayed).
    x, y: traces of spikes [n_pre], [n_post].
    tau_pre, tau_post: time constants of x and y, in seconds.
    potentiation, depression: in units of the weight where mu = 0.
    w_max: the upper bound of the edge.
    mu_potentiation, mu_depression: exponents of the distance to the bounds. mu > 0 wants a lower
        bound of 0 on the edge: a factor of a negative (w_max - w) or w is negative, -|.|^mu.
    pairing: with `nearest`, a spike sets its trace to 1: every spike pairs with the last spike of
        the other side (Morrison, Diesmann & Gerstner 2008: symmetric nearest neighbour).
    increment: with `dt_over_tau`, a trace jumps by dt/tau instead of 1, and delta_w scales with dt
        (norse, which also decays by Euler and has both orders `after`).
    at_post_spike: the x that a post spike sees where both neurons fire in one step.
    at_pre_spike: the y that a pre spike sees there. The defaults are Brian2's order, pre pathway
        first: the post spike sees x after its jump, and the pre spike sees y before its own jump.
        So an isolated coincident pair gives delta_w = + potentiation (w_max - w)^mu. `before`,
        `before` (or `none`, `none`) leaves out the coincident pair alone: the two spikes still
        pair with earlier ones.
    learn: whether theta holds log_potentiation, log_depression, log_tau_pre, log_tau_post [], 0 at
        the start: a value is spec exp(5 theta).

    Isolated pairs: post t s after pre gives + potentiation (..) exp(-t/tau_pre). Pre t s after post
    gives - depression (..) exp(-t/tau_post). Both parts see w before the step, and hard bounds act
    on their sum. A count of spikes in one step acts as that many close ones, all of which see w
    before the step.
    Limits of (mu_potentiation, mu_depression): (0, 0) is additive (Song, Miller & Abbott 2000).
    (0, 1) is van Rossum, Bi & Turrigiano 2000. (1, 1) is multiplicative (Rubin, Lee & Sompolinsky
    2001). In between is Guetig et al. 2003.
    Source: Song, Miller & Abbott 2000; for the bounds, see the limits.
    """

    potentiation: NonNegative = 1e-2
    depression: NonNegative = 1.05e-2
    tau_pre: Positive = 20e-3
    tau_post: Positive = 20e-3
    pairing: Pairing = "all_to_all"
    increment: Literal["one", "dt_over_tau"] = "one"
    at_post_spike: Order = "after"
    at_pre_spike: Order = "before"
    learn: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        return ("potentiation", "depression", "tau_pre", "tau_post") if self.learn else ()

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return rule_state(
            pre={"stdp_x": jnp.zeros(connection.n_pre)},
            post={"stdp_y": jnp.zeros(connection.n_post)},
        )

    def changes(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Term, Term]:
        z_pre = view.pre.activity
        z_post = view.post.activity
        tau_pre = value(self, theta, "tau_pre")
        tau_post = value(self, theta, "tau_post")
        x = faded(state.pre["stdp_x"], tau_pre, dt)
        y = faded(state.post["stdp_y"], tau_post, dt)
        by_dt = self.increment == "dt_over_tau"
        x_after = jumped(x, z_pre, self.pairing, dt / tau_pre if by_dt else 1.0)
        y_after = jumped(y, z_post, self.pairing, dt / tau_post if by_dt else 1.0)
        up = Term(
            value(self, theta, "potentiation") * z_post,
            coincident(x, x_after, self.at_post_spike),
            sparse="post",
        )
        down = Term(
            value(self, theta, "depression") * coincident(y, y_after, self.at_pre_spike),
            z_pre,
            sparse="pre",
        )
        return with_entries(state, post={"stdp_y": y_after}, pre={"stdp_x": x_after}), up, down
