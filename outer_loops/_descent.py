"""Descent along an estimate of the gradient: the common part of bptt and other estimates."""

import difflib
import inspect
from abc import abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput, name_of
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, NonNegative, Options, Positive, spec
from outer_loops._foreign import relaxed, strong
from outer_loops._nested import scaled


@pytree
class DescentState:
    """The state of a descent.

    theta: the present theta
    optimiser: the state of optax's optimiser
    hyper: the numbers of `hyper`
    carried: the data that an estimator keeps between outer steps (lives under way, noise); () for
        an estimator that keeps none
    step []: the number of steps done
    skipped []: the number of steps that changed nothing
    """

    theta: Theta
    optimiser: Any
    hyper: dict[str, Array]
    carried: Any
    step: Array
    skipped: Array


class Estimate(NamedTuple):
    """An estimate of the gradient.

    carried: the data to keep for the next estimate
    gradient: the estimate of d loss / d theta, a tree like theta
    metrics: numbers about the lives, with `loss`
    """

    carried: Any
    gradient: Theta
    metrics: Metrics


@spec
class AbstractDescent(AbstractOuterLoop):
    """Descent along a gradient, which a concrete class estimates.

        theta <- theta - learning_rate schedule(step) optimiser(clip(gradient))

    steps: outer steps of a run
    learning_rate: the step size
    optimiser, optimiser_options: any optax optimiser whose update is proportional to its learning
        rate, and its options
    schedule, schedule_options: any optax schedule that starts from 1, and its options;
        `cosine_decay_schedule` spans `steps`
    clip: the largest global norm of the gradient; 0: none

    A step whose loss or gradient is not finite changes neither theta nor the optimiser. The metric
    `skipped` counts such steps.

    Raises:
        BadInput: a name or an option that optax does not know.
    """

    steps: Count = 200
    learning_rate: Positive = 1e-2
    optimiser: str = "adam"
    optimiser_options: Options = ()
    schedule: str = "cosine_decay_schedule"
    schedule_options: Options = ()
    clip: NonNegative = 0.0

    def __post_init__(self) -> None:
        _optimiser(self)
        _schedule(self)

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return {"learning_rate": jnp.asarray(self.learning_rate)}

    @abstractmethod
    def carry(self, problem: Problem, theta: Theta) -> Any:
        """The data to keep between outer steps, before the first one.

        Raises:
            BadInput: the gradient of this problem cannot be estimated.
        """

    @abstractmethod
    def gradient(self, problem: Problem, state: DescentState, batch: Batch, key: Key) -> Estimate:
        """An estimate of the gradient at the theta of the state."""

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> DescentState:
        carried = self.carry(problem, theta)
        zero = jnp.zeros((), jnp.int32)
        optimiser = strong(_optimiser(self).init(theta))
        return DescentState(
            theta=theta,
            optimiser=optimiser,
            hyper=strong(hyper),
            carried=carried,
            step=zero,
            skipped=zero,
        )

    def step(
        self, problem: Problem, state: DescentState, batch: Batch, key: Key
    ) -> tuple[DescentState, Metrics]:
        carried, gradient, metrics = self.gradient(problem, state, batch, key)
        norm = optax.tree.norm(gradient)
        healthy = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)
        with relaxed():
            updates, optimiser = _optimiser(self).update(gradient, state.optimiser, state.theta)
            rate = state.hyper["learning_rate"] * _schedule(self)(state.step)
        theta = jax.tree.map(lambda t, u: t + rate * u, state.theta, updates)

        def if_healthy(new: Any, old: Any) -> Any:
            return jax.tree.map(lambda a, b: jnp.where(healthy, a, b), new, old)

        after = DescentState(
            theta=if_healthy(theta, state.theta),
            optimiser=if_healthy(optimiser, state.optimiser),
            hyper=state.hyper,
            carried=carried,
            step=state.step + 1,
            skipped=state.skipped + (~healthy).astype(jnp.int32),
        )
        own_metrics = {"grad_norm": norm, "learning_rate": rate, "skipped": after.skipped}
        return after, {**metrics, **own_metrics}

    def slower(self, state: DescentState, factor: float) -> DescentState:
        return scaled(state, "learning_rate", factor)

    def theta(self, state: DescentState) -> Theta:
        return state.theta


