"""The deep workload as one flat JAX script, with every trick of the trade and no abstraction."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

BETA = 10.0
BOUND = 10.0

Matrices = tuple[Array, ...]
Products = tuple[list[Array], list[Array]]  # the factors of every layer's change: (post, pre)
Forward = tuple[Array, Products]
Back = tuple[Matrices, Matrices, Array]


class Work(NamedTuple):
    """One life.

    weights: the first weights of every layer [n_post, n_pre].
    back: the matrices that carry errors back, of the same shapes.
    inputs [T, n_in]: the stimuli.
    targets [T, n_out]: the desired outputs.
    """

    weights: Matrices
    back: Matrices
    inputs: Array
    targets: Array


class Sides(NamedTuple):
    """The signals at both sides of every layer in one step.

    activity: from the input to the output.
    error: the credit of the same populations.
    """

    activity: list[Array]
    error: list[Array]


def signals(weights: Matrices, back: Matrices, x: Array, target: Array) -> tuple[Sides, Array]:
    """(The signals of one step, its loss [])."""
    activity = [x]
    gains = [jnp.ones_like(x)]
    for w in weights[:-1]:
        scaled = BETA * (w @ activity[-1])
        activity.append(jax.nn.softplus(scaled) / BETA)
        gains.append(jax.nn.sigmoid(scaled))
    y = weights[-1] @ activity[-1]
    errors = [y - target]
    for b, gain in zip(reversed(back), reversed(gains), strict=True):
        errors.append(gain * (errors[-1] @ b))
    loss = 0.5 * jnp.mean((y - target) ** 2)
    return Sides([*activity, y], errors[::-1]), loss


def with_oja(theta: Array, weights: Matrices, sides: Sides) -> Matrices:
    """The weights after theta_0 e x + theta_1 e e_pre + theta_2 (y x - y^2 w)."""
    after = []
    for k, w in enumerate(weights):
        x, y = sides.activity[k], sides.activity[k + 1]
        e_pre, e = sides.error[k], sides.error[k + 1]
        of_pre = theta[0] * e + theta[2] * y
        change = of_pre[:, None] * x[None, :] + (theta[1] * e)[:, None] * e_pre[None, :]
        change = change - (theta[2] * y * y)[:, None] * w
        after.append(jnp.clip(w + change, -BOUND, BOUND))
    return tuple(after)


def gradient_with_oja(theta: Array, work: Work) -> tuple[Array, Array]:
    """(Loss [], gradient): steps are recomputed in segments of about sqrt(T)."""
    n_steps = len(work.inputs)
    divisors = [d for d in range(1, n_steps + 1) if n_steps % d == 0]
    length = min(divisors, key=lambda d: abs(math.log(d * d / n_steps)))

    def loss_of(theta: Array) -> Array:
        @partial(jax.checkpoint, prevent_cse=False)
        def body(weights: Matrices, shown: tuple[Array, Array]) -> tuple[Matrices, Array]:
            sides, loss = signals(weights, work.back, *shown)
            return with_oja(theta, weights, sides), loss

        @partial(jax.checkpoint, prevent_cse=False)
        def segment(weights: Matrices, shown: tuple[Array, Array]) -> tuple[Matrices, Array]:
            return lax.scan(body, weights, shown)

        def cut(values: Array) -> Array:
            return values.reshape(-1, length, values.shape[1])

        shown = (cut(work.inputs), cut(work.targets))
        return jnp.mean(lax.scan(segment, work.weights, shown)[1])

    return jax.value_and_grad(loss_of)(theta)


def gradient_of_products(theta: Array, work: Work) -> tuple[Array, Array]:
    """(Loss [], gradient) of w <- w + theta_0 e x, by roll-back: no weight is stored.

    The bounds are left out: the workload stays within them.
    """
    n_steps = len(work.inputs)

    def forward(weights: Matrices, shown: tuple[Array, Array]) -> tuple[Matrices, Forward]:
        sides, loss = signals(weights, work.back, *shown)
        posts = sides.error[1:]
        pres = sides.activity[:-1]
        after = []
        for w, e, x in zip(weights, posts, pres, strict=True):
            after.append(w + (theta[0] * e)[:, None] * x[None, :])
        return tuple(after), (loss, (posts, pres))

    shown = (work.inputs, work.targets)
    last, (losses, products) = lax.scan(forward, work.weights, shown)

    def backward(carry: Back, step: tuple[tuple[Array, Array], Products]) -> tuple[Back, None]:
        weights, slopes, slope_of_theta = carry
        shown, (posts, pres) = step
        before = []
        of_posts = []
        of_pres = []
        for w, g, e, x in zip(weights, slopes, posts, pres, strict=True):
            before.append(w - (theta[0] * e)[:, None] * x[None, :])
            along = g @ x
            slope_of_theta = slope_of_theta + along @ e
            of_posts.append(theta[0] * along)
            of_pres.append(theta[0] * (e @ g))

        def of_weights(weights: Matrices) -> tuple[list[Array], list[Array], Array]:
            sides, loss = signals(weights, work.back, *shown)
            return sides.error[1:], sides.activity[:-1], loss / n_steps

        _, pull_back = jax.vjp(of_weights, tuple(before))
        (through,) = pull_back((of_posts, of_pres, jnp.ones(())))
        slopes = tuple(g + h for g, h in zip(slopes, through, strict=True))
        return (tuple(before), slopes, slope_of_theta), None

    nothing = jax.tree.map(jnp.zeros_like, last)
    start = (last, nothing, jnp.zeros(()))
    (_, _, slope), _ = lax.scan(backward, start, (shown, products), reverse=True)
    return jnp.mean(losses), slope[None]


Gradient = Callable[[Array, Work], tuple[Array, Array]]
GRADIENTS: dict[str, Gradient] = {
    "with oja": gradient_with_oja,
    "without w": gradient_of_products,
}
