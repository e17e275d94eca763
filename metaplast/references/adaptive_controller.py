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

GUESS = 1e-3
"""The push of an actuator before anything is known: its strength and direction."""
TRUST = 1e-6
"""The weight of that guess, as the penalty of the estimate."""


@pytree
class _Known:
    """The knowledge about each of the two axes.

    Attributes:
        squares: sums of squares over (velocity, push) [2, 2, 2].
        products: their sums of products with the next velocity [2, 2].
        velocity: the last velocity [2].
        push: the last push [2].
    """

    squares: Array
    products: Array
    velocity: Array
    push: Array


@register("reference", "adaptive_controller")
@spec
class AdaptiveController(base.AbstractReference):
    """Certainty-equivalent control of `pointmass`, with the plant estimated on the way.

        v' = a v + b tanh(u)
        u = sign(b) (stiffness (target - x) - friction v)

    x, v: position and velocity on one axis.
    u: the output of that axis.
    a, b: the plant of that axis, estimated by recursive least squares over the life so far.

    Args:
        stiffnesses: the options for the stiffness; the validation lives choose a pair.
        frictions: the options for the friction.

    Source: Astrom & Wittenmark 1995.
    """

    stiffnesses: Annotated[tuple[Positive, ...], MinLen(1)] = (8.0, 16.0, 32.0, 64.0, 128.0)
    frictions: Annotated[tuple[Positive, ...], MinLen(1)] = (4.0, 8.0, 16.0, 32.0, 64.0)

    @property
    def note(self) -> str:
        return (
            "adaptive control: estimates each actuator by least squares, "
            "then a tuned linear controller"
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
            away = inputs[:2]
            velocity = inputs[2:]
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
    """Add the last step, which led from the last velocity and push to this velocity."""
    regressors = jnp.stack([known.velocity, known.push], axis=1)
    squares = known.squares + regressors[:, :, None] * regressors[:, None, :]
    products = known.products + regressors * velocity[:, None]
    return replace(known, squares=squares, products=products)


def _estimate(known: _Known) -> Array:
    """(a, b) of each axis [2, 2]."""
    return jax.vmap(jnp.linalg.solve)(known.squares, known.products)
