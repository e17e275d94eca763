"""Feedback that reaches every population at once, from the output through fixed random matrices."""

from abc import abstractmethod

from jax import Array

from metaplast.feedback._matrices import from_output, jump
from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit
from metaplast.signals import Credit, Feedback, Key, NeuronView, Theta
from metaplast.spec import NonNegative, spec
from metaplast.wiring import Wiring


@spec
class FromOutput(AbstractFeedback):
    """A signal of the output reaches every other population through a random matrix.

        e_output = error * f'(u_output)
        e_l = (B_l sent) * f'(u_l)                for every other l

    e_l [n_l]: credit of population l.
    error [n_out]: d loss / d activity.
    sent [n_out]: the signal of the output, which a concrete class names.
    B_l [n_l, n_out]: N(0, gain^2 / n_out), redrawn in every life and fixed through it.
    """

    gain: NonNegative = 1.0

    @abstractmethod
    def sent(self, output: NeuronView, feedback: Feedback) -> Array:
        """The signal of the output [n_out].

        Args:
            output: the view of the output in the step.
            feedback: the task's feedback on the step.
        """

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"back": from_output(wiring, key, self.gain)}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        output = seen.wiring.output.name
        signals = jump(state["back"], self.sent(seen.views[output], seen.feedback))
        signals = {output: seen.feedback.error, **signals}
        return state, credit(signals, seen.views, seen.feedback)
