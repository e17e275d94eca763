"""References: competitors from outside that are judged beside the trained rows.

They are no networks and not local.
"""

from abc import ABC, abstractmethod
from typing import Any

from jax import Array

from metaplast.references._life import Stream, scored, watched
from metaplast.registry import BadInput, name_of
from metaplast.signals import Key
from metaplast.tasks import AbstractTaskFamily

Numbers = dict[str, float]
DROP = "drop it: evaluation.references={} or .NAME=null"


class AbstractReference(ABC):
    """A method that lives the same lives as the rows of a table, without an outer loop.

    It sees all signals of a life (stimuli, targets, which steps are for learning). It may keep and
    compute anything. Its own numbers are chosen among `options`, on validation lives alone.
    """

    @property
    @abstractmethod
    def note(self) -> str:
        """The method in a few words, for the notes of the table."""

    @abstractmethod
    def check(self, family: AbstractTaskFamily) -> None:
        """Refuse, by name and before anything compiles, a task that the method cannot do.

        Raises:
            BadInput: for such a task.
        """

    @abstractmethod
    def options(self) -> tuple[Numbers, ...]:
        """The numbers that the validation lives choose among; all with the same keys."""

    @abstractmethod
    def judge(
        self, family: AbstractTaskFamily, task: Any, key: Key, dt: float, numbers: Any
    ) -> dict[str, Array]:
        """The scores [] of one life, named as those of a row.

        They are the task's own metrics, and `loss` where it means the same. Batching is never
        visible here.

        Args:
            family: the family of tasks.
            task: one of its tasks.
            key: the key of the life.
            dt: seconds per step.
            numbers: one of `options`.
        """


class StreamReference(AbstractReference):
    """A method that learns from a stream of examples and answers in the last phase of a life."""

    @abstractmethod
    def answers(self, stream: Stream, numbers: Any) -> Array:
        """The answers at each step of the last phase [n_asked, n_out].

        For classes the largest answer counts.

        Args:
            stream: the signals that the life shows.
            numbers: one of `options`.
        """

    def judge(
        self, family: AbstractTaskFamily, task: Any, key: Key, dt: float, numbers: Any
    ) -> dict[str, Array]:
        stream = watched(family, task, key, dt)
        return scored(family, task, key, dt, self.answers(stream, numbers))


def need_targets(reference: AbstractReference, family: AbstractTaskFamily) -> None:
    """Raises: BadInput for a task that shows no targets."""
    shape = family.shape()
    if "target" not in shape.offers or shape.watched:
        raise _unfit(reference, family, "a task that shows the target of every example")


def need_questions(reference: AbstractReference, family: AbstractTaskFamily) -> None:
    """Refuse a task that does not show examples with targets first and ask then.

    Args:
        reference: the method.
        family: the family of tasks.

    Raises:
        BadInput: for a task without targets, or with plasticity on in its last phase.
    """
    need_targets(reference, family)
    if family.shape().phases[-1][1]:
        raise _unfit(
            reference,
            family,
            "a task that shows examples first and asks in a last phase with plasticity off",
        )


def need_classes(reference: AbstractReference, family: AbstractTaskFamily) -> None:
    """Raises: BadInput for a task that is no classification."""
    if not family.shape().classes:
        raise _unfit(reference, family, "a task of classes (TaskShape.classes)")


def need_task(reference: AbstractReference, family: AbstractTaskFamily, name: str) -> None:
    """Raises: BadInput for any task but the named one."""
    if name_of(type(family)) != name:
        raise _unfit(reference, family, f"task {name}, which it is made for")


def _unfit(reference: AbstractReference, family: AbstractTaskFamily, expected: str) -> BadInput:
    return BadInput(
        f"reference {name_of(type(reference))} with task {name_of(type(family))}", expected, DROP
    )