@spec
class AbstractExact(AbstractDescent):
    """Descent along the exact gradient of whole lives; a concrete class gives the mode."""

    @property
    @abstractmethod
    def tangents(self) -> int:
        """The argument `tangents` of `Problem.value_and_grad`."""

    def carry(self, problem: Problem, theta: Theta) -> tuple[()]:
        demand_differentiable(self, problem)
        return ()

    def gradient(self, problem: Problem, state: DescentState, batch: Batch, key: Key) -> Estimate:
        _, gradient, metrics = problem.value_and_grad(state.theta, batch, self.tangents)
        return Estimate((), gradient, metrics)


def demand_differentiable(outer: AbstractOuterLoop, problem: Problem) -> None:
    """Raises: BadInput where the task passes no gradient."""
    if not problem.lifetime.task.shape().differentiable:
        raise BadInput(
            f"outer {name_of(type(outer))}",
            "a differentiable task",
            "use outer=es, or a task that passes gradients",
        )


def demand_floats(outer: AbstractOuterLoop, theta: Theta) -> None:
    """Raises: BadInput for a theta with nothing to learn, or with other numbers than floats."""
    name = name_of(type(outer))
    leaves = jax.tree.leaves(theta)
    if not leaves:
        raise BadInput(
            f"outer {name}: theta",
            "a number to learn",
            "let the rule, the genome or the neurons learn",
        )
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise BadInput(
                f"outer {name}: a leaf of theta of {leaf.dtype}",
                "floats: others are rounded in silence",
                "learn floats only",
            )


@lru_cache(maxsize=64)
def _optimiser(outer: AbstractDescent) -> optax.GradientTransformation:
    known = {name for name in dir(optax) if _takes_rate(getattr(optax, name))}
    make = _named(outer.optimiser, known, "optimiser")
    try:
        inner = make(learning_rate=1.0, **dict(outer.optimiser_options))
    except TypeError as error:
        raise BadInput(
            f"optimiser_options {dict(outer.optimiser_options)}",
            f"options of optax.{outer.optimiser}",
            str(error),
        ) from None
    return optax.chain(optax.clip_by_global_norm(outer.clip), inner) if outer.clip else inner


@lru_cache(maxsize=64)
def _schedule(outer: AbstractDescent) -> Any:
    known = {name for name in dir(optax.schedules) if name.endswith("_schedule")}
    make = _named(outer.schedule, known, "schedule")
    options = dict(outer.schedule_options)
    accepted = inspect.signature(make).parameters
    defaults = {
        "init_value": 1.0,
        "value": 1.0,
        "decay_steps": outer.steps,
        "transition_steps": outer.steps,
        "end_value": 0.0,
    }
    arguments = {name: value for name, value in defaults.items() if name in accepted}
    try:
        return make(**{**arguments, **options})
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"schedule_options {options}", f"options of optax.{outer.schedule}", str(error)
        ) from None


def _takes_rate(thing: Any) -> bool:
    """Whether it is an optimiser: a function whose first argument is the learning rate."""
    if not inspect.isfunction(thing):
        return False
    parameters = list(inspect.signature(thing).parameters)
    return bool(parameters) and parameters[0] == "learning_rate"


def _named(name: str, known: set[str], field: str) -> Callable[..., Any]:
    """The function of optax with this name. Raises: BadInput for an unknown one."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise BadInput(
            f"{field}={name!r}",
            f"one of optax's: {', '.join(sorted(known))}",
            f"did you mean {near[0]!r}?" if near else "choose one",
        )
    return getattr(optax if hasattr(optax, name) else optax.schedules, name)
