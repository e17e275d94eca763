"""A genome for every part of the network."""

from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

import jax

from metaplast.genomes.base import AbstractGenome, demand_weights_alone
from metaplast.genomes.random import Random
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import decode, named, spec
from metaplast.wiring import Edge, Wiring


class _Part(NamedTuple):
    """A glob, its genome, and the wiring with the edges that belong to it."""

    glob: str
    genome: AbstractGenome
    wiring: Wiring


@register("genome", "parts")
@spec
class Parts(AbstractGenome):
    """A genome for each glob of edges: an edge belongs to the first glob that matches its name.

    It is for a fixed readout over drawn weights, for given weights beside fitted ones, and so on.
    theta: {glob: theta of its genome}.

    Args:
        parts: {glob of edges: genome}.

    Raises:
        BadInput: for an edge that no glob matches, and for a genome that also writes numbers.

    Source: elementary.
    """

    parts: Annotated[
        tuple[tuple[str, AbstractGenome], ...], named(lambda value: decode("genome", value))
    ] = (("*", Random()),)

    def __post_init__(self) -> None:
        for _, genome in self.parts:
            demand_weights_alone(self, genome)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset().union(*(genome.needs for _, genome in self.parts))

    @property
    def masks(self) -> bool:
        return any(genome.masks for _, genome in self.parts)

    def _split(self, wiring: Wiring) -> list[_Part]:
        """The parts of the network in the order of the globs, some perhaps without edges."""
        edges: dict[str, list[Edge]] = {glob: [] for glob, _ in self.parts}
        for edge in wiring.edges:
            edges[self._owner(edge)].append(edge)
        parts = []
        for glob, genome in self.parts:
            parts.append(_Part(glob, genome, Wiring(wiring.populations, tuple(edges[glob]))))
        return parts

    def _owner(self, edge: Edge) -> str:
        """The first glob that matches the name of an edge."""
        for glob, _ in self.parts:
            if fnmatchcase(edge.name, glob):
                return glob
        globs = ", ".join(dict(self.parts))
        raise BadInput(
            f"genome parts: edge {edge.name}", f"one that matches {globs}", "add a part, e.g. '*'"
        )

    def init(self, key: Key, wiring: Wiring) -> Theta:
        keys = jax.random.split(key, len(self.parts))
        theta = {}
        for i, part in enumerate(self._split(wiring)):
            theta[part.glob] = part.genome.init(keys[i], part.wiring)
        return theta

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        keys = jax.random.split(key, len(self.parts))
        synapses: dict[str, Synapses] = {}
        for i, part in enumerate(self._split(wiring)):
            if part.wiring.edges:
                synapses |= part.genome.weights(theta[part.glob], part.wiring, task, keys[i])
        return synapses
