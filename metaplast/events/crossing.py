"""The first crossing of the threshold in a network whose neurons wait for the next spike."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from metaplast.events.membrane import EventMembrane

MOST_STEPS = 100
"""Newton steps; a crossing that is not near a tangent takes five to eight."""
CLOSE = 4
"""The last Newton step is within this many roundings of the duration."""


class Crossing(NamedTuple):
    """The next spike of a network.

    crosses: whether a neuron reaches the threshold within the time allowed [].
    after: seconds until then, or the time allowed [].
    neuron: the neuron that does, an integer [].
    """

    crosses: Array
    after: Array
    neuron: Array


def first_crossing(
    membrane: EventMembrane, potential: Array, current: Array, allowed: Array
) -> Crossing:
    """The first moment at which any neuron reaches the threshold.

        s <- s + min_n (threshold - V_n(s)) / V_n'(s)          over neurons with I_n(s) > threshold

    Newton's method from the left, for all neurons at once. Only a neuron with I > threshold can
    still cross: V' = (I - V) / tau_m is positive at V = threshold, and I never grows. Such a
    neuron has V' > 0 and V'' = -(V' + I / tau_s) / tau_m < 0. A rising concave curve lies below its
    tangents, so no step passes the first crossing of any neuron. So s grows to the first crossing
    of all, or beyond `allowed`, and no root is ever skipped. Near it the steps shrink
    quadratically, to the last digit.

    Args:
        membrane: the neurons.
        potential: V now [n], below the threshold but for roundings.
        current: I now [n].
        allowed: seconds [].
    """
    threshold = membrane.threshold
    close = CLOSE * jnp.finfo(potential.dtype).eps * membrane.duration

    def waits(s: Array) -> Array:
        """The Newton step of every neuron at s [n]; inf where it cannot cross any more."""
        flow = membrane.flow(s)
        v = flow.membrane * potential + flow.passed * current
        i = flow.current * current
        able = i > threshold
        rise = jnp.where(able, i - v, 1.0)
        wait = jnp.maximum((threshold - v) * membrane.tau_m / rise, 0.0)
        return jnp.where(able, wait, jnp.inf)

    def goes_on(carry: tuple[Array, Array, Array]) -> Array:
        s, step, n_steps = carry
        return (step > close) & (s <= allowed) & (n_steps < MOST_STEPS)

    def newton(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        s, step, n_steps = carry
        s = s + step
        return s, jnp.min(waits(s)), n_steps + 1

    now = jnp.zeros_like(allowed)
    start = (now, jnp.min(waits(now)), jnp.zeros((), jnp.int32))
    s, step, _ = lax.while_loop(goes_on, newton, start)
    crosses = (step <= close) & (s <= allowed)
    after = jnp.where(crosses, s, allowed)
    # A place costs more than a value: it is looked for once.
    neuron = jnp.argmin(waits(after)).astype(jnp.int32)
    return Crossing(crosses, after, neuron)
