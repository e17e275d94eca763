"""A transmission through which spikes pass, and no gradient."""

import dataclasses
from typing import Any

import jax

from metaplast.registry import register
from metaplast.spec import spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.instant import Instant
from metaplast.wiring import TransmissionField, Wiring


@register("transmission", "cut")
@spec
class Cut(AbstractTransmission):
    """The inner transmission, but no gradient passes."""

    transmission: TransmissionField = Instant()

    @property
    def keeps_silence(self) -> bool:
        return self.transmission.keeps_silence

    def init_state(self, n_pre: int, dt: float) -> Any:
        return self.transmission.init_state(n_pre, dt)

    def step(self, state: Any, pre: Any, dt: float) -> Any:
        return self.transmission.step(state, jax.lax.stop_gradient(pre), dt)


def without_recurrent_gradients(wiring: Wiring) -> Wiring:
    """The same graph, in which no gradient passes an edge that goes back."""
    edges = []
    for edge in wiring.edges:
        is_back = wiring.backwards(edge)
        edges.append(
            dataclasses.replace(edge, transmission=Cut(edge.transmission)) if is_back else edge
        )
    return dataclasses.replace(wiring, edges=tuple(edges))
