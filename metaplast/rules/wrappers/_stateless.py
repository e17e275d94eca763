"""The wrappers that keep no state of their own."""

from abc import abstractmethod

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.rules.base import Wrapper
from metaplast.signals import RuleState, SynapseView, Theta


class StatelessWrapper(Wrapper):
    """A wrapper that modifies the change of the inner rule, step by step."""

    @abstractmethod
    def modified(
        self, theta: Theta, change: Array, connection: AbstractConnection, view: SynapseView
    ) -> Array:
        """The change of this step, delta_w, in the layout of the connection.

        Args:
            theta: the learned parameters.
            change: the change of the inner rule, d.
            connection: the synapses.
            view: the signals at the synapses.
        """

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        state, change = self.rule.step(self.inner(theta), state, connection, view, dt)
        return state, self.modified(theta, change, connection, view)
