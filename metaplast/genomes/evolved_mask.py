"""A searched choice of the synapses that exist."""

import math
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.genomes.base import AbstractGenome, demand_weights_alone, synapses
from metaplast.genomes.random import Random
from metaplast.numerics.lowest import lowest
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Positive, plugin, spec
from metaplast.wiring import Edge, Wiring

SPREAD = 0.1
"""Standard deviation of the worth at the start of a search."""


@register("genome", "evolved_mask")
@spec
class EvolvedMask(AbstractGenome):
    """A part of the synapses of the inner genome exist: those of the highest worth.

        w_ji = s_ji v_ji / sqrt(density)

    w_ji: a weight at birth.
    v_ji: a weight of the inner genome.
    s_ji: 1 for the density N synapses of the highest worth, else 0: the mask of the edge.
    worth_ji: a number of the synapse, in theta.
    N: the synapses of the edge.

    Backward, s_ji counts as worth_ji (straight-through), so synapses that do not exist get worth
    too.

    theta: {genome: that of the inner genome, worth: {edge: the layout of the edge}}; worth is drawn
        from N(0, 0.01) at the start.

    Args:
        genome: the genome of the weights.
        density: the share of synapses that exist.

    Raises: BadInput for a density above 1, for an edge whose bounds leave out 0, and for an inner
        genome that also writes numbers.
    Source: Ramanujan, Wortsman, Kembhavi, Farhadi & Rastegari 2020 for the gradient.
    """

    masks: ClassVar[bool] = True

    genome: Annotated[AbstractGenome, plugin("genome")] = Random()
    density: Positive = 0.2

    def __post_init__(self) -> None:
        if self.density > 1:
            what = f"genome evolved_mask: density={self.density}"
            raise BadInput(what, "a share of the synapses, at most 1", "lower density")
        demand_weights_alone(self, self.genome)

    @property
    def needs(self) -> frozenset[str]:
        return self.genome.needs

    def init(self, key: Key, wiring: Wiring) -> Theta:
        k_genome, k_worth = jax.random.split(key)
        worth = {}
        for index, edge in enumerate(wiring.edges):
            drawn = jax.random.normal(jax.random.fold_in(k_worth, index), edge.connection.shape)
            worth[edge.name] = SPREAD * drawn
        return {"genome": self.genome.init(k_genome, wiring), "worth": worth}

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        born = self.genome.weights(theta["genome"], wiring, task, key)
        weights = {}
        masks = {}
        for edge in wiring.edges:
            masks[edge.name] = self._chosen(theta["worth"][edge.name], edge)
            weights[edge.name] = born[edge.name].weight / math.sqrt(self.density)
        return synapses(wiring, weights, masks)

    def _chosen(self, worth: Array, edge: Edge) -> Array:
        """The mask of an edge, whose gradient is that of the worth."""
        exists = jnp.broadcast_to(edge.connection.mask(), worth.shape) > 0
        n_chosen = jnp.round(self.density * jnp.sum(exists, dtype=worth.dtype))
        chosen = lowest(-worth, n_chosen, exists).astype(worth.dtype)
        return chosen + (worth - jax.lax.stop_gradient(worth))
