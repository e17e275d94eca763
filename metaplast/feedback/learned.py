"""Feedback weights that learn by the forward weights' own local rule."""

import jax.numpy as jnp

from metaplast.connections.base import Term
from metaplast.feedback._matrices import along_edges
from metaplast.feedback.base import AbstractFeedback, FeedbackView, credit, reverse_walk
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import NonNegative, Probability, spec
from metaplast.wiring import Wiring


@register("feedback", "learned")
@spec
class Learned(AbstractFeedback):
    """Errors return through matrices B that learn by the forward weights' own rule.

        e_l = (B_{l+1}^T e_{l+1}) * f'(u_l)
        B <- B - gate (rate e_post pre^T + decay B)      after every step with plasticity

    B: as in `random` at birth: N(0, gain^2 / fan-in), redrawn in every life.
    e_post [n_post]: credit of the edge's postsynaptic population.
    pre [n_pre]: output of its presynaptic population in this step, which the edge transmits if it
        is instant.
    gate []: the task's, 1 where it has none.

    All of these are known at the feedback synapse, and no weight is transported. If W follows the
    same rule (-rate error pre - decay weight, no bound reached), W - B shrinks by exactly 1 - decay
    per step.

    Args:
        gain: the scale of B at birth.
        rate: of learning.
        decay: the share of B that is lost per step.
        learn: whether theta holds `log_rate` [] and `log_decay` []; the numbers are then rate exp(5
            log_rate) and decay exp(5 log_decay).

    Source: Kolen & Pollack 1994; Akrout, Wilson, Humphreys, Lillicrap & Tweed 2019.
    """

    gain: NonNegative = 1.0
    rate: NonNegative = 0.02
    decay: Probability = 2e-3
    learn: bool = False

    def init(self, key: Key, wiring: Wiring) -> Theta:
        if not self.learn:
            return {}
        return {"log_rate": jnp.zeros(()), "log_decay": jnp.zeros(())}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"back": along_edges(wiring, key, self.gain)}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        signals = reverse_walk(seen.wiring, state["back"], seen.views, seen.feedback)
        credits = credit(signals, seen.views, seen.feedback)
        rate = value(self, theta, "rate")
        decay = value(self, theta, "decay")
        back = {}
        for edge in seen.wiring.edges:
            if not seen.wiring.returns(edge):
                continue
            old = state["back"][edge.name]
            mask = edge.connection.mask()
            pre = seen.views[edge.pre].activity
            terms = [Term(rate * credits.feedback[edge.post], pre)]
            change = edge.connection.outer(terms, old) + decay * old
            if mask.ndim:
                change = change * mask
            back[edge.name] = old - seen.feedback.gate * change
        return {"back": back}, credits
