"""A neuron keeps the size of its own weights."""

from typing import Annotated, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import SynapseView, Theta
from metaplast.spec import Positive, Probability, plugin, spec


@register("rule", "normalise")
@spec
class Normalise(StatelessWrapper):
    """A pull of the norm, or of the sum, of the weights of a neuron to a target.

        multiplicative: delta_w_ji = d_ji + strength w_ji (target / ||w_j|| - 1)
        subtractive:    delta_w_ji = d_ji + strength (target - sum_i w_ji) / n_j

    form: which of the two acts.
    d: the change of the inner rule.
    w_j: the n_j synapses onto postsynaptic neuron j.
    target: in units of the weight.
    strength: the share of the difference that one step takes away.

    Fixed point for d = 0: a norm, or a sum, of `target`, reached in one step where strength = 1. A
    change d is taken back in the next step.
    State and theta are those of the inner rule. Reach `neuron`: it reads the norm, or the sum, of
    w_j.
    Limits: with inner Hebb, the multiplicative form finds the leading principal component, like
    Oja's rule. The subtractive form is stable only within the bounds of the edge (Miller & MacKay
    1994).
    Source: Miller & MacKay 1994.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    form: Literal["multiplicative", "subtractive"] = "multiplicative"
    target: Positive = 1.0
    strength: Probability = 1.0

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        if self.form == "multiplicative":
            pull = connection.at_post(self.target / view.post.weight_norm - 1.0) * view.weight
        else:
            count = connection.reduce_post(jnp.broadcast_to(connection.mask(), connection.shape))
            missing = self.target - view.post.weight_sum
            pull = connection.at_post(missing / jnp.maximum(count, 1.0))
        return change + self.strength * pull
