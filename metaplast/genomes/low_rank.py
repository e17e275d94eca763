"""Weight matrices of a low rank."""

import math

import jax
import jax.numpy as jnp

from metaplast.genomes.base import AbstractGenome, at_birth
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Count, spec
from metaplast.wiring import Wiring


@register("genome", "low_rank")
@spec
class LowRank(AbstractGenome):
    """Every edge is a sum of a few outer products.

        w_ji = gain / sqrt(n rank) sum_r U_jr V_ir

    w_ji: a weight at birth.
    U_jr, V_ir: factors of the postsynaptic and of the presynaptic neuron; each edge has its own.
    n: fan-in.
    gain: of the edge.

    An edge of magnitudes takes absolute values, which may have a higher rank.

    theta: {edge: {post: U [n_post, rank], pre: V [n_pre, rank]}}. At the start w has the variance
        of genome `random`.

    Args:
        rank: the number of outer products.

    Source: Mastrogiuseppe & Ostojic 2018 for networks of a low rank.
    """

    rank: Count = 4

    def init(self, key: Key, wiring: Wiring) -> Theta:
        theta = {}
        for index, edge in enumerate(wiring.edges):
            k_post, k_pre = jax.random.split(jax.random.fold_in(key, index))
            theta[edge.name] = {
                "post": jax.random.normal(k_post, (edge.connection.n_post, self.rank)),
                "pre": jax.random.normal(k_pre, (edge.connection.n_pre, self.rank)),
            }
        return theta

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        unit = {}
        for edge in wiring.edges:
            post, pre = edge.connection.places()
            factors = theta[edge.name]
            sums = jnp.sum(factors["post"][post] * factors["pre"][pre], axis=1)
            unit[edge.name] = sums.reshape(edge.connection.shape) / math.sqrt(self.rank)
        return at_birth(wiring, unit)
