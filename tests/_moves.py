"""One step of a search that has to move every number it learns."""

import jax
import numpy as np

from metaplast import search_loop
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import MetaProblem


def demand_all_move(problem: MetaProblem, loop: AbstractOuterLoop) -> None:
    """The step is finite, skips nothing, and changes every leaf of theta."""
    born = search_loop.begin(problem, loop, 0)
    ((_, state, metrics),) = search_loop.steps(problem, loop, 0, born, 0, 1)
    assert np.isfinite(metrics["loss"])
    assert int(metrics["skipped"]) == 0
    pairs = zip(
        jax.tree.leaves_with_path(loop.theta(born)),
        jax.tree.leaves(loop.theta(state)),
        strict=True,
    )
    for (path, before), after in pairs:
        assert np.isfinite(after).all()
        assert np.any(before != after), jax.tree_util.keystr(path)
