"""A rule with numbers of its own for every pair of cell types."""

from typing import Annotated

from jax import Array

from metaplast.connections.base import AbstractConnection, type_pairs
from metaplast.connections.dense import Dense
from metaplast.registry import register
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._at_each import AtEach
from metaplast.spec import Count, plugin, spec


@register("rule", "per_type")
@spec
class PerType(AtEach):
    """Every pair of cell types has its own numbers of the inner rule.

        delta_w_ji = r(theta_ab, v_ji)
        a = floor(post j / n_post)
        b = floor(pre i / n_pre)

    r: the inner rule.
    theta_ab: its numbers for the types a of neuron j and b of neuron i.
    v_ji: the signals at the synapse.
    rule: the inner rule; each number of its theta becomes one number a pair of types.
    post, pre: the number of types of the postsynaptic and of the presynaptic neurons. Neurons of
        one type lie side by side in their population (`cell_types` in connections/base.py).

    theta: the inner theta, each leaf [post, pre, ...], drawn anew for each pair at the start.
    State: that of the inner rule, at every synapse. Clock that of the inner rule.
    Limits: one type on both sides is the inner rule.

    Raises: BadInput for an inner rule that computes with numbers of several synapses or neurons.
    Source: this library.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    post: Count = 2
    pre: Count = 2

    @property
    def by_place(self) -> bool:
        return True

    def between(self, connection: AbstractConnection) -> AbstractConnection:
        return Dense(self.post, self.pre)

    def spread(self, leaf: Array, connection: AbstractConnection) -> Array:
        pairs = type_pairs(connection, self.post, self.pre)
        return leaf[pairs].reshape(*connection.shape, *leaf.shape[2:])
