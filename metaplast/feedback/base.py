"""Credit signals and modulators: the signals at a synapse besides the activity of its neurons."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.feedback._in_parts import in_parts, with_parts
from metaplast.networks.base import NetworkState
from metaplast.registry import BadInput
from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
from metaplast.wiring import Wiring


class FeedbackView(NamedTuple):
    """Everything that a feedback sees of one step.

    Attributes:
        wiring: the graph.
        synapses: edge -> its synapses in the step.
        views: population -> its view in the step.
        sent: edge -> the presynaptic signal that arrived in the step [n_pre].
        stimulus: input population -> the drive of its soma [n].
        network: the state of the network after the step.
        neurons: learned parameters of the neurons, population -> theta.
        feedback: the task's feedback on the step.
        plastic: whether rules are at work in the step, a boolean [].
        key: a key of this step, which no one else draws from.
        dt: seconds per step.
    """

    wiring: Wiring
    synapses: dict[str, Synapses]
    views: dict[str, NeuronView]
    sent: dict[str, Array]
    stimulus: dict[str, Array]
    network: NetworkState
    neurons: Theta
    feedback: Feedback
    plastic: Array
    key: Key
    dt: float


class AbstractFeedback(ABC):
    """The carrier of errors from the output back to every population.

    A concrete class says which weights an edge carries back; the reverse walk is shared. It may
    also step the network on from the state that it sees (`networks.base.step`), as a second phase
    does. A rule that reads `feedback` or `learning_signal` is refused where `needs` are missing or
    `carries` is false.

    Attributes:
        needs: the names (of TaskShape.offers) that the task must offer for credit to flow.
        carries: whether credit ever flows.
        relaxes: whether its credit holds `relaxed` activities, which rules may then read.
        at_synapses: whether its credit also holds one number a synapse, which rules may then read
            as `synaptic_credit`.
        lives_on: whether it also steps, and keeps its state, where rules rest: in phases that are
            not plastic, and behind a closed gate of a task that `rests`. `FeedbackView.plastic`
            tells it so.
        resets: the entries of its state that are as at birth again when a new trial begins; all
            others stay.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"error"})
    carries: ClassVar[bool] = True
    relaxes: ClassVar[bool] = False
    at_synapses: ClassVar[bool] = False
    lives_on: ClassVar[bool] = False
    resets: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        step: Any = cls.__dict__.get("step")
        if step is not None and in_parts(step):
            cls.step = with_parts(cls.__name__, step)

    @abstractmethod
    def init(self, key: Key, wiring: Wiring) -> Theta:
        """Learned parameters; {} where there are none.

        Args:
            key: the key of the draw.
            wiring: the graph.
        """

    @abstractmethod
    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        """State of one life; a fixed random matrix is drawn here, so every life has its own.

        Args:
            theta: learned parameters.
            wiring: the graph.
            key: the key of the life's feedback.
        """

    @abstractmethod
    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        """Credit of every population after one step.

        Args:
            theta: learned parameters.
            state: the state before the step.
            seen: the step, as the feedback sees it.

        Returns:
            (The state after the step, the credit.)
        """

    def new_trial(self, state: Theta, fresh: Theta, reset: Array) -> Theta:
        """The state as a trial begins: that at birth in the entries of `resets`.

        Args:
            state: the state at the end of the trial before.
            fresh: a state at birth.
            reset: > 0 where a trial begins [].

        Raises:
            BadInput: for a name in `resets` that is no entry of the state.
        """
        for name in sorted(self.resets):
            if name not in state:
                what = f"feedback {type(self).__name__}: resets {name!r}"
                expected = f"an entry of its state: {', '.join(sorted(state)) or 'none'}"
                raise BadInput(what, expected, "correct resets, or add the entry in init_state")
        after = dict(state) if self.resets else state
        for name in sorted(self.resets):
            after[name] = jax.tree.map(
                lambda born, old: jnp.where(reset > 0, born, old), fresh[name], state[name]
            )
        return after


def reverse_walk(
    wiring: Wiring, carried: dict[str, Array], views: dict[str, NeuronView], feedback: Feedback
) -> dict[str, Array]:
    """Carry the output's error back along the forward edges, down to the inputs.

        L_output = error
        L_pre = sum over forward edges of s B^T (L_post * gain_post)

    L [n]: learning signal of a population.
    B: the matrix that the edge carries back.
    s: +1 or -1, the sign with which the edge acts on the postsynaptic potential (`Wiring.effect`).

    s applies to any B: B stands in for the weight, and a weight under Dale's law or at a
    conductance is a magnitude. Edges that run backwards in time carry nothing, nor do edges that
    send something else than activity (`Wiring.returns`).

    L is the gradient of the loss with respect to every activity within one step, under three
    conditions: B = W, instant transmission, and cells without memory that do not compete. Elsewhere
    the sign is right, edge by edge, and three factors are left out. The first is the share of the
    sent signal that arrives in this step. The second is d potential / d drive. At a conductance it
    is proportional to the distance to the reversal potential. The sign s is right while the
    potential is on the threshold's side of the reversal potential. The third is the effect of a
    unit's drive on its competitors. A port `tap` (recorded cells) stands for synapses, and returns
    credit as they would.

    Args:
        wiring: the graph.
        carried: edge -> B, in the layout of its connection.
        views: population -> its view in the step.
        feedback: the task's feedback on the step.

    Returns:
        {population: L}.
    """
    output = wiring.output.name
    signals = {p.name: jnp.zeros(p.n) for p in wiring.populations} | {output: feedback.error}
    for population in reversed(wiring.populations):
        e = signals[population.name] * views[population.name].gain
        for edge in wiring.into(population.name):
            if wiring.returns(edge):
                back = edge.connection.backpropagate(carried[edge.name], e)
                signals[edge.pre] = signals[edge.pre] + wiring.effect(edge) * back
    return signals


def credit(signals: dict[str, Array], views: dict[str, NeuronView], feedback: Feedback) -> Credit:
    """The credit that follows from learning signals: the feedback of a population is L * gain.

    Args:
        signals: population -> learning signal L [n].
        views: population -> its view.
        feedback: the task's feedback, whose modulators pass unchanged.
    """
    return Credit(
        learning_signal=signals,
        feedback={name: signal * views[name].gain for name, signal in signals.items()},
        modulators=feedback.modulators,
    )
