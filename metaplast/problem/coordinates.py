"""The coordinates in which theta is searched, and the bounds that a search cannot leave."""

import fnmatch
from collections.abc import Iterator
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Theta
from metaplast.spec import Positive, spec


@spec
class Coordinate:
    """The coordinate z in which the numbers of some leaves of theta are searched, one by one.

        none: theta = scale z
        log:  theta = exp(scale z) > 0
        box:  theta = low + (high - low) (1 + tanh(scale z)) / 2

    leaves: a pattern over the paths of theta's leaves, such as `rules/*/log_rate`; `*` also matches
        `/`
    transform: none, log or box
    low, high: the bounds of a box, and of a box alone; floats may round onto them
    scale: the spread of these leaves relative to others

    Members of an evolution strategy start with this standard deviation: scale * std in theta
    (none), scale * std in log theta (log), scale * std * (high - low) / 2 in the middle of a box.
    The learning rate of a gradient is scale times the rate of the others for an optimiser that
    divides by the gradient's size, such as Adam. It is scale^2 times that rate for plain gradient
    descent.

    Raises:
        BadInput: bounds without a box, or a box without both bounds or with low >= high.
    """

    leaves: str = "*"
    transform: Literal["none", "log", "box"] = "none"
    low: float | None = None
    high: float | None = None
    scale: Positive = 1.0

    def __post_init__(self) -> None:
        bounds = [name for name in ("low", "high") if getattr(self, name) is not None]
        if self.transform != "box" and bounds:
            raise BadInput(
                f"{bounds[0]} with transform={self.transform!r}", "no bounds", "set transform: box"
            )
        if self.transform == "box" and (
            self.low is None or self.high is None or self.low >= self.high
        ):
            raise BadInput(
                f"a box from low={self.low} to high={self.high}", "low < high", "give both"
            )

    def decode(self, z: Array) -> Array:
        """The numbers of theta at the coordinates z."""
        z = self.scale * z
        if self.low is not None and self.high is not None:
            half = (self.high - self.low) / 2
            return jnp.clip(self.low + half * (1.0 + jnp.tanh(z)), self.low, self.high)
        return jnp.exp(z) if self.transform == "log" else z

    def encode(self, theta: Array) -> Array:
        """The coordinates z of some numbers of theta."""
        if self.low is not None and self.high is not None:
            z = jnp.arctanh(2.0 * (theta - self.low) / (self.high - self.low) - 1.0)
        else:
            z = jnp.log(theta) if self.transform == "log" else theta
        return z / self.scale

    def check(self, name: str, leaf: str, theta: Any) -> None:
        """Refuse a start that has no coordinate.

        Args:
            name: the name of this coordinate in the space.
            leaf: the path of the leaf.
            theta: the numbers of the leaf at the start.

        Raises:
            BadInput: the numbers are not floats, not positive (log), or not inside the box.
        """
        start = f"space.{name}: {leaf} starts at"
        values = np.asarray(theta)
        if not np.issubdtype(values.dtype, np.floating):
            raise BadInput(
                f"space.{name}: {leaf} of {values.dtype}", "floats", "correct its leaves"
            )
        if self.transform == "log" and not (values > 0).all():
            raise BadInput(
                f"{start} {values.min():g}", "positive numbers for transform: log", "choose another"
            )
        if self.low is not None and self.high is not None:
            outside = values[~((values > self.low) & (values < self.high))]
            if outside.size:
                box = f"a start inside the box, between {self.low:g} and {self.high:g}"
                raise BadInput(
                    f"{start} {outside.flat[0]:g}", box, "widen the box, or start elsewhere"
                )


Space = tuple[tuple[str, Coordinate], ...]
"""Pairs (name, coordinate). Overrides and errors use the name."""


def check(space: Space, theta: Theta) -> None:
    """Refuse a space that cannot be searched from `theta` on.

    Raises:
        BadInput: with the name in the space and the leaf.
    """
    leaves = jax.tree.leaves_with_path(theta)
    for (path, leaf), (name, coordinate) in zip(leaves, _each(space, theta), strict=True):
        if name:
            coordinate.check(name, _path(path), leaf)


def encode(space: Space, theta: Theta) -> Theta:
    """The coordinates z of theta.

    Raises:
        BadInput: a pattern matches no leaf, or a leaf has two coordinates.
    """
    leaves, tree = jax.tree.flatten(theta)
    encoded = []
    for leaf, (name, coordinate) in zip(leaves, _each(space, theta), strict=True):
        encoded.append(coordinate.encode(leaf) if name else leaf)
    return jax.tree.unflatten(tree, encoded)


def decode(space: Space, z: Theta) -> Theta:
    """The theta at coordinates z, which may have a leading member axis. Raises: as `encode`."""
    leaves, tree = jax.tree.flatten(z)
    decoded = []
    for leaf, (name, coordinate) in zip(leaves, _each(space, z), strict=True):
        decoded.append(coordinate.decode(leaf) if name else leaf)
    return jax.tree.unflatten(tree, decoded)


def _each(space: Space, theta: Theta) -> Iterator[tuple[str, Coordinate]]:
    """The pair (name, coordinate) of every leaf in turn; the name is "" for a leaf without one."""
    paths = [_path(path) for path, _ in jax.tree.leaves_with_path(theta)]
    for name, coordinate in space:
        if not any(fnmatch.fnmatchcase(path, coordinate.leaves) for path in paths):
            raise BadInput(
                f"space.{name}: leaves={coordinate.leaves!r}",
                f"one that matches a leaf of theta: {', '.join(paths)}",
                "correct it, or set space: {}",
            )
    for path in paths:
        matches = [pair for pair in space if fnmatch.fnmatchcase(path, pair[1].leaves)]
        if len(matches) > 1:
            both = " and ".join(f"space.{name}" for name, _ in matches)
            raise BadInput(f"{both}: {path}", "one coordinate for a leaf", "narrow their leaves")
        yield matches[0] if matches else ("", Coordinate())


def _path(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
