"""Every presynaptic neuron meets the postsynaptic one of the same index."""

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import BadInput, register
from metaplast.spec import Count, spec


@register("connection", "one_to_one")
@spec
class OneToOne(AbstractConnection):
    """One synapse a neuron, from neuron i to neuron i: weights are [n].

        drive_i = w_i x_i

    w_i: the weight of neuron i.
    x_i: the signal of presynaptic neuron i.
    n_post: the number of postsynaptic neurons; the wiring sets it.
    n_pre: the number of presynaptic neurons; the wiring sets it.

    A step takes one product a neuron, so spikes are not handled one by one.

    Raises:
        BadInput: for two populations of different sizes.

    Source: elementary.
    """

    n_post: Count = 1
    n_pre: Count = 1

    def __post_init__(self) -> None:
        if self.n_post != self.n_pre:
            raise BadInput(
                f"one_to_one: from {self.n_pre} neurons to {self.n_post}",
                "two populations of one size",
                "make the sizes equal, or take connection=dense",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.n_post,)

    @property
    def fan_in(self) -> int:
        return 1

    def propagate(self, weights: Array, pre: Array) -> Array:
        return weights * pre

    def backpropagate(self, weights: Array, post: Array) -> Array:
        return weights * post

    def at_post(self, values: Array) -> Array:
        return values

    def at_pre(self, values: Array) -> Array:
        return values

    def reduce_post(self, values: Array) -> Array:
        return values

    def reduce_pre(self, values: Array) -> Array:
        return values
