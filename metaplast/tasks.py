"""A task family: a distribution over lives (inner_tasks)."""

import math
from abc import ABC, abstractmethod
from typing import Any, Literal

from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, TaskShape

Split = Literal["train", "validation", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "validation", "heldout")


class AbstractTaskFamily(ABC):
    """A distribution over lives.

    A task and its state are trees of arrays (pytrees) of one life: a family never sees a batch.
    """

    @abstractmethod
    def shape(self) -> TaskShape:
        """The sizes, the phases, and the fields of the feedback."""

    @abstractmethod
    def sample(self, key: Key, split: Split) -> Any:
        """One task.

        The three splits share no class, image or seed that could leak.
        """

    def whole(self, split: Split) -> Any:
        """All tasks of a split, stacked (NumPy); None where tasks are drawn.

        It is for tasks that are few and fixed, such as recordings. They are then taken once each,
        in order, or drawn without replacement.
        """
        return None

    def n_kinds(self, split: Split) -> int | None:
        """The number of kinds of tasks in a split; None where it is not finite, or not known.

        A kind is what a life has to learn, such as which digits belong together. Tasks of one kind
        differ in the rest that is drawn, such as images and their order. `sample` draws every kind
        with the same probability.

        Args:
            split: the split.
        """
        return None

    def sample_kind(self, key: Key, split: Split, kind: Array) -> Any:
        """One task of a kind, of the form that `sample` gives.

        Args:
            key: draws everything but the kind.
            split: the split.
            kind []: its number, from 0 to n_kinds(split) - 1.

        Raises: BadInput for a family whose kinds have no numbers.
        """
        raise BadInput(
            f"a kind of {type(self).__name__}", "a family with n_kinds", "draw tasks with sample"
        )

    def bits_task(self, split: Split) -> float:
        """log2 n_kinds: the bits that tell of what kind a task is.

        It is infinite where the number of kinds is not finite, or not known.

        Args:
            split: the split.
        """
        n_kinds = self.n_kinds(split)
        if n_kinds is None:
            return math.inf
        return math.log2(n_kinds)

    def files(self) -> dict[str, str]:
        """{name: SHA-256} of the files of data behind the tasks; {} where no file is read."""
        return {}

    def halved(self) -> "AbstractTaskFamily | None":
        """The same tasks over the same seconds at half of dt: twice the steps.

        None where a step is an event (an image, a choice, a row of a recording): it has no half.
        """
        return None

    def chance(self) -> float | None:
        """The expected metric `accuracy` of answers by lot; None where it is not known.

        It is known for a task of equally likely classes (`TaskShape.classes`).
        """
        shape = self.shape()
        return 1.0 / shape.n_out if shape.classes else None

    @abstractmethod
    def begin(self, task: Any, key: Key, dt: float) -> Any:
        """The state of the task at the birth of a life. dt: seconds per step."""

    @abstractmethod
    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        """The input of every input population [n] in this step. dt: seconds per step."""

    @abstractmethod
    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        """The answer of the task to the network's output.

        Args:
            task: the task, from `sample`.
            state: the state of the task before the step.
            output: the output population. The populations that the task watches
                (`TaskShape.watched`) come first in every field.
            key: the randomness of this step.
            dt: seconds per step.

        Returns:
            (state after the step, outcome: the feedback and the score of the step).
        """


def some_task(family: AbstractTaskFamily, key: Key) -> Any:
    """A task of the first split that the family can serve.

    The tasks of all splits have one shape.

    Raises:
        BadInput: the family can serve no split. The error is the one of the first split.
    """
    refusals = []
    for split in SPLITS:
        try:
            return family.sample(key, split)
        except BadInput as error:
            refusals.append(error)
    raise refusals[0]
