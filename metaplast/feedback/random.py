"""Feedback alignment: errors return through fixed random weights."""

import math

import jax

from metaplast.feedback.base import AbstractFeedback, reverse_walk
from metaplast.registry import register
from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
from metaplast.spec import NonNegative, spec
from metaplast.wiring import Wiring


@register("feedback", "random")
@spec
class Random(AbstractFeedback):
    """e_l = (B_{l+1}^T e_{l+1}) * f'(u_l), B ~ N(0, gain^2 / fan-in of the forward edge), redrawn in every life.

    Lillicrap, Cownden, Tweed & Akerman 2016. No weight is transported.
    """

    gain: NonNegative = 1.0

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        edges = [e for e in wiring.edges if not wiring.backwards(e)]
        flat = jax.random.normal(key, (sum(math.prod(e.connection.shape) for e in edges),))
        back, start = {}, 0
        for edge in edges:
            size = math.prod(edge.connection.shape)
            scale = self.gain / math.sqrt(edge.connection.fan_in)
            back[edge.name] = scale * flat[start : start + size].reshape(edge.connection.shape)
            start += size
        return {"back": back}

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
        credit = reverse_walk(wiring, state["back"], views, feedback)
        return state, Credit(feedback=credit, modulators=feedback.modulators)
