"""evosax behind one face: whatever a strategy holds, it is begun, asked, told and read in the same
way.
"""

import difflib
import inspect
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from evosax.algorithms import algorithms
from evosax.algorithms.distribution_based import distribution_based_algorithms
from evosax.core.fitness_shaping import (
    centered_rank_fitness_shaping_fn,
    identity_fitness_shaping_fn,
)
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key
from outer_loops._foreign import relaxed, strong

LARGEST = 1e30  # stands for evosax's infinities: a checkpoint holds finite numbers only
ELITE = 0.2  # share of a population that begets the next one
TESTED = ("SNES", "CMA_ES", "Sep_CMA_ES", "Open_ES", "PGPE", "SimpleGA")
_ELSEWHERE = {
    "RandomSearch": "use outer=random_search",
    "SV_CMA_ES": "it moves several populations at once: choose CMA_ES",
    "SV_Open_ES": "it moves several populations at once: choose Open_ES",
}
UNTESTED = tuple(name for name in algorithms if name not in (*TESTED, *_ELSEWHERE))
# These estimate a gradient and hand it to an optimiser: Adam here, for all of them.
_BY_GRADIENT = (
    "ARS",
    "ASEBO",
    "ESMC",
    "GuidedES",
    "NoiseReuseES",
    "Open_ES",
    "PersistentES",
    "PGPE",
)


def check_name(name: str) -> None:
    """Raises: BadInput, with the nearest known name, for a strategy that evosax does not register
    or es cannot use.
    """
    if name in (*TESTED, *UNTESTED):
        return
    near = difflib.get_close_matches(name, (*TESTED, *UNTESTED), n=1)
    known = (
        f"one of {', '.join(TESTED)}; registered by evosax, untested here: {', '.join(UNTESTED)}"
    )
    raise BadInput(
        f"strategy={name!r}",
        known,
        _ELSEWHERE.get(name) or (f"did you mean {near[0]!r}?" if near else "choose one"),
    )


def own_rate(name: str) -> float:
    """The learning rate that a strategy has by default."""
    return 0.02 if name in _BY_GRADIENT else 1.0


def padded(name: str, population: int, n_devices: int) -> int:
    """The smallest population from `population` on that the strategy takes and that devices share
    evenly.
    """
    takes = lambda p: p % n_devices == 0 and _takes(name, p)
    return next(p for p in range(population, 4 * (population + n_devices)) if takes(p))


@lru_cache(maxsize=256)
def _takes(name: str, population: int) -> bool:
    try:
        _object(name, population, 2, np.dtype("float32"))
    except (AssertionError, ValueError):
        return False
    return True


def begun(name: str, population: int, theta: Array, std: Array, key: Key) -> Any:
    """evosax's state before the first generation, around the flat `theta` [n]; every leaf finite.

    A population-based strategy that mutates by `std` begins with copies of theta, another with
    theta + std N(0, 1).
    """
    strategy, params = _with_std(name, population, theta, std)
    with relaxed():
        if _by_distribution(name):
            state = strategy.init(key, theta, params)
        else:
            noise = jax.random.normal(key, (population, theta.size), theta.dtype)
            apart = jnp.zeros(()) if _has_std(name, params) else std
            unjudged = jnp.full((population,), LARGEST, theta.dtype)
            state = strategy.init(key, theta + apart * noise.at[0].set(0.0), unjudged, params)
    state = replace(state, best_solution=theta, best_fitness=jnp.full((), LARGEST, theta.dtype))
    return strong(jax.tree.map(_finite, _pinned(name, state, std)))


def ask(name: str, state: Any, population: int, std: Array, key: Key) -> tuple[Array, Any]:
    """(members [P, n], state); a gradient that GuidedES blanks out here is no sign of numbers that
    broke.
    """
    strategy, params = _with_std(name, population, state.best_solution, std)
    with relaxed():
        members, asked = strategy.ask(key, state, params)
    if hasattr(asked, "grad"):
        asked = replace(asked, grad=_finite(asked.grad))
    return members, asked


