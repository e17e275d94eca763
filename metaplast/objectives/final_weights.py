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
    """The distance of the weights at the end of a life from those that were measured.

        loss = mean_k (w_k - v_k)^2 / (2 sd^2)          over the measured synapses k

    w_k: the weight of synapse k at the end.
    v_k: the measured weight of synapse k.

    It is -log P of w ~ N(v, sd^2), up to a constant. It is for slices and cultures: spike
    trains are known, weights are measured before and after. task.final holds {edge: weights}, NaN
    where a synapse was not measured. A life without any measurement has loss 0.

    Args:
        sd: standard deviation of a measurement, in units of the weights.

    Raises:
        BadInput: (from `check`) for a measured edge that the network does not have, and (from
            `window`) always: only the end of a life counts.

    Source: elementary.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"final_weights"})

    sd: Positive = 1.0

    def check(self, task: Any, wiring: Wiring) -> None:
        layouts = {edge.name: edge.connection.shape for edge in wiring.edges}
        for edge, measured in sorted(task.final.items()):
            if layouts.get(edge) != measured.shape:
                known = ", ".join(f"{name} {shape}" for name, shape in layouts.items())
                raise BadInput(
                    f"objective final_weights: measured {edge} {measured.shape}",
                    f"an edge in its layout: {known}",
                    "change the network or its connection",
                )

    def loss(self, theta: Theta, lived: Lived) -> Array:
        total = jnp.zeros(())
        count = jnp.zeros(())
        for edge, measured in lived.task.final.items():
            known = jnp.isfinite(measured)
            distance = lived.synapses[edge].weight - jnp.where(known, measured, 0.0)
            distance = jnp.where(known, distance, 0.0)
            total = total + jnp.sum((distance / self.sd) ** 2)
            count = count + jnp.sum(known.astype(distance.dtype))
        return 0.5 * total / jnp.maximum(count, 1.0)

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        raise BadInput(
            "objective final_weights: not a sum over steps, cannot be cut into windows",
            "an outer loop over whole lives",
            "use outer=bptt, forward or es",
        )
