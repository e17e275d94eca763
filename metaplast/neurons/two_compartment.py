"""A soma that is driven and taught, and a dendrite that predicts it."""

import math
from dataclasses import replace
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.neurons._bernoulli import STOCHASTIC, draw_spikes
from metaplast.neurons.base import SpikingNeuron
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Theta, neuron_view
from metaplast.spec import NonNegative, Positive, spec


@register("neuron", "two_compartment")
@spec
class TwoCompartment(SpikingNeuron):
    """A soma U that a dendrite V_w and a teacher pull, by an exponential Euler step.

        tau_m dU/dt = -U + g_d (V_w - U) + g_e (e_excitatory - U) + g_i (e_inhibitory - U) + I
        P(z = 1) = 1 - exp(-phi(U) dt)
        phi(U) = phi_max / (1 + k exp(steepness (threshold - U)))

    U [n]: somatic potential, dimensionless, from rest (0).
    V_w [n]: drive of the port `dendrite`, signed: the sum of weighted postsynaptic potentials.
    g_e [n]: drive of the port `excitatory`, a conductance of the teacher, >= 0, in units of the
        leak.
    g_i [n]: drive of the port `inhibitory`, likewise.
    I [n]: drive of the port `soma`, dimensionless.
    z [n]: spikes, 0/1.

    The step is exact while the drive is constant. The transmission gives the shape of a
    postsynaptic potential (the source has `dual_exponential`, rise 3 ms, decay 10 ms, up to a
    constant factor). Backward, z has the derivative of P. There is no reset, as in the source;
    refractoriness: neuron `refractory`.

    View: potential U; dendrite V* = g_d V_w / (1 + g_d); gain dP/dU; score d log P(z) / dU;
    log_probability log P(z). V* is the attenuated dendritic prediction, not V_w: the U that the
    dendrite alone would bring about at rest with no teacher. It is also the site of edges at the
    port `dendrite`. State: u, dendrite (V_w) [n].

    Args:
        tau_m: time constant of the soma at rest, in seconds.
        g_dendrite: g_d, in units of the leak.
        e_excitatory: reversal potential, in units of U.
        e_inhibitory: reversal potential, in units of U.
        phi_max: the largest rate, in hertz.
        k: factor of the exponential in phi, dimensionless.
        steepness: of phi, in 1 / unit of U.
        threshold: U at which phi is phi_max / (1 + k), in units of U.
        output: `spikes`: activity = z. `rate`: activity = P(z = 1) itself; score and
            log_probability are 0.

    Limits: no teacher and constant V_w: U -> V*. Strong balanced nudging: U -> (g_e e_excitatory +
    g_i e_inhibitory) / (g_e + g_i).
    Source: Urbanczik & Senn 2014 (g_L 0.1 / ms, g_D 2 / ms, phi_max 0.15 / ms).
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "dendrite", "excitatory", "inhibitory")
    signed: ClassVar[tuple[str, ...]] = ("soma", "dendrite")
    membrane: ClassVar[frozenset[str]] = frozenset({"u"})

    tau_m: Positive = 10e-3
    g_dendrite: NonNegative = 20.0
    e_excitatory: float = 14 / 3
    e_inhibitory: float = -1 / 3
    phi_max: Positive = 150.0
    k: Positive = 0.5
    steepness: Positive = 5.0
    threshold: float = 1.0
    output: Literal["spikes", "rate"] = "spikes"

    @property
    def offers(self) -> frozenset[str]:
        always = frozenset({"activity", "potential", "gain", "dendrite"})
        return always | STOCHASTIC if self.output == "spikes" else always

    @property
    def spiking(self) -> bool:
        return self.output == "spikes"

    @property
    def lowering(self) -> tuple[str, ...]:
        reversals = {"excitatory": self.e_excitatory, "inhibitory": self.e_inhibitory}
        return tuple(port for port, e in reversals.items() if e < self.threshold)

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"u": jnp.zeros(n), "dendrite": jnp.zeros(n)}

    def integrate(self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float) -> Theta:
        g_e = drive["excitatory"]
        g_i = drive["inhibitory"]
        v_w = drive["dendrite"]
        total = 1.0 + self.g_dendrite + g_e + g_i
        pulled = (
            self.g_dendrite * v_w
            + g_e * self.e_excitatory
            + g_i * self.e_inhibitory
            + drive["soma"]
        )
        end = pulled / total
        return {"u": end + jnp.exp(-dt / self.tau_m * total) * (state["u"] - end), "dendrite": v_w}

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        return view.dendrite if port == "dendrite" else view.potential

    def stable_dt(self) -> float:
        return math.inf  # each equation is solved exactly while its drive is constant

    def fire(self, theta: Theta, state: Theta, dt: float, key: Key) -> NeuronView:
        u = state["u"]
        share = jax.nn.sigmoid(self.steepness * (u - self.threshold) - math.log(self.k))
        expected = self.phi_max * dt * share  # share: phi / phi_max
        p = -jnp.expm1(-expected)
        hazard = self.steepness * expected * (1.0 - share)
        if self.output == "spikes":
            view = draw_spikes(key, u, p, hazard)
        else:
            view = neuron_view(p, u, hazard * (1.0 - p))
        predicted = self.g_dendrite / (1.0 + self.g_dendrite) * state["dendrite"]
        return replace(view, dendrite=predicted)

    def reset(self, theta: Theta, state: Theta, spikes: Array) -> Theta:
        return state
