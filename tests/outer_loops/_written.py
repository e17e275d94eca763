"""Losses written by hand: what an outer loop does needs no network to be seen."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.testing.base import quick_jit


class Written:
    """A problem whose loss is function(theta["w"], batch), batch a scalar; theta is drawn from N(0,
    1).
    """

    n_devices = 1

    def __init__(self, function: Callable[[Any, Any], Any], n: int = 2) -> None:
        shape = SimpleNamespace(differentiable=True)
        self.lifetime = SimpleNamespace(task=SimpleNamespace(shape=lambda: shape))
        self.function, self.n = function, n

    def init(self, key: Any) -> Any:
        return {"w": jax.random.normal(key, (self.n,))}

    def losses(
        self, thetas: Any, batch: Any, unravel: Callable[[Any], Any] = lambda theta: theta
    ) -> Any:
        loss = jax.vmap(lambda theta: self.function(unravel(theta)["w"], batch))(thetas)
        aside = {"life_loss": loss[:, None], "survived": jnp.ones((len(loss), 1))}
        return loss, {
            **aside,
            "lives": jnp.asarray(len(loss)),
            "diverged": jnp.sum(~jnp.isfinite(loss)),
        }

    def value_and_grad(self, theta: Any, batch: Any, tangents: int = 0) -> Any:
        loss, grad = jax.value_and_grad(lambda t: self.function(t["w"], batch))(theta)
        return (
            loss,
            grad,
            {"loss": loss, "lives": jnp.asarray(1), "diverged": (~jnp.isfinite(loss)).astype(int)},
        )


@partial(quick_jit, static_argnums=(0, 1))
def init(outer: Any, problem: Any, theta: Any) -> Any:
    return outer.init(problem, theta, jax.random.key(0), outer.hyper())


@partial(quick_jit, static_argnums=(0, 1))
def step(outer: Any, problem: Any, state: Any, batch: Any, key: Any) -> Any:
    return outer.step(problem, state, batch, key)


def run(
    outer: Any, problem: Any, state: Any, batches: Any, first: int = 0
) -> tuple[Any, list[dict[str, Any]]]:
    """A step for each of `batches`: (state, metrics of every step). first: the number of the first
    one.
    """
    told = []
    for index, batch in enumerate(batches, first):
        key = jax.random.fold_in(jax.random.key(1), index)
        state, metrics = step(outer, problem, state, jnp.asarray(batch, float), key)
        told.append({name: np.asarray(value) for name, value in metrics.items()})
    return state, told
