"""The distance to weights that were measured at the end."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.objectives.base import AbstractObjective, Lived
from metaplast.registry import BadInput, register
from metaplast.signals import Score, TaskShape, Theta
from metaplast.spec import Positive, spec
from metaplast.wiring import Wiring


@register("objective", "final_weights")
@spec
class FinalWeights(AbstractObjective):
    """mean over the measured synapses of (w - w_measured)^2 / (2 sd^2): w ~ N(w_measured, sd^2) at
    the end of a life.

    For slices and cultures: spike trains are known, weights are measured before and after.
    task.final holds {edge: weights}, NaN where a synapse was not measured; a life without any
    measurement has loss 0.
    Raises: BadInput (from `check`) for a measured edge that the network does not have, and (from
    `window`) always: only the end of a life counts.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"final_weights"})

    sd: Positive = 1.0

    def check(self, task: Any, wiring: Wiring) -> None:
        layouts = {edge.name: edge.connection.shape for edge in wiring.edges}
        for edge, measured in sorted(task.final.items()):
            if layouts.get(edge) != measured.shape:
                given = f"objective final_weights: measured {edge} {measured.shape}"
                expected = ", ".join(f"{name} {shape}" for name, shape in layouts.items())
                raise BadInput(
                    given,
                    f"an edge in its layout: {expected}",
                    "change the network or its connection",
                )

    def loss(self, theta: Theta, lived: Lived) -> Array:
        total, count = jnp.zeros(()), jnp.zeros(())
        for edge, measured in lived.task.final.items():
            known = jnp.isfinite(measured)
            off = jnp.where(
                known, lived.synapses[edge].weight - jnp.where(known, measured, 0.0), 0.0
            )
            total, count = (
                total + jnp.sum((off / self.sd) ** 2),
                count + jnp.sum(known.astype(off.dtype)),
            )
        return 0.5 * total / jnp.maximum(count, 1.0)

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        given = "objective final_weights: not a sum over steps, cannot be cut into windows"
        raise BadInput(given, "an outer loop over whole lives", "use outer=bptt, forward or es")
