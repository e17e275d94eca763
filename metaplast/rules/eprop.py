"""Eligibility propagation: the online gradient of a recurrent spiking network, at the synapse."""

from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules._eligible import EligibleRule, Enters, filtered
from metaplast.rules._traces import faded
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "eprop")
@spec
class Eprop(EligibleRule):
    """A learning signal times a filtered eligibility.

        delta_w_ji = -rate [L_j ebar_ji + rate_cost (f_j - target_rate) e_ji]

        eps_i   <- alpha eps_i + z_i                    (pre side)
        e_ji     = psi_j (eps_i - beta a_ji)
        a_ji    <- rho a_ji + e_ji
        ebar_ji <- kappa ebar_ji + e_ji
        f_j     <- exp(-dt / tau_rate) f_j + z_j / tau_rate     (post side, hertz)

    rate: in units of w, at an L of 1.
    tau_m, tau_a, tau_rate: time constants of the membrane, of the adaptation and of the firing rate
        f, in seconds.
    target_rate: the firing rate without a cost, in hertz.
    L: `learning_signal` of the post neuron.
    psi: its `gain`, 0 while refractory.
    z: spikes; the presynaptic ones are those that are transmitted.
    a: d threshold / (beta dw), used one step after e made it.
    alpha, rho, kappa: exp(-dt / tau), with tau_m of the membrane, tau_a of the adaptation and
        tau_out of the readout (seconds).
    beta: strength of the adaptation of the threshold.
    soma_input, readout_input: with `jump`, as above. With `steady_state`, z_i enters times
        1 - alpha, or e_ji times 1 - kappa, as in the neuron's own `soma_input`. The readout
        `leaky` has `steady_state`.
    tau_out: with 0, ebar = e. So the same rule trains the readout itself, with tau_m = tau of the
        readout, for which psi is 1.
    rate_cost: weight of the difference between the firing rate f and target_rate (hertz).
    learn: whether theta holds log_rate, log_tau_m, and log_tau_a, log_tau_out, log_tau_rate where
        these are in use: a value is spec exp(5 theta).

    The time constants and beta have to be those of the neuron (adaptation `mean`: beta (1 - rho)).
    The neuron spikes on the new potential and is reset by a subtraction, as lif and alif are under
    EPROP (neurons/_integrate_and_fire.py). Its refractoriness is `silent`.
    State on the synapse: a where beta > 0, ebar where tau_out > 0. A new trial clears both, but not
    f. Clock `event`, with adaptation up to dt / tau_a.
    Limits: it is exact in a layer that the readout reads directly. Under symmetric feedback,
    sum_t delta_w / rate is minus the gradient of the summed losses at fixed weights, where neither
    spikes pass a gradient on to other neurons, nor resets. In layers below it is not exact: no
    learning signal holds the membranes in between.
    Source: Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass 2020.
    """

    prefix: ClassVar[str] = "eprop"
    constants: ClassVar[tuple[str, ...]] = ("rate", "tau_m", "tau_a", "tau_out", "tau_rate")

    tau_m: Positive = 20e-3
    beta: NonNegative = 0.0
    tau_a: Positive = 2.0
    soma_input: Enters = "jump"

    @property
    def unused(self) -> frozenset[str]:
        return super().unused if self.beta else super().unused | {"tau_a"}

    @property
    def fast(self) -> frozenset[str]:
        return super().fast | {"eprop_a"} if self.beta else super().fast

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        eps = {"eprop_eps": jnp.zeros(connection.n_pre)}
        return with_entries(super().init_state(theta, connection), pre=eps)

    def eligible(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        eps = filtered(
            state.pre["eprop_eps"],
            view.pre.activity,
            value(self, theta, "tau_m"),
            dt,
            self.soma_input,
        )
        new = with_entries(state, pre={"eprop_eps": eps})
        reaching = connection.at_pre(eps)
        if not self.beta:
            return new, connection.at_post(view.post.gain) * reaching
        old = state.synapse["eprop_a"]
        e = connection.at_post(view.post.gain) * (reaching - self.beta * old)
        a = faded(old, value(self, theta, "tau_a"), dt) + e
        return with_entries(new, synapse={"eprop_a": a}), e
