"""Direct feedback of nothing but the sign of each output's error."""

import jax.numpy as jnp
from jax import Array

from metaplast.feedback._from_output import FromOutput
from metaplast.registry import register
from metaplast.signals import Feedback, NeuronView
from metaplast.spec import spec


@register("feedback", "direct_sign")
@spec
class DirectSign(FromOutput):
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

    def sent(self, output: NeuronView, feedback: Feedback) -> Array:
        return jnp.sign(feedback.error * output.gain)
