"""Absolute refractoriness around any spiking neuron."""

from dataclasses import replace
from typing import Annotated, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.neurons._integrate_and_fire import IntegrateAndFire
from metaplast.neurons.base import AbstractNeuron, NeuronWrapper, SpikingNeuron
from metaplast.neurons.lif import Lif
from metaplast.numerics.steps import whole_steps
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, plugin, spec


@register("neuron", "refractory")
@spec
class Refractory(NeuronWrapper):
    """After a spike the inner neuron is silent for exactly period / dt steps, rounded half up.

        r <- round(period / dt)               where z = 1
        r <- max(0, r - 1)                    elsewhere
        z = 0                                 where r > 0

    z [n]: spikes, 0/1.
    r [n]: steps to go (`remaining`), 0 at birth.

    Brian2 counts the step of the spike in: its refractory=r is the period r - dt. While the neuron
    is refractory, activity, gain and score are 0. The rest of the view comes from the inner neuron.

    State: remaining [n], steps to go, and `inner`. Ports, offered signals and theta are those of
    the inner neuron.

    Args:
        neuron: the inner neuron.
        period: the time without a spike after each one, in seconds.
        during: `hold`: the membrane potential stays where the reset left it, and is shown there;
            currents, conductances and adaptation go on (Brian2's `unless refractory` on v).
            `silent`: all dynamics go on. Spikes are left out, and neither reset nor adapt the
            neuron (LSNN and e-prop: silent while a spike lies in the last n_ref steps).

    Raises:
        BadInput: where `neuron` is no spiking neuron with separate parts integrate, fire and reset;
            where its activity is graded; where `hold` would put off a reset that comes one step
            late (`subtract_late`).

    Limits: a neuron of firing period T has the period T + `period` under `hold`. period < dt / 2
    gives the inner neuron.
    Source: elementary.
    """

    neuron: Annotated[AbstractNeuron, plugin("neuron")] = Lif()
    period: NonNegative = 2e-3
    during: Literal["hold", "silent"] = "hold"

    def __post_init__(self) -> None:
        what = f"refractory: neuron {name_of(type(self.neuron)) or type(self.neuron).__name__!r}"
        if not isinstance(self.neuron, SpikingNeuron):
            raise BadInput(
                what, "a spiking neuron, such as lif", "set neuron.neuron, or leave refractory out"
            )
        if not self.neuron.spiking:
            fix = "let it spike, such as output=spikes of two_compartment"
            raise BadInput(f"{what} of graded activity", "one that sends spikes", fix)
        late = (
            isinstance(self.neuron, IntegrateAndFire) and self.neuron.reset_mode == "subtract_late"
        )
        if late and self.during == "hold":
            raise BadInput(
                "refractory: during='hold' around reset_mode='subtract_late'",
                "a reset at once, before the state is held",
                "set during=silent, as the sources have it",
            )

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"remaining": jnp.zeros(n), "inner": self.neuron.init_state(theta, n)}

    def placed(self, state: Theta, potential: Array) -> Theta:
        return {**state, "inner": self.neuron.placed(state["inner"], potential)}

    def unspiked(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> Theta:
        return {**state, "inner": self.neuron.unspiked(theta, state["inner"], drive, dt, key)}

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        return self.neuron.at_port(theta, state["inner"], view, port)

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        neuron = self.neuron
        assert isinstance(neuron, SpikingNeuron)  # see __post_init__
        ready = state["remaining"] <= 0
        moved = neuron.integrate(theta, state["inner"], drive, dt)
        if self.during == "hold":
            moved = dict(moved)
            for name in sorted(neuron.membrane):
                moved[name] = jnp.where(ready, moved[name], state["inner"][name])
        view = neuron.fire(theta, moved, dt, key)
        on = ready.astype(view.activity.dtype)
        view = replace(
            view,
            activity=on * view.activity,
            gain=on * view.gain,
            score=on * view.score,
            log_probability=on * view.log_probability,
        )
        silent = jnp.maximum(state["remaining"] - 1.0, 0.0)
        remaining = jnp.where(view.activity > 0, float(whole_steps(self.period, dt)), silent)
        return {"remaining": remaining, "inner": neuron.reset(theta, moved, view.activity)}, view
