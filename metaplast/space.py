"""The search space: the coordinates in which an outer loop sees theta, and the bounds it cannot
leave.
"""

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.life.lifetime import Lifetime
from metaplast.objectives.base import AbstractObjective
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, Births, Lives, MetaProblem, Window
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, TaskShape, Theta
from metaplast.spec import Positive, spec
from metaplast.tasks import Split


@spec
class Coordinate:
    """The coordinate z in which the numbers theta of some leaves are searched, element by element:

        none: theta = scale z;  log: theta = exp(scale z) > 0;  box:
            theta = low + (high - low) (1 + tanh(scale z)) / 2

    leaves: a pattern over the paths of theta's leaves, such as `rules/*/log_rate` (`*` also matches
    `/`). scale: the spread of these leaves relative to others: members of an evolution strategy
    start with the standard deviation scale * std in theta (none) and in log theta (log), scale *
    std * (high - low) / 2 in the middle of a box; the learning rate of a gradient is scale times
    that of the others for an optimiser that divides by the gradient's size, such as Adam, and
    scale^2 times for plain gradient descent.
    low, high: of a box alone; floats may round onto them.
    Raises: BadInput for bounds without a box, and for a box without both or with low >= high.
    """

    leaves: str = "*"
    transform: Literal["none", "log", "box"] = "none"
    low: float | None = None
    high: float | None = None
    scale: Positive = 1.0

    def __post_init__(self) -> None:
        given = [name for name in ("low", "high") if getattr(self, name) is not None]
        if self.transform != "box" and given:
            raise BadInput(
                f"{given[0]} with transform={self.transform!r}", "no bounds", "set transform: box"
            )
        if self.transform == "box" and (
            self.low is None or self.high is None or self.low >= self.high
        ):
            raise BadInput(
                f"a box from low={self.low} to high={self.high}", "low < high", "give both"
            )

    def decode(self, z: Array) -> Array:
        z = self.scale * z
        if self.low is not None and self.high is not None:
            half = (self.high - self.low) / 2
            return jnp.clip(self.low + half * (1.0 + jnp.tanh(z)), self.low, self.high)
        return jnp.exp(z) if self.transform == "log" else z

    def encode(self, theta: Array) -> Array:
        if self.low is not None and self.high is not None:
            z = jnp.arctanh(2.0 * (theta - self.low) / (self.high - self.low) - 1.0)
        else:
            z = jnp.log(theta) if self.transform == "log" else theta
        return z / self.scale

    def check(self, name: str, leaf: str, theta: Any) -> None:
        """Refuse a start that has no coordinate. Raises: BadInput."""
        given, values = f"space.{name}: {leaf} starts at", np.asarray(theta)
        if not np.issubdtype(values.dtype, np.floating):
            raise BadInput(
                f"space.{name}: {leaf} of {values.dtype}", "floats", "correct its leaves"
            )
        if self.transform == "log" and not (values > 0).all():
            raise BadInput(
                f"{given} {values.min():g}", "positive numbers for transform: log", "choose another"
            )
        if self.low is not None and self.high is not None:
            outside = values[~((values > self.low) & (values < self.high))]
            if outside.size:
                box = f"a start inside the box, between {self.low:g} and {self.high:g}"
                raise BadInput(
                    f"{given} {outside.flat[0]:g}", box, "widen the box, or start elsewhere"
                )


Space = tuple[
    tuple[str, Coordinate], ...
]  # name -> coordinate; a name is what overrides and errors go by


def check(space: Space, theta: Theta) -> None:
    """Refuse what cannot be searched from `theta` on. Raises: BadInput, with the name in the space
    and the leaf.
    """
    for (path, leaf), (name, own) in zip(
        jax.tree.leaves_with_path(theta), _each(space, theta), strict=True
    ):
        if name:
            own.check(name, _path(path), leaf)


def encode(space: Space, theta: Theta) -> Theta:
    """The coordinates z of theta. Raises: BadInput for a pattern that matches no leaf, and for a
    leaf with two.
    """
    leaves, tree = jax.tree.flatten(theta)
    found = zip(leaves, _each(space, theta), strict=True)
    return jax.tree.unflatten(
        tree, [own.encode(leaf) if name else leaf for leaf, (name, own) in found]
    )


def decode(space: Space, z: Theta) -> Theta:
    """The theta at coordinates z, which may have a leading member axis. Raises: as `encode`."""
    leaves, tree = jax.tree.flatten(z)
    found = zip(leaves, _each(space, z), strict=True)
    return jax.tree.unflatten(
        tree, [own.decode(leaf) if name else leaf for leaf, (name, own) in found]
    )