def tell(
    name: str, state: Any, members: Array, fitness: Array, hyper: dict[str, Array], key: Key
) -> tuple[Any, Array]:
    """(state, centre [n]) once `fitness` [P], to be made small, is known.

    centre: the new mean, of which a strategy with a distribution has gone the share
    `learning_rate`; of one with a population the mean of its best fifth.
    """
    strategy, params = _with_std(name, len(fitness), state.best_solution, hyper["std"])
    with relaxed():
        told, _ = strategy.tell(key, members, fitness, state, params)
    if _by_distribution(name):
        centre = state.mean + hyper["learning_rate"] * (told.mean - state.mean)
        told = replace(told, mean=centre)
    else:
        best = jnp.argsort(told.fitness)[: max(1, int(ELITE * len(fitness)))]
        centre = jnp.mean(told.population[best], axis=0)
    return strong(_pinned(name, told, hyper["std"])), centre


def width(state: Any, members: Array) -> Array:
    """The standard deviation [] with which members are drawn, mean over theta; measured where a
    strategy has none.
    """
    std = getattr(state, "std", None)
    if std is None:
        return jnp.mean(jnp.std(members, axis=0))
    shape = getattr(state, "C", None)  # (co)variances in units of std^2
    if shape is None:
        return jnp.mean(std)
    return jnp.mean(std * jnp.sqrt(jnp.diagonal(shape) if shape.ndim == 2 else shape))


def moves_mean(name: str) -> bool:
    """Whether `tell` has applied the learning rate to what the strategy itself goes on from."""
    return _by_distribution(name)


def _by_distribution(name: str) -> bool:
    return name in distribution_based_algorithms


@lru_cache(maxsize=256)
def _object(name: str, population: int, n: int, dtype: Any) -> Any:
    """evosax's object over flat vectors of `n` numbers.

    Ranks replace raw losses where a gradient is estimated: there one bad member would outweigh all
    others.
    """
    with jax.ensure_compile_time_eval(), relaxed():
        options: dict[str, Any] = {"optimizer": optax.adam(1.0)} if name in _BY_GRADIENT else {}
        given = inspect.signature(algorithms[name]).parameters["fitness_shaping_fn"].default
        if name in _BY_GRADIENT and given is identity_fitness_shaping_fn:
            options["fitness_shaping_fn"] = centered_rank_fitness_shaping_fn
        strategy = algorithms[name](population, np.zeros(n, dtype), **options)
    if name == "SimpleGA":
        strategy.elite_ratio = (
            ELITE  # evosax's half selects nothing where half of the members failed
        )
    return strategy


@lru_cache(maxsize=64)
def _made(name: str, population: int, n: int, dtype: Any) -> tuple[Any, Any]:
    """That object and its default parameters."""
    strategy = _object(name, population, n, dtype)
    with jax.ensure_compile_time_eval(), relaxed():
        params = strategy.default_params
        if hasattr(params, "K") and hasattr(params, "T"):
            params = replace(
                params, K=1, T=1
            )  # every generation lives whole lives: nothing is carried over
        return strategy, params


def _with_std(name: str, population: int, theta: Array, std: Array) -> tuple[Any, Any]:
    strategy, params = _made(name, population, theta.size, theta.dtype)
    if hasattr(params, "std_init"):
        params = replace(params, std_init=std)
    if hasattr(params, "radius_max"):
        params = replace(params, radius_max=std, radius_min=5e-3 * std)
    return strategy, params


def _scheduled(name: str) -> bool:
    return "std_schedule" in inspect.signature(algorithms[name]).parameters


def _has_std(name: str, params: Any) -> bool:
    return _scheduled(name) or hasattr(params, "std_init")


def _pinned(name: str, state: Any, std: Array) -> Any:
    """Strategies with a schedule for their std reset it to that, 1.0, at every tell."""
    return replace(state, std=std) if _scheduled(name) else state


def _finite(leaf: Array) -> Array:
    """Blanks that evosax writes as nan or infinity, as a zero or as LARGEST."""
    leaf = jnp.asarray(leaf)
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    return jnp.where(jnp.isnan(leaf), 0.0, jnp.clip(leaf, -LARGEST, LARGEST)).astype(leaf.dtype)
