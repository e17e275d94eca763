"""Direct feedback alignment: the output's error reaches every population at once."""

from jax import Array

from metaplast.feedback._from_output import FromOutput
from metaplast.registry import register
from metaplast.signals import Feedback, NeuronView
from metaplast.spec import spec


@register("feedback", "direct")
@spec
class Direct(FromOutput):
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

    def sent(self, output: NeuronView, feedback: Feedback) -> Array:
        return feedback.error * output.gain
