"""Wiring statistics between cell types."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import type_pairs
from metaplast.genomes.base import AbstractGenome, at_birth
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Count, Positive, spec
from metaplast.wiring import Edge, Wiring


@register("genome", "by_type")
@spec
class ByType(AbstractGenome):
    """One weight and one density for every pair of cell types; each life draws its synapses.

        w_ji = gain / sqrt(n) m_ab s_ji
        P(s_ji = 1) = 1 / (1 + exp(-sharpness density_ab))

    w_ji: a weight at birth, from neuron i of type b to neuron j of type a.
    s_ji: whether the synapse exists; the mask of the edge in this life.
    m_ab, density_ab: numbers of the pair of types.
    n: fan-in of the layout, before synapses are left out.
    gain: of the edge.

    Neurons of one type lie side by side (`cell_types` in connections/base.py), and neuron `mixed`
    lays its parts in the same way. An edge of magnitudes takes absolute values.

    theta: {edge: {weight: m [types, types], density: [types, types]}}. At the start m is standard
        normal and density is 0: half of the synapses exist.
    Gradients reach m alone: a drawn synapse has none. Evolution moves both.

    Args:
        types: the number of cell types of a population.
        sharpness: the slope of the density.

    Raises: BadInput for an edge whose bounds leave out 0.
    Source: Zador 2019 for a genome of statistics; Stockl, Lang & Maass 2022 for pairs of types.
    """

    masks: ClassVar[bool] = True

    types: Count = 4
    sharpness: Positive = 5.0

    def init(self, key: Key, wiring: Wiring) -> Theta:
        theta = {}
        pairs = (self.types, self.types)
        for index, edge in enumerate(wiring.edges):
            drawn = jax.random.normal(jax.random.fold_in(key, index), pairs)
            theta[edge.name] = {"weight": drawn, "density": jnp.zeros(pairs)}
        return theta

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        unit = {}
        masks = {}
        for index, edge in enumerate(wiring.edges):
            numbers = theta[edge.name]
            unit[edge.name] = self._at_synapses(numbers["weight"], edge)
            density = jax.nn.sigmoid(self.sharpness * self._at_synapses(numbers["density"], edge))
            uniform = jax.random.uniform(jax.random.fold_in(key, index), edge.connection.shape)
            masks[edge.name] = jnp.asarray(uniform < density, density.dtype)
        return at_birth(wiring, unit, masks)

    def _at_synapses(self, of_pairs: Array, edge: Edge) -> Array:
        """Numbers of pairs of types at every synapse, in the layout of the edge."""
        pairs = type_pairs(edge.connection, self.types, self.types)
        return of_pairs[pairs].reshape(edge.connection.shape)
