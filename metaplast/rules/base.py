"""Learning rules: from local signals to a change of weight.

A rule never sees the network, only the view of one edge. Two forms: `TermRule` (sums of products
post * pre * w^k, cheap on every connection) and `KernelRule` (any function of the scalars at one
synapse).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.language.account import Account as Account
from metaplast.language.account import Moved as Moved
from metaplast.language.account import Part as Part
from metaplast.language.account import grown as grown
from metaplast.language.constants import log_of
from metaplast.signals import Key, NeuronView, RuleState, SynapseView, Theta, rule_state

Clock = Literal["event", "time", "mixed", "trial"]
Mixes = Literal["", "neuron", "layer"]


class AbstractRule(ABC):
    """(theta, state, view) -> (state, delta_w).

    spike_timing: whether it pairs spikes of the two neurons by their times: it sees each spike when
    it reaches the synapse by the delays that the edge declares, any other rule what the edge
    transmits (life/at_synapse.py).
    clock: what delta_w is per: `event` (a spike or a presentation: dt does not scale it), `time`
    (an integral over dt seconds), `mixed` (activities are spikes, other signals are integrated over
    dt), `trial` (dt is one trial).
    mixes: `neuron` or `layer` where the rule itself computes with numbers of several synapses or
    neurons (sums that it reads ready-made, such as post.weight_sum, do not count). Only the
    contract test asks for it, and holds it against the program; what a run reports is measured.
    unused: names of time constants that play no part as the other fields are set.
    slow: names of neuron-side state that a new trial does not clear; fast: names of synapse-side
    state that it does.
    Convention for theta: a leaf of 0 is its neutral prior, a change of 0.1 matters.
    """

    spike_timing: ClassVar[bool] = False
    clock: ClassVar[Clock] = "event"
    mixes: ClassVar[Mixes] = ""
    unused: ClassVar[frozenset[str]] = frozenset()
    slow: ClassVar[frozenset[str]] = frozenset()
    fast: ClassVar[frozenset[str]] = frozenset()

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the rule's own constants that theta moves, as `log_<name>` (_learned.value)."""
        return ()

    def account(self) -> Account:
        """How theta moves the rule's numbers: what formulas, pages and files show of it.

        The contract test holds it against changes of `step`. Override it where theta moves numbers
        in another way than `own` says. Where a rule says nothing, files try the laws of
        language/account.py on its step, and show a leaf of theta as it is where none fits.
        """
        return Account(grown(*self.own))

    @abstractmethod
    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        """Learned parameters; {} where there are none."""

    @abstractmethod
    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        """State at the birth of a life."""

    @abstractmethod
    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        """One step of `dt` seconds: (state, delta_w in the layout of the connection)."""

    def apply(
        self,
        theta: Theta,
        state: RuleState,
        move: Move,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        """`step`, applied: (state, the weights that follow)."""
        state, delta = self.step(theta, state, connection, view, dt)
        return state, move(view.weight, delta)

    def settled(self, theta: Theta) -> tuple["AbstractRule", Theta]:
        """The same rule with what a search decided made structure: what a rule file holds.
        Otherwise (self, theta).
        """
        return self, theta

    def embed(self, other: "AbstractRule | None", theta: Theta, start: Theta) -> Theta | None:
        """The theta with which this rule makes the changes that `other` makes with `theta`, in
        every view.

        other: None is the rule that changes nothing. start: this rule's theta before its search,
        for what is free. None where the family of this rule does not contain that of `other`;
        whether it does depends on the two rules alone, not on theta. A limit counts as contained
        where it is reached to the precision of the numbers. Otherwise a rule contains itself. Host
        arrays (NumPy).
        """
        return theta if other == self else None


def cleared(rule: AbstractRule, state: RuleState, fresh: RuleState, reset: Array) -> RuleState:
    """The state as a trial begins, reset [] > 0: `fresh` at neurons unless `slow`, kept at synapses
    unless `fast`.
    """
    keeps = {"post": rule.slow, "pre": rule.slow, "synapse": set(state.synapse) - rule.fast}
    sides = {}
    for side, kept in keeps.items():
        old, new = getattr(state, side), getattr(fresh, side)
        sides[side] = {
            n: x if n in kept else jnp.where(reset > 0, new[n], x) for n, x in old.items()
        }
    return replace(state, **sides)


class Wrapper(AbstractRule):
    """A rule around another, its field `rule`: same clock and state unless a concrete class says
    otherwise.

    theta: {rule: the inner theta, log_<name> [] of every name in `own`, 0 at the start}, or just
    the inner theta
        where `own` is empty.
    still: whether nothing changes where the inner rule changes nothing.
    silent: whether the wrapper itself reads nothing of the view.
    """

    still: ClassVar[bool] = False
    silent: ClassVar[bool] = False

    rule: AbstractRule

    def account(self) -> Account:
        leaves = ("rule",) if self.own else ()
        part = Part(("rule",), leaves, self.rule.account())
        return Account(grown(*self.own), silent=self.silent, parts={"rule": part})

    @property
    def spike_timing(self) -> bool:
        return self.rule.spike_timing

    @property
    def mixes(self) -> Mixes:
        return self.rule.mixes

    @property
    def clock(self) -> Clock:
        return self.rule.clock

    @property
    def slow(self) -> frozenset[str]:
        return self.rule.slow

    @property
    def fast(self) -> frozenset[str]:
        return self.rule.fast

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        inner = self.rule.init(key, connection)
        return (
            {"rule": inner, **{f"log_{name}": jnp.zeros(()) for name in self.own}}
            if self.own
            else inner
        )

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return self.rule.init_state(self.inner(theta), connection)

    def inner(self, theta: Theta) -> Theta:
        """The part of theta that belongs to the inner rule."""
        return theta["rule"] if self.own else theta

    def transparent(self) -> dict[str, float] | None:
        """The own leaves `log_<name>` with which this rule is its inner rule; None where there are
        none.
        """
        return None

    def embed(self, other: AbstractRule | None, theta: Theta, start: Theta) -> Theta | None:
        if isinstance(other, Wrapper) and self._alike(other):
            inner = self.rule.embed(other.rule, other.inner(theta), self.inner(start))
            if inner is not None:
                return self._around(
                    inner, {f"log_{name}": log_of(self, name, other, theta) for name in self.own}
                )
        leaves = {} if other is None and self.still else self.transparent()
        inner = None if leaves is None else self.rule.embed(other, theta, self.inner(start))
        return None if inner is None or leaves is None else self._around(inner, leaves)

    def _alike(self, other: "Wrapper") -> bool:
        """Whether `other` is this wrapper with other numbers that theta moves here, around any
        rule.
        """
        if type(other) is not type(self) or not set(other.own) <= set(self.own):
            return False
        free = {"rule", *self.own, *(["learn"] if other.own != self.own else [])}
        names = [field.name for field in fields(self) if field.name not in free]  # pyright: ignore[reportArgumentType]
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def _around(self, inner: Theta, leaves: dict[str, float]) -> Theta:
        if not self.own:
            return inner
        return {
            "rule": inner,
            **{f"log_{name}": np.asarray(leaves.get(f"log_{name}", 0.0)) for name in self.own},
        }


class TermRule(AbstractRule):
    """delta_w_ji = sum_r post_r,j pre_r,i w_ji^k_r."""

    @abstractmethod
    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Sequence[Term]]:
        """The products of this step: (state, terms)."""

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return rule_state()

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        state, terms = self.products(theta, state, view, dt)
        return state, connection.outer(terms, view.weight)

    def apply(
        self,
        theta: Theta,
        state: RuleState,
        move: Move,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        state, terms = self.products(theta, state, view, dt)
        return state, connection.changed(view.weight, terms, move)


class KernelRule(AbstractRule):
    """delta_w of one synapse from the scalars at that synapse; the library applies it everywhere.

    per_synapse: whether theta's leaves are one per synapse (layout of the connection) or shared by
    all of them.
    """

    @property
    @abstractmethod
    def per_synapse(self) -> bool: ...

    @abstractmethod
    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        """All arguments are scalars: (synaptic state, delta_w)."""

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return rule_state()

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        def at_synapse(
            theta_s: Theta,
            state_s: dict[str, Array],
            pre: NeuronView,
            post: NeuronView,
            w: Array,
            w0: Array,
        ):
            scalar_view = replace(
                view, pre=pre, post=post, weight=w, weight_initial=w0, transmitted=None
            )
            return self.kernel(theta_s if self.per_synapse else theta, state_s, scalar_view, dt)

        def spread(values: Array) -> Array:
            return jnp.broadcast_to(values, connection.shape)

        synaptic, delta = connection.lift(
            at_synapse,
            theta if self.per_synapse else {},
            state.synapse,
            jax.tree.map(lambda x: spread(connection.at_pre(x)), view.pre),
            jax.tree.map(lambda x: spread(connection.at_post(x)), view.post),
            view.weight,
            view.weight_initial,
        )
        return replace(state, synapse=synaptic), delta
