"""Heterosynaptic change: an active neuron draws all its weights back, whatever its inputs are."""

from typing import Annotated, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import SynapseView, Theta
from metaplast.spec import Count, Positive, plugin, spec


@register("rule", "heterosynaptic")
@spec
class Heterosynaptic(StatelessWrapper):
    """A pull of all weights of an active neuron to their reference.

        delta_w_ji = d_ji - rate |y_j|^power (w_ji - w0_ji)

    power: exponent of the activity.
    towards: the reference w0, see there.
    d: the change of the inner rule.
    y: the postsynaptic activity.
    w0: the weight at birth (towards `birth`), or 0 (towards `zero`).
    rate: per step and unit of y^power.
    learn: whether log_rate [] is in theta.

    It has no state of its own. Reach and clock are those of the inner rule.
    Fixed point under inner Hebb, d = eta x y, with constant x and y:
    w = w0 + eta x / (rate y^(power - 1)).
    Limits: rate = 0 is the inner rule. power = 2, towards zero, with inner Hebb is Oja's rule.
    Source: Zenke, Agnes & Gerstner 2015 (power 4, spike traces; their reference weight follows
    slowly).
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    rate: Positive = 0.1
    power: Count = 2
    towards: Literal["birth", "zero"] = "birth"
    learn: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate",) if self.learn else ()

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        away = view.weight - view.weight_initial if self.towards == "birth" else view.weight
        pull = value(self, theta, "rate") * jnp.abs(view.post.activity) ** self.power
        return change - connection.at_post(pull) * away
