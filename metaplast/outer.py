"""An outer loop: the algorithm that moves theta (outer_loops)."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any

from jax import Array

from metaplast.problem import Batch, MetaProblem
from metaplast.signals import Key, Metrics, Theta


class AbstractOuterLoop(ABC):
    """The algorithm that moves theta. A frozen spec: numbers one may sweep leave through `hyper` as
    arrays.
    """

    @property
    @abstractmethod
    def n_steps(self) -> int:
        """Outer steps of a whole run."""

    @abstractmethod
    def hyper(self) -> dict[str, Array]:
        """Step sizes, widths ...: scalars that change without a new compilation."""

    @abstractmethod
    def init(self, problem: MetaProblem, theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        """The outer state; every leaf strongly typed."""

    @abstractmethod
    def step(self, problem: MetaProblem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        """One outer step: (state, metrics). Metrics hold `loss`, `lives`, `diverged`, `skipped`."""

    @abstractmethod
    def theta(self, state: Any) -> Theta:
        """The current best guess."""

    # A loop that wraps another one hands the four below on to it.

    def check(self, problem: MetaProblem, key: Key) -> None:  # noqa: B027
        """Refuse, by name and before anything compiles, what cannot be searched; say what is
        adjusted. key: theta's.
        Raises: BadInput."""

    def regrown(self, state: Any, key: Key) -> Any:
        """The state for the next step where a search begins anew with other shapes; the same object
        where it goes on.

        Called on the host after every step, outside any compilation: a state of other shapes
        compiles `step` again.
        """
        return state

    def slower(self, state: Any, factor: float) -> Any:
        """The same state with its next steps `factor` as large: a search that got lost begins there
        again (metaplast/watch.py). A loop without a size of step gives the state itself."""
        return state

    def forms(self, state: Any) -> tuple[Any, ...]:
        """What the state may look like in a run, as trees of shapes and dtypes: what a resume may
        find on the disk.
        """
        return (state,)


def path_of(outer: AbstractOuterLoop, name: str) -> tuple[str, ...]:
    """The fields that lead to a number of `hyper`: `std` is its own, `first_std` that of the loop
    in the field `first`. () where none does."""
    inner = {field.name: getattr(outer, field.name) for field in fields(outer)}  # pyright: ignore[reportArgumentType]
    if name in inner:
        return (name,)
    for key, loop in inner.items():
        if isinstance(loop, AbstractOuterLoop) and name.startswith(f"{key}_"):
            path = path_of(loop, name.removeprefix(f"{key}_"))
            return (key, *path) if path else ()
    return ()
