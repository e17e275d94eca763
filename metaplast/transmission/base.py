"""What lies between a presynaptic output and a postsynaptic port."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jax import Array

from metaplast.signals import Theta


class AbstractTransmission(ABC):
    """Turns the presynaptic output [n_pre] into the signal an edge transmits [n_pre]; rules see that very signal.

    keeps_silence: whether it transmits exactly 0 in all steps but those in which a spike arrives.
    """

    keeps_silence: ClassVar[bool] = False

    @abstractmethod
    def init_state(self, n_pre: int, dt: float) -> Theta:
        """State before the first step."""

    @abstractmethod
    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        """One step of `dt` seconds: (state, transmitted)."""
