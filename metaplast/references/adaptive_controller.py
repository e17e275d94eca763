"""An adaptive controller that finds out which way its actuators work."""

from dataclasses import replace
from itertools import product
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from annotated_types import MinLen
from jax import Array

from metaplast.references import base
from metaplast.references._life import lived, scores
from metaplast.registry import register
from metaplast.signals import Key, pytree
from metaplast.spec import Positive, spec
from metaplast.tasks import AbstractTaskFamily

GUESS = (
    1e-3  # how hard an actuator is taken to push before anything is known, and in which direction
)
TRUST = 1e-6  # the penalty of the estimate: how little that guess weighs


@pytree
class _Known:
    """Of each axis: sums [2, 2] and [2] of least squares over (velocity, push), and the last of
    both.
    """

    squares: Array
    products: Array
    velocity: Array
    push: Array


@register("reference", "adaptive_controller")
@spec
class AdaptiveController(base.AbstractReference):
    """Certainty-equivalent control of `pointmass`: on each axis the plant v' = a v + b tanh(u) is
    estimated by recursive least squares over the life so far, and

        u = sign(b) (stiffness (target - x) - friction v)

    stiffnesses, frictions: those of which the validation lives choose a pair. Source: Astrom &
    Wittenmark 1995.
    """

    stiffnesses: Annotated[tuple[Positive, ...], MinLen(1)] = (8.0, 16.0, 32.0, 64.0, 128.0)
    frictions: Annotated[tuple[Positive, ...], MinLen(1)] = (4.0, 8.0, 16.0, 32.0, 64.0)

    @property
    def note(self) -> str:
        return (
            "adaptive control: estimates each actuator by least squares, then a tuned linear "
            "controller"
        )

    def check(self, family: AbstractTaskFamily) -> None:
        base.need_task(self, family, "pointmass")

    def options(self) -> tuple[base.Numbers, ...]:
        pairs = product(self.stiffnesses, self.frictions)
        return tuple(
            {"stiffness": stiffness, "friction": friction} for stiffness, friction in pairs
        )

    def judge(
        self, family: AbstractTaskFamily, task: Any, key: Key, dt: float, numbers: Any
    ) -> dict[str, Array]:
        def act(known: _Known, inputs: Array) -> tuple[_Known, Array]:
            away, velocity = inputs[:2], inputs[2:]
            known = _learned(known, velocity)
            wanted = numbers["stiffness"] * away - numbers["friction"] * velocity
            output = jnp.sign(_estimate(known)[:, 1]) * wanted
            return replace(known, velocity=velocity, push=jnp.tanh(output)), output

        _, outcomes = lived(family, task, key, dt, act, _nothing_known())
        return scores(family.shape(), outcomes)


def _nothing_known() -> _Known:
    squares = TRUST * jnp.broadcast_to(jnp.eye(2), (2, 2, 2))
    products = TRUST * jnp.asarray([[0.0, GUESS], [0.0, GUESS]])
    none = jnp.zeros(2)
    return _Known(squares=squares, products=products, velocity=none, push=none)


def _learned(known: _Known, velocity: Array) -> _Known:
    """What the last step taught: it led from the last velocity and push to this velocity."""
    regressors = jnp.stack([known.velocity, known.push], axis=1)
    squares = known.squares + regressors[:, :, None] * regressors[:, None, :]
    products = known.products + regressors * velocity[:, None]
    return replace(known, squares=squares, products=products)


def _estimate(known: _Known) -> Array:
    """(a, b) of each axis [2, 2]."""
    return jax.vmap(jnp.linalg.solve)(known.squares, known.products)
