"""An outer loop that searches in the coordinates of a space (metaplast/problem/coordinates.py)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jax import Array

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.coordinates import Coordinate, Space, check, decode, encode
from metaplast.problem.held import Held, HeldProblem, filled, without
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem, same_theta
from metaplast.problem.searched import SearchedProblem
from metaplast.signals import Key, Metrics, Theta

__all__ = [
    "Coordinate",
    "SearchedOuterLoop",
    "SearchedProblem",
    "Space",
    "check",
    "coordinates",
    "decode",
    "encode",
    "searched",
    "theta_at",
    "within",
]


def coordinates(space: Space, held: Held, theta: Theta) -> Theta:
    """The coordinates z of the leaves of theta that a search moves."""
    return encode(space, without(held, theta))


def theta_at(space: Space, held: Held, z: Theta) -> Theta:
    """The whole theta at the coordinates z: the inverse of `coordinates`."""
    return filled(held, decode(space, z))


def searched(problem: Problem, space: Space, held: Held) -> SearchedProblem:
    """A problem in the coordinates of the leaves that a search moves."""
    if held:
        problem = HeldProblem(problem, held)
    return SearchedProblem(problem, space)


def within(outer: AbstractOuterLoop, space: Space, held: Held = ()) -> AbstractOuterLoop:
    """The outer loop, searching in the coordinates of `space`.

    Where the space is empty and nothing is held, this is `outer` itself.

    Args:
        outer: the outer loop.
        space: the coordinates of theta.
        held: leaves of theta that the search does not move.
    """
    return SearchedOuterLoop(outer, space, held) if space or held else outer


@dataclass(frozen=True)
class SearchedOuterLoop(AbstractOuterLoop):
    """An outer loop around `outer`, which sees every problem in the coordinates of a space.

    outer: the inner loop; it does not know the space
    space: the coordinates
    held: leaves of theta that have no coordinate, because the search does not move them

    The state holds coordinates. The arguments `theta` and the results of `theta` are true thetas,
    inside all bounds. The metrics of theta's own size (`mean_norm`, `std`, `grad_norm`) are sizes
    of the coordinates.
    """

    outer: AbstractOuterLoop
    space: Space
    held: Held = ()

    @property
    def n_steps(self) -> int:
        return self.outer.n_steps

    def hyper(self) -> dict[str, Array]:
        return self.outer.hyper()

    def check(self, problem: Problem, key: Key) -> None:
        check(self.space, without(self.held, problem.init(key)))
        self.outer.check(self._searched(problem), key)

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        z = coordinates(self.space, self.held, theta)
        return self.outer.init(self._searched(problem), z, key, hyper)

    def step(self, problem: Problem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        return self.outer.step(self._searched(problem), state, batch, key)

    def theta(self, state: Any) -> Theta:
        return theta_at(self.space, self.held, self.outer.theta(state))

    def regrown(self, state: Any, key: Key) -> Any:
        return self.outer.regrown(state, key)

    def slower(self, state: Any, factor: float) -> Any:
        return self.outer.slower(state, factor)

    def front(
        self, problem: Problem, state: Any, at: Callable[[Theta], Theta] = same_theta
    ) -> list[dict[str, Any]]:
        true = lambda z: at(theta_at(self.space, self.held, z))
        return self.outer.front(self._searched(problem), state, true)

    def forms(self, state: Any) -> tuple[Any, ...]:
        return self.outer.forms(state)

    def _searched(self, problem: Problem) -> SearchedProblem:
        return searched(problem, self.space, self.held)
