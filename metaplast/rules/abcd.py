"""The ABCD rule: four coefficients, for every synapse or shared by all synapses."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules.base import KernelRule
from metaplast.signals import Key, SynapseView, Theta
from metaplast.spec import NonNegative, Positive, spec

LEAVES = ("a", "b", "c", "d")


@register("rule", "abcd")
@spec
class Abcd(KernelRule):
    """Four coefficients of presynaptic and postsynaptic activity.

        delta_w = eta (A x y + B x + C y + D)
        eta = rate exp(5 log_rate)

    x, y: pre- and postsynaptic activity.
    shared: whether all synapses share theta.
    rate: of the unit of one change.
    learn_rate: whether log_rate is in theta, with the layout of the coefficients, 0 at the start.
    scale: standard deviation of the coefficients at the start.

    theta: a, b, c, d, drawn from N(0, scale^2), in the layout of the connection, or scalars if
        `shared`. Theta of the synapses cannot be shared by edges of different shapes.
    No state. Clock `event`.
    Limits: b = c = d = 0 is Hebb's rule.
    Source: Najarro & Risi 2020, who learn eta of every synapse as well (learn_rate).
    """

    shared: bool = False
    rate: Positive = 0.1
    learn_rate: bool = False
    scale: NonNegative = 0.0

    @property
    def per_synapse(self) -> bool:
        return not self.shared

    @property
    def own(self) -> tuple[str, ...]:
        """One rate for all synapses; one rate a synapse is no single number."""
        return ("rate",) if self.learn_rate and self.shared else ()

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        layout = () if self.shared else connection.shape
        drawn = self.scale * jax.random.normal(key, (len(LEAVES), *layout))
        theta = {name: drawn[i] for i, name in enumerate(LEAVES)}
        if self.learn_rate:
            theta["log_rate"] = jnp.zeros(layout)
        return theta

    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        x = synapse.pre.activity
        y = synapse.post.activity
        eta = value(self, theta, "rate")
        return state, eta * (theta["a"] * x * y + theta["b"] * x + theta["c"] * y + theta["d"])
