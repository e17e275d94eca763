"""Conduction delay in front of any other transmission."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from metaplast.numerics.steps import whole_steps
from metaplast.registry import BadInput, register
from metaplast.signals import Theta
from metaplast.spec import NonNegative, Positive, plugin, spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.instant import Instant


@register("transmission", "delayed")
@spec
class Delayed(AbstractTransmission):
    """What left `delay` seconds ago (whole steps, rounded half up, at least one) goes through the
    inner transmission.

    dendrite: how many of these seconds lie behind the synapse, and so behind the inner
    transmission: 0, all on the axon (Brian2's `delay`), up to `delay`, all on the dendrite
    (NEST's). A rule of spike times sees a presynaptic spike delay - dendrite after it was fired, a
    postsynaptic one `dendrite` after; what is transmitted arrives after `delay`.
    State: a queue [n_steps, n_pre] of each part, oldest first; zeros before the first arrival.
    Raises: BadInput where dendrite is longer than delay.
    """

    delay: Positive = 2e-3
    transmission: Annotated[AbstractTransmission, plugin("transmission")] = Instant()
    dendrite: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.dendrite > self.delay:
            given = f"delayed: dendrite={self.dendrite} of delay={self.delay}"
            raise BadInput(
                given,
                "a part of the delay",
                "lower dendrite, or raise delay to the sum of both parts",
            )

    @property
    def keeps_silence(self) -> bool:
        return self.transmission.keeps_silence

    def init_state(self, n_pre: int, dt: float) -> Theta:
        axon, dendrite = self._parts(dt)
        behind = {"dendrite": jnp.zeros((dendrite, n_pre))} if dendrite else {}
        return {
            "queue": jnp.zeros((axon, n_pre)),
            "inner": self.transmission.init_state(n_pre, dt),
            **behind,
        }

    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        arriving, queue = queued(state["queue"], pre)
        inner, transmitted = self.transmission.step(state["inner"], arriving, dt)
        new = {"queue": queue, "inner": inner}
        if "dendrite" in state:
            transmitted, new["dendrite"] = queued(state["dendrite"], transmitted)
        return new, transmitted

    def at_synapse(self, state: Theta, pre: Array, dt: float) -> Array:
        arriving, _ = queued(state["queue"], pre)
        return self.transmission.at_synapse(state["inner"], arriving, dt)

    def dendritic_steps(self, dt: float) -> int:
        return self._parts(dt)[1] + self.transmission.dendritic_steps(dt)

    def _parts(self, dt: float) -> tuple[int, int]:
        """Steps on the axon and on the dendrite."""
        whole = max(1, whole_steps(self.delay, dt))
        dendrite = min(whole, whole_steps(self.dendrite, dt))
        return whole - dendrite, dendrite


def queued(queue: Array, entering: Array) -> tuple[Array, Array]:
    """(what leaves a queue [n_steps, n], the queue after it); nothing waits where it has no
    steps.
    """
    if not len(queue):
        return entering, queue
    return queue[0], jnp.concatenate([queue[1:], entering[None, :]])
