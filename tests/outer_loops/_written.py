"""Losses of theta["w"] written by hand, and the steps of an outer loop on them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.testing.base import quick_jit
from tests._written_problem import WrittenProblem


class Written(WrittenProblem):
    """A problem whose loss is function(theta["w"], batch), batch a scalar.

    theta is drawn from N(0, 1).
    """

    def __init__(
        self, function: Callable[[Any, Any], Any], n: int = 2, differentiable: bool = True
    ) -> None:
        super().__init__(differentiable)
        self.function = function
        self.n = n

    def init(self, key: Any) -> Any:
        return {"w": jax.random.normal(key, (self.n,))}

    def loss(self, theta: Any, batch: Any) -> Any:
        return self.function(theta["w"], batch)


@partial(quick_jit, static_argnums=(0, 1))
def init(outer: Any, problem: Any, theta: Any) -> Any:
    return outer.init(problem, theta, jax.random.key(0), outer.hyper())


@partial(quick_jit, static_argnums=(0, 1))
def step(outer: Any, problem: Any, state: Any, batch: Any, key: Any) -> Any:
    return outer.step(problem, state, batch, key)


def run(
    outer: Any, problem: Any, state: Any, batches: Any, first: int = 0
) -> tuple[Any, list[dict[str, Any]]]:
    """A step for each of `batches`: (state, metrics of every step).

    first: the number of the first step.
    """
    history = []
    for index, batch in enumerate(batches, first):
        key = jax.random.fold_in(jax.random.key(1), index)
        state, metrics = step(outer, problem, state, jnp.asarray(batch, float), key)
        history.append({name: np.asarray(value) for name, value in metrics.items()})
    return state, history
