"""Spike-timing rules as a list of terms over spikes, their traces and the weight."""

from dataclasses import replace
from functools import partial
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.account import Account, grown
from metaplast.language.constants import start, value
from metaplast.language.grammar import TRACES, Product, field_of, read
from metaplast.language.terms import (
    Factors,
    SignalValues,
    Terms,
    fold,
    multiplied,
    products,
    signals_of,
)
from metaplast.registry import register
from metaplast.rules._traces import Order, Pairing, among, coincident, faded, jumped
from metaplast.rules.base import TermList
from metaplast.signals import CREDIT_FIELDS, Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import Positive, spec

CREDITS = frozenset(
    f"post.{name}" for name in (*CREDIT_FIELDS, "score", "gain", "dendrite", "target")
)
SIDES = ("pre", "post")


class _Trace(NamedTuple):
    """A trace [n] before and after the jump of this step."""

    before: Array
    after: Array


class _Group(NamedTuple):
    """The products that need spikes on the same sides.

    spiking: the sides whose spike is a factor.
    sparse: the side whose factor is 0 without a spike; empty where no spike is needed.
    """

    spiking: frozenset[str]
    sparse: str


GROUPS = (
    _Group(frozenset({"pre", "post"}), "post"),
    _Group(frozenset({"pre"}), "pre"),
    _Group(frozenset({"post"}), "post"),
    _Group(frozenset(), ""),
)


