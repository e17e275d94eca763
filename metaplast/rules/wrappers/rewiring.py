"""Synapses that die and are born again, in a constant number."""

from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._stateless import StatelessWrapper
from metaplast.signals import Key, SynapseView, Theta
from metaplast.spec import NonNegative, plugin, spec


@register("rule", "rewiring")
@spec
class Rewiring(StatelessWrapper):
    """A synapse whose weight crosses 0 dies, and another one is born elsewhere in its place.

        delta_w = d - drift sign(w) + noise xi

    d: the change of the inner rule.
    w: the weight of a synapse that exists.
    xi: standard normal, drawn in every step for every synapse.
    s: a random sign; 1 where weights are magnitudes or have a lower bound of 0.
    drift: the pull to 0 in a step.
    noise: the width of the random walk in a step.
    birth: the size of the weight at a birth.

    A synapse is dead where w (w + delta_w) < 0, or where a magnitude reaches 0. As many of the
    places without a synapse, drawn at random, get one of weight birth s. So the number of synapses
    of an edge is constant in a life. Those at birth are the ones of the connection and the genome,
    such as `evolved_mask` or `by_type`; a connection that exists everywhere has no free place but
    those of the dead. The mask is part of the state of the life.
    It acts where it is outermost: a rule around it sees the plain change and rewires nothing.
    A synapse that is born keeps the state of the rule at its place. A step sorts all places of the
    edge once.

    Theta, state and clock are those of the inner rule.
    Limits: drift = noise = 0 is the inner rule until a weight crosses 0.

    Source: Bellec, Kappel, Maass & Legenstein 2018 (DEEP R), with the inner rule in place of the
    gradient.
    """

    rewires: ClassVar[bool] = True

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    drift: NonNegative = 0.0
    noise: NonNegative = 0.0
    birth: NonNegative = 1e-3

    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        if self.drift:
            change = change - self.drift * jnp.sign(view.weight)
        if self.noise:
            change = change + self.noise * jax.random.normal(view.key, connection.shape)
        return change

    def rewired(
        self,
        mask: Array,
        connection: AbstractConnection,
        before: Array,
        after: Array,
        low: float,
        key: Key,
    ) -> tuple[Array, Array]:
        positive = low >= 0
        is_dead = (mask > 0) & (before * after < 0)
        if positive:
            is_dead = (mask > 0) & (before > 0) & (after <= 0)
        alive = jnp.where(is_dead, 0.0, mask)
        n_dead = jnp.sum(is_dead)
        k_place, k_sign = jax.random.split(key)
        possible = jnp.broadcast_to(connection.mask(), connection.shape)
        is_free = (possible > 0) & (alive == 0)
        drawn = jnp.where(is_free, jax.random.uniform(k_place, connection.shape), 2.0)
        order = jnp.argsort(drawn, axis=None)
        ranks = jnp.zeros(order.shape, order.dtype).at[order].set(jnp.arange(order.size))
        is_born = is_free & (ranks.reshape(connection.shape) < n_dead)
        sign = jnp.ones(connection.shape, after.dtype)
        if not positive:
            sign = jax.random.rademacher(k_sign, connection.shape, after.dtype)
        weight = jnp.where(is_born, self.birth * sign, alive * after)
        return jnp.where(is_born, 1.0, alive), weight
