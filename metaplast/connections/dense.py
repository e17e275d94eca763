"""Every presynaptic neuron meets every postsynaptic one."""

from typing import ClassVar

from metaplast.connections._access import MatrixRows
from metaplast.connections._event_driven import EventDriven
from metaplast.connections._matrix import MatrixConnection
from metaplast.registry import register
from metaplast.spec import Count, spec


@register("connection", "dense")
@spec
class Dense(EventDriven, MatrixConnection):
    """All synapses as one matrix [n_post, n_pre]. Spikes are handled one by one (_events.py).

    n_post: the number of postsynaptic neurons; the wiring sets it.
    n_pre: the number of presynaptic neurons; the wiring sets it.

    Source: elementary.
    """

    # At 10 Hz, 256 * 256 synapses take 7.8 us a step, and 4.0 us from spike to spike.
    few: ClassVar[int] = 128 * 128

    n_post: Count = 1
    n_pre: Count = 1

    @property
    def fan_in(self) -> int:
        return self.n_pre

    def access(self) -> MatrixRows:
        """By rows and columns."""
        return MatrixRows(self.n_post, self.n_pre)
