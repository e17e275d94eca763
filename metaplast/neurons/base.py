"""Dynamics of one unit, rate or spiking."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jax import Array

from metaplast.signals import Key, NeuronView, Theta, neuron_view


class AbstractNeuron(ABC):
    """A population of `n` units with the same dynamics.

    ports: the named inputs a drive may arrive at; offers: the fields of NeuronView that it really computes.
    At the port `soma` a presynaptic population's sign applies; other ports give magnitudes their meaning themselves,
    but for those that are `signed`, where a weight may have either sign.
    competitive: whether a unit's activity depends on the drive of the others too; gain is then that of its own drive.
    """

    ports: ClassVar[tuple[str, ...]] = ("soma",)
    offers: ClassVar[frozenset[str]] = frozenset({"activity", "potential", "gain"})
    competitive: ClassVar[bool] = False
    signed: ClassVar[tuple[str, ...]] = ("soma",)

    @abstractmethod
    def init(self, key: Key, n: int) -> Theta:
        """Learned parameters of the population; {} where there are none."""

    @abstractmethod
    def init_state(self, theta: Theta, n: int) -> Theta:
        """State at rest."""

    @abstractmethod
    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        """One step of `dt` seconds under the drive of each port [n]: (state, view)."""


class RateNeuron(AbstractNeuron):
    """A unit without memory: activity = f(drive at the soma). A concrete class writes f and its derivative."""

    @abstractmethod
    def activate(self, potential: Array) -> tuple[Array, Array]:
        """(f(u), f'(u)), elementwise."""

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {}

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        activity, gain = self.activate(drive["soma"])
        return state, neuron_view(activity, drive["soma"], gain)
