"""Weights from a small network that reads the identities of both neurons."""

import math
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.genomes.base import AbstractGenome, at_birth
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Count, spec
from metaplast.wiring import Edge, Wiring

TANH_POWER = 0.3943
"""The variance of tanh(u) for a standard normal u."""


@register("genome", "gnet")
@spec
class Gnet(AbstractGenome):
    """A network for each edge makes the weight of a synapse from the identities of its neurons.

        w_ji = gain / sqrt(n) g([code(j), code(i)])

    w_ji: a weight at birth.
    g: tanh layers of the sizes `hidden`, and a linear output.
    code(i): the Gray code of the place i of a neuron in its population: the bits of i XOR
        floor(i / 2), as -1 and 1. The codes of neighbours differ in one bit. There are as many bits
        as the population needs.
    n: fan-in.
    gain: of the edge.

    An edge of magnitudes takes absolute values.

    theta: {edge: {layer: {weight [n_out, n_in], bias [n_out]}}}, the first layer as `post` and
        `pre`. At the start w has about the variance of genome `random`.

    Args:
        hidden: the sizes of the tanh layers of g.

    Source: Shuvaev, Lachi, Koulakov & Zador 2024.
    """

    hidden: tuple[Count, ...] = (16,)

    def init(self, key: Key, wiring: Wiring) -> Theta:
        theta = {}
        for index, edge in enumerate(wiring.edges):
            theta[edge.name] = self._network(jax.random.fold_in(key, index), edge)
        return theta

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        return at_birth(wiring, {e.name: self._unit(theta[e.name], e) for e in wiring.edges})

    def _network(self, key: Key, edge: Edge) -> Theta:
        """The first numbers of g for an edge."""
        n_bits = n_bits_of(edge.connection.n_post) + n_bits_of(edge.connection.n_pre)
        sizes = (n_bits, *self.hidden, 1)
        network = {}
        for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
            power = TANH_POWER if layer else 1.0
            drawn = jax.random.normal(jax.random.fold_in(key, layer), (n_out, n_in))
            weight = drawn / math.sqrt(power * n_in)
            network[f"layer_{layer}"] = {"weight": weight, "bias": jnp.zeros((n_out,))}
        return network

    def _unit(self, network: Theta, edge: Edge) -> Array:
        """g at every synapse of an edge, in its layout."""
        post, pre = edge.connection.places()
        first = network["layer_0"]
        codes_post = gray_codes(edge.connection.n_post)
        n_post_bits = codes_post.shape[1]
        # The first layer is a sum over both neurons, so it is computed once for each of them.
        of_post = codes_post @ first["weight"][:, :n_post_bits].T
        of_pre = gray_codes(edge.connection.n_pre) @ first["weight"][:, n_post_bits:].T
        values = of_post[post] + of_pre[pre] + first["bias"][None]
        for layer in range(1, len(self.hidden) + 1):
            numbers = network[f"layer_{layer}"]
            values = jnp.tanh(values) @ numbers["weight"].T + numbers["bias"][None]
        return values[:, 0].reshape(edge.connection.shape)


def n_bits_of(n: int) -> int:
    """The bits that tell n neurons apart; at least 1."""
    return max(1, math.ceil(math.log2(n)))


def gray_codes(n: int) -> np.ndarray:
    """The Gray codes of 0, 1, ..., n - 1 as -1 and 1, the highest bit first [n, n_bits]."""
    places = np.arange(n)
    codes = places ^ (places >> 1)
    bits = np.arange(n_bits_of(n))[::-1]
    return 2.0 * ((codes[:, None] >> bits[None, :]) & 1) - 1.0
