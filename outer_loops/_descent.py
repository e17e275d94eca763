"""Descent along an estimate of the gradient: what bptt and the loops that estimate it otherwise
share.
"""

import difflib
import inspect
from abc import abstractmethod
from functools import lru_cache
from typing import Any

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
    """carried: what an estimator keeps between outer steps (lives under way, noise); () where it
    keeps nothing.
    """

    theta: Theta
    optimiser: Any
    hyper: dict[str, Array]
    carried: Any
    step: Array
    skipped: Array


@spec
class AbstractDescent(AbstractOuterLoop):
    """theta <- theta - learning_rate * schedule(step) * optimiser(clip(gradient)); a file writes
    the `gradient`.

    optimiser: any optax optimiser whose update is proportional to its learning rate, with
    `optimiser_options`;
    schedule: any optax schedule that starts from 1, with `schedule_options`
    (`cosine_decay_schedule` spans `steps`).
    clip: global norm of the gradient (0: none). A step whose loss or gradient is not finite changes
    neither theta nor the optimiser; `skipped` counts it. Raises: BadInput for a name or option that
    optax does not know.
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
        """What is kept between outer steps, before the first. Raises: BadInput for a problem it
        cannot estimate.
        """

    @abstractmethod
    def gradient(
        self, problem: Problem, state: DescentState, batch: Batch, key: Key
    ) -> tuple[Any, Theta, Metrics]:
        """(carried, estimate of d loss / d theta, metrics with `loss`) at theta of the state."""

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
        carried, grad, metrics = self.gradient(problem, state, batch, key)
        norm = optax.tree.norm(grad)
        healthy = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)
        with relaxed():
            updates, optimiser = _optimiser(self).update(grad, state.optimiser, state.theta)
            rate = state.hyper["learning_rate"] * _schedule(self)(state.step)
        theta = jax.tree.map(lambda t, u: t + rate * u, state.theta, updates)
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(healthy, a, b), new, old)
        new = DescentState(
            theta=keep(theta, state.theta),
            optimiser=keep(optimiser, state.optimiser),
            hyper=state.hyper,
            carried=carried,
            step=state.step + 1,
            skipped=state.skipped + (~healthy).astype(jnp.int32),
        )
        return new, {**metrics, "grad_norm": norm, "learning_rate": rate, "skipped": new.skipped}

    def slower(self, state: DescentState, factor: float) -> DescentState:
        return scaled(state, "learning_rate", factor)

    def theta(self, state: DescentState) -> Theta:
        return state.theta


@spec
class AbstractExact(AbstractDescent):
    """Descent along the exact gradient of whole lives; a file says in which mode it is taken."""

    @property
    @abstractmethod
    def tangents(self) -> int:
        """As in `MetaProblem.value_and_grad`."""

    def carry(self, problem: Problem, theta: Theta) -> tuple[()]:
        demand_differentiable(self, problem)
        return ()

    def gradient(
        self, problem: Problem, state: DescentState, batch: Batch, key: Key
    ) -> tuple[tuple[()], Theta, Metrics]:
        _, grad, metrics = problem.value_and_grad(state.theta, batch, self.tangents)
        return (), grad, metrics


def demand_differentiable(outer: AbstractOuterLoop, problem: Problem) -> None:
    """Raises: BadInput for a task that passes no gradient."""
    if not problem.lifetime.task.shape().differentiable:
        name = name_of(type(outer))
        raise BadInput(
            f"outer {name}",
            "a differentiable task",
            "use outer=es, or a task that passes gradients",
        )


def demand_floats(outer: AbstractOuterLoop, theta: Theta) -> None:
    """Raises: BadInput for a theta with nothing to learn, or other than floats."""
    name, leaves = name_of(type(outer)), jax.tree.leaves(theta)
    if not leaves:
        raise BadInput(
            f"outer {name}: theta",
            "a number to learn",
            "let the rule, the genome or the neurons learn",
        )
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            what = f"outer {name}: a leaf of theta of {leaf.dtype}"
            raise BadInput(what, "floats: others are rounded in silence", "learn floats only")


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
    try:
        return make(**{**{k: v for k, v in defaults.items() if k in accepted}, **options})
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"schedule_options {options}", f"options of optax.{outer.schedule}", str(error)
        ) from None


def _takes_rate(thing: Any) -> bool:
    if not inspect.isfunction(thing):
        return False
    parameters = list(inspect.signature(thing).parameters)
    return bool(parameters) and parameters[0] == "learning_rate"


def _named(name: str, known: set[str], field: str) -> Any:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise BadInput(
            f"{field}={name!r}",
            f"one of optax's: {', '.join(sorted(known))}",
            f"did you mean {near[0]!r}?" if near else "choose one",
        )
    return getattr(optax if hasattr(optax, name) else optax.schedules, name)
