"""One training that ends with its budgets, and theta along the way."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast import search_loop
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem
from metaplast.signals import Metrics, Theta

ROUNDING = 1e-6  # lives of windows are sums of fractions
ENDLESS = 2**31 - 1  # outer steps: more than any budget lasts


class Mark(NamedTuple):
    """A theta on the way of a training.

    steps: outer steps so far.
    lives: training lives so far.
    cpu_s: CPU seconds so far.
    theta: after these steps.
    """

    steps: int
    lives: float
    cpu_s: float
    theta: Theta

    def spent(self, budget: str) -> float:
        """The lives, or the CPU seconds, so far."""
        return self.lives if budget == "lives" else self.cpu_s


class BudgetedTraining(NamedTuple):
    """A whole training, which went on until every budget was spent.

    marks: {budget: the last theta within every fraction of it}.
    steps: outer steps.
    lives: training lives.
    cpu_s: CPU seconds.
    diverged: lives that were not finite.
    skipped: steps that were not finite.
    moved: whether theta did.
    """

    marks: dict[str, list[Mark]]
    steps: int
    lives: float
    cpu_s: float
    diverged: int
    skipped: int
    moved: bool


def warm(problem: MetaProblem, outer: AbstractOuterLoop, seed: int) -> None:
    """Compile the programs of a training, by its first step.

    Raises: BadInput for a loop that cannot work on the problem.
    """
    begun = search_loop.begin(problem, outer, seed)
    for _, _, metrics in search_loop.steps(problem, outer, seed, begun, 0, 1):
        jax.block_until_ready(metrics)


def spend(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    seed: int,
    hyper: dict[str, Array],
    limits: Mapping[str, list[float]],
    tick: Callable[[float], None] = lambda _: None,
) -> BudgetedTraining:
    """Train until every limit is passed.

    A step that would pass a limit (by more than a rounding error) is not within it. CPU seconds are
    counted in the steps alone, of all threads.

    Args:
        problem: the lives.
        outer: the loop.
        seed: of the training.
        hyper: the numbers of the loop.
        limits: {`lives` or `cpu_s`: the amount at each of its marks, ascending}.
        tick: called after every step with the spent share of the budget that is furthest behind.
    """
    begun = search_loop.begin(problem, outer, seed, hyper)
    now = Mark(0, 0.0, 0.0, outer.theta(begun))
    marks: dict[str, list[Mark]] = {budget: [] for budget in limits}
    diverged = 0
    skipped = 0
    for step in _timed(search_loop.steps(problem, outer, seed, begun, 0, ENDLESS)):
        metrics = step.metrics
        after = Mark(
            steps=now.steps + 1,
            lives=now.lives + float(metrics["lives"]),
            cpu_s=now.cpu_s + step.cpu_s,
            theta=outer.theta(step.state),
        )
        diverged += int(metrics["diverged"])
        skipped = int(metrics["skipped"])
        for budget, amounts in limits.items():
            spent = after.spent(budget)
            while len(marks[budget]) < len(amounts):
                if spent <= amounts[len(marks[budget])] * (1 + ROUNDING):
                    break
                marks[budget].append(now)
        now = after
        tick(_share(now, limits))
        if _is_over(marks, limits):
            break
    return BudgetedTraining(
        marks=marks,
        steps=now.steps,
        lives=now.lives,
        cpu_s=now.cpu_s,
        diverged=diverged,
        skipped=skipped,
        moved=_differ(outer.theta(begun), now.theta),
    )


def _is_over(marks: Mapping[str, list[Mark]], limits: Mapping[str, list[float]]) -> bool:
    """Whether every limit of every budget was passed."""
    return all(len(marks[budget]) == len(amounts) for budget, amounts in limits.items())


def _share(now: Mark, limits: Mapping[str, list[float]]) -> float:
    """The spent share of the budget that is furthest behind, at most 1."""
    share = 1.0
    for budget, amounts in limits.items():
        share = min(share, now.spent(budget) / amounts[-1])
    return share


def _differ(one: Theta, other: Theta) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any(bool(jnp.any(a != b)) for a, b in pairs)


class _TimedStep(NamedTuple):
    metrics: Metrics
    state: Any
    cpu_s: float


def _timed(steps: Iterator[tuple[int, Any, Metrics]]) -> Iterator[_TimedStep]:
    while True:
        started = time.process_time()
        _, state, metrics = next(steps)
        jax.block_until_ready((state, metrics))
        yield _TimedStep(metrics, state, time.process_time() - started)
