"""The cross-entropy method: a Gaussian over theta is fitted to the best of its own members."""

import logging
from dataclasses import replace
from typing import Annotated

import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Le
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, NonNegative, Positive, Probability, spec
from outer_loops._cloud import Cloud
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import LARGEST, accepted, graded, summary, warn_of_raise
from outer_loops._nested import scaled

# The logger is below metaplast: its messages go into a run's log.txt.
log = logging.getLogger("metaplast.outer_loops.cross_entropy")


@pytree
class CrossEntropyState:
    """The state of a cross-entropy search.

    theta: the mean
    variance [n]: of the fitted Gaussian, without the extra noise, over the flat vector of theta
    worst []: the largest finite loss so far
    hyper: the numbers of `hyper`
    step []: the number of steps done
    skipped []: the number of steps that changed nothing
    """

    theta: Theta
    variance: Array
    worst: Array
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "cross_entropy")
@spec
class CrossEntropy(AbstractOuterLoop):
    """Draw members from a Gaussian with a diagonal covariance, and fit it to the best of them.

        member = m + s N(0, 1)
        s^2 = max(V, (floor std)^2) + extra_t^2
        m <- m + learning_rate (mean_elite - m)
        V <- V + learning_rate (var_elite - V)
        extra_t = extra std max(0, 1 - t / (fade steps))

    steps: outer steps of a run: generations
    population: the number of members. It is raised to a number that devices share evenly; a warning
        says so.
    elite: the share of members, those of the lowest losses, to which the Gaussian is fitted
    std: the standard deviation of the members at the start, in units of theta
    learning_rate: the share of the way to the fit. 1 is the fit itself.
    extra: noise beside the fit at the start, in units of std. It keeps the variance from falling
        before the mean has arrived.
    fade: the share of the steps over which the extra noise falls to 0, linearly
    floor: the least standard deviation of the fit, in units of std
    m: the mean of the members, which is theta
    V [n]: the variance of the fit, std^2 at the start
    mean_elite, var_elite [n]: the mean and the variance of the elite
    t: steps gone by

    Losses are minimised. A member of which a life blew up ranks behind every healthy one, as in
    `es`. Without a healthy member only counters change. A member is drawn from its own key when it
    lives, and the elite again for the fit: memory does not grow with members times theta.

    Raises:
        BadInput: a theta with nothing to learn, or with other numbers than floats.

    Limits: extra = floor = 0 with learning_rate 1 is the plain method, whose variance can fall
    before the mean has arrived.
    Sources: Rubinstein 1999; the extra noise: Szita & Lorincz 2006.
    """

    steps: Count = 200
    population: Annotated[Members, Ge(4)] = 64
    elite: Annotated[float, Gt(0), Le(1)] = 0.125
    std: Positive = 0.1
    learning_rate: Annotated[float, Gt(0), Le(1)] = 1.0
    extra: NonNegative = 0.5
    fade: Probability = 0.5
    floor: NonNegative = 0.01

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        numbers = ("std", "learning_rate", "extra", "floor")
        return {name: jnp.asarray(getattr(self, name)) for name in numbers}

    def check(self, problem: Problem, key: Key) -> None:
        n_members = self._n_members(problem)
        warn_of_raise(log, self.population, n_members, "cross_entropy", problem.n_devices)

    def _n_members(self, problem: Problem) -> int:
        return -(-self.population // problem.n_devices) * problem.n_devices

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> CrossEntropyState:
        demand_floats(self, theta)
        flat = ravel_pytree(theta)[0]
        zero = jnp.zeros((), jnp.int32)
        state = CrossEntropyState(
            theta=theta,
            variance=jnp.zeros_like(flat) + hyper["std"].astype(flat.dtype) ** 2,
            worst=jnp.full((), -LARGEST, flat.dtype),
            hyper=hyper,
            step=zero,
            skipped=zero,
        )
        return strong(state)

    def step(
        self, problem: Problem, state: CrossEntropyState, batch: Batch, key: Key
    ) -> tuple[CrossEntropyState, Metrics]:
        mean, unravel = ravel_pytree(state.theta)
        scale = self._scale(state)
        cloud = Cloud(mean, scale, key, self._n_members(problem), (1,))
        losses, metrics = cloud.losses(problem, batch, unravel)
        grades = graded(losses, jnp.mean(metrics["survived"], axis=1), state.worst)
        n_elite = max(1, round(self.elite * cloud.n_draws))
        elite = jnp.argsort(grades.fitness)[:n_elite]
        share = jnp.full(n_elite, 1.0 / n_elite, mean.dtype)
        first, second = cloud.moments(share, share, draws=elite)
        rate = state.hyper["learning_rate"].astype(mean.dtype)
        fitted = scale**2 * jnp.maximum(second - first**2, 0.0)
        moved = mean + rate * scale * first
        variance = state.variance + rate * (fitted - state.variance)
        fit = replace(state, theta=unravel(moved), variance=variance, worst=grades.worst)
        after = accepted(state, fit, grades.healthy, (fit.theta, fit.variance))
        own_metrics = {
            "mean_norm": optax.tree.norm(after.theta),
            "std": jnp.mean(self._scale(after)),
            "skipped": after.skipped,
        }
        return after, {**summary(losses, grades.healthy, metrics), **own_metrics}

    def _scale(self, state: CrossEntropyState) -> Array:
        """The standard deviation s of the next members [n]."""
        dtype = state.variance.dtype
        std = state.hyper["std"].astype(dtype)
        faded = state.step.astype(dtype) / max(1.0, self.fade * self.steps)
        extra = state.hyper["extra"].astype(dtype) * std * jnp.maximum(1.0 - faded, 0.0)
        least = state.hyper["floor"].astype(dtype) * std
        return jnp.sqrt(jnp.maximum(state.variance, least**2) + extra**2)

    def slower(self, state: CrossEntropyState, factor: float) -> CrossEntropyState:
        return scaled(state, "learning_rate", factor)

    def theta(self, state: CrossEntropyState) -> Theta:
        return state.theta
