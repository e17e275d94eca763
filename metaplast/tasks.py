"""A task family: a distribution over lives (inner_tasks)."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, TaskShape

Split = Literal["train", "validation", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")


class AbstractTaskFamily(ABC):
    """A distribution over lives. A task and its state are pytrees of one life: no batch is seen."""

    @abstractmethod
    def shape(self) -> TaskShape:
        """Sizes, phases and the fields of the feedback."""

    @abstractmethod
    def sample(self, key: Key, split: Split) -> Any:
        """One task. The three splits share no class, image or seed that could leak."""

    def whole(self, split: Split) -> Any:
        """All tasks of a split, stacked (NumPy); None where tasks are drawn.

        For tasks that are few and fixed, such as recordings. They are taken once each, in order, or
        drawn without replacement.
        """
        return None

    def halved(self) -> "AbstractTaskFamily | None":
        """The same tasks over the same seconds at half of dt: twice the steps.

        None where a step is an event (an image, a choice, a row of a recording): it has no half.
        """
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
        """Answer the network.

        Args:
            task: the task.
            state: the task's state.
            output: the units that the task watches (`TaskShape.watched`), then the output.
            key: for what is drawn.
            dt: seconds per step.

        Returns: (the next state, the feedback and the score of the step).
        """


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
