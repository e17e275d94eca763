"""Backpropagation through learning: gradient descent on theta through whole lives."""

from metaplast.registry import register
from metaplast.spec import spec
from outer_loops._descent import AbstractExact


@register("outer", "bptt")
@spec
class Bptt(AbstractExact):
    """Descent along d loss / d theta, exact, in reverse mode.

    Memory grows as the square root of a life's steps. optimiser, schedule, clip, skipped steps: see
    `AbstractDescent`.

    Raises:
        BadInput: the task passes no gradient.

    Source: Werbos 1990.
    """

    @property
    def tangents(self) -> int:
        return 0
