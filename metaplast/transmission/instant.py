"""Transmission without memory."""

from typing import ClassVar

from jax import Array

from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import spec
from metaplast.transmission.base import AbstractTransmission


@register("transmission", "instant")
@spec
class Instant(AbstractTransmission):
    """The output arrives unchanged in the same step.

        s = z

    z [n_pre]: presynaptic output.
    s [n_pre]: the transmitted signal.

    Source: elementary.
    """

    keeps_silence: ClassVar[bool] = True

    def init_state(self, n_pre: int, dt: float) -> Theta:
        return {}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        return state, pre
