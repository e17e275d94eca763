"""Forward-mode gradient descent: exact gradients whose memory does not grow with the life."""

from metaplast.registry import register
from metaplast.spec import Count, spec
from outer_loops._descent import AbstractExact


@register("outer", "forward")
@spec
class Forward(AbstractExact):
    """Descent along d loss / d theta, exact as in `bptt`, but carried forward with the life: no
    backward pass.

    For every number theta_i the tangent s_i = d (state of the life) / d theta_i goes along with the
    state, s_i <- (d step / d state) s_i + d step / d theta_i (real-time recurrent learning). chunk:
    tangents at a time; the numbers of theta, in chunks, are as many lives. Time: about (numbers of
    theta / chunk) lives with 1 + chunk states
    each. Memory: 1 + chunk states, however long the life; only its scores, some numbers per step
    and tangent, and what the task brings grow with it. For long lives of a short theta; `bptt` for
    a long theta.
    optimiser, schedule, clip, skipped steps: as in `AbstractDescent`. Source: Williams & Zipser
    1989. Raises: BadInput for a task that passes no gradient.
    """

    chunk: Count = 16

    @property
    def tangents(self) -> int:
        return self.chunk
