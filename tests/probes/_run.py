"""A whole outer run through the public generator."""

from typing import Any

from metaplast import search_loop


def run(problem: Any, outer: Any, seed: int = 0) -> tuple[Any, Any, list]:
    """(state before the first step, after the last one, the metrics of every step)."""
    first = search_loop.begin(problem, outer, seed)
    steps = list(search_loop.steps(problem, outer, seed, first, 0, outer.n_steps))
    return first, steps[-1][1], [metrics for _, _, metrics in steps]
