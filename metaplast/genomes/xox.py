"""Weights from the genes that both neurons express."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.genomes.base import AbstractGenome, at_birth
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Count, Positive, spec
from metaplast.wiring import Edge, Wiring


@register("genome", "xox")
@spec
class Xox(AbstractGenome):
    """Every neuron expresses genes, and pairs of genes attract or repel.

        w_ji = gain / sqrt(n) sum_ab X_ja O_ab X_ib

    w_ji: a weight at birth.
    X_ja: the expression of gene a by neuron j; the same on all edges of its population.
    O_ab: the compatibility of gene a on the postsynaptic side with gene b on the presynaptic one;
        each edge has its own.
    n: fan-in.
    gain: of the edge.

    An edge of magnitudes takes absolute values.

    theta: {expression: {population: [n, genes]}, compatibility: {edge: [genes, genes]}}. At the
        start w has the variance of genome `random`.

    Args:
        genes: the number of genes.
        expression_sd: the standard deviation of X at the start. That of O is
            1 / (genes expression_sd^2). With a smaller one the same steps of a search change X
            faster and O slower.

    Source: Barabasi & Barabasi 2020 for W = X O X^T; Kovacs, Barabasi & Barabasi 2020.
    """

    genes: Count = 6
    expression_sd: Positive = 1.0

    def init(self, key: Key, wiring: Wiring) -> Theta:
        k_expression, k_compatibility = jax.random.split(key)
        expression = {}
        ends = {name for edge in wiring.edges for name in (edge.pre, edge.post)}
        for index, population in enumerate(wiring.populations):
            if population.name in ends:
                drawn_key = jax.random.fold_in(k_expression, index)
                shape = (population.n, self.genes)
                drawn = jax.random.normal(drawn_key, shape)
                expression[population.name] = self.expression_sd * drawn
        compatibility = {}
        for index, edge in enumerate(wiring.edges):
            drawn_key = jax.random.fold_in(k_compatibility, index)
            drawn = jax.random.normal(drawn_key, (self.genes, self.genes))
            compatibility[edge.name] = drawn / (self.genes * self.expression_sd**2)
        return {"expression": expression, "compatibility": compatibility}

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        unit = {}
        for edge in wiring.edges:
            unit[edge.name] = _unit(theta, edge)
        return at_birth(wiring, unit)


def _unit(theta: Theta, edge: Edge) -> Array:
    """sum_ab X_ja O_ab X_ib at every synapse of an edge, in its layout."""
    post, pre = edge.connection.places()
    attracted = theta["expression"][edge.post] @ theta["compatibility"][edge.name]
    expressed = theta["expression"][edge.pre]
    return jnp.sum(attracted[post] * expressed[pre], axis=1).reshape(edge.connection.shape)
