"""Backpropagation's own credit signal."""

from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit, reverse_walk
from metaplast.registry import register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("feedback", "symmetric")
@spec
class Symmetric(AbstractFeedback):
    """Errors return through the transposed forward weights.

        e_l = (W_{l+1}^T e_{l+1}) * f'(u_l)

    With the rule -rate * error * pre this is stochastic gradient descent on each step's loss, where
    `reverse_walk` is its gradient. It transports weights.
    Source: Rumelhart, Hinton & Williams 1986.
    """

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        carried = {name: s.weight for name, s in seen.synapses.items()}
        signals = reverse_walk(seen.wiring, carried, seen.views, seen.feedback)
        return state, credit(signals, seen.views, seen.feedback)
