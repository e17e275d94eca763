"""Feedback weights that learn by the forward weights' own local rule."""

import jax.numpy as jnp

from metaplast.connections.base import Term
from metaplast.feedback._matrices import along_edges
from metaplast.feedback.base import AbstractFeedback, credit, reverse_walk
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
from metaplast.spec import NonNegative, Probability, spec
from metaplast.wiring import Wiring


@register("feedback", "learned")
@spec
class Learned(AbstractFeedback):
    """e_l = (B_{l+1}^T e_{l+1}) * f'(u_l), and after it, in every step in which the network is
    plastic,

        B <- B - gate (rate e_post pre^T + decay B)

    B starts as in `random`: N(0, gain^2 / fan-in), redrawn in every life. e_post: credit of the
    edge's post population;
    pre: output of its pre population in this step (what the edge transmits, if that is instant);
    gate: the task's, 1 where it has none. All are known at the feedback synapse, no weight is
    transported: if W follows the same rule (-rate error pre - decay weight, no bound reached), W -
    B shrinks by exactly 1 - decay per step.
    learn: theta holds `log_rate` [] and `log_decay` []; the numbers are rate exp(5 log_rate), decay
    exp(5 log_decay). Kolen & Pollack 1994; Akrout, Wilson, Humphreys, Lillicrap & Tweed 2019.
    """

    gain: NonNegative = 1.0
    rate: NonNegative = 0.02
    decay: Probability = 2e-3
    learn: bool = False

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {"log_rate": jnp.zeros(()), "log_decay": jnp.zeros(())} if self.learn else {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"back": along_edges(wiring, key, self.gain)}

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
        told = credit(reverse_walk(wiring, state["back"], views, feedback), views, feedback)
        rate, decay = value(self, theta, "rate"), value(self, theta, "decay")
        back = {}
        for edge in wiring.edges:
            if not wiring.backwards(edge):
                old, mask = state["back"][edge.name], edge.connection.mask()
                terms = [Term(rate * told.feedback[edge.post], views[edge.pre].activity)]
                change = edge.connection.outer(terms, old) + decay * old
                change = change * mask if mask.ndim else change
                back[edge.name] = old - feedback.gate * change
        return {"back": back}, told
