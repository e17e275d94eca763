"""An outer loop: the algorithm that moves theta (outer_loops)."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any

from jax import Array

from metaplast.problem import Batch, MetaProblem
from metaplast.signals import Key, Metrics, Theta


class AbstractOuterLoop(ABC):
    """The algorithm that moves theta: a frozen spec.

    Numbers that one may sweep leave through `hyper` as arrays. A loop that wraps another one hands
    `check`, `regrown`, `slower` and `forms` on to it.
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
        """The outer state before the first step. Every leaf is strongly typed."""

    @abstractmethod
    def step(self, problem: MetaProblem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        """One outer step.

        Args:
            problem: gives losses and gradients of theta.
            state: the outer state.
            batch: the tasks and the keys of their lives.
            key: for what the loop draws itself.

        Returns: (the next state, metrics: `loss`, `lives`, `diverged`, `skipped` and others).
        """

    @abstractmethod
    def theta(self, state: Any) -> Theta:
        """The current best guess."""

    def check(self, problem: MetaProblem, key: Key) -> None:  # noqa: B027
        """Refuse by name, before anything compiles, a problem that cannot be searched.

        Says which settings are adjusted. key: that of the first theta. Raises: BadInput.
        """

    def regrown(self, state: Any, key: Key) -> Any:
        """The state for the next step where a search begins anew with other shapes.

        The same object where the search goes on. Called on the host after every step, outside any
        compilation: a state of other shapes compiles `step` again.
        """
        return state

    def slower(self, state: Any, factor: float) -> Any:
        """The same state with its next steps `factor` as large.

        A search that got lost begins there again (metaplast/watch.py). A loop without a size of
        step gives the state itself.
        """
        return state

    def forms(self, state: Any) -> tuple[Any, ...]:
        """Every form that the state may have in a run, as trees of shapes and dtypes.

        A resume accepts a checkpoint of any of them.
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
