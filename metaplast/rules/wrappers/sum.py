"""Several rules at one synapse."""

import re
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Annotated

import jax
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.account import Account, Part
from metaplast.registry import BadInput, register
from metaplast.rules.base import AbstractRule, Clock, Mixes
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key, RuleState, SynapseView, Theta
from metaplast.spec import decode, named, spec

SIDES = ("post", "pre", "synapse", "scalar")
HEBB = Polynomial(terms=("post*pre",), initial=(1.0,))
DECAY = Polynomial(terms=("weight",), initial=(-1.0,), rate=0.01)
_LABEL = re.compile(r"[A-Za-z]\w{0,31}")


@register("rule", "sum")
@spec
class Sum(AbstractRule):
    """Several rules at one synapse.

        delta_w = sum_k d_k

    d_k: the change of rule k.
    rules: {label: rule}.

    theta and state are those of the parts, under their labels. A part that draws has its own random
    stream.
    Clock: `time` where all parts have it, `trial` where any part counts steps, else `mixed` or
    `event`. Reach: the widest of the parts.
    Spikes: a part of spike times sees them when they are at the synapse. Every other part sees them
    when the edge transmits them (`view.transmitted`).
    Limits: one part is that rule.

    Raises: BadInput for no part, a label that is no name or stands twice, or parts of clock `time`
        beside others.

    Source: elementary.
    """

    rules: Annotated[
        tuple[tuple[str, AbstractRule], ...], named(lambda value: decode("rule", value))
    ] = (
        ("hebb", HEBB),
        ("decay", DECAY),
    )

    def __post_init__(self) -> None:
        labels = self._labels()
        distinct = len(set(labels)) == len(labels)
        if not labels or not distinct or not all(map(_is_label, labels)):
            expected = "at least one, distinct names other than 'name'"
            raise BadInput(f"rules with labels {labels}", expected, "rename")
        clocks = self._clocks()
        if "time" in clocks and len(clocks) > 1:
            what = f"rules with clocks {sorted(clocks)}"
            raise BadInput(what, "all `time` or none", "use rules of one clock")

    def _labels(self) -> list[str]:
        return [label for label, _ in self.rules]

    def _clocks(self) -> set[Clock]:
        return {rule.clock for _, rule in self.rules}

    @property
    def clock(self) -> Clock:
        clocks = self._clocks()
        return next(clock for clock in ("time", "trial", "mixed", "event") if clock in clocks)

    @property
    def spike_timing(self) -> bool:
        return any(rule.spike_timing for _, rule in self.rules)

    @property
    def slow(self) -> frozenset[str]:
        names = []
        for label, rule in self.rules:
            for name in rule.slow:
                names.append(f"{label}.{name}")
        return frozenset(names)

    @property
    def fast(self) -> frozenset[str]:
        names = []
        for label, rule in self.rules:
            for name in rule.fast:
                names.append(f"{label}.{name}")
        return frozenset(names)

    @property
    def mixes(self) -> Mixes:
        mixing = {rule.mixes for _, rule in self.rules}
        if "layer" in mixing:
            return "layer"
        if "neuron" in mixing:
            return "neuron"
        return ""

    @property
    def by_place(self) -> bool:
        return any(rule.by_place for _, rule in self.rules)

    def check_readout(self, edge: str, memory: float | None) -> None:
        for _, rule in self.rules:
            rule.check_readout(edge, memory)

    def account(self) -> Account:
        parts = {}
        for label, rule in self.rules:
            parts[label] = Part(("rules", label), (label,), rule.account())
        return Account(silent=True, parts=parts)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        keys = jax.random.split(key, len(self.rules))
        theta = {}
        for (label, rule), key_of_part in zip(self.rules, keys, strict=True):
            theta[label] = rule.init(key_of_part, connection)
        return theta

    def embed(self, other: AbstractRule | None, theta: Theta, start: Theta) -> Theta | None:
        """One part makes the changes of `other`, or each of its parts has one part here, in order.

        All other parts change nothing.
        """
        wanted: list[tuple[AbstractRule | None, Theta]] = [(other, theta)]
        if isinstance(other, Sum):
            wanted = [(rule, theta[label]) for label, rule in other.rules]
        embedded: dict[str, Theta] = {}
        for label, rule in self.rules:
            placed = None
            if wanted:
                placed = rule.embed(*wanted[0], start[label])
            if placed is not None:
                wanted = wanted[1:]
            else:
                placed = rule.embed(None, {}, start[label])
            if placed is None:
                return None
            embedded[label] = placed
        if wanted:
            return None
        return embedded

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        states = {}
        for label, rule in self.rules:
            states[label] = rule.init_state(theta[label], connection)
        return _joined(states)

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        states = {}
        changes = []
        for index, (label, rule) in enumerate(self.rules):
            part_view = view
            if not rule.spike_timing and view.transmitted is not None:
                part_view = view.transmitted
            part_view = replace(part_view, key=jax.random.fold_in(view.key, index))
            states[label], change = rule.step(
                theta[label], _part(state, label), connection, part_view, dt
            )
            changes.append(change)
        return _joined(states), reduce(add, changes)


def _joined(states: dict[str, RuleState]) -> RuleState:
    """The states of the parts as one, in which each name follows the label of its part."""
    sides: dict[str, dict[str, Array]] = {side: {} for side in SIDES}
    for label, state in states.items():
        for side in SIDES:
            for name, values in getattr(state, side).items():
                sides[side][f"{label}.{name}"] = values
    return RuleState(**sides)


def _part(state: RuleState, label: str) -> RuleState:
    """The state of one part, under its own names."""
    prefix = f"{label}."
    sides: dict[str, dict[str, Array]] = {side: {} for side in SIDES}
    for side in SIDES:
        for name, values in getattr(state, side).items():
            if name.startswith(prefix):
                sides[side][name.removeprefix(prefix)] = values
    return RuleState(**sides)


def _is_label(text: str) -> bool:
    """Whether a text may name a part. `name` is taken: it names a rule in plain data."""
    return bool(_LABEL.fullmatch(text)) and text != "name"
