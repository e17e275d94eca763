"""Direct feedback alignment: the output's error reaches every population at once."""

from metaplast.feedback._matrices import from_output, jump
from metaplast.feedback.base import AbstractFeedback, credit
from metaplast.registry import register
from metaplast.signals import Credit, Feedback, Key, NeuronView, Synapses, Theta
from metaplast.spec import NonNegative, spec
from metaplast.wiring import Wiring


@register("feedback", "direct")
@spec
class Direct(AbstractFeedback):
    """The error of the output reaches every population at once, through fixed random matrices.

        e_output = error * f'(u_output)
        e_l = (B_l e_output) * f'(u_l)            for every other l

    e_l [n_l]: credit of population l.
    error [n_out]: d loss / d activity.
    B_l [n_l, n_out]: N(0, gain^2 / n_out), redrawn in every life and fixed through it.

    No weight is transported, and no population waits for another.

    Args:
        gain: the scale of B.

    Source: Nokland 2016.
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
        return state, credit({output: feedback.error, **jump(state["back"], e)}, views, feedback)
