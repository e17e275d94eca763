"""The common tools of the checks: a verdict with a message, comparisons, work on trees."""

import math
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.signals import Theta

EXACT = 1e-9
"""The relative difference of two ways to the same number, in float64."""

# For small programs that run once or twice: compiling is all their cost, and without optimisation
# it is a third less.
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


class ContractBroken(AssertionError):
    """A plug-in breaks a promise of its kind; the message names the promise and the distance."""


def demand(holds: Any, promise: str) -> None:
    """Raises: ContractBroken with the promise, unless it holds."""
    if not bool(holds):
        raise ContractBroken(promise)


def demand_close(
    actual: Any, expected: Any, promise: str, tolerance: float = EXACT, size: float = 0.0
) -> None:
    """Demand that two trees agree, leaf by leaf: |actual - expected| <= tolerance * size.

    nan agrees with nan alone.

    Args:
        actual: the tree of the plug-in.
        expected: the tree of the independent program.
        promise: the message.
        tolerance: the largest difference, in units of `size`.
        size: a large value of a leaf. 0: the largest |expected| of the leaf, or 1 where all of it
            is 0.

    Raises:
        ContractBroken: with the leaf that is furthest off.
    """
    demand(
        jax.tree.structure(actual) == jax.tree.structure(expected),
        f"{promise}: the trees have the same structure",
    )
    worst = 0.0
    worst_leaf = ""
    leaves = jax.tree_util.tree_flatten_with_path(actual)[0]
    for (path, a), b in zip(leaves, jax.tree.leaves(expected), strict=True):
        name = jax.tree_util.keystr(path)
        off = _distance(np.asarray(a, float), np.asarray(b, float), f"{promise}: {name}", size)
        if off > worst:
            worst = off
            worst_leaf = name
    demand(
        worst <= tolerance,
        f"{promise}: off by {worst:.3g} at {worst_leaf or 'the value'}, allowed {tolerance:.3g}",
    )


def _distance(actual: np.ndarray, expected: np.ndarray, name: str, size: float) -> float:
    """The largest |actual - expected| / size of one leaf; infinite where nan meets a number."""
    demand(
        actual.shape == expected.shape,
        f"{name} has shape {actual.shape}, not {expected.shape}",
    )
    finite = np.abs(expected[np.isfinite(expected)])
    unit = size or finite.max(initial=0.0) or 1.0
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    off = np.where(same, 0.0, np.abs(actual - expected) / unit)
    off = np.where(np.isnan(off), np.inf, off)
    return float(off.max(initial=0.0))


def demand_same_type(before: Any, after: Any, promise: str) -> None:
    """Demand that two trees have the same structure, shapes and dtypes, as the carry of a scan.

    Args:
        before: the tree that goes in, of arrays or of their shapes.
        after: the tree that comes out, likewise.
        promise: the message.

    Raises:
        ContractBroken: with the leaf that differs.
    """
    try:
        chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
    except AssertionError as error:
        raise ContractBroken(f"{promise}: {error}") from None


def like(tree: Theta, rng: np.random.Generator, low: float | None = None) -> Theta:
    """Random leaves with the shapes of `tree`, in NumPy: there is nothing to compile.

    Args:
        tree: a tree of arrays.
        rng: the source of randomness.
        low: None: normal leaves. Otherwise uniform leaves from `low` to low + 1.
    """

    def draw(leaf: Any) -> np.ndarray:
        if low is None:
            return rng.normal(size=leaf.shape).astype(leaf.dtype)
        return (low + rng.random(leaf.shape)).astype(leaf.dtype)

    return jax.tree.map(draw, tree)


def keys(seed: int, *shape: int) -> Array:
    """Distinct random keys of this shape, made without compiling anything."""
    numbers = np.arange(2 * math.prod(shape), dtype=np.uint32).reshape(*shape, 2)
    return jax.random.wrap_key_data(jnp.asarray(numbers + np.uint32(1000 * seed)))


def nudged(tree: Theta, rng: np.random.Generator, size: float = 0.1) -> Theta:
    """The tree plus `size` times normal noise: theta's leaves are in units in which 0.1 matters.

    Args:
        tree: a tree of arrays.
        rng: the source of randomness.
        size: the standard deviation of the noise.
    """
    return jax.tree.map(
        lambda x, noise: (np.asarray(x) + size * noise).astype(x.dtype), tree, like(tree, rng)
    )


def finite_difference(loss: Any, theta: Theta, direction: Theta, step: float = 1e-5) -> float:
    """The slope of loss(theta) along `direction`, by a central difference of this step.

    Args:
        loss: theta -> a number.
        theta: the point.
        direction: a tree like theta.
        step: the length of the step to either side, in units of `direction`.
    """
    ahead = loss(jax.tree.map(lambda t, d: t + step * d, theta, direction))
    behind = loss(jax.tree.map(lambda t, d: t - step * d, theta, direction))
    return float(ahead - behind) / (2 * step)


def demand_gradient(loss: Any, theta: Theta, grad: Theta) -> None:
    """Demand that `grad` is the gradient of loss(theta), and that every leaf of theta matters.

    It is compared with central differences along three directions.

    Args:
        loss: theta -> a number.
        theta: the point.
        grad: the gradient there, a tree like theta.

    Raises:
        ContractBroken: with the leaf without effect, or with the distance.
    """
    length = np.sqrt(inner(grad, grad))
    for path, leaf in jax.tree_util.tree_flatten_with_path(grad)[0]:
        demand(
            np.any(np.asarray(leaf) != 0),
            f"theta{jax.tree_util.keystr(path)} has an effect (its gradient is not zero)",
        )
    for seed in range(3):
        direction = like(theta, np.random.default_rng(seed))
        expected = finite_difference(loss, theta, direction)
        promise = "the gradient with respect to theta equals central differences"
        demand_close(inner(grad, direction), expected, promise, 1e-6, length)


def inner(a: Theta, b: Theta) -> float:
    """The inner product of two trees.

    Args:
        a: a tree of arrays.
        b: a tree of the same shapes.
    """
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    return float(sum(jax.tree.leaves(products), jnp.zeros(())))
