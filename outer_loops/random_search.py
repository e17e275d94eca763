"""Random search: the search that any other outer loop must beat."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Positive, spec
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import graded
from outer_loops._nested import scaled


@pytree
class RandomSearchState:
    """The state of a random search.

    theta: the best so far
    start: theta before the first step
    hyper: the numbers of `hyper`
    step []: the number of steps done
    skipped []: the number of steps without a healthy member
    """

    theta: Theta
    start: Theta
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "random_search")
@spec
class RandomSearch(AbstractOuterLoop):
    """Draw `candidates` thetas in every step, and keep the best of them and of the best so far.

        candidate = centre + std anneal^(step / steps) N(0, 1)

    steps: outer steps of a run
    candidates: thetas that are drawn in a step
    around: whether they are drawn around the `start` or around the `best` so far
    centre: the start, or the best so far (`around`)
    std: in units of theta
    anneal: std at the end, in units of std at the start

    The best so far lives through the same new lives as the candidates. The luck of an earlier batch
    does not hold it up, and a candidate that is better on these lives takes its place. It may be
    better by chance: raise n_tasks where many take turns. A member of which a life blew up ranks
    behind every healthy one. A step without a healthy member changes nothing but the counter
    `skipped`.

    Metrics are about the best so far, on lives by which it was not chosen. `best_loss` is the
    lowest loss of this step.

    Raises:
        BadInput: a theta with nothing to learn, or with other numbers than floats.

    Source: Bergstra & Bengio 2012.
    """

    steps: Count = 200
    candidates: Members = 15
    std: Positive = 0.3
    anneal: Positive = 1.0
    around: Literal["start", "best"] = "start"

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return {"std": jnp.asarray(self.std), "anneal": jnp.asarray(self.anneal)}

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> RandomSearchState:
        demand_floats(self, theta)
        zero = jnp.zeros((), jnp.int32)
        return RandomSearchState(
            theta=theta, start=theta, hyper=strong(hyper), step=zero, skipped=zero
        )

    def step(
        self, problem: Problem, state: RandomSearchState, batch: Batch, key: Key
    ) -> tuple[RandomSearchState, Metrics]:
        best, unravel = ravel_pytree(state.theta)
        centre = best if self.around == "best" else ravel_pytree(state.start)[0]
        done = state.step.astype(best.dtype) / self.steps
        std = (state.hyper["std"] * state.hyper["anneal"] ** done).astype(best.dtype)
        noise = jax.random.normal(key, (self.candidates, best.size), best.dtype)
        members = jnp.concatenate([best[None], centre[None] + std * noise])
        losses, metrics = problem.losses(jax.vmap(unravel)(members), batch)
        grades = graded(losses, jnp.mean(metrics["survived"], axis=1))
        any_healthy = jnp.any(grades.healthy)
        chosen = jnp.where(any_healthy, jnp.argmin(grades.fitness), 0)
        after = RandomSearchState(
            theta=unravel(members[chosen]),
            start=state.start,
            hyper=state.hyper,
            step=state.step + 1,
            skipped=state.skipped + (~any_healthy).astype(jnp.int32),
        )
        own_metrics = {
            "loss": losses[0],
            "best_loss": grades.fitness[chosen],
            "accepted": (chosen > 0).astype(jnp.int32),
            "std": std,
            "lives": metrics["lives"],
            "diverged": metrics["diverged"],
            "skipped": after.skipped,
        }
        means = {
            name: jnp.mean(values[0])
            for name, values in metrics.items()
            if name not in ("life_loss", "lives", "diverged", "skipped")
        }
        return after, {**means, **own_metrics}

    def slower(self, state: RandomSearchState, factor: float) -> RandomSearchState:
        return scaled(state, "std", factor)

    def theta(self, state: RandomSearchState) -> Theta:
        return state.theta
