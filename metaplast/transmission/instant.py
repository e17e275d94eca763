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
    """The output arrives unchanged in the same step."""

    keeps_silence: ClassVar[bool] = True

    def init_state(self, n_pre: int, dt: float) -> Theta:
        return {}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        return state, pre
