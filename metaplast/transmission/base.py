"""The way from a presynaptic output to a postsynaptic port."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jax import Array

from metaplast.signals import Theta


class AbstractTransmission(ABC):
    """The way from the presynaptic output [n_pre] to the signal that an edge transmits [n_pre].

    Rules see that very signal. Rules of spike times alone see the signal at the synapse,
    `at_synapse`: a delay may lie before it, on the axon, or behind it, on the dendrite.

    Attributes:
        keeps_silence: whether it transmits exactly 0 in all steps but those in which a spike
            arrives.
    """

    keeps_silence: ClassVar[bool] = False

    @abstractmethod
    def init_state(self, n_pre: int, dt: float) -> Theta:
        """State before the first step.

        Args:
            n_pre: the number of presynaptic neurons.
            dt: seconds per step.
        """

    @abstractmethod
    def step(self, state: Theta, pre: Array, dt: float) -> tuple[Theta, Array]:
        """One step of `dt` seconds: (state, transmitted).

        Args:
            state: the state before the step.
            pre: the output of the presynaptic neurons in this step [n_pre].
            dt: seconds.

        Returns:
            (the state after the step, the transmitted signal [n_pre]).
        """

    def at_synapse(self, state: Theta, pre: Array, dt: float) -> Array:
        """The signal at the synapse [n_pre] in the step that `step` makes of these arguments.

        Args:
            state: the state before the step.
            pre: the output of the presynaptic neurons in this step [n_pre].
            dt: seconds.
        """
        return self.step(state, pre, dt)[1]

    def dendritic_steps(self, dt: float) -> int:
        """The steps from the synapse to the soma, and back again for a postsynaptic spike."""
        return 0
