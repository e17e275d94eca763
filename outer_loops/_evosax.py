"""evosax behind one interface: every strategy is begun, asked, told and read in the same way."""

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
from outer_loops._grades import LARGEST

ELITE = 0.2
"""The share of a population that begets the next one."""

TESTED = ("SNES", "CMA_ES", "Sep_CMA_ES", "Open_ES", "PGPE", "SimpleGA")
"""The strategies of evosax that the tests run."""

_ELSEWHERE = {
    "RandomSearch": "use outer=random_search",
    "SV_CMA_ES": "it moves several populations at once: choose CMA_ES",
    "SV_Open_ES": "it moves several populations at once: choose Open_ES",
}
UNTESTED = tuple(name for name in algorithms if name not in (*TESTED, *_ELSEWHERE))
"""The other strategies of evosax that es can use."""

# These strategies estimate a gradient and pass it to an optimiser: here Adam, for all of them.
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
    """Refuse a strategy that evosax does not register or that es cannot use.

    Raises:
        BadInput: with the nearest known name.
    """
    if name in (*TESTED, *UNTESTED):
        return
    near = difflib.get_close_matches(name, (*TESTED, *UNTESTED), n=1)
    known = (
        f"one of {', '.join(TESTED)}; registered by evosax, untested here: {', '.join(UNTESTED)}"
    )
    if name in _ELSEWHERE:
        fix = _ELSEWHERE[name]
    else:
        fix = f"did you mean {near[0]!r}?" if near else "choose one"
    raise BadInput(f"strategy={name!r}", known, fix)


def default_rate(name: str) -> float:
    """The default learning rate of a strategy."""
    return 0.02 if name in _BY_GRADIENT else 1.0


def padded(name: str, population: int, n_devices: int) -> int:
    """The smallest number of members that a strategy takes and that devices share evenly.

    Args:
        name: the strategy.
        population: the smallest number that is tried.
        n_devices: the number of devices.
    """
    candidates = range(population, 4 * (population + n_devices))
    return next(n for n in candidates if n % n_devices == 0 and _takes(name, n))


@lru_cache(maxsize=256)
def _takes(name: str, population: int) -> bool:
    try:
        _object(name, population, 2, np.dtype("float32"))
    except (AssertionError, ValueError):
        return False
    return True


def begin(name: str, population: int, theta: Array, std: Array, key: Key) -> Any:
    """The state of a strategy before the first generation; every leaf is finite.

    A strategy with a population that mutates it by `std` begins with copies of theta. Another
    strategy with a population begins with theta + std N(0, 1).

    Args:
        name: the strategy.
        population: the number of members.
        theta: [n], the start.
        std: the standard deviation of the members [].
        key: the randomness of the start.
    """
    strategy, params = with_std(name, population, theta, std)
    with relaxed():
        if _by_distribution(name):
            state = strategy.init(key, theta, params)
        else:
            noise = jax.random.normal(key, (population, theta.size), theta.dtype)
            width = jnp.zeros(()) if _has_std(name, params) else std
            members = theta + width * noise.at[0].set(0.0)
            fitness = jnp.full((population,), LARGEST, theta.dtype)
            state = strategy.init(key, members, fitness, params)
    state = replace(state, best_solution=theta, best_fitness=jnp.full((), LARGEST, theta.dtype))
    return strong(jax.tree.map(_finite, _pinned(name, state, std)))


def ask(name: str, state: Any, population: int, std: Array, key: Key) -> tuple[Array, Any]:
    """The members of a generation [n_members, n], and the state.

    GuidedES blanks out a gradient here; that is no sign of broken numbers.

    Args:
        name: the strategy.
        state: the state before the generation.
        population: the number of members.
        std: the standard deviation of the members at the start [].
        key: the randomness of the generation.
    """
    strategy, params = with_std(name, population, state.best_solution, std)
    with relaxed():
        members, asked = strategy.ask(key, state, params)
    if hasattr(asked, "grad"):
        asked = replace(asked, grad=_finite(asked.grad))
    return members, asked


def tell(
    name: str, state: Any, members: Array, fitness: Array, hyper: dict[str, Array], key: Key
) -> tuple[Any, Array]:
    """The state after a generation, and its centre [n].

    The centre of a strategy with a distribution is its new mean, which has gone the share
    `learning_rate` of the way. The centre of a strategy with a population is the mean of its best
    fifth.

    Args:
        name: the strategy.
        state: the state from `ask`.
        members: [n_members, n].
        fitness: [n_members], to be made small.
        hyper: the numbers `std` and `learning_rate`.
        key: the randomness of the update.
    """
    strategy, params = with_std(name, len(fitness), state.best_solution, hyper["std"])
    with relaxed():
        after, _ = strategy.tell(key, members, fitness, state, params)
    return concluded(name, state, after, hyper)


