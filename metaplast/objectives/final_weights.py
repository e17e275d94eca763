"""The distance to weights that were measured at the end."""

from typing import Any, ClassVar, Literal

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

        loss = mean_k (w_k - v_k)^2 / (2 sd^2)                     under compare `values`
        loss = 1 - sum_k w_k v_k / sqrt(sum_k w_k^2 sum_k v_k^2)   under compare `direction`

    w_k: the weight of synapse k at the end; k runs over the measured synapses.
    v_k: the measured weight of synapse k.

    `values` is -log P of w ~ N(v, sd^2), up to a constant. It is for slices and cultures: spike
    trains are known, weights are measured before and after. `direction` is 1 minus the cosine, and
    1 where all w_k or all v_k are 0. task.final holds {edge: weights}, NaN where a synapse was not
    measured. A life without any measurement has loss 0 under `values`.

    Args:
        sd: standard deviation of a measurement, in units of the weights; `direction` does not read
            it.
        compare: `values` or `direction`.

    Raises:
        BadInput: (from `check`) for a measured edge that the network does not have, and (from
            `window`) always: only the end of a life counts.

    Source: elementary.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"final_weights"})

    sd: Positive = 1.0
    compare: Literal["values", "direction"] = "values"

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
        weights = [jnp.zeros(0)]
        targets = [jnp.zeros(0)]
        count = jnp.zeros(())
        for edge, measured in lived.task.final.items():
            known = jnp.isfinite(measured)
            weights.append(jnp.where(known, lived.synapses[edge].weight, 0.0).ravel())
            targets.append(jnp.where(known, measured, 0.0).ravel())
            count = count + jnp.sum(known.astype(weights[-1].dtype))
        w = jnp.concatenate(weights)
        v = jnp.concatenate(targets)
        if self.compare == "direction":
            lengths = jnp.sum(w**2) * jnp.sum(v**2)
            return 1.0 - jnp.sum(w * v) / jnp.sqrt(jnp.where(lengths > 0, lengths, 1.0))
        return 0.5 * jnp.sum(((w - v) / self.sd) ** 2) / jnp.maximum(count, 1.0)

    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        raise BadInput(
            "objective final_weights: not a sum over steps, cannot be cut into windows",
            "an outer loop over whole lives",
            "use outer=bptt, forward or es",
        )
