"""Many steps of one life: the only inner scans, how much of them the backward pass keeps, and where
phases begin.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.signals import TaskShape

Step = Callable[[Any], tuple[Any, Any]]  # life -> (life, trace)
Phases = tuple[tuple[int, bool], ...]  # (n_steps, plastic) in order


def scan(step: Step, life: Any, n_steps: int, gradient: bool) -> tuple[Any, Any]:
    """`n_steps` of `step`. What the step passes on untouched (masks, fixed feedback, tasks) is kept
    out of the carry.

    gradient: every step and every segment of about sqrt(n_steps) is recomputed in the backward
    pass.
    """
    leaves, tree = jax.tree.flatten(life)
    moving = moved(lambda life: step(life)[0], life)

    def body(carry: list[Array], _: None) -> tuple[list[Array], Any]:
        flat = list(leaves)
        for i, value in zip(moving, carry, strict=True):
            flat[i] = value
        new, trace = step(jax.tree.unflatten(tree, flat))
        new_leaves = jax.tree.leaves(new)
        return [new_leaves[i] for i in moving], trace

    start = [leaves[i] for i in moving]
    carry, trace = (
        _segments(body, start, n_steps) if gradient else lax.scan(body, start, None, n_steps)
    )
    for i, value in zip(moving, carry, strict=True):
        leaves[i] = value
    return jax.tree.unflatten(tree, leaves), trace


def moved(step: Callable[[Any], Any], life: Any) -> list[int]:
    """Which of the life's leaves `step` may change, by their place: it passes on the others
    untouched.
    """
    leaves, tree = jax.tree.flatten(life)
    program = jax.make_jaxpr(lambda flat: jax.tree.leaves(step(jax.tree.unflatten(tree, flat))))(
        leaves
    ).jaxpr
    return [
        i
        for i, (a, b) in enumerate(zip(program.invars, program.outvars, strict=True))
        if a is not b
    ]


def _segments(
    body: Callable[..., tuple[list[Array], Any]], carry: list[Array], n_steps: int
) -> tuple[list[Array], Any]:
    step = jax.checkpoint(body, prevent_cse=False)  # pyright: ignore[reportPrivateImportUsage]
    length = segment_length(n_steps)
    segment = jax.checkpoint(lambda c, _: lax.scan(step, c, None, length), prevent_cse=False)  # pyright: ignore[reportPrivateImportUsage]
    carry, trace = lax.scan(segment, carry, None, n_steps // length)
    trace = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), trace)
    if n_steps % length:
        carry, rest = lax.scan(step, carry, None, n_steps % length)
        trace = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), trace, rest)
    return carry, trace


def segment_length(n_steps: int) -> int:
    """The divisor of n_steps nearest to its square root; the root itself where the nearest is off
    by more than 2.
    """
    root = math.isqrt(n_steps - 1) + 1 if n_steps > 1 else 1
    smaller = [d for d in range(1, math.isqrt(n_steps) + 1) if n_steps % d == 0]
    divisors = sorted({*smaller, *(n_steps // d for d in smaller)})
    nearest = min(divisors, key=lambda d: abs(math.log(d / math.sqrt(n_steps))))
    return nearest if 0.5 <= nearest / math.sqrt(n_steps) <= 2 else root


def pieces(phases: Phases, start: int | None, n_steps: int) -> list[tuple[int, bool | None]]:
    """(length, plastic) of the stretches of `n_steps` from `start`; plastic None: unknown,
    `plastic_at` tells it.
    """
    if len({plastic for _, plastic in phases}) == 1:
        return [(n_steps, phases[0][1])]
    if start is None:
        return [(n_steps, None)]
    found, position, end = [], 0, start + n_steps
    for index, (length, plastic) in enumerate(phases):
        stop = position + length if index + 1 < len(phases) else max(end, position + length)
        overlap = min(stop, end) - max(position, start)
        if overlap > 0:
            found.append((overlap, plastic))
        position = stop
    return found


def plastic_at(shape: TaskShape, t: Array, gate: Array) -> Array:
    """Whether rules are at work in step t; the last phase goes on for ever."""
    ends, on, position = [], [], 0
    for length, plastic in shape.phases:
        position += length
        ends.append(position)
        on.append(plastic)
    phase = jnp.minimum(jnp.sum(t >= jnp.asarray(ends, t.dtype)), len(on) - 1)
    plastic = jnp.asarray(on)[phase]
    return plastic & (gate > 0) if shape.rests else plastic
