"""Random search: what any other outer loop must beat."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Positive, spec
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._nested import scaled
from outer_loops.es import graded


@pytree
class RandomSearchState:
    """theta: the best so far; start: theta before the first step."""

    theta: Theta
    start: Theta
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "random_search")
@spec
class RandomSearch(AbstractOuterLoop):
    """Draw `candidates` thetas in every step and keep the best of them and of what was kept before.

        candidate = centre + std anneal^(step / steps) N(0, 1),      centre = the start,
            or the best so far (`around`)

    std in units of theta; anneal: std at the end, in units of that at the start. The best so far
    lives through the same
    new lives as the candidates: the luck of an earlier batch does not hold it up, and a candidate
    that is better on them takes its place. It may be so by chance: raise n_tasks where many take
    turns. A member of which a life blew up ranks behind every healthy one; a step without a healthy
    one changes nothing but the counter `skipped`. Metrics are those of the best so far, on lives it
    was not chosen by; `best_loss` is the lowest of this step.
    Source: Bergstra & Bengio 2012. Raises: BadInput for a theta with nothing to learn or other than
    floats.
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
        self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> RandomSearchState:
        demand_floats(self, theta)
        zero = jnp.zeros((), jnp.int32)
        return RandomSearchState(
            theta=theta, start=theta, hyper=strong(hyper), step=zero, skipped=zero
        )

    def step(
        self, problem: MetaProblem, state: RandomSearchState, batch: Batch, key: Key
    ) -> tuple[RandomSearchState, Metrics]:
        best, unravel = ravel_pytree(state.theta)
        centre = best if self.around == "best" else ravel_pytree(state.start)[0]
        done = state.step.astype(best.dtype) / self.steps
        std = (state.hyper["std"] * state.hyper["anneal"] ** done).astype(best.dtype)
        drawn = centre[None] + std * jax.random.normal(
            key, (self.candidates, best.size), best.dtype
        )
        members = jnp.concatenate([best[None], drawn])
        losses, told = problem.losses(jax.vmap(unravel)(members), batch)
        fitness, healthy, _ = graded(losses, jnp.mean(told["survived"], axis=1))
        chosen = jnp.where(jnp.any(healthy), jnp.argmin(fitness), 0)
        new = RandomSearchState(
            theta=unravel(members[chosen]),
            start=state.start,
            hyper=state.hyper,
            step=state.step + 1,
            skipped=state.skipped + (~jnp.any(healthy)).astype(jnp.int32),
        )
        own = {
            "loss": losses[0],
            "best_loss": fitness[chosen],
            "accepted": (chosen > 0).astype(jnp.int32),
            "std": std,
        }
        counts = {name: told[name] for name in ("lives", "diverged")} | {"skipped": new.skipped}
        means = {
            name: jnp.mean(values[0])
            for name, values in told.items()
            if name not in ("life_loss", *counts)
        }
        return new, {**means, **counts, **own}

    def slower(self, state: RandomSearchState, factor: float) -> RandomSearchState:
        return scaled(state, "std", factor)

    def theta(self, state: RandomSearchState) -> Theta:
        return state.theta
