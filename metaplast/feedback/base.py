"""Credit signals and modulators: what reaches a neuron or a synapse besides its own activity."""

from abc import ABC, abstractmethod
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
from metaplast.wiring import Wiring


class AbstractFeedback(ABC):
    """Owns whatever carries errors back. It sees the wiring, never the network.

    A concrete class says which weights an edge carries back; the reverse walk is shared.
    needs: what the task must offer (names of TaskShape.offers) for credit to flow; carries: whether
    it ever does. A rule that reads `feedback` or `learning_signal` is refused where the one is
    missing or the other false.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"error"})
    carries: ClassVar[bool] = True

    @abstractmethod
    def init(self, key: Key, wiring: Wiring) -> Theta:
        """Learned parameters; {} where there are none."""

    @abstractmethod
    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        """State of one life: a fixed random matrix is drawn here, so every life has its own."""

    @abstractmethod
    def step(
        self,
        theta: Theta,
        state: Theta,
        wiring: Wiring,
        synapses: dict[str, Synapses],
        views: dict[str, NeuronView],
        feedback: Feedback,
        dt: float,
    ) -> tuple[Theta, Credit]:
        """Credit of every population after one step: (state, credit)."""


def reverse_walk(
    wiring: Wiring, carried: dict[str, Array], views: dict[str, NeuronView], feedback: Feedback
) -> dict[str, Array]:
    """Learning signals: L_output = error; L_pre = sum over forward edges of s B^T (L_post *
    gain_post), to the inputs.

    carried: edge -> the matrix B in the layout of its connection. s = +1 or -1: the sign with which
    the edge acts on the postsynaptic potential (`Wiring.effect`), for any B, as B stands in for the
    weight and a weight under Dale's law or at a conductance is a magnitude. Edges that run
    backwards in time carry nothing. With B = W, instant transmission and cells without memory that
    do not compete this is the gradient of the loss with respect to every activity within one step.
    Elsewhere the sign is right, edge by edge, and
    factors are left out: how much of what was sent arrives in this step, how far it moves the
    potential (d potential / d drive; at a conductance it goes with the distance to the reversal
    potential, and s holds on the threshold's side of that), and what a unit's drive does to its
    competitors. A port `tap` (recorded cells) returns credit as the synapses it stands for would.
    """
    output = wiring.output.name
    signals = {p.name: jnp.zeros(p.n) for p in wiring.populations} | {output: feedback.error}
    for population in reversed(wiring.populations):
        e = signals[population.name] * views[population.name].gain
        for edge in wiring.into(population.name):
            if not wiring.backwards(edge):
                back = edge.connection.backpropagate(carried[edge.name], e)
                signals[edge.pre] = signals[edge.pre] + wiring.effect(edge) * back
    return signals


def credit(signals: dict[str, Array], views: dict[str, NeuronView], feedback: Feedback) -> Credit:
    """The learning signal L of every population, its feedback e = L * gain, and the task's
    modulators as they are.
    """
    return Credit(
        learning_signal=signals,
        feedback={name: signal * views[name].gain for name, signal in signals.items()},
        modulators=feedback.modulators,
    )
