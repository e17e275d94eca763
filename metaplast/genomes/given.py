"""Initial weights that come with the task."""

from typing import ClassVar

import jax.numpy as jnp

from metaplast.genomes.base import AbstractGenome, synapses
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("genome", "given")
@spec
class Given(AbstractGenome):
    """The weights that the task brings.

        w_ji = task_ji

    w_ji: a weight at birth, in the layout of the edge.
    task_ji: `weights` of the task, for this edge.

    It is for a student that starts where its teacher does, or a recording that holds its weights.

    Raises:
        BadInput: for an edge whose weights the task does not bring, or brings in another layout.

    Source: elementary.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"weights"})

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        missing = sorted({e.name for e in wiring.edges} - set(task.weights))
        if missing:
            brought = ", ".join(sorted(task.weights))
            raise BadInput(
                f"genome given: edge {missing[0]!r}",
                f"an edge the task brings weights for: {brought}",
                "change the network",
            )
        weights = {}
        for edge in wiring.edges:
            weights[edge.name] = jnp.asarray(task.weights[edge.name])
            shape = weights[edge.name].shape
            if shape != edge.connection.shape:
                raise BadInput(
                    f"genome given: edge {edge.name!r} of {shape}",
                    f"the layout of its connection, {edge.connection.shape}",
                    "change sizes or connection",
                )
        return synapses(wiring, weights)