@register("rule", "trace_taylor")
@spec
class TraceTaylor(TermList):
    """A sum of terms over spikes, their traces and the weight.

        delta_w = rate exp(5 log_rate) sum_k c_k term_k
        x <- exp(-dt/tau) x + spikes        (a trace: exact decay, then the jump)

    terms: text in the grammar of language/grammar.py, or `taylor N of ...`. In it, pre and post are
        spikes (0/1), and these traces are signals too:
        pre_trace, pre_slow [n_pre];
        post_trace, post_slow [n_post].
    tau_<trace>: time constant of this trace, in seconds.
    pairing: `nearest` sets a trace to 1 at a spike.
    at_post_spike: the value of pre traces where both neurons fire in one step.
    at_pre_spike: the value of post traces where both neurons fire in one step. The defaults are
        Brian2's order, pre pathway first. In a product with the neuron's own spike, a trace is
        always the one before the jump.
    initial, scale, learn: as in `polynomial`.
    learn_tau: whether theta holds log_tau_<trace> [] of every trace in use, 0 at the start: a value
        is spec exp(5 theta).

    State: the traces in use. Clock `event`.

    A product with a spike acts when that neuron spikes. A product with both pre and post acts where
    both fire in one step, once for each pair of a spike with a spike. A product without a spike
    acts all the time: it is multiplied by dt, and its c is per second. Several spikes of a neuron
    in one step (a count) are the limit of close ones: each finds its own traces anew.

    It is a rule of spike times, unless a term reads a credit signal of the postsynaptic neuron
    (error, learning_signal, score, post_gain, dendrite, target). Then pre is the signal that the
    edge transmits.

    Limits: pre*post_trace, post*pre_trace with c = (-1, 1) is additive pair STDP.
    (pre, pre*post_trace, post, post*pre_trace) is the family of Confavreux et al. 2020, with
    Vogels' rule at (-alpha, 1, 0, 1). post*pre_trace, post*post_slow*pre_trace ... are triplets
    (Pfister & Gerstner 2006).
    Source: after Confavreux, Zenke, Agnes, Lillicrap & Vogels 2020.
    """

    traces: ClassVar[bool] = True

    terms: Terms = ("pre", "pre*post_trace", "post", "post*pre_trace")
    tau_pre_trace: Positive = 20e-3
    tau_pre_slow: Positive = 100e-3
    tau_post_trace: Positive = 20e-3
    tau_post_slow: Positive = 100e-3
    pairing: Pairing = "all_to_all"
    at_post_spike: Order = "after"
    at_pre_spike: Order = "before"
    learn_tau: bool = False

    @property
    def spike_timing(self) -> bool:
        """False where a term gives credit for the transmitted signal, as `score*pre_trace` does."""
        names = signals_of(self.terms, self.traces)
        return not any(field_of(name) in CREDITS for name in names)

    @property
    def kept(self) -> tuple[str, ...]:
        """The traces that some term reads."""
        names = signals_of(self.terms, self.traces)
        return tuple(name for name in TRACES if name in names)

    @property
    def unused(self) -> frozenset[str]:
        return frozenset(f"tau_{name}" for name in TRACES if name not in self.kept)

    @property
    def own(self) -> tuple[str, ...]:
        if not self.learn_tau:
            return ()
        return tuple(f"tau_{name}" for name in self.kept)

    def account(self) -> Account:
        account = super().account()
        return replace(account, moved={**account.moved, **grown(*self.own)})

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return {**super().init(key, connection), **start(self)}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        sizes = {"pre": connection.n_pre, "post": connection.n_post}
        state: dict[str, dict[str, Array]] = {"pre": {}, "post": {}}
        for name in self.kept:
            side = _side(name)
            state[side][_leaf(name)] = jnp.zeros(sizes[side])
        return rule_state(**state)

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        traces = self._traces(theta, state, view, dt)
        rate, c = self.effective(theta)
        every = products(self.terms, self.traces)
        terms: list[Term] = []
        for group in GROUPS:
            members = [pair for pair in every if _spiking(pair[1]) == group.spiking]
            if not members:
                continue
            scaled = rate * c if group.spiking else dt * (rate * c)
            signal = partial(self._signal, traces, group.spiking, view)
            folded = fold(members, scaled, signal, partial(self._joint, signal=signal))
            for term in folded:
                terms.append(term._replace(sparse=group.sparse))
        new = {"pre": dict(state.pre), "post": dict(state.post)}
        for name, trace in traces.items():
            new[_side(name)][_leaf(name)] = trace.after
        return replace(state, **new), terms

    def _traces(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> dict[str, _Trace]:
        """The traces in use, by name."""
        traces = {}
        for name in self.kept:
            side = _side(name)
            before = faded(getattr(state, side)[_leaf(name)], value(self, theta, f"tau_{name}"), dt)
            after = jumped(before, getattr(view, side).activity, self.pairing)
            traces[name] = _Trace(before, after)
        return traces

    def _signal(
        self, traces: dict[str, _Trace], spiking: frozenset[str], view: SynapseView, name: str
    ) -> Array:
        """The value of a signal in products with the spikes of the sides `spiking`."""
        if name not in traces:
            return read(name, view)
        trace = traces[name]
        side = _side(name)
        if side in spiking:
            return trace.before
        order = self.at_post_spike if side == "pre" else self.at_pre_spike
        return coincident(trace.before, trace.after, order)

    def _joint(self, factors: Factors, signal: SignalValues) -> Array | None:
        """The product of the factors of one side.

        Each of several own spikes in one step finds its own traces anew.
        """
        powers = dict(factors)
        side = next((side for side in SIDES if side in powers), None)
        if side is None:
            return multiplied(factors, signal)
        traces = []
        others = []
        for name, power in factors:
            if name in TRACES:
                traces.append((signal(name), power))
            elif name != side:
                others.append((name, power))
        fired = among(signal(side), traces, self.pairing, powers[side])
        rest = multiplied(tuple(others), signal)
        return fired if rest is None else fired * rest


def _spiking(product: Product) -> frozenset[str]:
    """The sides whose spike is a factor of a product."""
    return frozenset(SIDES) & dict(product.factors).keys()


def _side(trace: str) -> str:
    """The side on which a trace is kept."""
    return TRACES[trace][0]


def _leaf(trace: str) -> str:
    """The name of a trace in the state."""
    return f"trace_taylor_{trace}"
