"""The experiments with spike patterns and spiking digits: every row is built and lives, and a
gradient passes through the spikes.
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.testing.base import quick_jit

TINY = {
    "reward_stdp": ("task.n_trials=4", "task.n_judged=3", "problem.n_tasks=2"),
    "spiking_digits": (
        "task.digits.shots=1",
        "task.digits.queries=1",
        "task.image_steps=4",
        "network.hidden=[5]",
        "problem.n_tasks=2",
    ),
}


@lru_cache
def _problems(name: str) -> dict[str, Any]:
    """The problem of every row."""
    job = parse(compose([f"experiment={name}", *TINY[name]], Sources()), check=False)
    return {row: config.meta_problem() for row, config in job.rows}


@partial(quick_jit, static_argnums=0)
def _losses(problem: Any, key: Any) -> Any:
    thetas = jax.tree.map(lambda leaf: leaf[None], problem.init(key))
    return problem.losses(thetas, problem.sample(key, problem.n_tasks, "train"))[0]


@partial(quick_jit, static_argnums=0)
def _gradient(problem: Any, key: Any) -> Any:
    theta = problem.init(key)
    return problem.value_and_grad(theta, problem.sample(key, problem.n_tasks, "train")).gradient


@pytest.mark.parametrize("name", TINY)
def test_every_row_is_built_and_the_searched_rule_lives(name: str):
    problems = _problems(name)
    assert len(problems) >= 6
    assert np.isfinite(_losses(problems["discovered"], jax.random.key(0))).all()


@pytest.mark.system
@pytest.mark.parametrize("name", TINY)
def test_a_gradient_passes_through_the_spikes(name: str):
    leaves = jax.tree.leaves(_gradient(_problems(name)["discovered"], jax.random.key(0)))
    slopes = jnp.concatenate([leaf.ravel() for leaf in leaves])
    assert np.isfinite(slopes).all()
    assert np.any(slopes != 0.0)
