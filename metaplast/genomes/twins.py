"""Edges that are born with the transposed weights of another edge."""

from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.connections.base import AbstractConnection
from metaplast.genomes.base import AbstractGenome, demand_weights_alone, synapses
from metaplast.genomes.random import Random
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Positive, named, plugin, spec, text
from metaplast.wiring import Edge, Wiring


@register("genome", "twins")
@spec
class Twins(AbstractGenome):
    """Some edges are born with the transposed weights of another edge, their twin.

        w_ij = scale v_ji

    w_ij: a weight at birth of an edge in `twins`, from j to i.
    v_ji: the weight at birth of its twin, from i to j.

    Only the births are tied. In the life each edge changes by its own rule, so that weights stay
    equal only where two changes are. An edge of magnitudes takes absolute values. Where the inner
    genome leaves out a synapse, it is missing in both edges.

    theta: that of the inner genome, for all other edges.

    Args:
        genome: the genome of all other edges.
        twins: {edge: the edge whose transposed weights it is born with}. Empty: every edge that
            runs backwards in time beside a forward one between the same two populations.
        scale: w over v.

    Raises:
        BadInput: for a name that is no edge, a twin that has a twin itself, two edges whose
            synapses are not the transposed ones of each other, or an inner genome that also writes
            numbers.

    Source: elementary.
    """

    genome: Annotated[AbstractGenome, plugin("genome")] = Random()
    twins: Annotated[tuple[tuple[str, str], ...], named(text)] = ()
    scale: Positive = 1.0

    def __post_init__(self) -> None:
        demand_weights_alone(self, self.genome)

    @property
    def needs(self) -> frozenset[str]:
        return self.genome.needs

    @property
    def masks(self) -> bool:
        return self.genome.masks

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return self.genome.init(key, self._others(wiring))

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        born = self.genome.weights(theta, self._others(wiring), task, key)
        edges = {edge.name: edge for edge in wiring.edges}
        tied = {}
        for name, twin in self._pairs(wiring):
            edge = edges[name]
            order = _transposed(edge, edges[twin])
            weight, mask = born[twin].weight, born[twin].mask
            weight = self.scale * weight.reshape(-1)[order].reshape(edge.connection.shape)
            weight = jnp.abs(weight) if wiring.magnitude(edge) else weight
            masks = None
            if self.masks and mask.ndim:
                masks = {name: mask.reshape(-1)[order].reshape(edge.connection.shape)}
            alone = synapses(Wiring(wiring.populations, (edge,)), {name: weight}, masks)[name]
            # The weight is 0 off the mask. A second factor would double the gradient of the mask.
            tied[name] = replace(alone, weight=weight)
        return born | tied

    def _pairs(self, wiring: Wiring) -> tuple[tuple[str, str], ...]:
        """(edge, its twin) in order."""
        if self.twins:
            return self.twins
        forward = {}
        for edge in wiring.edges:
            if not wiring.backwards(edge):
                forward.setdefault((edge.pre, edge.post), edge.name)
        pairs = []
        for edge in wiring.edges:
            if wiring.backwards(edge) and (edge.post, edge.pre) in forward:
                pairs.append((edge.name, forward[edge.post, edge.pre]))
        return tuple(pairs)

    def _others(self, wiring: Wiring) -> Wiring:
        """The wiring with the edges of the inner genome alone."""
        pairs = self._pairs(wiring)
        twins = dict(pairs)
        others = {edge.name: edge for edge in wiring.edges if edge.name not in twins}
        for name, twin in pairs:
            if name not in {edge.name for edge in wiring.edges}:
                known = ", ".join(edge.name for edge in wiring.edges)
                raise BadInput(f"genome twins: edge {name!r}", f"one of {known}", "correct twins")
            if twin not in others:
                what = f"genome twins: {name} of {twin!r}"
                expected = f"an edge without a twin: {', '.join(others)}"
                raise BadInput(what, expected, "correct twins")
        return Wiring(wiring.populations, tuple(others.values()))


def _transposed(edge: Edge, twin: Edge) -> np.ndarray:
    """The place of the weight of each synapse of an edge among those of its twin.

    Raises: BadInput where the synapses are not the transposed ones.
    """
    order = _order(edge.connection, twin.connection)
    if order is None:
        raise BadInput(
            f"genome twins: edge {edge.name} of {twin.name}",
            "two edges with transposed synapses, such as dense ones between the same populations",
            "correct twins, or change the connections",
        )
    return order


@lru_cache(maxsize=64)
def _order(connection: AbstractConnection, twin: AbstractConnection) -> np.ndarray | None:
    """See `_transposed`; None where the synapses are not the transposed ones."""
    if (connection.n_post, connection.n_pre) != (twin.n_pre, twin.n_post):
        return None
    post, pre = connection.places()
    twin_post, twin_pre = twin.places()
    wanted = post * connection.n_pre + pre
    places = twin_pre * connection.n_pre + twin_post
    order = np.argsort(places)
    if not np.array_equal(np.sort(wanted), places[order]):
        return None
    with jax.ensure_compile_time_eval():
        masks = [np.broadcast_to(one.mask(), one.shape).reshape(-1) for one in (connection, twin)]
    partner = order[np.searchsorted(places, wanted, sorter=order)]
    return partner if np.array_equal(masks[0], masks[1][partner]) else None
