"""Spike-timing-dependent plasticity that reads the potential of the postsynaptic neuron."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.constants import start, value
from metaplast.registry import BadInput, register
from metaplast.rules._traces import faded
from metaplast.rules.base import Clock, TermRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state, with_entries
from metaplast.spec import Natural, NonNegative, Positive, spec


@register("rule", "clopath")
@spec
class Clopath(TermRule):
    """Spikes depress by the low-passed potential; the potential itself potentiates.

        delta_w_ji = - a_ltd F_j z_i [u-_j - theta_minus]_+
                     + a_ltp x_i [u_j - theta_plus]_+ [u+_j - theta_minus]_+ h / tau_x

    u: offset + scale potential, in mV.
    scale, offset: 1 and 0 for neurons in mV (`adex`). With 20.2 and -70.6, the rest 0 and the
        threshold 1 of `lif` are those of the paper's neuron.
    z: presynaptic spikes.
    x: the trace of presynaptic spikes, over tau_x.
    u-, u+: u low-passed over tau_minus and tau_plus, from theta_minus at birth.
    tau_x, tau_minus, tau_plus, tau_mean: time constants of x, u-, u+ and m, in seconds.
    a_ltd: in units of w per mV.
    a_ltp: in units of w per mV^2.
    theta_minus, theta_plus: in mV.
    h: dt; in the step of a postsynaptic spike, spike_width.
    spike_height: the u of a postsynaptic spike, in mV, in every term.
    spike_width: seconds. A neuron that is reset at once shows nothing of its upswing, and the
        authors hold a spike for 2 ms. With 0, u and dt are taken as they are.
    between_steps: how u goes from its former value to the new one, for u- and u+: `held` at the new
        one, or `linear`, a straight line (for neurons whose potential shows the whole spike, as in
        NEST, which integrates u- and u+ with the membrane). `linear` wants spike_width = 0.
    delay: additional steps by which u- and u+ are read later (the authors' code: 2 at 1 ms).
    u_ref_squared: mV^2. With 0, F = 1. With a positive number (60 mV^2), F = m^2 / u_ref_squared.
    m: a low-pass over tau_mean, which a new trial keeps.
    mean_of: what m is the low-pass of: the `excess` [u - theta_minus]_+, from 0 at birth, or the
        filtered potential `u_minus` itself, from theta_minus (NEST). (The authors' code has the
        mean of the square over 1.2 s.)
    learn: whether theta holds log_<name> [] of a_ltd, a_ltp and the time constants in use: a value
        is spec exp(5 theta).

    All traces are those before the step, so a spike is not in its own u- and u+. Several
    postsynaptic spikes in one step (a count) are held one after the other. Hard bounds are those of
    the edge. Clock `mixed`. Defaults: visual cortex (table 1b).
    Limits: under a potential clamped at u, a_ltp = 0 or u < theta_plus depresses by
    a_ltd [u - theta_minus]_+ a spike. The change turns over at theta_plus + a_ltd / a_ltp.
    Source: Clopath, Buesing, Vasilaki & Gerstner 2010. Spike and delay: their code, ModelDB 144566.
    """

    spike_timing: ClassVar[bool] = True

    a_ltd: NonNegative = 14e-5
    a_ltp: NonNegative = 8e-5
    theta_minus: float = -70.6
    theta_plus: float = -45.3
    tau_x: Positive = 15e-3
    tau_minus: Positive = 10e-3
    tau_plus: Positive = 7e-3
    u_ref_squared: NonNegative = 0.0
    tau_mean: Positive = 1.0
    mean_of: Literal["excess", "u_minus"] = "excess"
    scale: Positive = 1.0
    offset: float = 0.0
    spike_height: float = 31.0
    spike_width: NonNegative = 2e-3
    between_steps: Literal["held", "linear"] = "held"
    delay: Natural = 0
    learn: bool = False

    def __post_init__(self) -> None:
        if self.between_steps == "linear" and self.spike_width:
            given = f"between_steps=linear with spike_width={self.spike_width}"
            raise BadInput(given, "a potential that shows the whole spike", "set spike_width=0")

    @property
    def clock(self) -> Clock:
        return "mixed"

    @property
    def unused(self) -> frozenset[str]:
        if self.u_ref_squared:
            return frozenset()
        return frozenset({"tau_mean"})

    @property
    def slow(self) -> frozenset[str]:
        if not self.u_ref_squared:
            return frozenset()
        return frozenset({"clopath_mean"})

    @property
    def own(self) -> tuple[str, ...]:
        if not self.learn:
            return ()
        names = ("a_ltd", "a_ltp", "tau_x", "tau_minus", "tau_plus", "tau_mean")
        return tuple(name for name in names if name not in self.unused)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return start(self)

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        newest_first = (connection.n_post, 1 + self.delay)
        rest = jnp.full(newest_first, self.theta_minus, jnp.zeros(()).dtype)
        post = {"clopath_minus": rest, "clopath_plus": rest}
        if self.between_steps == "linear":
            post["clopath_u"] = rest[:, 0]
        if self.u_ref_squared:
            birth = rest[:, 0] if self.mean_of == "u_minus" else jnp.zeros(connection.n_post)
            post["clopath_mean"] = birth
        return rule_state(pre={"clopath_x": jnp.zeros(connection.n_pre)}, post=post)

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        number = lambda name: value(self, theta, name)
        u = self.offset + self.scale * view.post.potential
        once = h = dt + jnp.zeros_like(u)
        more = jnp.zeros_like(u)
        if self.spike_width:
            z = view.post.activity
            more = jnp.where(z > 1.0, z - 1.0, 0.0)
            held = z - more
            u = u + held * (self.spike_height - u)
            once = dt + held * (self.spike_width - dt)
            h = once + more * self.spike_width
        minus = state.post["clopath_minus"]
        plus = state.post["clopath_plus"]
        x = faded(state.pre["clopath_x"], number("tau_x"), dt)
        depression = number("a_ltd") * _above(minus[:, -1], self.theta_minus)
        former = state.post.get("clopath_u", u)
        post = {
            "clopath_minus": _later(minus, former, u, number("tau_minus"), h),
            "clopath_plus": _later(plus, former, u, number("tau_plus"), h),
        }
        if self.between_steps == "linear":
            post["clopath_u"] = u
        if self.u_ref_squared:
            mean = state.post["clopath_mean"]
            depression = depression * mean**2 / self.u_ref_squared
            since = new = _above(u, self.theta_minus)
            if self.mean_of == "u_minus":
                since = minus[:, 0]
                new = post["clopath_minus"][:, 0]
            post["clopath_mean"] = _low_passed(mean, since, new, number("tau_mean"), h)
        reached = once * _above(plus[:, -1], self.theta_minus)
        if self.spike_width:
            reached = reached + self._further(more, plus, number("tau_plus"))
        terms = [
            Term(-depression, view.pre.activity, sparse="pre"),
            Term(number("a_ltp") / number("tau_x") * _above(u, self.theta_plus) * reached, x),
        ]
        pre = {"clopath_x": x + view.pre.activity}
        return with_entries(state, pre=pre, post=post), terms

    def _further(self, more: Array, plus: Array, tau: float | Array) -> Array:
        """sum of spike_width [u+ - theta_minus] over the `more` spikes after the first: [n].

        Between them, u+ goes on towards spike_height. Under a `delay`, all of them see the u+ that
        the first spike sees.
        """
        before = plus[:, -1]
        if self.delay:
            return self.spike_width * more * _above(before, self.theta_minus)
        kept = jnp.exp(-self.spike_width / tau)
        rest = jnp.where(kept < 1, 1.0 - kept, 1.0)
        faded_in = jnp.where(more > 0, (kept - kept ** (more + 1.0)) / rest, 0.0)
        room = self.spike_height - self.theta_minus
        return self.spike_width * (more * room + (before - self.spike_height) * faded_in)


def _above(u: Array, threshold: float) -> Array:
    """[u - threshold]_+."""
    return jnp.maximum(u - threshold, 0.0)


def _later(filtered: Array, former: Array, u: Array, tau: float | Array, h: Array) -> Array:
    """The low-passed potential after `h` seconds, in front of its older values: [n, 1 + delay]."""
    newest = _low_passed(filtered[:, 0], former, u, tau, h)
    return jnp.concatenate([newest[:, None], filtered[:, :-1]], axis=1)


def _low_passed(filtered: Array, former: Array, x: Array, tau: float | Array, h: Array) -> Array:
    """The low-pass after `h` seconds in which its input goes from `former` to x on a line: [n]."""
    lag = (x - former) * tau / h
    return x - lag + jnp.exp(-h / tau) * (filtered - former + lag)
