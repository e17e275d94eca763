"""How far a credit signal points away from the gradient of the loss of the step."""

from collections.abc import Collection

import jax.numpy as jnp
from jax import Array, lax

from metaplast.feedback.base import credit as credited
from metaplast.feedback.base import reverse_walk
from metaplast.signals import Credit, Feedback, NeuronView, Synapses
from metaplast.wiring import Wiring


def hidden(wiring: Wiring, inputs: Collection[str]) -> list[str]:
    """The populations between the inputs and the output: driven by some edge, and neither of the
    two.
    """
    return [
        p.name
        for p in wiring.populations
        if p != wiring.output and p.name not in inputs and wiring.into(p.name)
    ]


def angles(
    wiring: Wiring,
    inputs: Collection[str],
    synapses: dict[str, Synapses],
    views: dict[str, NeuronView],
    feedback: Feedback,
    credit: Credit,
) -> dict[str, Array]:
    """{angle_<population>: degrees} between the credit of a hidden population and the one that
    symmetric feedback would give it in the same step, through the forward weights as they are: 0 is
    backpropagation, 90 no relation.

    A measurement only: no gradient passes.
    """
    synapses, views, feedback, credit = lax.stop_gradient((synapses, views, feedback, credit))
    signals = reverse_walk(
        wiring, {name: s.weight for name, s in synapses.items()}, views, feedback
    )
    symmetric = credited(signals, views, feedback).feedback
    return {
        f"angle_{n}": degrees_between(credit.feedback[n], symmetric[n])
        for n in hidden(wiring, inputs)
    }


def degrees_between(a: Array, b: Array) -> Array:
    """2 atan2(|a/|a| - b/|b||, |a/|a| + b/|b||): also where the angle is small. Zero stands at 90
    to any other.
    """
    a, b = _unit(a), _unit(b)
    return jnp.degrees(
        2.0 * jnp.arctan2(jnp.sqrt(jnp.sum((a - b) ** 2)), jnp.sqrt(jnp.sum((a + b) ** 2)))
    )


def _unit(x: Array) -> Array:
    largest = jnp.max(jnp.abs(x))
    x = x / jnp.where(largest > 0, largest, 1.0)  # first: the square of a small number would be 0
    length = jnp.sqrt(jnp.sum(x**2))
    return x / jnp.where(length > 0, length, 1.0)
