"""Spike-timing rules as a list of terms over spikes, their traces and the weight."""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection, Term
from metaplast.language.account import Account, grown
from metaplast.language.constants import start, value
from metaplast.language.grammar import TRACES, field_of, read
from metaplast.language.terms import Signal, Terms, fold, multiplied, products
from metaplast.registry import register
from metaplast.rules._traces import Order, Pairing, among, faded, jumped, seen
from metaplast.rules.base import TermList
from metaplast.signals import CREDIT_FIELDS, Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import Positive, spec

CREDITS = frozenset(
    f"post.{name}" for name in (*CREDIT_FIELDS, "score", "gain", "dendrite", "target")
)


@register("rule", "trace_taylor")
@spec
class TraceTaylor(TermList):
    """delta_w = rate exp(5 log_rate) sum_k c_k term_k; a product with `pre` or `post` acts when
    that neuron spikes.

    terms: text in the grammar of language/grammar.py, of which pre and post are spikes (0/1), or
    `taylor N of ...`.
    Also:
        pre_trace, pre_slow [n_pre], post_trace, post_slow [n_post]: x <- exp(-dt/tau) x + spikes,
    tau_<trace> in seconds; exact decay, then the jump (pairing `nearest`: to 1). In a product with
    the neuron's own spike a trace is the one before the jump; elsewhere at_post_spike (of pre
    traces) and at_pre_spike (of post traces) say what is seen where both fire in one step (default:
    Brian2's order, pre pathway first). Several spikes of a neuron in one step (a count) are the
    limit of
    close ones: each finds its own traces anew. A product with both pre and post acts where both
    fire in one step, once for each pair of a spike with a spike. A product without any spike acts
    all the time: it is multiplied by dt, and its c is per second.
    initial, scale, learn: as in polynomial. learn_tau: theta holds log_tau_<trace> [] of every
    trace in use, 0 at the
    start: a value is spec exp(5 theta). State: the traces in use. Clock `event`.
    A rule of spike times, but where a term reads a credit signal of the postsynaptic neuron (error,
    learning_signal,
    score, post_gain, dendrite, target): then pre is what the edge transmits.
    Limits: pre*post_trace, post*pre_trace with c = (-1, 1) is additive pair STDP; (pre,
    pre*post_trace, post, post*pre_trace) is the family of Confavreux et al. 2020, with Vogels' rule
    at (-alpha, 1, 0, 1); post*pre_trace, post*post_slow*pre_trace ... are triplets (Pfister &
    Gerstner 2006).
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
        """False where a term gives credit for what was transmitted, as `score*pre_trace` does."""
        read_by = {
            name for _, product in products(self.terms, self.traces) for name, _ in product.factors
        }
        return not any(field_of(name) in CREDITS for name in read_by)

    @property
    def kept(self) -> tuple[str, ...]:
        """The traces that some term reads."""
        read_by = {
            name for _, product in products(self.terms, self.traces) for name, _ in product.factors
        }
        return tuple(name for name in TRACES if name in read_by)

    @property
    def unused(self) -> frozenset[str]:
        return frozenset(f"tau_{name}" for name in TRACES if name not in self.kept)

    @property
    def own(self) -> tuple[str, ...]:
        return tuple(f"tau_{name}" for name in self.kept) if self.learn_tau else ()

    def account(self) -> Account:
        account = super().account()
        return replace(account, moved={**account.moved, **grown(*self.own)})

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        return {**super().init(key, connection), **start(self)}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        sizes = {"pre": connection.n_pre, "post": connection.n_post}
        return rule_state(
            **{
                side: {_leaf(name): jnp.zeros(n) for name in self.kept if TRACES[name][0] == side}
                for side, n in sizes.items()
            }
        )

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        spikes = {"pre": view.pre.activity, "post": view.post.activity}
        traces: dict[str, tuple[Array, Array]] = {}  # before, after the jump of this step
        for name in self.kept:
            side = TRACES[name][0]
            now = faded(getattr(state, side)[_leaf(name)], value(self, theta, f"tau_{name}"), dt)
            traces[name] = now, jumped(now, spikes[side], self.pairing)
        terms, weighted = [], self.weighted(theta)
        for fires, sparse in (
            ({"pre", "post"}, "post"),
            ({"pre"}, "pre"),
            ({"post"}, "post"),
            (set(), ""),
        ):
            members = [
                (p, c) for p, c in weighted if {n for n, _ in p.factors} & set(spikes) == fires
            ]
            if members:
                scaled = members if fires else [(p, dt * c) for p, c in members]
                signal = partial(self._signal, traces, fires, view)
                folded = fold(scaled, signal, partial(self._together, signal=signal))
                terms += [term._replace(sparse=sparse) for term in folded]
        after = {
            side: {
                **getattr(state, side),
                **{_leaf(n): x for n, (_, x) in traces.items() if TRACES[n][0] == side},
            }
            for side in spikes
        }
        return replace(state, **after), terms

    def _signal(
        self, traces: dict[str, tuple[Array, Array]], fires: set[str], view: SynapseView, name: str
    ) -> Array:
        """A signal as the products with the spikes `fires` see it."""
        if name not in traces:
            return read(name, view)
        before, after = traces[name]
        side = TRACES[name][0]
        order = self.at_post_spike if side == "pre" else self.at_pre_spike
        return before if side in fires else seen(before, after, order)

    def _together(self, factors: tuple[tuple[str, int], ...], signal: Signal) -> Array | None:
        """The factors of one side; own spikes and own traces as each of several spikes in one step
        finds them.
        """
        powers = dict(factors)
        side = next((side for side in ("pre", "post") if side in powers), None)
        if side is None:
            return multiplied(factors, signal)
        own = [(signal(name), power) for name, power in factors if name in TRACES]
        fired = among(signal(side), own, self.pairing, powers[side])
        rest = multiplied(
            tuple((n, p) for n, p in factors if n != side and n not in TRACES), signal
        )
        return fired if rest is None else fired * rest


def _leaf(trace: str) -> str:
    return f"trace_taylor_{trace}"