def _each(space: Space, theta: Theta) -> Iterator[tuple[str, Coordinate]]:
    """(name, coordinate) for every leaf in turn; ("", none) for a leaf that is searched as it
    is.
    """
    paths = [_path(path) for path, _ in jax.tree.leaves_with_path(theta)]
    for name, coordinate in space:
        if not any(fnmatch.fnmatchcase(path, coordinate.leaves) for path in paths):
            leaves = f"one that matches a leaf of theta: {', '.join(paths)}"
            raise BadInput(
                f"space.{name}: leaves={coordinate.leaves!r}",
                leaves,
                "correct it, or set space: {}",
            )
    for path in paths:
        found = [pair for pair in space if fnmatch.fnmatchcase(path, pair[1].leaves)]
        if len(found) > 1:
            both = " and ".join(f"space.{name}" for name, _ in found)
            raise BadInput(f"{both}: {path}", "one coordinate for a leaf", "narrow their leaves")
        yield found[0] if found else ("", Coordinate())


def _path(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


@dataclass(frozen=True)
class Seen:
    """A problem as it looks in the coordinates of a space: where it takes a theta, this takes z."""

    problem: MetaProblem
    space: Space

    @property
    def lifetime(self) -> Lifetime:
        return self.problem.lifetime

    @property
    def objective(self) -> AbstractObjective:
        return self.problem.objective

    @property
    def n_tasks(self) -> int:
        return self.problem.n_tasks

    @property
    def n_devices(self) -> int:
        return self.problem.n_devices

    def shape(self) -> TaskShape:
        return self.problem.shape()

    def whole(self) -> "Seen":
        return Seen(self.problem.whole(), self.space)

    def init(self, key: Key) -> Theta:
        return encode(self.space, self.problem.init(key))

    def sample(self, key: Key, n: int, split: Split) -> Batch:
        return self.problem.sample(key, n, split)

    def losses(
        self,
        thetas: Any,
        batch: Batch,
        share: int | None = None,
        unravel: Callable[[Any], Theta] = lambda theta: theta,
    ) -> tuple[Array, Metrics]:
        return self.problem.losses(thetas, batch, share, lambda z: decode(self.space, unravel(z)))

    def value_and_grad(
        self, theta: Theta, batch: Batch, tangents: int = 0
    ) -> tuple[Array, Theta, Metrics]:
        """d loss / d z = d loss / d theta * d theta / d z: a life's gradient is clipped before, in
        theta.
        """
        here, back = jax.vjp(lambda z: decode(self.space, z), theta)
        loss, grad, metrics = self.problem.value_and_grad(here, batch, tangents)
        return loss, back(grad)[0], metrics

    def begin(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        return self.problem.begin(decode(self.space, thetas), batch, share)

    def unborn(self, thetas: Theta, batch: Batch, share: int | None = None) -> Lives:
        return self.problem.unborn(decode(self.space, thetas), batch, share)

    def advance(self, thetas: Theta, lives: Lives, n_steps: int) -> tuple[Lives, Window]:
        return self.problem.advance(decode(self.space, thetas), lives, n_steps)

    def window_losses(
        self, thetas: Theta, lives: Lives, births: Births, n_steps: int
    ) -> tuple[Lives, Metrics]:
        return self.problem.window_losses(decode(self.space, thetas), lives, births, n_steps)

    def window_gradient(self, theta: Theta, lives: Lives, births: Births, n_steps: int) -> Any:
        here, back = jax.vjp(lambda z: decode(self.space, z), theta)
        lives, (grad, *told) = self.problem.window_gradient(here, lives, births, n_steps)
        return lives, (back(grad)[0], *told)


def within(outer: AbstractOuterLoop, space: Space) -> AbstractOuterLoop:
    """The outer loop, searching in the coordinates of `space`; the very same one where that is
    empty.
    """
    return Within(outer, space) if space else outer


@dataclass(frozen=True)
class Within(AbstractOuterLoop):
    """An outer loop that sees a problem in the coordinates of a space and knows nothing of it.

    Its state holds coordinates; what it is given and what `theta` gives are true thetas, inside all
    bounds. Of its metrics, those of theta's own size (`mean_norm`, `std`, `grad_norm`) are of the
    coordinates.
    """

    outer: AbstractOuterLoop
    space: Space

    @property
    def n_steps(self) -> int:
        return self.outer.n_steps

    def hyper(self) -> dict[str, Array]:
        return self.outer.hyper()

    def check(self, problem: MetaProblem, key: Key) -> None:
        check(self.space, problem.init(key))
        self.outer.check(self._seen(problem), key)

    def init(self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        return self.outer.init(self._seen(problem), encode(self.space, theta), key, hyper)

    def step(self, problem: MetaProblem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        return self.outer.step(self._seen(problem), state, batch, key)

    def theta(self, state: Any) -> Theta:
        return decode(self.space, self.outer.theta(state))

    def regrown(self, state: Any, key: Key) -> Any:
        return self.outer.regrown(state, key)

    def slower(self, state: Any, factor: float) -> Any:
        return self.outer.slower(state, factor)

    def forms(self, state: Any) -> tuple[Any, ...]:
        return self.outer.forms(state)

    def _seen(self, problem: MetaProblem) -> Any:
        return Seen(problem, self.space)
