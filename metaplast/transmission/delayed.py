"""Conduction delay in front of any other transmission."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from metaplast._steps import whole_steps
from metaplast.registry import register
from metaplast.signals import Theta
from metaplast.spec import Positive, plugin, spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.instant import Instant


@register("transmission", "delayed")
@spec
class Delayed(AbstractTransmission):
    """What left `delay` seconds ago (rounded to whole steps, half up, at least one) enters the inner transmission now.

    State: a queue [n_steps, n_pre], oldest first; zeros before the first arrival.
    """

    delay: Positive = 2e-3
    transmission: Annotated[AbstractTransmission, plugin("transmission")] = Instant()

    @property
    def keeps_silence(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.transmission.keeps_silence

    def init_state(self, n_pre: int, dt: float) -> Theta:
        steps = max(1, whole_steps(self.delay, dt))
        return {"queue": jnp.zeros((steps, n_pre)), "inner": self.transmission.init_state(n_pre, dt)}

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        arriving = state["queue"][0]
        queue = jnp.concatenate([state["queue"][1:], pre[None, :]])
        inner, transmitted = self.transmission.step(state["inner"], arriving, dt)
        return {"queue": queue, "inner": inner}, transmitted
