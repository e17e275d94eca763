"""Backpropagation through learning: gradient descent on theta through whole lives."""

import difflib
import inspect
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from metaplast.interfaces import AbstractOuterLoop, Metrics
from metaplast.problem import Batch, MetaProblem
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Theta, pytree
from metaplast.spec import Count, NonNegative, Options, Positive, spec
from outer_loops._foreign import relaxed, strong


@pytree
class BpttState:
    theta: Theta
    optimiser: Any
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "bptt")
@spec
class Bptt(AbstractOuterLoop):
    """theta <- theta - learning_rate * schedule(step) * optimiser(clip(d loss / d theta)).

    optimiser: any optax optimiser whose update is proportional to its learning rate, with `optimiser_options`;
    schedule: any optax schedule that starts from 1, with `schedule_options` (`cosine_decay_schedule` spans `steps`).
    clip: global norm of the gradient (0: none). A step whose loss or gradient is not finite changes nothing but the
    counter `skipped`. Raises: BadInput for a name or option that optax does not know.
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

    def init(self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]) -> BpttState:
        if not problem.lifetime.task.shape().differentiable:
            raise BadInput("outer bptt", "a differentiable task", "use outer=es, or a task that passes gradients")
        zero = jnp.zeros((), jnp.int32)
        return BpttState(
            theta=theta, optimiser=strong(_optimiser(self).init(theta)), hyper=strong(hyper), step=zero, skipped=zero
        )

    def step(self, problem: MetaProblem, state: BpttState, batch: Batch, key: Key) -> tuple[BpttState, Metrics]:
        loss, grad, metrics = problem.value_and_grad(state.theta, batch)
        norm = optax.tree.norm(grad)
        healthy = jnp.isfinite(loss) & jnp.isfinite(norm)
        with relaxed():
            updates, optimiser = _optimiser(self).update(grad, state.optimiser, state.theta)
            rate = state.hyper["learning_rate"] * _schedule(self)(state.step)
        theta = jax.tree.map(lambda t, u: t + rate * u, state.theta, updates)
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(healthy, a, b), new, old)  # noqa: E731
        new = BpttState(
            theta=keep(theta, state.theta),
            optimiser=keep(optimiser, state.optimiser),
            hyper=state.hyper,
            step=state.step + 1,
            skipped=state.skipped + (~healthy).astype(jnp.int32),
        )
        return new, {**metrics, "grad_norm": norm, "learning_rate": rate, "skipped": new.skipped}

    def theta(self, state: BpttState) -> Theta:
        return state.theta


@lru_cache(maxsize=64)
def _optimiser(outer: Bptt) -> optax.GradientTransformation:
    known = {name for name in dir(optax) if _takes_rate(getattr(optax, name))}
    make = _named(outer.optimiser, known, "optimiser")
    try:
        inner = make(learning_rate=1.0, **dict(outer.optimiser_options))
    except TypeError as error:
        raise BadInput(
            f"optimiser_options {dict(outer.optimiser_options)}", f"options of optax.{outer.optimiser}", str(error)
        ) from None
    return optax.chain(optax.clip_by_global_norm(outer.clip), inner) if outer.clip else inner


@lru_cache(maxsize=64)
def _schedule(outer: Bptt) -> Any:
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
        raise BadInput(f"schedule_options {options}", f"options of optax.{outer.schedule}", str(error)) from None


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
