"""Spike-timing-dependent plasticity of spike pairs."""

from dataclasses import replace
from typing import Literal

import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._bounded import BoundedRule
from metaplast.rules._traces import Order, Pairing, faded, jumped, seen
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "stdp")
@spec
class Stdp(BoundedRule):
    """delta_w_ji = potentiation (w_max - w)^mu_potentiation z_j x_i - depression w^mu_depression
    y_j z_i.

    z: spikes that are at the synapse in this step (0/1: leave the transmission of the edge instant
    or delayed); traces x <- exp(-dt/tau_pre) x + z_i on the pre, y <- exp(-dt/tau_post) y + z_j on
    the post side, tau
    in seconds: exact
    decay, then the jump. Isolated pairs: post `t` s after pre gives + potentiation (..)
    exp(-t/tau_pre), pre after post
    - depression (..) exp(-t/tau_post). Both parts see w before the step, hard bounds their sum;
    w_max: the edge's upper
    bound. mu > 0 wants the lower one at 0: a factor of a negative (w_max - w) or w is negative,
    -|.|^mu.
    pairing: `nearest` sets a trace to 1 at a spike: every spike pairs with the other side's last
    one (Morrison, Diesmann & Gerstner 2008: symmetric nearest neighbour). increment: `dt_over_tau`
    jumps by dt/tau, not 1 (norse, which also decays by Euler and has both orders `after`): delta_w
    then scales with dt.
    at_post_spike, at_pre_spike: what a spike sees of the other side's trace when both fire in one
    step. The default is Brian2's order, pre pathway first: the post spike sees x after its jump,
    the pre spike y before its own, so an isolated coincident pair gives delta_w = + potentiation
    (w_max - w)^mu. `before`, `before` (or `none`, `none`)
    leaves out the coincident pair alone: the two spikes still pair with earlier ones.
    A count of spikes in one step acts as that many close ones, all of which see w before the step.
    learn: theta holds log_potentiation, log_depression, log_tau_pre, log_tau_post [], 0 at the
    start: a value is
    spec exp(5 theta). Limits of mu: (0, 0) additive (Song, Miller & Abbott 2000), (0, 1) van
    Rossum, Bi & Turrigiano 2000, (1, 1) multiplicative (Rubin, Lee & Sompolinsky 2001), between:
    Guetig et al. 2003.
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
        x, y = jnp.zeros(connection.n_pre), jnp.zeros(connection.n_post)
        return rule_state(pre={"stdp_x": x}, post={"stdp_y": y})

    def changes(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Term, Term]:
        z_pre, z_post = view.pre.activity, view.post.activity
        tau_pre, tau_post = value(self, theta, "tau_pre"), value(self, theta, "tau_post")
        x, y = faded(state.pre["stdp_x"], tau_pre, dt), faded(state.post["stdp_y"], tau_post, dt)
        x_size, y_size = (
            (dt / tau_pre, dt / tau_post) if self.increment == "dt_over_tau" else (1.0, 1.0)
        )
        x_after, y_after = (
            jumped(x, z_pre, self.pairing, x_size),
            jumped(y, z_post, self.pairing, y_size),
        )
        up = Term(
            value(self, theta, "potentiation") * z_post,
            seen(x, x_after, self.at_post_spike),
            sparse="post",
        )
        down = Term(
            value(self, theta, "depression") * seen(y, y_after, self.at_pre_spike),
            z_pre,
            sparse="pre",
        )
        new = replace(
            state,  # pyright: ignore[reportAttributeAccessIssue]
            post={**state.post, "stdp_y": y_after},
            pre={**state.pre, "stdp_x": x_after},
        )
        return new, up, down
