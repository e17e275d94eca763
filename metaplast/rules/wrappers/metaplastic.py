"""Metaplasticity: the more a synapse has already lived through, the less it changes."""

from typing import Annotated, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import log_to_nothing, value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import Positive, plugin, spec

SIDE = {
    "age": "scalar",
    "pre": "pre",
    "post": "post",
    "error": "post",
    "target": "post",
    "change": "synapse",
}


@register("rule", "metaplastic")
@spec
class Metaplastic(Wrapper):
    """The change of the inner rule, which gets smaller with the events so far.

        delta_w = d (1 + s / horizon)^(-power)

    s grows after the change.

    power: exponent by which the change falls.
    d: the change of the inner rule.
    s: a sum over the steps so far, 0 at birth, which a new trial keeps.
    by: the summand of s.
        `age`: 1 per step, one number.
        `pre`: x_i^2 [n_pre].
        `post`: y_j^2 [n_post].
        `error`: e_j^2 [n_post].
        `target`: t_j^2 [n_post].
        `change`: (d_ji / unit)^2 on the synapse, a confidence of every synapse, as in Adagrad.
    horizon: the s at which the change has fallen by 2^-power.
    unit: of the weight.
    learn: whether log_horizon [] and log_power [] are in theta.

    Clock `trial`: s counts steps.
    Limits: power = 0 or horizon -> infinity is the inner rule. `age` with power 1 makes an online
    mean out of a delta rule. `target` with power 1 and horizon 1 makes the running mean of every
    class out of target*pre - target*weight. `change` with power 1/2 is Adagrad (Duchi, Hazan &
    Singer 2011).
    A step size that has fallen stays low: such a rule cannot follow a world that changes late.
    Source: Abraham & Bear 1996.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    by: Literal["age", "pre", "post", "error", "target", "change"] = "age"
    horizon: Positive = 20.0
    power: Positive = 0.5
    unit: Positive = 0.02
    learn: bool = True

    @property
    def own(self) -> tuple[str, ...]:
        return ("horizon", "power") if self.learn else ()

    @property
    def clock(self) -> Clock:
        return "trial"

    @property
    def slow(self) -> frozenset[str]:
        if SIDE[self.by] in ("pre", "post"):
            return self.rule.slow | {"metaplastic_s"}
        return self.rule.slow

    def transparent(self) -> dict[str, float] | None:
        """The leaf at which power vanishes: there the inner rule is left."""
        if not self.learn:
            return None
        return {"log_power": log_to_nothing(self.power)}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        inner = super().init_state(theta, connection)
        side = SIDE[self.by]
        shapes = {
            "scalar": (),
            "pre": connection.n_pre,
            "post": connection.n_post,
            "synapse": connection.shape,
        }
        zeros = jnp.zeros(shapes[side])
        return with_entries(inner, **{side: {"metaplastic_s": zeros}})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        new, change = self.rule.step(self.inner(theta), state, connection, view, dt)
        side = SIDE[self.by]
        s = getattr(state, side)["metaplastic_s"]
        # It is not written as a power: its gradient would be a power, a logarithm and a choice for
        # every synapse and step. It is not written as log1p of s / horizon either: the gradient of
        # a life would take 1.28 times as long.
        passed = jnp.log(1.0 + s * (1.0 / value(self, theta, "horizon")))
        factor = jnp.exp(-value(self, theta, "power") * passed)
        spread = {"post": connection.at_post, "pre": connection.at_pre}.get(side, lambda x: x)
        grown = s + self._summand(view, change)
        new = with_entries(new, **{side: {"metaplastic_s": grown}})
        return new, spread(factor) * change

    def _summand(self, view: SynapseView, change: Array) -> Array:
        """The number that this step adds to s."""
        if self.by == "age":
            return jnp.ones(())
        if self.by == "change":
            return (change / self.unit) ** 2
        signals = {
            "pre": view.pre.activity,
            "post": view.post.activity,
            "error": view.post.feedback,
            "target": view.post.target,
        }
        return signals[self.by] ** 2
