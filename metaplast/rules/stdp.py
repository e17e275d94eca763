"""Spike-timing-dependent plasticity of spike pairs."""

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules._learned import value
from metaplast.rules._soft import soft
from metaplast.rules._traces import Order, faded, seen
from metaplast.rules.base import AbstractRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "stdp")
@spec
class Stdp(AbstractRule):
    """delta_w_ji = potentiation (w_max - w)^mu z_j x_i - depression w^mu y_j z_i, all pairs of spikes.

    z: spikes of this step (0/1; the presynaptic ones as transmitted, so leave the transmission instant or delayed);
    x <- exp(-dt/tau_pre) x + z_i on the pre, y <- exp(-dt/tau_post) y + z_j on the post side, tau in seconds: an exact
    decay, then the jump. Isolated pairs: post `t` s after pre gives + potentiation (..) exp(-t/tau_pre), pre after post
    - depression (..) exp(-t/tau_post). w >= 0 is meant where mu > 0; w_max is the upper bound of the edge.
    at_post_spike, at_pre_spike: what a spike sees of the other side's trace when both fire in one step. The default is
    Brian2's order, pre pathway first: the post spike sees x after its jump, the pre spike y before its own, so an
    isolated coincident pair gives delta_w = + potentiation (w_max - w)^mu. `none`, `none` gives 0.
    learn: theta holds log_potentiation, log_depression, log_tau_pre, log_tau_post [], 0 at the start: a value is
    spec exp(5 theta). Limits: mu = 0 is additive, mu = 1 multiplicative (van Rossum, Bi & Turrigiano 2000; Song, Miller
    & Abbott 2000).
    """

    potentiation: NonNegative = 1e-2
    depression: NonNegative = 1.05e-2
    tau_pre: Positive = 20e-3
    tau_post: Positive = 20e-3
    mu: NonNegative = 0.0
    at_post_spike: Order = "after"
    at_pre_spike: Order = "before"
    learn: bool = False

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        names = ("potentiation", "depression", "tau_pre", "tau_post")
        return {f"log_{name}": jnp.zeros(()) for name in names} if self.learn else {}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        x, y = jnp.zeros(connection.n_pre), jnp.zeros(connection.n_post)
        return rule_state(pre={"stdp_x": x}, post={"stdp_y": y})

    def step(
        self, theta: Theta, state: RuleState, connection: AbstractConnection, view: SynapseView, dt: float
    ) -> tuple[RuleState, Array]:
        z_pre, z_post = view.pre.activity, view.post.activity
        x = faded(state.pre["stdp_x"], value(self, theta, "tau_pre"), dt)
        y = faded(state.post["stdp_y"], value(self, theta, "tau_post"), dt)
        gain, loss = value(self, theta, "potentiation"), value(self, theta, "depression")
        up = connection.at_post(gain * z_post) * connection.at_pre(seen(x, z_pre, self.at_post_spike))
        down = connection.at_post(loss * seen(y, z_post, self.at_pre_spike)) * connection.at_pre(z_pre)
        delta = up * soft(view.weight_max - view.weight, self.mu) - down * soft(view.weight, self.mu)
        new = state.replace(  # pyright: ignore[reportAttributeAccessIssue]
            post={**state.post, "stdp_y": y + z_post}, pre={**state.pre, "stdp_x": x + z_pre}
        )
        return new, delta
