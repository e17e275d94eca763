"""Spike-timing-dependent plasticity of spike pairs."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules._traces import Order, faded, seen
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import RATE_UNIT
from metaplast.signals import Key, RuleState, SynapseView, Theta
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
    mu: Annotated[float, Ge(0)] = 0.0
    at_post_spike: Order = "after"
    at_pre_spike: Order = "before"
    learn: bool = False

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        names = ("potentiation", "depression", "tau_pre", "tau_post")
        return {f"log_{name}": jnp.zeros(()) for name in names} if self.learn else {}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return RuleState(
            post={"stdp_y": jnp.zeros(connection.n_post)}, pre={"stdp_x": jnp.zeros(connection.n_pre)}, synapse={}, scalar={}
        )

    def step(
        self, theta: Theta, state: RuleState, connection: AbstractConnection, view: SynapseView, dt: float
    ) -> tuple[RuleState, Array]:
        value = lambda name: getattr(self, name) * (jnp.exp(RATE_UNIT * theta[f"log_{name}"]) if self.learn else 1.0)  # noqa: E731
        z_pre, z_post = view.pre.activity, view.post.activity
        x = faded(state.pre["stdp_x"], value("tau_pre"), dt)
        y = faded(state.post["stdp_y"], value("tau_post"), dt)
        up = connection.at_post(value("potentiation") * z_post) * connection.at_pre(seen(x, z_pre, self.at_post_spike))
        down = connection.at_post(value("depression") * seen(y, z_post, self.at_pre_spike)) * connection.at_pre(z_pre)
        delta = up * _soft(view.weight_max - view.weight, self.mu) - down * _soft(view.weight, self.mu)
        new = state.replace(  # pyright: ignore[reportAttributeAccessIssue]
            post={**state.post, "stdp_y": y + z_post}, pre={**state.pre, "stdp_x": x + z_pre}
        )
        return new, delta


def _soft(room: Array, mu: float) -> Array:
    """max(0, room)^mu, 1 for mu = 0; the gradient at room = 0 is 0 also for mu < 1."""
    if mu == 0.0:
        return jnp.ones(())
    inside = room > 0
    return jnp.where(inside, jnp.where(inside, room, 1.0) ** mu, 0.0)
