"""Eligibility propagation: the online gradient of a recurrent spiking network, at the synapse."""

from dataclasses import replace
from typing import Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import start, value
from metaplast.registry import register
from metaplast.rules._traces import faded
from metaplast.rules.base import AbstractRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import NonNegative, Positive, spec

Enters = Literal["jump", "steady_state"]


@register("rule", "eprop")
@spec
class Eprop(AbstractRule):
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

    rate: Positive = 1e-3
    tau_m: Positive = 20e-3
    beta: NonNegative = 0.0
    tau_a: Positive = 2.0
    tau_out: NonNegative = 20e-3
    soma_input: Enters = "jump"
    readout_input: Enters = "jump"
    rate_cost: NonNegative = 0.0
    target_rate: NonNegative = 10.0
    tau_rate: Positive = 1.0
    learn: bool = False

    @property
    def unused(self) -> frozenset[str]:
        switches = {"tau_a": self.beta, "tau_out": self.tau_out, "tau_rate": self.rate_cost}
        return frozenset(name for name, switch in switches.items() if not switch)

    @property
    def slow(self) -> frozenset[str]:
        if not self.rate_cost:
            return frozenset()
        return frozenset({"eprop_f"})

    @property
    def fast(self) -> frozenset[str]:
        return frozenset(self._on_synapse())

    @property
    def own(self) -> tuple[str, ...]:
        if not self.learn:
            return ()
        names = ("rate", "tau_m", "tau_a", "tau_out", "tau_rate")
        return tuple(name for name in names if name not in self.unused)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        post = {}
        if self.rate_cost:
            post["eprop_f"] = jnp.zeros(connection.n_post)
        return rule_state(
            pre={"eprop_eps": jnp.zeros(connection.n_pre)},
            post=post,
            synapse=dict.fromkeys(self._on_synapse(), connection.zeros()),
        )

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        eps = _filtered(
            state.pre["eprop_eps"],
            view.pre.activity,
            value(self, theta, "tau_m"),
            dt,
            self.soma_input,
        )
        post = dict(state.post)
        synapse = dict(state.synapse)
        reaching = connection.at_pre(eps)
        if self.beta:
            reaching = reaching - self.beta * synapse["eprop_a"]
        e = connection.at_post(view.post.gain) * reaching
        if self.beta:
            synapse["eprop_a"] = faded(synapse["eprop_a"], value(self, theta, "tau_a"), dt) + e
        eligible = e
        if self.tau_out:
            tau_out = value(self, theta, "tau_out")
            eligible = synapse["eprop_ebar"] = _filtered(
                synapse["eprop_ebar"], e, tau_out, dt, self.readout_input
            )
        change = connection.at_post(view.post.learning_signal) * eligible
        if self.rate_cost:
            tau_rate = value(self, theta, "tau_rate")
            post["eprop_f"] = faded(post["eprop_f"], tau_rate, dt) + view.post.activity / tau_rate
            cost = self.rate_cost * (post["eprop_f"] - self.target_rate)
            change = change + connection.at_post(cost) * e
        new = replace(state, pre={"eprop_eps": eps}, post=post, synapse=synapse)
        return new, -value(self, theta, "rate") * change

    def _on_synapse(self) -> tuple[str, ...]:
        """The names of the state on the synapse."""
        names = []
        if self.beta:
            names.append("eprop_a")
        if self.tau_out:
            names.append("eprop_ebar")
        return tuple(names)


def _filtered(trace: Array, x: Array, tau: float | Array, dt: float, enters: Enters) -> Array:
    """exp(-dt / tau) trace + x, or + (1 - exp(-dt / tau)) x under `steady_state`."""
    if enters == "steady_state":
        x = -jnp.expm1(-dt / tau) * x
    return faded(trace, tau, dt) + x
