"""Forward-mode gradient descent: exact gradients whose memory does not grow with the life."""

from metaplast.registry import register
from metaplast.spec import Count, spec
from outer_loops._descent import AbstractExact


@register("outer", "forward")
@spec
class Forward(AbstractExact):
    """Descent along d loss / d theta, exact as in `bptt`, without a backward pass.

    For every number theta_i the tangent s_i goes along with the state of the life (real-time
    recurrent learning):

        s_i <- (d step / d state) s_i + d step / d theta_i

    s_i: d (state of the life) / d theta_i
    chunk: tangents at a time; the numbers of theta, in chunks, are as many lives

    Time: about (numbers of theta / chunk) lives with 1 + chunk states each. Memory: 1 + chunk
    states, however long the life. Only its scores, some numbers per step and tangent, and the
    arrays of the task grow with it. Use it for long lives of a short theta, and `bptt` for a long
    theta. optimiser, schedule, clip, skipped steps: see `AbstractDescent`.

    Raises:
        BadInput: the task passes no gradient.

    Source: Williams & Zipser 1989.
    """

    chunk: Count = 16

    @property
    def tangents(self) -> int:
        return self.chunk
