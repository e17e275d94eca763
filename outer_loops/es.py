"""Evolution strategies: theta's distribution moves towards members whose lives went well."""

from functools import lru_cache
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from annotated_types import Ge
from evosax.algorithms import algorithms
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.interfaces import AbstractOuterLoop, Metrics
from metaplast.problem import Batch, MetaProblem
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Theta, pytree
from metaplast.spec import Count, NonNegative, Positive, spec
from outer_loops._foreign import relaxed, strong

LARGEST = 1e30  # finite losses beyond it count as equal, so that a penalty on top of the worst stays finite
OWN_RATE = {"SNES": 1.0, "CMA_ES": 1.0, "Open_ES": 0.02}


@pytree
class EsState:
    """theta: the mean; strategy: evosax's own state over the flat vector of theta."""

    theta: Theta
    strategy: Any
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "es")
@spec
class Es(AbstractOuterLoop):
    """Ask evosax's `strategy` for `population` members, let all live through the same tasks, tell it their mean losses.

    mean <- mean + learning_rate * (mean told - mean). std: standard deviation of the members at the start (SNES and
    CMA_ES adapt it, Open_ES keeps it), in units of theta. learning_rate 0 takes the strategy's own: 1 for SNES and
    CMA_ES; 0.02 for Open_ES, whose gradient estimate goes through Adam, so that it is a change of theta per step.
    Losses are minimised. A member of which a life blew up ranks behind every healthy one, by how long its lives lasted:
    f = worst + spread (2 - survived), spread = worst - best finite loss (at least 1). Without a healthy member nothing
    changes but the counter `skipped`. Members are mirrored in Open_ES alone. No bounds on theta.
    SNES: Wierstra et al. 2014; CMA_ES: Hansen & Ostermeier 2001; Open_ES: Salimans et al. 2017.
    Raises: BadInput for an odd population with Open_ES, and for a theta with nothing to learn or other than floats.
    """

    steps: Count = 200
    strategy: Literal["SNES", "CMA_ES", "Open_ES"] = "SNES"
    population: Annotated[int, Ge(4)] = 64
    std: Positive = 0.1
    learning_rate: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.strategy == "Open_ES" and self.population % 2:
            raise BadInput(
                f"population={self.population} with Open_ES",
                "an even number: its members come in mirrored pairs",
                "add one",
            )

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        rate = self.learning_rate or OWN_RATE[self.strategy]
        return {"std": jnp.asarray(self.std), "learning_rate": jnp.asarray(rate)}

    def init(self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]) -> EsState:
        leaves = jax.tree.leaves(theta)
        if not leaves:
            raise BadInput("outer es: theta", "a number to learn", "let the rule, the genome or the neurons learn")
        for leaf in leaves:
            if not jnp.issubdtype(leaf.dtype, jnp.floating):
                raise BadInput(
                    f"outer es: a leaf of theta of {leaf.dtype}",
                    "floats: others are rounded in silence",
                    "learn floats only",
                )
        flat = ravel_pytree(theta)[0]
        strategy, params = _strategy(self.strategy, self.population, flat.size, flat.dtype)
        with relaxed():
            state = strategy.init(key, flat, params.replace(**_spread(self.strategy, hyper)))
        state = state.replace(best_solution=flat, best_fitness=jnp.full((), LARGEST, flat.dtype))  # nan and inf before
        zero = jnp.zeros((), jnp.int32)
        new = EsState(
            theta=theta, strategy=_with_std(self.strategy, state, hyper), hyper=hyper, step=zero, skipped=zero
        )
        return strong(new)

    def step(self, problem: MetaProblem, state: EsState, batch: Batch, key: Key) -> tuple[EsState, Metrics]:
        old, unravel = ravel_pytree(state.theta)
        strategy, params = _strategy(self.strategy, self.population, old.size, old.dtype)
        k_ask, k_tell = jax.random.split(key)
        with relaxed():
            members, asked = strategy.ask(k_ask, state.strategy, params)
        losses, metrics = problem.losses(jax.vmap(unravel)(members), batch)
        fitness, healthy = graded(losses, jnp.mean(metrics["survived"], axis=1))
        with relaxed():
            told, _ = strategy.tell(k_tell, members, fitness, asked, params)
        mean = old + state.hyper["learning_rate"] * (told.mean - old)
        told = strong(_with_std(self.strategy, told.replace(mean=mean), state.hyper))
        finite = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(told)]
        usable = jnp.any(healthy) & jnp.all(jnp.stack(finite))
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(usable, a, b), new, old)  # noqa: E731
        new = EsState(
            theta=keep(unravel(mean), state.theta),
            strategy=keep(told, state.strategy),
            hyper=state.hyper,
            step=state.step + 1,
            skipped=state.skipped + (~usable).astype(jnp.int32),
        )
        return new, {**_summary(losses, healthy, metrics), **_shape_of(new), "skipped": new.skipped}

    def theta(self, state: EsState) -> Theta:
        return state.theta


def graded(losses: Array, survived: Array) -> tuple[Array, Array]:
    """(fitness [P], healthy [P]): losses as they are where finite; the others behind the worst finite one, an earlier
    end of the lives (`survived`: the share of steps lived) further behind."""
    healthy = jnp.isfinite(losses)
    bounded = jnp.clip(losses, -LARGEST, LARGEST)
    worst = jnp.max(jnp.where(healthy, bounded, -LARGEST))
    best = jnp.min(jnp.where(healthy, bounded, LARGEST))
    spread = jnp.maximum(worst - best, jnp.maximum(1.0, 1e-3 * jnp.abs(worst)))
    return jnp.where(healthy, bounded, worst + spread * (2.0 - survived)), healthy


@lru_cache(maxsize=64)
def _strategy(name: str, population: int, n: int, dtype: Any) -> tuple[Any, Any]:
    """evosax's object over flat vectors of `n` numbers, and its default parameters."""
    with jax.ensure_compile_time_eval(), relaxed():
        options = {"optimizer": optax.adam(1.0)} if name == "Open_ES" else {}
        strategy = algorithms[name](population, np.zeros(n, dtype), **options)
        return strategy, strategy.default_params


def _spread(name: str, hyper: dict[str, Array]) -> dict[str, Array]:
    return {} if name == "Open_ES" else {"std_init": hyper["std"]}


def _with_std(name: str, state: Any, hyper: dict[str, Array]) -> Any:
    """Open_ES resets its std to a schedule of its own (1.0) at every tell."""
    return state.replace(std=hyper["std"]) if name == "Open_ES" else state


def _summary(losses: Array, healthy: Array, metrics: Metrics) -> Metrics:
    """Means over the healthy members, not a number where there are none; `survived` over all."""
    own = {
        "loss": _mean(losses, healthy),
        "best_loss": jnp.min(jnp.where(healthy, losses, jnp.inf)),
        "survived": jnp.mean(metrics["survived"]),
        "lives": metrics["lives"],
        "diverged": metrics["diverged"],
        "diverged_members": jnp.sum(~healthy),
    }
    rest = {name: values for name, values in metrics.items() if name not in (*own, "life_loss")}
    return {**{name: _mean(jnp.mean(values, axis=1), healthy) for name, values in rest.items()}, **own}


def _mean(values: Array, healthy: Array) -> Array:
    count = jnp.sum(healthy.astype(values.dtype))
    return jnp.sum(jnp.where(healthy, values, 0.0)) / jnp.where(count > 0, count, jnp.nan)


def _shape_of(state: EsState) -> Metrics:
    return {"mean_norm": optax.tree.norm(state.theta), "std": jnp.mean(state.strategy.std)}
