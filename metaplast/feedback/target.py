"""Direct random target projection: hidden populations are told the target instead of the error."""

from typing import ClassVar

from jax import Array

from metaplast.feedback._from_output import FromOutput
from metaplast.registry import register
from metaplast.signals import Feedback, NeuronView
from metaplast.spec import spec


@register("feedback", "target")
@spec
class Target(FromOutput):
    """The target reaches every hidden population at once, through random matrices.

        e_output = error * f'(u_output)
        e_l = -(B_l target) * f'(u_l)             for every other l

    e_l [n_l]: credit of population l.
    target [n_out]: desired output.
    B_l [n_l, n_out]: N(0, gain^2 / n_out), redrawn in every life.

    The minus sign: the error d loss / d activity = output - target falls when the target rises. For
    one-hot targets, -target has the sign of the error where target = 1, and differs from that sign
    by a constant elsewhere.
    Hidden populations can learn before the output is known. Their credit never vanishes, so the
    rule needs a bound or a decay.

    Args:
        gain: the scale of B.

    Source: Frenkel, Lefebvre & Bol 2021.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"error", "target"})

    def sent(self, output: NeuronView, feedback: Feedback) -> Array:
        return -feedback.target
