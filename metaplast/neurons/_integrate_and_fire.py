"""The common part of lif and alif: a leaky membrane.

Every convention in which sources differ is a named option. The conventions of three sources are
written below as fields (those of adaptation for alif alone). tests/neurons/test_agreement.py holds
their spike trains against the sources' own equations.

NORSE: norse (Pehle & Pedersen 2021). Its version and function decide whether `current_jumps` is
    "before" or "after".
LSNN: Bellec et al. 2018, the authors' program, in Refractory(period=3e-3, during="silent").
EPROP: Bellec et al. 2020 and NEST's eprop_iaf, in Refractory(period=5e-3, during="silent"). beta is
    1.7 (1 - rho) / (1 - exp(-dt / tau_m)) at dt = 1 ms. NEST counts potentials from rest, and so
    does this library: v_rest = v_reset = 0. The authors' TensorFlow program is silent for
    n_refractory - 1 steps, as is NEST since 3.9; NEST 3.8 and this library are so for all of them.
"""

import math
from abc import abstractmethod
from typing import Any, Literal

import jax.numpy as jnp
from jax import Array, lax

from metaplast.neurons.base import ThresholdNeuron
from metaplast.numerics.propagator import passed_on
from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, Positive, spec

NORSE: dict[str, Any] = {
    "tau_m": 10e-3,
    "tau_syn": 5e-3,
    "threshold": 1.0,
    "integration": "euler",
    "current_jumps": "after",
    "reset_mode": "value",
    "surrogate": "superspike",
    "slope": 100.0,
}
LSNN: dict[str, Any] = {
    "tau_m": 20e-3,
    "threshold": 0.01,
    "soma_input": "steady_state",
    "spike_on": "previous",
    "reset_mode": "subtract_late",
    "subtracted": "adapted",
    "reset_gradient": True,
    "surrogate": "dampened_triangle",
    "surrogate_unit": "adapted",
}
LSNN_ADAPTATION: dict[str, Any] = {"adaptation": "mean", "tau_a": 1.2, "beta": 1.7}
EPROP: dict[str, Any] = {
    "tau_m": 20e-3,
    "threshold": 0.6,
    "soma_input": "jump",
    "spike_on": "new",
    "reset_mode": "subtract_late",
    "subtracted": "threshold",
    "surrogate": "dampened_triangle",
    "surrogate_unit": "threshold",
}
EPROP_ADAPTATION: dict[str, Any] = {"adaptation": "sum", "tau_a": 2.0, "beta": 0.0174242}


