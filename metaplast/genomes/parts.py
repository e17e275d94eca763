"""A genome for every part of the network."""

from fnmatch import fnmatchcase
from typing import Annotated

import jax

from metaplast.genomes.base import AbstractGenome
from metaplast.genomes.random import Random
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import decode, named, spec
from metaplast.wiring import Wiring


@register("genome", "parts")
@spec
class Parts(AbstractGenome):
    """{glob of edges: genome}: an edge belongs to the first glob that matches its name.

    For a fixed readout over drawn weights, weights that are given beside others that are fitted,
    and so on.
    theta: {glob: theta of its genome}. Raises: BadInput for an edge that no glob matches.
    """

    parts: Annotated[
        tuple[tuple[str, AbstractGenome], ...], named(lambda value: decode("genome", value))
    ] = (("*", Random()),)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset().union(*(genome.needs for _, genome in self.parts))

    def _split(self, wiring: Wiring) -> list[tuple[str, AbstractGenome, Wiring]]:
        owners = {}
        for edge in wiring.edges:
            owners[edge.name] = next(
                (glob for glob, _ in self.parts if fnmatchcase(edge.name, glob)), None
            )
            if owners[edge.name] is None:
                globs = ", ".join(glob for glob, _ in self.parts)
                raise BadInput(
                    f"genome parts: edge {edge.name}",
                    f"one that matches {globs}",
                    "add a part, e.g. '*'",
                )
        return [
            (
                glob,
                genome,
                Wiring(
                    wiring.populations, tuple(e for e in wiring.edges if owners[e.name] == glob)
                ),
            )
            for glob, genome in self.parts
        ]

    def init(self, key: Key, wiring: Wiring) -> Theta:
        keys = jax.random.split(key, len(self.parts))
        return {
            glob: genome.init(keys[i], part)
            for i, (glob, genome, part) in enumerate(self._split(wiring))
        }

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        keys, found = jax.random.split(key, len(self.parts)), {}
        for i, (glob, genome, part) in enumerate(self._split(wiring)):
            found |= genome.weights(theta[glob], part, task, keys[i]) if part.edges else {}
        return found
