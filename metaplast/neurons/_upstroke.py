"""The common part of izhikevich and adex.

A potential runs away to its peak, and a slow variable is raised there.
"""

from abc import abstractmethod

import jax.numpy as jnp
from jax import Array, lax

from metaplast.neurons.base import ThresholdNeuron
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import Count, Positive, spec

MS = 1e3  # milliseconds in a second: these models are written in mV and ms


@spec
class UpstrokeNeuron(ThresholdNeuron):
    """A spike where V passes `v_peak`; then V <- v_reset, and the slow variable grows by `jump`.

    A V beyond its peak waits there for the end of the step, so that spike times are multiples of
    dt. The shown V is cut at v_peak + width, forward; backward this cut is not felt.

    State: v [mV] and slow, each [n].

    Args:
        v_peak: V at which a spike is sent, in mV.
        v_reset: V after a spike, in mV.
        jump: growth of the slow variable at a spike, in its own unit.
        width: mV; the argument of the surrogate is x = (V - v_peak) / width.
        substeps: the number of equal parts into which a step of dt is cut.
    """

    v_peak: float = 30.0
    v_reset: float = -65.0
    jump: float = 8.0
    width: Positive = 20.0
    substeps: Count = 1

    @abstractmethod
    def move(self, v: Array, slow: Array, current: Array, h: float) -> tuple[Array, Array]:
        """(V, slow) after `h` milliseconds, without any spike; each [n]."""

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        v = state["v"]
        slow = state["slow"]
        for _ in range(self.substeps):
            risen = v > self.v_peak
            v_next, slow_next = self.move(v, slow, drive["soma"], MS * dt / self.substeps)
            v = jnp.where(risen, v, v_next)
            slow = jnp.where(risen, slow, slow_next)
        cut = jnp.minimum(v, self.v_peak + self.width)
        return {"v": v + lax.stop_gradient(cut - v), "slow": slow}

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        return self.crossing(theta, state["v"], self.v_peak, self.width)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        fired = spikes > 0
        v = jnp.where(fired, self.v_reset, state["v"])
        return {"v": v, "slow": jnp.where(fired, state["slow"] + self.jump, state["slow"])}
