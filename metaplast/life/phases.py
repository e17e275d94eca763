"""The phases of a life: stretches of steps in which rules are at work or rest."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.signals import TaskShape

Phases = tuple[tuple[int, bool], ...]  # (n_steps, plastic) in order, as in TaskShape.phases


class Stretch(NamedTuple):
    """Successive steps of a life that lie in one phase.

    Attributes:
        n_steps: their number.
        plastic: whether rules are at work in them; None where only the running program can tell
            (`is_plastic`).
    """

    n_steps: int
    plastic: bool | None


def stretches(phases: Phases, start: int | None, n_steps: int) -> list[Stretch]:
    """Cut the `n_steps` steps from step `start` on where phases begin.

    Args:
        phases: the phases of the task; the last one goes on for ever.
        start: the number of steps lived before; None where it is not known.
        n_steps: the number of steps to come.

    Returns:
        The stretches in order. It is one stretch of unknown plasticity where `start` is None and
        phases differ.
    """
    kinds = {plastic for _, plastic in phases}
    if len(kinds) == 1:
        return [Stretch(n_steps, phases[0][1])]
    if start is None:
        return [Stretch(n_steps, None)]
    cut = []
    position = 0
    end = start + n_steps
    for index, (length, plastic) in enumerate(phases):
        stop = position + length
        if index + 1 == len(phases):
            stop = max(end, stop)
        overlap = min(stop, end) - max(position, start)
        if overlap > 0:
            cut.append(Stretch(overlap, plastic))
        position = stop
    return cut


def is_plastic(shape: TaskShape, t: Array, gate: Array) -> Array:
    """Whether rules are at work in step `t`, as a boolean [].

    Args:
        shape: the facts of the task. The last of its phases goes on for ever. Where `shape.rests`,
            a closed gate counts as a phase without plasticity.
        t: steps lived before this one [].
        gate: the task's gate of plasticity in this step [].
    """
    ends = []
    kinds = []
    position = 0
    for length, plastic in shape.phases:
        position += length
        ends.append(position)
        kinds.append(plastic)
    phase = jnp.minimum(jnp.sum(t >= jnp.asarray(ends, t.dtype)), len(kinds) - 1)
    plastic = jnp.asarray(kinds)[phase]
    return plastic & (gate > 0) if shape.rests else plastic
