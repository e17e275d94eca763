"""How probable a recorded value is, given what the network does."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from jax import Array

from metaplast.registry import BadInput
from metaplast.signals import Key


class Part(NamedTuple):
    """Columns of what was recorded that one likelihood judges; name: `activity` and `choice`, or
    `unit` for all.
    """

    name: str
    likelihood: "AbstractLikelihood"
    columns: slice


class AbstractLikelihood(ABC):
    """One recorded value per output unit: a [n_out] the activity of the model, y [n_out] what was
    recorded.
    """

    @abstractmethod
    def loss(self, activity: Array, value: Array) -> Array:
        """-log P(y_j | a) [n_out], up to what does not depend on a."""

    @abstractmethod
    def saturated(self, value: Array) -> Array:
        """The least that `loss` can be for these values [n_out]:
        deviances are counted from there.
        """

    @abstractmethod
    def mean(self, activity: Array) -> Array:
        """The expected value of y [n_out]."""

    @abstractmethod
    def activity(self, mean: np.ndarray) -> np.ndarray:
        """The activity whose expected value is `mean`: the inverse of `mean` (NumPy, any leading
        axes).
        """

    @abstractmethod
    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        """Values y [n_out] at random. spread []: the residual standard deviation, where the
        likelihood has one.
        """

    @abstractmethod
    def check(self, values: np.ndarray) -> None:
        """Raises: BadInput where some of the recorded values (finite, flat) are impossible."""

    def share(self, n_out: int) -> np.ndarray:
        """What one recorded value counts [n_out]."""
        return np.ones(n_out)

    def channels(self, n_out: int) -> tuple[str, ...]:
        """Names of modulators that tell rules the expected value `mean` of each output unit; empty:
        they are not told, as `post` is that value itself."""
        return ()

    def parts(self, n_out: int) -> tuple[Part, ...]:
        """The columns by what judges them: more than one part where values of several kinds were
        recorded.
        """
        return (Part("unit", self, slice(0, n_out)),)


def demand_values(holds: bool, given: np.ndarray, expected: str, fix: str) -> None:
    """Raises: BadInput unless `holds`."""
    if not holds:
        shown = ", ".join(f"{value:g}" for value in given.reshape(-1)[:3])
        raise BadInput(f"recorded values such as {shown}", expected, fix)
