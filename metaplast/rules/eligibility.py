"""Online learning for any neuron: an eligibility that is derived from the neuron's own step."""

from typing import ClassVar

from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.registry import BadInput, register
from metaplast.rules._eligible import EligibleRule, Enters
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import NonNegative, spec

SAME = 1e-6
"""The relative difference at which two time constants count as the same."""


@register("rule", "eligibility")
@spec
class Eligibility(EligibleRule):
    """A learning signal times the filtered derivative of the neuron's own activity.

        delta_w_ji = -rate [L_j ebar_ji + rate_cost (f_j - target_rate) e_ji]

        S_ji     <- J_j S_ji + B_j s_i                  (kept by the life)
        e_ji      = C_j S_ji + D_j s_i                  with the S of the step before
        ebar_ji  <- kappa ebar_ji + e_ji
        f_j      <- exp(-dt / tau_rate) f_j + z_j / tau_rate     (post side, hertz)

    rate: in units of w, at an L of 1.
    L: `learning_signal` of the post neuron.
    e: d activity / dw, the field `eligibility` of the view. The past reaches this step through the
        state of the neuron alone: recurrent spikes pass no gradient.
    S: d state / dw, a vector with one entry for every part of the state that the drive moves and
        that moves the activity.
    J, B: d state / d state and d state / d drive, of one step of the post neuron.
    C, D: d activity / d state and d activity / d drive.
    s: the signal that the edge transmits.
    z: activity of the post neuron.
    kappa: exp(-dt / tau_out).
    tau_out: time constant of the readout, in seconds. With 0, ebar = e, as at the synapses of the
        output itself, and below an output without memory.
    readout_input: with `jump`, as above. With `steady_state`, e_ji enters times 1 - kappa, as in
        the readout `leaky`.
    rate_cost: weight of the difference between the firing rate f and target_rate (hertz).
    target_rate: the firing rate without a cost, in hertz.
    tau_rate: time constant of the firing rate f, in seconds.
    exact: whether a network is refused in which the sum of changes is not the gradient (Limits).
        With false it is an approximation there.
    learn: whether theta holds log_rate, and log_tau_out, log_tau_rate where these are in use: a
        value is spec exp(5 theta).

    J, B, C and D come from the neuron's own step (life/sensitivity.py): with its surrogate, its
    reset, its refractoriness and its port. So there is no constant of the neuron to repeat. For lif
    and alif under EPROP (neurons/_integrate_and_fire.py) it is `eprop`. A reset to a value clears S
    of the potential, as it clears the potential; `eprop` keeps it.
    State on the synapse: ebar where tau_out > 0; beside the rule the life keeps S, on the pre side
    where it is the same for all post neurons. A new trial clears both, but not f. Clock `event`.
    Limits: under symmetric feedback, sum_t delta_w / rate is minus the gradient of the summed
    losses at fixed weights, where spikes pass no gradient on to other neurons. That holds at the
    synapses of the output, with tau_out = 0, and of cells that the output alone reads, over an
    instant edge, with tau_out = tau of a `leaky` output of rate units, or 0 without a memory.
    Spikes that are drawn by lot have the derivative of their probability. Units that compete for
    their activity have no e of their own, and are refused.

    Source: this library; after Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass 2020.
    """

    prefix: ClassVar[str] = "eligibility"

    tau_out: NonNegative = 0.0
    readout_input: Enters = "steady_state"
    exact: bool = True

    def eligible(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        return state, view.eligibility

    def check_readout(self, edge: str, memory: float | None) -> None:
        if not self.exact:
            return
        what = f"rule eligibility at {edge}"
        if memory is None:
            raise BadInput(
                f"{what}, whose cells reach the output through a delay or other cells",
                "cells that the output alone reads, over an instant edge",
                "leave the edge to a rule such as eprop, or set exact=false",
            )
        if abs(self.tau_out - memory) > SAME * memory:
            expected = f"{memory:g}, the memory of the readout in seconds, as seen from there"
            fix = f"set tau_out={memory:g} in a slot of this edge, or exact=false"
            raise BadInput(f"{what}: tau_out={self.tau_out:g}", expected, fix)