def concluded(name: str, state: Any, after: Any, hyper: dict[str, Array]) -> tuple[Any, Array]:
    """The results of `tell`.

    Args:
        name: the strategy.
        state: the state before the update.
        after: the state after the update, with a learning rate of 1.
        hyper: the numbers `std` and `learning_rate`.
    """
    if _by_distribution(name):
        centre = state.mean + hyper["learning_rate"] * (after.mean - state.mean)
        after = replace(after, mean=centre)
    else:
        n_elite = max(1, int(ELITE * len(after.fitness)))
        best = jnp.argsort(after.fitness)[:n_elite]
        centre = jnp.mean(after.population[best], axis=0)
    return strong(_pinned(name, after, hyper["std"])), centre


def width(state: Any, members: Array) -> Array:
    """The standard deviation [] with which members are drawn, mean over theta.

    It is measured on the members where the strategy has none.
    """
    std = getattr(state, "std", None)
    if std is None:
        return jnp.mean(jnp.std(members, axis=0))
    shape = getattr(state, "C", None)  # (co)variances in units of std^2
    if shape is None:
        return jnp.mean(std)
    variances = jnp.diagonal(shape) if shape.ndim == 2 else shape
    return jnp.mean(std * jnp.sqrt(variances))


def moves_mean(name: str) -> bool:
    """Whether the strategy itself goes on from the centre that `tell` returns."""
    return _by_distribution(name)


def _by_distribution(name: str) -> bool:
    """Whether a strategy moves a distribution; otherwise it keeps a population."""
    return name in distribution_based_algorithms


@lru_cache(maxsize=256)
def _object(name: str, population: int, n: int, dtype: Any) -> Any:
    """evosax's object over flat vectors of `n` numbers.

    Ranks replace raw losses where a gradient is estimated: there one bad member would outweigh all
    others.
    """
    with jax.ensure_compile_time_eval(), relaxed():
        options: dict[str, Any] = {}
        if name in _BY_GRADIENT:
            options["optimizer"] = optax.adam(1.0)
            default = inspect.signature(algorithms[name]).parameters["fitness_shaping_fn"].default
            if default is identity_fitness_shaping_fn:
                options["fitness_shaping_fn"] = centered_rank_fitness_shaping_fn
        strategy = algorithms[name](population, np.zeros(n, dtype), **options)
    if name == "SimpleGA":
        # evosax's half selects nothing where half of the members failed.
        strategy.elite_ratio = ELITE
    return strategy


@lru_cache(maxsize=64)
def _with_defaults(name: str, population: int, n: int, dtype: Any) -> tuple[Any, Any]:
    """evosax's object and its default parameters."""
    strategy = _object(name, population, n, dtype)
    with jax.ensure_compile_time_eval(), relaxed():
        params = strategy.default_params
        if hasattr(params, "K") and hasattr(params, "T"):
            # Every generation lives whole lives: nothing is carried over.
            params = replace(params, K=1, T=1)
        return strategy, params


def with_std(name: str, population: int, theta: Array, std: Array) -> tuple[Any, Any]:
    """evosax's object, and its parameters with the width `std`."""
    strategy, params = _with_defaults(name, population, theta.size, theta.dtype)
    if hasattr(params, "std_init"):
        params = replace(params, std_init=std)
    if hasattr(params, "radius_max"):
        params = replace(params, radius_max=std, radius_min=5e-3 * std)
    return strategy, params


def _scheduled(name: str) -> bool:
    """Whether a strategy has a schedule for its std."""
    return "std_schedule" in inspect.signature(algorithms[name]).parameters


def _has_std(name: str, params: Any) -> bool:
    """Whether a strategy mutates its members by a std of its own."""
    return _scheduled(name) or hasattr(params, "std_init")


def _pinned(name: str, state: Any, std: Array) -> Any:
    """The state with the width `std`: a strategy with a schedule resets it to 1.0 at every tell."""
    return replace(state, std=std) if _scheduled(name) else state


def _finite(leaf: Array) -> Array:
    """The leaf with finite numbers: evosax's nan becomes 0, its infinities LARGEST."""
    leaf = jnp.asarray(leaf)
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        return leaf
    return jnp.where(jnp.isnan(leaf), 0.0, jnp.clip(leaf, -LARGEST, LARGEST)).astype(leaf.dtype)
