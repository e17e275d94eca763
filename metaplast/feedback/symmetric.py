"""Backpropagation's own credit signal."""

from metaplast.feedback.base import AbstractFeedback, credit, reverse_walk
from metaplast.registry import register
from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
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
        carried = {name: s.weight for name, s in synapses.items()}
        return state, credit(reverse_walk(wiring, carried, views, feedback), views, feedback)
