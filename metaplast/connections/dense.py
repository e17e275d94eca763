"""Every presynaptic neuron meets every postsynaptic one."""

from metaplast.connections._matrix import MatrixConnection
from metaplast.registry import register
from metaplast.spec import Count, spec


@register("connection", "dense")
@spec
class Dense(MatrixConnection):
    """All-to-all synapses as one matrix [n_post, n_pre]."""

    n_post: Count = 1
    n_pre: Count = 1

    @property
    def fan_in(self) -> int:
        return self.n_pre
