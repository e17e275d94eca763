"""The common part of eprop and eligibility: what becomes of the eligibility of a step."""

from abc import abstractmethod
from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import start, value
from metaplast.rules._traces import faded
from metaplast.rules.base import AbstractRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import NonNegative, Positive, spec

Enters = Literal["jump", "steady_state"]


@spec
class EligibleRule(AbstractRule):
    """A learning signal times a filtered eligibility.

        delta_w_ji = -rate [L_j ebar_ji + rate_cost (f_j - target_rate) e_ji]

        ebar_ji <- kappa ebar_ji + e_ji
        f_j     <- exp(-dt / tau_rate) f_j + z_j / tau_rate     (post side, hertz)

    A concrete class says what e is, the `prefix` of the names of its state, and which `constants`
    theta may move.

    Args:
        rate: in units of w, at an L of 1.
        tau_out: time constant of the readout, whose kappa is exp(-dt / tau_out), in seconds. With
            0, ebar = e.
        readout_input: with `jump`, as above. With `steady_state`, e_ji enters times 1 - kappa. The
            readout `leaky` has `steady_state`.
        rate_cost: weight of the difference between the firing rate f and target_rate (hertz).
        target_rate: the firing rate without a cost, in hertz.
        tau_rate: time constant of the firing rate f, in seconds.
        learn: whether theta holds the logarithms of the constants in use.
    """

    prefix: ClassVar[str]
    constants: ClassVar[tuple[str, ...]] = ("rate", "tau_out", "tau_rate")

    rate: Positive = 1e-3
    tau_out: NonNegative = 20e-3
    readout_input: Enters = "jump"
    rate_cost: NonNegative = 0.0
    target_rate: NonNegative = 10.0
    tau_rate: Positive = 1.0
    learn: bool = False

    @abstractmethod
    def eligible(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        """(The state with its part of e, e in the layout of the connection); as `step`."""

    @property
    def unused(self) -> frozenset[str]:
        switches = {"tau_out": self.tau_out, "tau_rate": self.rate_cost}
        return frozenset(name for name, switch in switches.items() if not switch)

    @property
    def slow(self) -> frozenset[str]:
        return frozenset({f"{self.prefix}_f"}) if self.rate_cost else frozenset()

    @property
    def fast(self) -> frozenset[str]:
        return frozenset({f"{self.prefix}_ebar"}) if self.tau_out else frozenset()

    @property
    def own(self) -> tuple[str, ...]:
        if not self.learn:
            return ()
        return tuple(name for name in self.constants if name not in self.unused)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        post = {}
        if self.rate_cost:
            post[f"{self.prefix}_f"] = jnp.zeros(connection.n_post)
        return rule_state(post=post, synapse=dict.fromkeys(self.fast, connection.zeros()))

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        new, e = self.eligible(theta, state, connection, view, dt)
        bar = e
        if self.tau_out:
            name = f"{self.prefix}_ebar"
            tau_out = value(self, theta, "tau_out")
            bar = filtered(state.synapse[name], e, tau_out, dt, self.readout_input)
            new = with_entries(new, synapse={name: bar})
        change = connection.at_post(view.post.learning_signal) * bar
        if self.rate_cost:
            name = f"{self.prefix}_f"
            tau_rate = value(self, theta, "tau_rate")
            f = faded(state.post[name], tau_rate, dt) + view.post.activity / tau_rate
            new = with_entries(new, post={name: f})
            cost = self.rate_cost * (f - self.target_rate)
            change = change + connection.at_post(cost) * e
        return new, -value(self, theta, "rate") * change


def filtered(trace: Array, x: Array, tau: float | Array, dt: float, enters: Enters) -> Array:
    """exp(-dt / tau) trace + x, or + (1 - exp(-dt / tau)) x under `steady_state`."""
    if enters == "steady_state":
        x = -jnp.expm1(-dt / tau) * x
    return faded(trace, tau, dt) + x
