"""Many steps of one life.

The only scans over inner steps are here, and the choice of how much of them the backward pass
stores.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

Step = Callable[[Any], tuple[Any, Any]]  # life -> (life, trace)


def scan(step: Step, life: Any, n_steps: int, gradient: bool) -> tuple[Any, Any]:
    """Apply `step` to a life `n_steps` times.

    Leaves that the step passes on untouched (masks, fixed feedback, tasks) stay out of the carry.

    Args:
        step: life -> (life, trace of the step).
        life: the first life, any pytree of arrays.
        n_steps: the number of steps.
        gradient: recompute every step, and every segment of about sqrt(n_steps) steps, in the
            backward pass, instead of storing them.

    Returns:
        (The last life, the traces of all steps stacked along the first axis.)
    """
    leaves, tree = jax.tree.flatten(life)
    changing = changed_leaves(lambda life: step(life)[0], life)

    def body(carry: list[Array], _: None) -> tuple[list[Array], Any]:
        flat = list(leaves)
        for i, value in zip(changing, carry, strict=True):
            flat[i] = value
        new, trace = step(jax.tree.unflatten(tree, flat))
        new_leaves = jax.tree.leaves(new)
        return [new_leaves[i] for i in changing], trace

    start = [leaves[i] for i in changing]
    if gradient:
        carry, trace = _segments(body, start, n_steps)
    else:
        carry, trace = lax.scan(body, start, None, n_steps)
    for i, value in zip(changing, carry, strict=True):
        leaves[i] = value
    return jax.tree.unflatten(tree, leaves), trace


def changed_leaves(step: Callable[[Any], Any], life: Any) -> list[int]:
    """The places, in flattened order, of the leaves of `life` that `step` may change.

    `step` passes on all other leaves untouched.

    Args:
        step: life -> life.
        life: any pytree of arrays.
    """
    leaves, tree = jax.tree.flatten(life)

    def flat_step(flat: list[Any]) -> list[Any]:
        return jax.tree.leaves(step(jax.tree.unflatten(tree, flat)))

    program = jax.make_jaxpr(flat_step)(leaves).jaxpr
    pairs = zip(program.invars, program.outvars, strict=True)
    return [i for i, (before, after) in enumerate(pairs) if before is not after]


def _segments(
    body: Callable[..., tuple[list[Array], Any]], carry: list[Array], n_steps: int
) -> tuple[list[Array], Any]:
    """`lax.scan` in segments, each recomputed in the backward pass; a rest follows step by step."""
    step = jax.checkpoint(body, prevent_cse=False)
    length = segment_length(n_steps)
    segment = jax.checkpoint(lambda c, _: lax.scan(step, c, None, length), prevent_cse=False)
    carry, trace = lax.scan(segment, carry, None, n_steps // length)
    trace = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), trace)
    if n_steps % length:
        carry, rest = lax.scan(step, carry, None, n_steps % length)
        trace = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), trace, rest)
    return carry, trace


def segment_length(n_steps: int) -> int:
    """The number of steps in a segment of the backward pass.

    It is the divisor of n_steps nearest to the square root of n_steps (on a logarithmic scale). It
    is the square root itself, rounded up, where that divisor is off by more than a factor of 2.
    """
    root = math.isqrt(n_steps - 1) + 1 if n_steps > 1 else 1
    smaller = [d for d in range(1, math.isqrt(n_steps) + 1) if n_steps % d == 0]
    divisors = sorted({*smaller, *(n_steps // d for d in smaller)})
    nearest = min(divisors, key=lambda d: abs(math.log(d / math.sqrt(n_steps))))
    return nearest if 0.5 <= nearest / math.sqrt(n_steps) <= 2 else root
