"""The probability of a recorded value, given the activity of the network."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key


class Part(NamedTuple):
    """Columns of the recorded values that one likelihood judges.

    Attributes:
        name: `activity` or `choice`; `unit` where one likelihood judges all columns.
        likelihood: the likelihood.
        columns: the columns.
    """

    name: str
    likelihood: "AbstractLikelihood"
    columns: slice


class AbstractLikelihood(ABC):
    """The likelihood of one recorded value per output unit.

    a [n_out]: the activity of the model.
    y [n_out]: the recorded values.
    """

    @abstractmethod
    def loss(self, activity: Array, value: Array) -> Array:
        """-log P(y_j | a) [n_out], up to a constant that does not depend on a.

        Args:
            activity: a [n_out].
            value: y [n_out].
        """

    @abstractmethod
    def saturated(self, value: Array) -> Array:
        """The least possible `loss` of these values [n_out]; deviances count from there."""

    @abstractmethod
    def mean(self, activity: Array) -> Array:
        """The expected value of y [n_out]."""

    @abstractmethod
    def activity(self, mean: np.ndarray) -> np.ndarray:
        """The activity whose expected value is `mean`.

        It is the inverse of the method `mean`, in NumPy and for any leading axes.
        """

    @abstractmethod
    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        """Draw values y [n_out].

        Args:
            key: the key of the draw.
            activity: a [n_out].
            spread: the residual standard deviation [], where the likelihood has one.
        """

    @abstractmethod
    def check(self, values: np.ndarray) -> None:
        """Refuse impossible recorded values.

        Args:
            values: finite values, flat.

        Raises:
            BadInput: where some of them are impossible.
        """

    def share(self, n_out: int) -> np.ndarray:
        """The weight of one recorded value in counts of values [n_out]."""
        return np.ones(n_out)

    def channels(self, n_out: int) -> tuple[str, ...]:
        """Names of the modulators that hold the expected value `mean` of each output unit.

        It is empty where there are none, since `post` is that value itself.
        """
        return ()

    def parts(self, n_out: int) -> tuple[Part, ...]:
        """The columns, by the likelihood that judges them.

        There is more than one part where values of several kinds were recorded.
        """
        return (Part("unit", self, slice(0, n_out)),)


def demand_values(holds: bool, values: np.ndarray, expected: str, fix: str) -> None:
    """Refuse recorded values unless a condition holds.

    Args:
        holds: the condition.
        values: the bad values; the first three are shown.
        expected: the expected values, in words.
        fix: the way out, in words.

    Raises:
        BadInput: unless `holds`.
    """
    if not holds:
        shown = ", ".join(f"{value:g}" for value in values.reshape(-1)[:3])
        raise BadInput(f"recorded values such as {shown}", expected, fix)
