"""What the two sibling packages implement: task families (inner_tasks) and outer loops (outer_loops)."""

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, Theta

if TYPE_CHECKING:
    from metaplast.problem import Batch, MetaProblem

Split = Literal["train", "validation", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")
Metrics = dict[str, Array]


class AbstractTaskFamily(ABC):
    """A distribution over lives. A task and its state are pytrees; batching is never visible here."""

    @abstractmethod
    def shape(self) -> TaskShape:
        """Sizes, phases and what the feedback holds."""

    @abstractmethod
    def sample(self, key: Key, split: Split) -> Any:
        """One task. The three splits share no class, image or seed that could leak."""

    def whole(self, split: Split) -> Any:
        """All the tasks of a split, stacked (NumPy), where they are few and fixed, such as recordings; None where tasks
        are drawn. They are then taken once each, in order, or drawn without replacement."""
        return None

    def halved(self) -> "AbstractTaskFamily | None":
        """The same tasks over the same seconds where dt is half as long: twice the steps. None, as here, where a step
        is an event (an image, a choice, a row of a recording), which has no half."""
        return None

    @abstractmethod
    def begin(self, task: Any, key: Key, dt: float) -> Any:
        """The task's state at the birth of a life."""

    @abstractmethod
    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        """The input of every input population [n] in this step."""

    @abstractmethod
    def step(self, task: Any, state: Any, output: NeuronView, key: Key, dt: float) -> tuple[Any, Outcome]:
        """Answer the network's output, behind what the task watches (`TaskShape.watched`): (state, outcome)."""


def some_task(family: AbstractTaskFamily, key: Key) -> Any:
    """A task of the first split that the family can serve; those of all splits have one shape.

    Raises: BadInput, the first split's, where it can serve none.
    """
    refused = []
    for split in SPLITS:
        try:
            return family.sample(key, split)
        except BadInput as error:
            refused.append(error)
    raise refused[0]


class AbstractOuterLoop(ABC):
    """The algorithm that moves theta. A frozen spec: numbers one may sweep leave through `hyper` as arrays."""

    @property
    @abstractmethod
    def n_steps(self) -> int:
        """Outer steps of a whole run."""

    @abstractmethod
    def hyper(self) -> dict[str, Array]:
        """Step sizes, widths ...: scalars that change without a new compilation."""

    @abstractmethod
    def init(self, problem: "MetaProblem", theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        """The outer state; every leaf strongly typed."""

    @abstractmethod
    def step(self, problem: "MetaProblem", state: Any, batch: "Batch", key: Key) -> tuple[Any, Metrics]:
        """One outer step: (state, metrics). Metrics hold `loss`, `lives`, `diverged`, `skipped`."""

    @abstractmethod
    def theta(self, state: Any) -> Theta:
        """The current best guess."""

    # A loop that wraps another one hands the four below on to it.

    def check(self, problem: "MetaProblem", key: Key) -> None:  # noqa: B027
        """Refuse, by name and before anything compiles, what cannot be searched; say what is adjusted. key: theta's.
        Raises: BadInput."""

    def regrown(self, state: Any, key: Key) -> Any:
        """The state for the next step where a search begins anew with other shapes; the same object where it goes on.

        Called on the host after every step, outside any compilation: a state of other shapes compiles `step` again."""
        return state

    def slower(self, state: Any, factor: float) -> Any:
        """The same state with its next steps `factor` as large: a search that got lost begins there again
        (metaplast/watch.py). A loop without a size of step gives the state itself."""
        return state

    def forms(self, state: Any) -> tuple[Any, ...]:
        """What the state may look like in a run, as trees of shapes and dtypes: what a resume may find on the disk."""
        return (state,)


def path_of(outer: AbstractOuterLoop, name: str) -> tuple[str, ...]:
    """The fields that lead to a number of `hyper`: `std` is its own, `first_std` that of the loop in the field `first`.
    () where none does."""
    inner = {field.name: getattr(outer, field.name) for field in fields(outer)}  # pyright: ignore[reportArgumentType]
    if name in inner:
        return (name,)
    for key, loop in inner.items():
        if isinstance(loop, AbstractOuterLoop) and name.startswith(f"{key}_"):
            path = path_of(loop, name.removeprefix(f"{key}_"))
            return (key, *path) if path else ()
    return ()
