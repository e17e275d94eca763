"""A soma between a basal and an apical dendrite."""

import math
from dataclasses import replace
from typing import Annotated, ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.neurons.base import AbstractNeuron, RateNeuron
from metaplast.neurons.softplus import Softplus
from metaplast.registry import BadInput, name_of, register
from metaplast.signals import Key, NeuronView, Theta
from metaplast.spec import NonNegative, Positive, plugin, spec


@register("neuron", "pyramidal")
@spec
class Pyramidal(AbstractNeuron):
    """A leaky soma that two dendrites pull; its rate is a function of its potential.

        tau_m du/dt = -u + g_basal (v_b - u) + g_apical (v_a - u) - g u + I
        r = phi(u)

    u [n]: somatic potential, dimensionless, from rest (0).
    v_b [n]: drive of the port `basal`, the potential of that dendrite.
    v_a [n]: drive of the port `apical`, likewise.
    g [n]: drive of the port `shunt`, a conductance towards rest, >= 0, in units of the leak.
    I [n]: drive of the port `soma`, dimensionless.
    r [n]: rate.

    The step is exact while the drive is constant. A nudge of strength g towards u* is I = g u*
    together with the shunt g.

    View: activity r; potential u; gain phi'(u); dendrite v_b* = g_basal v_b / (1 + g_basal +
    g_apical). v_b* is the attenuated basal prediction: the u that the basal dendrite alone would
    bring about. It is the site of edges at the port `basal`; that of edges at `apical` is v_a.
    State: u, apical (v_a) [n].

    Args:
        tau_m: time constant of the soma at rest, in seconds.
        g_basal: conductance between basal dendrite and soma, in units of the leak.
        g_apical: conductance between apical dendrite and soma, likewise; 0: there is none.
        transfer: phi, a rate neuron without memory.

    Limits: v_a = 0, no nudge and constant v_b: u -> v_b*. An interneuron with one dendrite is
    g_apical = 0.

    Raises: BadInput where `transfer` is no rate neuron.
    Source: Sacramento, Costa, Bengio & Senn 2018 (leak 0.1, g_basal 1, g_apical 0.8, capacity 1).
    """

    ports: ClassVar[tuple[str, ...]] = ("soma", "basal", "apical", "shunt")
    signed: ClassVar[tuple[str, ...]] = ("soma", "basal", "apical")
    lowering: ClassVar[tuple[str, ...]] = ("shunt",)
    offers: ClassVar[frozenset[str]] = frozenset({"activity", "potential", "gain", "dendrite"})

    tau_m: Positive = 10e-3
    g_basal: NonNegative = 10.0
    g_apical: NonNegative = 8.0
    transfer: Annotated[AbstractNeuron, plugin("neuron")] = Softplus()

    def __post_init__(self) -> None:
        if not isinstance(self.transfer, RateNeuron):
            what = f"neuron pyramidal: transfer={name_of(type(self.transfer))}"
            fix = "set it to one such as softplus, sigmoid, tanh or linear"
            raise BadInput(what, "a rate neuron without memory", fix)

    @property
    def attenuation(self) -> float:
        """The share of the basal potential that reaches a soma without other drive, v_b* / v_b."""
        return self.g_basal / (1.0 + self.g_basal + self.g_apical)

    def init(self, key: Key, n: int) -> Theta:
        return {}

    def init_state(self, theta: Theta, n: int) -> Theta:
        return {"u": jnp.zeros(n), "apical": jnp.zeros(n)}

    def placed(self, state: Theta, potential: Array) -> Theta:
        return {**state, "u": potential}

    def step(
        self, theta: Theta, state: Theta, drive: dict[str, Array], dt: float, key: Key
    ) -> tuple[Theta, NeuronView]:
        total = 1.0 + self.g_basal + self.g_apical + drive["shunt"]
        pulled = self.g_basal * drive["basal"] + self.g_apical * drive["apical"] + drive["soma"]
        end = pulled / total
        u = end + jnp.exp(-dt / self.tau_m * total) * (state["u"] - end)
        _, view = self.transfer.step({}, {}, {"soma": u}, dt, key)
        view = replace(view, dendrite=self.attenuation * drive["basal"])
        return {"u": u, "apical": drive["apical"]}, view

    def at_port(self, theta: Theta, state: Theta, view: NeuronView, port: str) -> Array:
        dendrites = {"basal": view.dendrite, "apical": state["apical"]}
        return dendrites.get(port, view.potential)

    def stable_dt(self) -> float:
        return math.inf  # the equation is solved exactly while its drive is constant
