"""Direct feedback of nothing but the sign of each output's error."""

import jax.numpy as jnp

from metaplast.feedback._matrices import from_output, jump
from metaplast.feedback.base import AbstractFeedback, credit
from metaplast.registry import register
from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
from metaplast.spec import NonNegative, spec
from metaplast.wiring import Wiring


@register("feedback", "direct_sign")
@spec
class DirectSign(AbstractFeedback):
    """The sign of the output's error reaches every population at once, through random matrices.

        e_output = error * f'(u_output)
        e_l = (B_l sign(e_output)) * f'(u_l)      for every other l

    e_l [n_l]: credit of population l.
    error [n_out]: d loss / d activity.
    B_l [n_l, n_out]: N(0, gain^2 / n_out), redrawn in every life.

    The signal at a hidden population does not depend on the size of the error. The output
    population keeps the error itself. sign(0) = 0.

    Args:
        gain: the scale of B.

    Source: Nokland 2016; Frenkel, Lefebvre & Bol 2021 (sDFA).
    """

    gain: NonNegative = 1.0

    def init(self, key: Key, wiring: Wiring) -> Theta:
        return {}

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"back": from_output(wiring, key, self.gain)}

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
        output = wiring.output.name
        e = feedback.error * views[output].gain
        signals = {output: feedback.error, **jump(state["back"], jnp.sign(e))}
        return state, credit(signals, views, feedback)
