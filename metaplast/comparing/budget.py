"""One training that ends with its budget, and what theta was along the way."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast import train
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Theta

ROUNDING = 1e-6  # lives of windows are sums of fractions


class Mark(NamedTuple):
    """theta after `steps` outer steps, which took so many lives and CPU seconds."""

    steps: int
    lives: float
    cpu_s: float
    theta: Theta


class Course(NamedTuple):
    """marks: per budget, the last theta within every fraction of it. steps, lives, cpu_s, diverged
    (lives), skipped
    (steps): of the whole training, which went on until every budget was spent; moved: whether theta
    did.
    """

    marks: dict[str, list[Mark]]
    steps: int
    lives: float
    cpu_s: float
    diverged: int
    skipped: int
    moved: bool


def warm(problem: MetaProblem, outer: AbstractOuterLoop, seed: int) -> None:
    """Compile what a training needs, by its first step. Raises: BadInput for a loop that cannot
    work on the problem.
    """
    for _, _, metrics in train.steps(problem, outer, seed, train.begin(problem, outer, seed), 0, 1):
        jax.block_until_ready(metrics)


def spend(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    seed: int,
    hyper: dict[str, Array],
    limits: Mapping[str, list[float]],
    tick: Callable[[float], None] = lambda _: None,
) -> Course:
    """Train until every limit is passed. limits: {"lives" | "cpu_s": what is spent at its marks,
    ascending}; tick: told after every step which share of the budget that is furthest behind is
    spent.

    A step that would pass a limit (by more than a rounding error) is not within it. CPU seconds are
    counted in the steps alone, of all threads.
    """
    begun = train.begin(problem, outer, seed, hyper)
    now = Mark(0, 0.0, 0.0, outer.theta(begun))
    marks: dict[str, list[Mark]] = {name: [] for name in limits}
    diverged, skipped = 0, 0
    for told, state, cpu_s in _timed(train.steps(problem, outer, seed, begun, 0, 2**31 - 1)):
        new = Mark(
            now.steps + 1, now.lives + float(told["lives"]), now.cpu_s + cpu_s, outer.theta(state)
        )
        diverged, skipped = diverged + int(told["diverged"]), int(told["skipped"])
        for name, at in limits.items():
            passed = sum(getattr(new, name) > limit * (1 + ROUNDING) for limit in at)
            marks[name] += [now] * (passed - len(marks[name]))
        now = new
        tick(min(min(1.0, getattr(now, name) / at[-1]) for name, at in limits.items()))
        if all(len(marks[name]) == len(at) for name, at in limits.items()):
            break
    pairs = zip(jax.tree.leaves(outer.theta(begun)), jax.tree.leaves(now.theta), strict=True)
    moved = any(bool(jnp.any(a != b)) for a, b in pairs)
    return Course(marks, now.steps, now.lives, now.cpu_s, diverged, skipped, moved)


def _timed(steps: Iterator[tuple[int, Any, Any]]) -> Iterator[tuple[Any, Any, float]]:
    while True:
        started = time.process_time()
        _, state, metrics = next(steps)
        jax.block_until_ready((state, metrics))
        yield metrics, state, time.process_time() - started
