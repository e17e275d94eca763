"""A task family: a distribution over lives (inner_tasks)."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, TaskShape

Split = Literal["train", "validation", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")


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
    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
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
