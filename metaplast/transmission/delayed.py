"""Conduction delay in front of any other transmission."""

from typing import Annotated, NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.numerics.steps import whole_steps
from metaplast.registry import BadInput, register
from metaplast.signals import Theta
from metaplast.spec import NonNegative, Positive, plugin, spec
from metaplast.transmission.base import AbstractTransmission
from metaplast.transmission.instant import Instant


class _Steps(NamedTuple):
    """Steps of a delay on the axon and on the dendrite."""

    axon: int
    dendrite: int


@register("transmission", "delayed")
@spec
class Delayed(AbstractTransmission):
    """The signal of `delay` seconds ago goes through the inner transmission.

        s(t) = inner(z(t - delay))

    z [n_pre]: presynaptic output.
    s [n_pre]: the transmitted signal, 0 before the first arrival.
    inner: the inner transmission.

    The delay is whole steps, rounded half up, at least one. A rule of spike times sees a
    presynaptic spike delay - dendrite after it was fired, a postsynaptic one `dendrite` after. The
    transmitted signal arrives after `delay`.

    State: a queue [n_steps, n_pre] of each part, oldest first; zeros before the first arrival.

    Args:
        delay: the time from an output to its arrival, in seconds.
        transmission: the inner transmission.
        dendrite: seconds of the delay that lie behind the synapse, and so behind the inner
            transmission: from 0, all on the axon (Brian2's `delay`), to `delay`, all on the
            dendrite (NEST's).

    Raises:
        BadInput: where dendrite is longer than delay.

    Source: elementary.
    """

    delay: Positive = 2e-3
    transmission: Annotated[AbstractTransmission, plugin("transmission")] = Instant()
    dendrite: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.dendrite > self.delay:
            raise BadInput(
                f"delayed: dendrite={self.dendrite} of delay={self.delay}",
                "a part of the delay",
                "lower dendrite, or raise delay to the sum of both parts",
            )

    @property
    def keeps_silence(self) -> bool:
        return self.transmission.keeps_silence

    def init_state(self, n_pre: int, dt: float) -> Theta:
        n = self._steps(dt)
        dendrite = {"dendrite": jnp.zeros((n.dendrite, n_pre))} if n.dendrite else {}
        return {
            "queue": jnp.zeros((n.axon, n_pre)),
            "inner": self.transmission.init_state(n_pre, dt),
            **dendrite,
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
        return self._steps(dt).dendrite + self.transmission.dendritic_steps(dt)

    def _steps(self, dt: float) -> _Steps:
        whole = max(1, whole_steps(self.delay, dt))
        dendrite = min(whole, whole_steps(self.dendrite, dt))
        return _Steps(whole - dendrite, dendrite)


def queued(queue: Array, entering: Array) -> tuple[Array, Array]:
    """Let a signal [n] enter a queue [n_steps, n]; it passes through where there are no steps.

    Returns:
        (The signal that leaves the queue, the queue after it.)
    """
    if not len(queue):
        return entering, queue
    return queue[0], jnp.concatenate([queue[1:], entering[None, :]])
