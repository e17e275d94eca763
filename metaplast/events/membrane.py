"""Current-based leaky integrate-and-fire between two events, in closed form."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.spec import Count, Positive, spec


class Flow(NamedTuple):
    """The linear map of the state over some seconds, the same for every neuron, each [].

    membrane: what is left of V.
    current: what is left of I.
    passed: V per unit of I at the start.
    """

    membrane: Array
    current: Array
    passed: Array


@spec
class EventMembrane:
    """The neurons of an event-driven network, and the presentation that they see.

        tau_m dV/dt = -V + I
        tau_s dI/dt = -I
        V_n <- 0, I <- I + W e_n        where V_n reaches the threshold

    V, I [n]: membrane potential and synaptic current, in units of the threshold's.
    W e_n [n]: the weights of the synapses that leave neuron n.

    Args:
        tau_m: time constant of the membrane, in seconds.
        tau_s: time constant of the current, in seconds.
        threshold: V at which a spike is sent.
        duration: seconds of one presentation, which begins at V = I = 0.
        max_events: the rows of the table of spikes, of inputs and of neurons. A table that gets
            full is counted.

    Source: Wunderlich & Pehle 2021.
    """

    tau_m: Positive = 20e-3
    tau_s: Positive = 5e-3
    threshold: Positive = 1.0
    duration: Positive = 40e-3
    max_events: Count = 64

    def flow(self, seconds: Array) -> Flow:
        """The map of (V, I) over some seconds.

            V <- exp(-t/tau_m) V + (1/tau_m) exp(-t a) (1 - exp(-t b)) / b  I

        a, b: the smaller of the rates 1/tau_m and 1/tau_s, and their difference.

        Args:
            seconds: [].
        """
        slower = min(1.0 / self.tau_m, 1.0 / self.tau_s)
        apart = abs(1.0 / self.tau_m - 1.0 / self.tau_s)
        spread = seconds
        if apart:
            spread = -jnp.expm1(-seconds * apart) / apart
        return Flow(
            membrane=jnp.exp(-seconds / self.tau_m),
            current=jnp.exp(-seconds / self.tau_s),
            passed=jnp.exp(-seconds * slower) * spread / self.tau_m,
        )
