"""No credit signal at all."""

from typing import ClassVar

import jax.numpy as jnp

from metaplast.feedback.base import AbstractFeedback, FeedbackView
from metaplast.registry import register
from metaplast.signals import Credit, Key, Theta
from metaplast.spec import spec
from metaplast.wiring import Wiring


@register("feedback", "none")
@spec
class None_(AbstractFeedback):
    """No credit flows.

        e_l = 0                       for every population l

    e_l [n_l]: credit of population l.

    The task's modulators still reach every synapse.

    For unsupervised rules and for three-factor rules that learn from a global signal alone. A rule
    that reads `feedback` or `learning_signal` is refused.
    Source: elementary.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    carries: ClassVar[bool] = False

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {}

    def step(self, theta: Theta, state: Theta, seen: FeedbackView) -> tuple[Theta, Credit]:
        silent = {p.name: jnp.zeros(p.n) for p in seen.wiring.populations}
        return state, Credit(
            learning_signal=silent, feedback=silent, modulators=seen.feedback.modulators
        )
