"""What the checks share: a verdict with a message, comparisons, and a little work on trees."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.signals import Theta

EXACT = 1e-9  # two ways to the same number, in float64

# Small programs that run once or twice: compiling is all they cost, and without optimisation it
# costs a third less.
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


class ContractBroken(AssertionError):
    """A plug-in does not do what its kind promises; the message says which promise and by how
    much.
    """


def demand(holds: Any, promise: str) -> None:
    """Raises: ContractBroken unless `holds`."""
    if not bool(holds):
        raise ContractBroken(promise)


def demand_close(
    given: Any, expected: Any, promise: str, tolerance: float = EXACT, size: float = 0.0
) -> None:
    """Two trees agree, leaf by leaf: |given - expected| <= tolerance * size; nan only meets nan.

    size: what counts as large; 0 takes the largest |expected| of the leaf (1 where all of it is 0).
    Raises: ContractBroken naming the leaf that is furthest off.
    """
    demand(
        jax.tree.structure(given) == jax.tree.structure(expected),
        f"{promise}: the trees have the same structure",
    )
    worst, where = 0.0, ""
    for (path, a), b in zip(
        jax.tree_util.tree_flatten_with_path(given)[0], jax.tree.leaves(expected), strict=True
    ):
        a, b = np.asarray(a, float), np.asarray(b, float)
        demand(
            a.shape == b.shape,
            f"{promise}: {jax.tree_util.keystr(path)} has shape {a.shape}, not {b.shape}",
        )
        finite = np.abs(b[np.isfinite(b)])
        unit = size or (finite.max() if finite.size else 0.0) or 1.0
        off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b) / unit)
        off = np.where(np.isnan(off), np.inf, off)
        if off.size and off.max() > worst:
            worst, where = float(off.max()), jax.tree_util.keystr(path)
    demand(
        worst <= tolerance,
        f"{promise}: off by {worst:.3g} at {where or 'the value'}, allowed {tolerance:.3g}",
    )


def demand_same_type(before: Any, after: Any, promise: str) -> None:
    """What a scan asks of its carry: same tree, shapes and dtypes (arguments may be shapes or
    arrays).
    """
    demand(
        jax.tree.structure(before) == jax.tree.structure(after),
        f"{promise}: {before} became {after}",
    )
    for (path, a), b in zip(
        jax.tree_util.tree_flatten_with_path(before)[0], jax.tree.leaves(after), strict=True
    ):
        same = a.shape == b.shape and a.dtype == b.dtype
        name = jax.tree_util.keystr(path)
        demand(same, f"{promise}: {name} was {a.dtype}{a.shape}, is {b.dtype}{b.shape}")


def like(tree: Theta, rng: np.random.Generator, low: float | None = None) -> Theta:
    """Random leaves of the shapes of `tree`: normal, or uniform from `low` to low + 1 (NumPy:
    nothing to compile).
    """
    draw = lambda leaf: rng.normal(size=leaf.shape) if low is None else low + rng.random(leaf.shape)
    return jax.tree.map(lambda leaf: draw(leaf).astype(leaf.dtype), tree)


def keys(seed: int, *shape: int) -> Array:
    """Distinct random keys, made without compiling anything."""
    numbers = np.arange(2 * math.prod(shape), dtype=np.uint32).reshape(*shape, 2)
    return jax.random.wrap_key_data(jnp.asarray(numbers + np.uint32(1000 * seed)))


def nudged(tree: Theta, rng: np.random.Generator, size: float = 0.1) -> Theta:
    """The tree plus normal noise: theta's leaves are in units in which 0.1 matters."""
    return jax.tree.map(
        lambda x, noise: (np.asarray(x) + size * noise).astype(x.dtype), tree, like(tree, rng)
    )


def finite_difference(loss: Any, theta: Theta, direction: Theta, step: float = 1e-5) -> float:
    """Central difference of loss(theta) along `direction`, divided by the step."""
    ahead = loss(jax.tree.map(lambda t, d: t + step * d, theta, direction))
    behind = loss(jax.tree.map(lambda t, d: t - step * d, theta, direction))
    return float(ahead - behind) / (2 * step)


def demand_gradient(loss: Any, theta: Theta, grad: Theta) -> None:
    """`grad` is the gradient of loss(theta), by central differences along three directions; every
    leaf of it counts.

    Raises: ContractBroken.
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
        promise = "the gradient with respect to theta is that of central differences"
        demand_close(inner(grad, direction), expected, promise, 1e-6, length)


def inner(a: Theta, b: Theta) -> float:
    return float(
        sum(
            (jnp.sum(x * y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)),
            jnp.zeros(()),
        )
    )
