"""A rule with numbers of its own at every synapse."""

from typing import Annotated

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._at_each import AtEach
from metaplast.spec import plugin, spec


@register("rule", "per_synapse")
@spec
class PerSynapse(AtEach):
    """Every synapse has its own numbers of the inner rule.

        delta_w_ji = r(theta_ji, v_ji)

    r: the inner rule.
    theta_ji: its numbers at the synapse.
    v_ji: the signals at the synapse.
    rule: the inner rule; each number of its theta becomes one number a synapse.

    theta: the inner theta, each leaf [*layout of the connection, ...]. It is drawn anew for each
        synapse at the start. Edges of different shapes cannot share it: `shared: false`.
    State: that of the inner rule, at every synapse. Clock that of the inner rule.
    Limits: equal numbers at all synapses are the inner rule.

    Raises: BadInput for an inner rule that computes with numbers of several synapses or neurons.
    Source: Najarro & Risi 2020 give every synapse its own rule.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()

    def between(self, connection: AbstractConnection) -> AbstractConnection:
        return connection

    def spread(self, leaf: Array, connection: AbstractConnection) -> Array:
        return leaf
