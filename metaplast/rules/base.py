"""Learning rules: from local signals to a change of weight.

A rule never sees the network. It sees the view of one edge. A rule has one of these forms:

    TermRule    a sum of products post * pre * w^k, which is cheap on every connection
    TermList    a TermRule whose products are written as text, with one coefficient a term
    KernelRule  any function of the scalars at one synapse
    Wrapper     a rule around another rule (the files are in the folder wrappers/)
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.language import constants
from metaplast.language.account import Account as Account
from metaplast.language.account import Moved as Moved
from metaplast.language.account import Part as Part
from metaplast.language.account import grown as grown
from metaplast.language.constants import log_of
from metaplast.language.grammar import RATE_UNIT, parse
from metaplast.language.terms import Terms
from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import NonNegative, Positive, spec

Clock = Literal["event", "time", "mixed", "trial"]
Mixes = Literal["", "neuron", "layer"]


class AbstractRule(ABC):
    """From the signals at a synapse to its change: (theta, state, view) -> (state, delta_w).

    spike_timing: whether the rule pairs spikes of the two neurons by their times. Such a rule sees
        each spike when it reaches the synapse, by the delays that the edge declares. Any other rule
        sees the signal that the edge transmits (life/at_synapse.py).
    clock: the unit of delta_w. `event`: one spike or one presentation, and dt does not scale it.
        `time`: an integral over dt seconds. `mixed`: activities are spikes, other signals are
        integrated over dt. `trial`: dt is one trial.
    mixes: `neuron` or `layer` where the rule itself computes with numbers of several synapses or
        neurons. Sums that it reads ready-made, such as post.weight_sum, do not count. Only the
        contract test reads this field, and holds it against the program. The reach that a run
        reports is measured.
    rewires: whether it changes which synapses exist (`rewired`).
    by_place: whether the place of a neuron in its population plays a part, as with cell types.
    unused: names of time constants that play no part as the other fields are set.
    slow: names of state of neurons that a new trial keeps.
    fast: names of state of synapses that a new trial clears.

    Convention for theta: a leaf of 0 is its neutral prior, and a change of 0.1 matters.
    """

    spike_timing: ClassVar[bool] = False
    clock: ClassVar[Clock] = "event"
    mixes: ClassVar[Mixes] = ""
    rewires: ClassVar[bool] = False
    by_place: ClassVar[bool] = False
    unused: ClassVar[frozenset[str]] = frozenset()
    slow: ClassVar[frozenset[str]] = frozenset()
    fast: ClassVar[frozenset[str]] = frozenset()

    @property
    def own(self) -> tuple[str, ...]:
        """The fields that theta moves: theta holds `log_<name>` of each (language/constants.py)."""
        return ()

    def account(self) -> Account:
        """The way in which theta moves the numbers of the rule, for formulas, pages and files.

        The contract test holds the account against changes of `step`. Override it where theta moves
        numbers in another way than `own` says. Where a rule does not account for a leaf of theta,
        files try the laws of language/account.py on its step. Where no law fits, they show the leaf
        as it is.
        """
        return Account(grown(*self.own))

    @abstractmethod
    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        """The learned parameters at the start of a search; {} where there are none.

        Args:
            key: for random numbers.
            connection: the synapses, for leaves with one number a synapse.
        """

    @abstractmethod
    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        """The state at the birth of a life.

        Args:
            theta: the learned parameters.
            connection: the synapses.
        """

    @abstractmethod
    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        """One step of a life.

        Args:
            theta: the learned parameters.
            state: the state before the step.
            connection: the synapses.
            view: the signals at the synapses.
            dt: the length of the step, in seconds.

        Returns: the state after the step, and delta_w in the layout of the connection.
        """

    def apply(
        self,
        theta: Theta,
        state: RuleState,
        move: Move,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        """One step of a life, applied to the weights.

        Args:
            theta: the learned parameters.
            state: the state before the step.
            move: how a change becomes new weights.
            connection: the synapses.
            view: the signals at the synapses.
            dt: the length of the step, in seconds.

        Returns: the state after the step, and the new weights.
        """
        state, delta = self.step(theta, state, connection, view, dt)
        return state, move(view.weight, delta)

    def rewired(
        self,
        mask: Array,
        connection: AbstractConnection,
        before: Array,
        after: Array,
        low: float,
        key: Key,
    ) -> tuple[Array, Array]:
        """The synapses that exist after a step, and the weights with them.

        It is asked where the rule `rewires` and is the outermost rule of its slot.

        Args:
            mask: 1 where a synapse existed in the step, else 0, in the layout of the connection.
            connection: the places of synapses.
            before: the weights before the step.
            after: the weights after it.
            low: the lower bound of the weights.
            key: the key of the step.

        Returns: (the new mask, the new weights), both in the layout of the connection.
        """
        del connection, before, low, key
        return mask, after

    def check_readout(self, edge: str, memory: float | None) -> None:
        """Refuse an edge whose way to the output does not fit the rule. By default all ways do.

        Args:
            edge: the name of the edge.
            memory: seconds for which the output remembers the activity of the postsynaptic cells: 0
                where it does not, and for the output itself; None where they reach the output
                through a delay, a filter or other cells.

        Raises: BadInput where the rule would not do what it promises.
        """
        del edge, memory

    def settled(self, theta: Theta) -> tuple["AbstractRule", Theta]:
        """The rule that a rule file holds, in which the structure that a search decided is fixed.

        Args:
            theta: the learned parameters at the end of the search.

        Returns: the rule and its theta; (self, theta) where a search decides numbers alone.
        """
        return self, theta

    def embed(self, other: "AbstractRule | None", theta: Theta, start: Theta) -> Theta | None:
        """The theta with which this rule makes the changes of another rule, in every view.

        Whether it exists depends on the two rules alone, not on theta. A limit counts as contained
        where it is reached to the precision of the numbers. By default a rule contains itself.

        Args:
            other: the other rule; None is the rule that changes nothing.
            theta: the theta of the other rule.
            start: the theta of this rule before its search, for leaves that are free.

        Returns: theta as host arrays (NumPy), or None where the family of this rule does not
            contain the family of the other.
        """
        if other == self:
            return theta
        return None


def inner_rules(rule: AbstractRule) -> Iterator[AbstractRule]:
    """Every rule inside a rule, at any depth.

    Args:
        rule: the outermost rule.
    """
    spec: Any = rule
    for field in fields(spec):
        yield from _rules_of(getattr(rule, field.name))


def _rules_of(value: Any) -> Iterator[AbstractRule]:
    """A field that is a rule, the labelled rules of a field, and every rule inside them."""
    if isinstance(value, tuple):
        for item in value:
            yield from _rules_of(item)
    if isinstance(value, AbstractRule):
        yield value
        yield from inner_rules(value)


def cleared(rule: AbstractRule, state: RuleState, fresh: RuleState, reset: Array) -> RuleState:
    """The state as a trial begins.

    It is cleared at neurons, but for the names in `slow`. It is kept at synapses, but for the names
    in `fast`.

    Args:
        rule: the rule, which names its `slow` and `fast` state.
        state: the state at the end of the trial before.
        fresh: the state at birth.
        reset: [], > 0 where a trial begins.
    """
    kept_names = {"post": rule.slow, "pre": rule.slow, "synapse": set(state.synapse) - rule.fast}
    sides = {}
    for side, kept in kept_names.items():
        at_birth = getattr(fresh, side)
        cleared_side = {}
        for name, values in getattr(state, side).items():
            if name not in kept:
                values = jnp.where(reset > 0, at_birth[name], values)
            cleared_side[name] = values
        sides[side] = cleared_side
    return replace(state, **sides)


class Wrapper(AbstractRule):
    """A rule around another one, which is its field `rule`.

    Clock and state are those of the inner rule unless a concrete class says otherwise.
    theta: {rule: the inner theta, log_<name> [] of every name in `own`, 0 at the start}, or the
        inner theta alone where `own` is empty.
    rule: the inner rule.
    still: whether nothing changes where the inner rule changes nothing.
    silent: whether the wrapper itself reads nothing of the view.
    """

    still: ClassVar[bool] = False
    silent: ClassVar[bool] = False

    rule: AbstractRule

    def account(self) -> Account:
        leaves: tuple[str, ...] = ()
        if self.own:
            leaves = ("rule",)
        part = Part(("rule",), leaves, self.rule.account())
        return Account(grown(*self.own), silent=self.silent, parts={"rule": part})

    @property
    def spike_timing(self) -> bool:
        """Whether the inner rule pairs spikes of the two neurons by their times."""
        return self.rule.spike_timing

    @property
    def mixes(self) -> Mixes:
        """The mixing of the inner rule."""
        return self.rule.mixes

    @property
    def by_place(self) -> bool:
        """Whether places of neurons play a part in the inner rule."""
        return self.rule.by_place

    @property
    def clock(self) -> Clock:
        """The clock of the inner rule."""
        return self.rule.clock

    @property
    def slow(self) -> frozenset[str]:
        """The names of the inner rule."""
        return self.rule.slow

    @property
    def fast(self) -> frozenset[str]:
        """The names of the inner rule."""
        return self.rule.fast

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        inner = self.rule.init(key, connection)
        if not self.own:
            return inner
        return {"rule": inner, **constants.start(self)}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return self.rule.init_state(self.inner(theta), connection)

    def check_readout(self, edge: str, memory: float | None) -> None:
        self.rule.check_readout(edge, memory)

    def inner(self, theta: Theta) -> Theta:
        """The part of theta that belongs to the inner rule.

        Args:
            theta: the theta of the wrapper.
        """
        if not self.own:
            return theta
        return theta["rule"]

    def transparent(self) -> dict[str, float] | None:
        """The leaves `log_<name>` with which this rule equals its inner rule.

        None where no values of them do.
        """
        return None

    def embed(self, other: AbstractRule | None, theta: Theta, start: Theta) -> Theta | None:
        if isinstance(other, Wrapper) and self._alike(other):
            inner = self.rule.embed(other.rule, other.inner(theta), self.inner(start))
            if inner is not None:
                logs = {f"log_{name}": log_of(self, name, other, theta) for name in self.own}
                return self._around(inner, logs)
        leaves = {} if other is None and self.still else self.transparent()
        if leaves is None:
            return None
        inner = self.rule.embed(other, theta, self.inner(start))
        if inner is None:
            return None
        return self._around(inner, leaves)

    def _alike(self, other: "Wrapper") -> bool:
        """Whether `other` is this wrapper around any rule, but for numbers that theta moves."""
        if type(other) is not type(self) or not set(other.own) <= set(self.own):
            return False
        free = {"rule", *self.own}
        if other.own != self.own:
            free.add("learn")
        spec: Any = self
        for field in fields(spec):
            if field.name not in free and getattr(self, field.name) != getattr(other, field.name):
                return False
        return True

    def _around(self, inner: Theta, leaves: dict[str, float]) -> Theta:
        """The theta of this rule from the theta of the inner rule.

        A leaf `log_<name>` that is not among `leaves` is 0.
        """
        if not self.own:
            return inner
        logs = {f"log_{name}": np.asarray(leaves.get(f"log_{name}", 0.0)) for name in self.own}
        return {"rule": inner, **logs}


class TermRule(AbstractRule):
    """A sum of products of the two sides and a power of the weight.

    delta_w_ji = sum_r post_r,j pre_r,i w_ji^k_r
    """

    @abstractmethod
    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Sequence[Term]]:
        """The products of this step.

        Args:
            theta: the learned parameters.
            state: the state before the step.
            view: the signals at the synapses.
            dt: the length of the step, in seconds.

        Returns: the state after the step, and the terms whose sum is delta_w.
        """

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


@spec
class TermList(TermRule):
    """A sum of terms, which are written as text.

        delta_w = rate exp(5 log_rate) sum_k c_k term_k

    traces: whether a term may read traces of spikes.
    terms: text in the grammar of language/grammar.py.
    initial: c_k at the start, to which theta adds; all 0 if empty.
    rate: the factor in front of the sum.
    scale: standard deviation of theta's coefficients at the start.
    learn: which of `coefficients` [n_terms] and `log_rate` [] are in theta.

    Raises: BadInput for an unknown signal, a term that stands twice, or a number of initial values
        that differs from the number of terms.
    """

    traces: ClassVar[bool] = False

    terms: Terms = ("post*pre",)
    initial: tuple[float, ...] = ()
    rate: Positive = 0.1
    scale: NonNegative = 0.0
    learn: Literal["none", "rate", "coefficients", "both"] = "coefficients"

    def __post_init__(self) -> None:
        meanings = [sorted(parse(term, self.traces), key=repr) for term in self.terms]
        if self.initial and len(self.initial) != len(self.terms):
            what = f"initial with {len(self.initial)} values"
            raise BadInput(what, f"{len(self.terms)}, one per term", "add or remove values")
        for i, term in enumerate(self.terms):
            if meanings[i] in meanings[:i]:
                raise BadInput(f"term {term!r}, which stands twice", "distinct terms", "remove one")

    @property
    def learns_coefficients(self) -> bool:
        """Whether theta holds `coefficients` [n_terms]."""
        return self.learn in ("coefficients", "both")

    @property
    def learns_rate(self) -> bool:
        """Whether theta holds `log_rate` []."""
        return self.learn in ("rate", "both")

    def account(self) -> Account:
        moved = {}
        if self.learns_coefficients:
            moved["initial"] = Moved("coefficients", "plus")
        if self.learns_rate:
            moved |= grown("rate")
        return Account(moved, "terms", self.traces, silent=True)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        theta = {}
        if self.learns_coefficients:
            theta["coefficients"] = self.scale * jax.random.normal(key, (len(self.terms),))
        if self.learns_rate:
            theta["log_rate"] = jnp.zeros(())
        return theta

    def effective(self, theta: Theta) -> tuple[Array, Array]:
        """(rate [], c [n_terms]) as they act.

        Args:
            theta: the learned parameters.
        """
        rate = jnp.asarray(self.rate)
        c = jnp.asarray(self.initial or (0.0,) * len(self.terms))
        if self.learns_coefficients:
            c = c + theta["coefficients"]
        if self.learns_rate:
            rate = rate * jnp.exp(RATE_UNIT * theta["log_rate"])
        return rate, c


class KernelRule(AbstractRule):
    """delta_w of one synapse from the scalars at it. The library applies it at all synapses."""

    @property
    def per_synapse(self) -> bool:
        """Whether leaves of theta hold one number a synapse (in the layout of the connection).

        Otherwise all synapses share theta, as here.
        """
        return False

    @abstractmethod
    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        """One step of one synapse; all numbers are scalars.

        Args:
            theta: the learned parameters of this synapse.
            state: name -> the number of this synapse before the step: the entries that
                `init_state` puts on the side `synapse`.
            synapse: the signals at this synapse.
            dt: the length of the step, in seconds.

        Returns: the state of the synapse after the step, under the same names, and its delta_w.
        """

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
            e: Array,
            c: Array,
        ):
            scalar_view = replace(
                view,
                pre=pre,
                post=post,
                weight=w,
                weight_initial=w0,
                eligibility=e,
                credit=c,
                transmitted=None,
            )
            if self.per_synapse:
                return self.kernel(theta_s, state_s, scalar_view, dt)
            return self.kernel(theta, state_s, scalar_view, dt)

        signals = at_all_synapses(connection, view)
        synaptic, delta = connection.lift(
            at_synapse,
            theta if self.per_synapse else {},
            state.synapse,
            signals.pre,
            signals.post,
            view.weight,
            view.weight_initial,
            signals.eligibility,
            signals.credit,
        )
        return replace(state, synapse=synaptic), delta


def at_all_synapses(connection: AbstractConnection, view: SynapseView) -> SynapseView:
    """The view whose neurons' signals stand at every synapse, in the layout of the weights.

    So do those of the transmitted view, where there is one.

    Args:
        connection: the synapses.
        view: signals [n_pre] and [n_post].
    """

    def spread(values: Array) -> Array:
        return jnp.broadcast_to(values, connection.shape)

    transmitted = None
    if view.transmitted is not None:
        transmitted = at_all_synapses(connection, view.transmitted)
    return replace(
        view,
        pre=jax.tree.map(lambda x: spread(connection.at_pre(x)), view.pre),
        post=jax.tree.map(lambda x: spread(connection.at_post(x)), view.post),
        eligibility=spread(view.eligibility),
        credit=spread(view.credit),
        transmitted=transmitted,
    )