@spec
class IntegrateAndFire(ThresholdNeuron):
    """A leaky membrane that spikes where V passes the threshold A of the moment.

        tau_m dV/dt = (v_rest - V) + I

    With tau_syn = 0, I is the drive. With tau_syn > 0, I decays with tau_syn, and the drive of a
    step jumps I. The step for tau_syn = 0 is

        V <- v_rest + alpha (V - v_rest) + zeta drive

    V [n]: membrane potential.
    I [n]: current, in units of V.
    A [n] or []: threshold (`level`).
    alpha: the share of V - v_rest that is left after dt.

    Args:
        tau_m: time constant of the membrane, in seconds.
        tau_syn: time constant of the current, in seconds; 0: the drive is the current.
        v_rest: V at rest, in units of V.
        threshold: V at which a spike is sent, in units of V.
        v_reset: V after a spike, in units of V.
        integration: `exact`: alpha = exp(-dt / tau_m), and for tau_syn > 0 the propagator of both
            equations; `euler`: alpha = 1 - dt / tau_m.
        soma_input: `steady_state`: zeta = 1 - alpha; `jump`: zeta = 1.
        current_jumps: `before`: the jumped I drives V over this step and decays; `after`: I jumps
            after that.
        reset_mode: `value`: V <- v_reset; `subtract`: V <- V - (threshold - v_reset);
            `subtract_late`: the same in the next step's update.
        subtracted: the `threshold`, or the `adapted` one: A - v_reset is subtracted.
        reset_gradient: whether the reset passes the gradient of z, and of A where that is
            subtracted. Without it a gradient takes every spike to leave V as it was.
        spike_on: whether the `new` V or the V of the `previous` step is compared with A; it is the
            shown potential.
        surrogate_unit: the divisor of x = V - A: 1 (`potential`), threshold - v_rest (`threshold`)
            or A - v_rest (`adapted`).

    Raises:
        BadInput: where v_reset is not below threshold, soma_input = jump meets a current,
            current_jumps = after meets none, or the surrogate's unit is not positive.
    """

    tau_m: Positive = 20e-3
    tau_syn: NonNegative = 0.0
    v_rest: float = 0.0
    threshold: float = 1.0
    v_reset: float = 0.0
    integration: Literal["exact", "euler"] = "exact"
    soma_input: Literal["steady_state", "jump"] = "steady_state"
    current_jumps: Literal["before", "after"] = "before"
    reset_mode: Literal["value", "subtract", "subtract_late"] = "value"
    subtracted: Literal["threshold", "adapted"] = "threshold"
    reset_gradient: bool = False
    spike_on: Literal["new", "previous"] = "new"
    surrogate_unit: Literal["potential", "threshold", "adapted"] = "potential"

    def __post_init__(self) -> None:
        if not self.v_reset < self.threshold:
            raise BadInput(
                f"v_reset={self.v_reset}",
                f"a value below threshold={self.threshold}",
                "lower v_reset",
            )
        if self.tau_syn > 0 and self.soma_input == "jump":
            raise BadInput(
                "soma_input='jump' with tau_syn > 0",
                "steady_state: a drive jumps the current",
                "leave soma_input out, or tau_syn",
            )
        if self.tau_syn == 0 and self.current_jumps == "after":
            raise BadInput(
                "current_jumps='after' with tau_syn=0", "a current that decays", "set tau_syn"
            )
        if self.surrogate_unit != "potential" and not self.v_rest < self.threshold:
            raise BadInput(
                f"surrogate_unit={self.surrogate_unit!r} with v_rest={self.v_rest}",
                f"a rest below threshold={self.threshold}",
                "set surrogate_unit=potential",
            )

    @abstractmethod
    def adapt(self, state: Theta, dt: float) -> Theta:
        """The state with the effect of the last step's spikes on the threshold."""

    @abstractmethod
    def level(self, state: Theta) -> float | Array:
        """The threshold A [n] or [] of a state."""

    def init_state(self, theta: Theta, n: int) -> Theta:
        state = {"v": jnp.zeros(n) + self.v_rest}
        if self.tau_syn > 0:
            state["current"] = jnp.zeros(n)
        if self.spike_on == "previous":
            state["previous"] = state["v"]
        if self.reset_mode == "subtract_late":
            state["spikes"] = jnp.zeros(n)
        return state

    def placed(self, state: Theta, potential: Array) -> Theta:
        shown = {"previous": potential} if self.spike_on == "previous" else {}
        return {**super().placed(state, potential), **shown}

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        new = {**self.adapt(state, dt)}
        acting = drive["soma"]
        left = self._left(dt, self.tau_m)
        gain = 1.0 if self.soma_input == "jump" else 1.0 - left
        if self.tau_syn > 0:
            arriving = drive["soma"]
            fades = self._left(dt, self.tau_syn)
            if self.current_jumps == "before":
                acting = state["current"] + arriving
                new["current"] = fades * acting
            else:
                acting = state["current"]
                new["current"] = fades * acting + arriving
            if self.integration == "exact":
                gain = passed_on(dt, self.tau_syn, self.tau_m)
        v = self.v_rest + left * (state["v"] - self.v_rest) + gain * acting
        if self.reset_mode == "subtract_late":
            v = v - self._lost(state["spikes"], new)
        if self.spike_on == "previous":
            new["previous"] = state["v"]
        return {**new, "v": v}

    def stable_dt(self) -> float:
        """inf where `exact`; for `euler` twice the shortest tau, where |1 - dt / tau| <= 1."""
        if self.integration == "exact":
            return math.inf
        return 2.0 * min(self.tau_m, self.tau_syn or self.tau_m)

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        level = self.level(state)
        unit = {
            "potential": 1.0,
            "threshold": self.threshold - self.v_rest,
            "adapted": level - self.v_rest,
        }
        shown = state["previous"] if self.spike_on == "previous" else state["v"]
        return self.crossing(theta, shown, level, unit[self.surrogate_unit])

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        new = {**state}
        v = state["v"]
        if self.reset_mode == "value" and self.reset_gradient:
            v = v + spikes * (self.v_reset - v)
        elif self.reset_mode == "value":
            v = jnp.where(spikes > 0, self.v_reset, v)
        elif self.reset_mode == "subtract":
            v = v - self._lost(spikes, state)
        if "spikes" in state:
            new["spikes"] = spikes
        return {**new, "v": v}

    def _left(self, dt: float, tau: float) -> float:
        """The share that is left after dt of a quantity that decays with tau."""
        return math.exp(-dt / tau) if self.integration == "exact" else 1.0 - dt / tau

    def _lost(self, spikes: Array, state: Theta) -> Array:
        """The amount that the spikes [n] subtract from V [n]."""
        level = self.level(state) if self.subtracted == "adapted" else self.threshold
        lost = spikes * (level - self.v_reset)
        return lost if self.reset_gradient else lax.stop_gradient(lost)
