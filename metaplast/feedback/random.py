"""Feedback alignment: errors return through fixed random weights."""

from metaplast.feedback._matrices import along_edges
from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit, reverse_walk
from metaplast.registry import register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import NonNegative, spec
from metaplast.wiring import Wiring


@register("feedback", "random")
@spec
class Random(AbstractFeedback):
    """Errors return through fixed random matrices, redrawn in every life.

        e_l = (B_{l+1}^T e_{l+1}) * f'(u_l)

    e_l [n_l]: credit of population l.
    B: N(0, gain^2 / fan-in of the forward edge), in the layout of the edge.

    No weight is transported.

    Args:
        gain: the scale of B.

    Source: Lillicrap, Cownden, Tweed & Akerman 2016.
    """

    gain: NonNegative = 1.0

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"back": along_edges(wiring, key, self.gain)}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        signals = reverse_walk(seen.wiring, state["back"], seen.views, seen.feedback)
        return state, credit(signals, seen.views, seen.feedback)
