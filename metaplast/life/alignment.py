"""The angle between a credit signal and the gradient of the loss of the step."""

from collections.abc import Collection

import jax.numpy as jnp
from jax import Array, lax

from metaplast.feedback.base import credit as credit_from
from metaplast.feedback.base import reverse_walk
from metaplast.signals import Credit, Feedback, NeuronView, Synapses
from metaplast.wiring import Wiring


def hidden(wiring: Wiring, inputs: Collection[str]) -> list[str]:
    """The names of the populations between the inputs and the output.

    A hidden population is driven by some edge. It is neither an input nor the output.
    """
    names = []
    for population in wiring.populations:
        outer = population == wiring.output or population.name in inputs
        if not outer and wiring.into(population.name):
            names.append(population.name)
    return names


def angles(
    wiring: Wiring,
    inputs: Collection[str],
    synapses: dict[str, Synapses],
    views: dict[str, NeuronView],
    feedback: Feedback,
    credit: Credit,
) -> dict[str, Array]:
    """The angle between the credit of each hidden population and the symmetric one.

    Symmetric feedback carries the errors of the same step back through the forward weights as they
    are. 0 degrees is backpropagation, 90 no relation. It is a measurement only: no gradient passes.

    Args:
        wiring: the graph.
        inputs: names of the input populations.
        synapses: the synapses of every edge, as they were in the step.
        views: the view of every population in the step.
        feedback: the task's feedback of the step.
        credit: the credit that the network's own feedback gave.

    Returns:
        {angle_<population>: degrees []}.
    """
    synapses, views, feedback, credit = lax.stop_gradient((synapses, views, feedback, credit))
    weights = {name: s.weight for name, s in synapses.items()}
    signals = reverse_walk(wiring, weights, views, feedback)
    symmetric = credit_from(signals, views, feedback).feedback
    return {
        f"angle_{name}": degrees_between(credit.feedback[name], symmetric[name])
        for name in hidden(wiring, inputs)
    }


def degrees_between(a: Array, b: Array) -> Array:
    """The angle [] between two vectors [n] in degrees, precise for small angles too.

        2 atan2(|a/|a| - b/|b||, |a/|a| + b/|b||)

    A vector of zeros stands at 90 degrees to any other.
    """
    a = _unit(a)
    b = _unit(b)
    difference = jnp.sqrt(jnp.sum((a - b) ** 2))
    total = jnp.sqrt(jnp.sum((a + b) ** 2))
    return jnp.degrees(2.0 * jnp.arctan2(difference, total))


def _unit(x: Array) -> Array:
    """A vector of length 1 in the direction of x; zeros stay zeros."""
    largest = jnp.max(jnp.abs(x))
    x = x / jnp.where(largest > 0, largest, 1.0)  # first: the square of a small number would be 0
    length = jnp.sqrt(jnp.sum(x**2))
    return x / jnp.where(length > 0, length, 1.0)
