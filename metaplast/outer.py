"""An outer loop: the algorithm that moves theta (outer_loops)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from jax import Array

from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem, same_theta
from metaplast.signals import Key, Metrics, Theta


class AbstractOuterLoop(ABC):
    """The algorithm that moves theta: a frozen spec.

    The numbers that one may sweep leave it through `hyper` as arrays, and act through the state
    alone. A loop around another one passes `check`, `regrown`, `slower`, `front` and `forms` on to
    it.
    """

    @property
    @abstractmethod
    def n_steps(self) -> int:
        """The outer steps of a whole run."""

    @abstractmethod
    def hyper(self) -> dict[str, Array]:
        """Step sizes, widths and the like: scalars [] that change without a new compilation."""

    @abstractmethod
    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        """The outer state before the first step.

        Args:
            problem: the losses and gradients to come.
            theta: the start of the search.
            key: the randomness of the start.
            hyper: the numbers of `hyper`, perhaps with other values.

        Returns:
            A tree of arrays; every leaf is strongly typed.
        """

    @abstractmethod
    def step(self, problem: Problem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        """One outer step.

        Args:
            problem: the losses and gradients of lives.
            state: the outer state before the step.
            batch: the tasks of this step and the keys of their lives.
            key: the randomness of this step: everything that the loop itself draws.

        Returns:
            The state after the step, and metrics. They hold `loss`, `lives`, `diverged`,
            `skipped` and the loop's own.
        """

    @abstractmethod
    def theta(self, state: Any) -> Theta:
        """The current best guess."""

    def check(self, problem: Problem, key: Key) -> None:  # noqa: B027
        """Refuse by name, before anything compiles, a problem that cannot be searched.

        It also logs which settings it adjusts. key: the key from which the first theta is drawn.

        Raises:
            BadInput: with the name of the part that does not fit.
        """

    def regrown(self, state: Any, key: Key) -> Any:
        """The state for the next step, where a search may begin anew or ask for more.

        It is the same object where the search goes on. The call comes on the host after every step,
        outside any compilation. A state of other shapes, one of `forms`, compiles `step` again.

        Args:
            state: the state after a step.
            key: the randomness of a new search.
        """
        return state

    def slower(self, state: Any, factor: float) -> Any:
        """The same state with its next steps `factor` as large.

        A search that got lost begins there again (metaplast/watch.py). A loop without a size of
        step returns the state itself.

        Args:
            state: the state of the search.
            factor: the ratio of the new steps to the old ones, below 1.
        """
        return state

    def front(
        self, problem: Problem, state: Any, at: Callable[[Theta], Theta] = same_theta
    ) -> list[dict[str, Any]]:
        """The rules that a search ends with, where it keeps more than its best guess.

        Each is {`rule`: its text, other names: numbers}, for the page of a run.

        Args:
            problem: the problem of the search.
            state: the last outer state.
            at: the true theta of a theta of the state.
        """
        return []

    def forms(self, state: Any) -> tuple[Any, ...]:
        """Every form that the state may have in a run, as trees of shapes and dtypes.

        A resume accepts a checkpoint of any of them.
        """
        return (state,)


def inner_loops(outer: AbstractOuterLoop) -> list[AbstractOuterLoop]:
    """The outer loops of which a loop is made, in the order of its fields."""
    inner = []
    for name in getattr(outer, "__dataclass_fields__", ()):
        value = getattr(outer, name)
        if isinstance(value, AbstractOuterLoop):
            inner.append(value)
    return inner


def all_loops(outer: AbstractOuterLoop) -> list[AbstractOuterLoop]:
    """A loop and the outer loops of which it is made, at any depth."""
    loops = [outer]
    for inner in inner_loops(outer):
        loops.extend(all_loops(inner))
    return loops


def path_of(outer: AbstractOuterLoop, name: str) -> tuple[str, ...]:
    """The fields that lead to a number of `hyper`; () where none does.

    `std` leads to the loop's own field. `first_std` leads to the field `std` of the loop in the
    field `first`.

    Args:
        outer: the outer loop.
        name: the name of the number in `hyper`.
    """
    names = tuple(getattr(outer, "__dataclass_fields__", ()))
    if name in names:
        return (name,)
    for field in names:
        inner = getattr(outer, field)
        if isinstance(inner, AbstractOuterLoop) and name.startswith(f"{field}_"):
            path = path_of(inner, name.removeprefix(f"{field}_"))
            return (field, *path) if path else ()
    return ()
