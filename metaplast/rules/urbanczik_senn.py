"""A dendrite that learns to predict the spikes of its soma."""

import math
from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import BadInput, register
from metaplast.rules._traces import faded
from metaplast.rules.base import AbstractRule, Clock
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import NonNegative, Positive, spec


@register("rule", "urbanczik_senn")
@spec
class UrbanczikSenn(AbstractRule):
    """The filtered surprise of the soma's spikes, at the dendrite that predicts them.

        dw_ji/dt = rate lowpass_{tau_delta} [(S_j - phi(V*_j)) h(V*_j) PSP_i]
        phi(V) = phi_max / (1 + k exp(steepness (threshold - V)))
        h(V) = phi'(V) / phi(V) = steepness (1 - phi(V) / phi_max)

    phi_max: largest rate of the soma, in hertz.
    k: factor in the rate of the soma, dimensionless.
    steepness: of the rate of the soma, in 1 / unit of V.
    threshold: of the rate of the soma, in units of V.
    S: spikes of the soma, z in a step of dt.
    V*: the dendrite's prediction of the soma's potential (`dendrite` of the post neuron,
        two_compartment), in its unit.
    phi: the rate that a potential predicts, in hertz. phi_max, k, steepness and threshold have to
        be those of the neuron.
    expected: what S is compared with. With `probability`, 1 - exp(-phi dt), the probability of a
        spike in the step, stands in place of phi dt. So the mean change is exactly 0 where the soma
        fires as V* says. With `rate`, it is phi dt itself (NEST).
    rate: in units of w. (NEST has a factor of 15 at two places, and its own scale of the PSP: its
        eta is rate / (225 tau_rise), with tau_rise in ms.)
    received: with `psp`, PSP_i is the signal that the edge transmits (transmission
        `dual_exponential`, as it reaches the dendrite). With `spikes`, the edge is instant, and
        PSP_i = tau_decay / (tau_decay - tau_rise) (a_i - b_i).
    a, b: traces of z_i [n_pre] with tau_decay (of the membrane) and tau_rise (of the synapse).
    tau_rise, tau_decay, tau_delta: seconds. tau_delta = 0: no filter.
    learn: whether theta holds log_rate, log_tau_rise, log_tau_decay, log_tau_delta, those in use.

    State: a, b; and the low-pass E on the synapse, since a product of two neurons' signals is
    filtered: E <- exp(-dt/tau_delta) E + product, delta_w = rate (1 - exp(-dt/tau_delta)) E. So in
    the end each product counts once. A new trial keeps E. tau_delta = 0 has no E. Clock `mixed`.
    Limits: where the soma fires by phi(V*), there is no drift. It is a gradient ascent of the
    likelihood of the soma's spikes given V*.

    Raises: BadInput where tau_rise is not below tau_decay.
    Source: Urbanczik & Senn 2014 (10, 3, 100 ms).
    """

    rate: Positive = 1e-3
    phi_max: Positive = 150.0
    k: Positive = 0.5
    steepness: Positive = 5.0
    threshold: float = 1.0
    received: Literal["psp", "spikes"] = "psp"
    tau_rise: Positive = 3e-3
    tau_decay: Positive = 10e-3
    tau_delta: NonNegative = 100e-3
    expected: Literal["probability", "rate"] = "probability"
    learn: bool = False

    def __post_init__(self) -> None:
        if not self.tau_rise < self.tau_decay:
            expected = f"less than tau_decay={self.tau_decay}"
            raise BadInput(f"tau_rise={self.tau_rise}", expected, "lower it")

    @property
    def clock(self) -> Clock:
        return "mixed"

    @property
    def own(self) -> tuple[str, ...]:
        if not self.learn:
            return ()
        names = ["rate"]
        if self.received == "spikes":
            names += ["tau_rise", "tau_decay"]
        if self.tau_delta:
            names.append("tau_delta")
        return tuple(names)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        pre = {}
        synapse = {}
        if self.received == "spikes":
            pre["urbanczik_senn_rise"] = jnp.zeros(connection.n_pre)
            pre["urbanczik_senn_decay"] = jnp.zeros(connection.n_pre)
        if self.tau_delta:
            synapse["urbanczik_senn_delta"] = connection.zeros()
        return rule_state(pre=pre, synapse=synapse)

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        rate = value(self, theta, "rate")
        pre, psp = self._psp(theta, state, view, dt)
        log_odds = self.steepness * (view.post.dendrite - self.threshold) - math.log(self.k)
        share = jax.nn.sigmoid(log_odds)
        expected = self.phi_max * share * dt
        if self.expected == "probability":
            expected = -jnp.expm1(-expected)
        surprise = view.post.activity - expected
        term = Term(surprise * self.steepness * (1.0 - share), psp)
        product = connection.outer([term], view.weight)
        state = replace(state, pre=pre)
        if not self.tau_delta:
            return state, rate * product
        tau = value(self, theta, "tau_delta")
        kept = faded(state.synapse["urbanczik_senn_delta"], tau, dt) + product
        new = with_entries(state, synapse={"urbanczik_senn_delta": kept})
        return new, -rate * jnp.expm1(-dt / tau) * kept

    def _psp(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        """(presynaptic state after this step, PSP of this step)."""
        z = view.pre.activity
        if self.received == "psp":
            return state.pre, z
        rise = value(self, theta, "tau_rise")
        decay = value(self, theta, "tau_decay")
        b = faded(state.pre["urbanczik_senn_rise"], rise, dt) + z
        a = faded(state.pre["urbanczik_senn_decay"], decay, dt) + z
        traces = {**state.pre, "urbanczik_senn_rise": b, "urbanczik_senn_decay": a}
        return traces, decay / (decay - rise) * (a - b)
