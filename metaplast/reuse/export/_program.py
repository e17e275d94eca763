"""The equations of one step of a rule, as data, and the builder that collects them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from metaplast.language.grammar import SIGNALS
from metaplast.reuse.export._expressions import (
    STEP,
    Expression,
    Kind,
    Name,
    Side,
    SpikeSide,
    call,
    side_of,
    tree,
)
from metaplast.reuse.export._names import identifier

RESERVED = frozenset(
    {"np", "dt", "state", "init", "update", "weights", "new", "delta_w", "n_post", "n_pre"}
    | {"weight_initial", "weight_max", "w", "low", "high", "change", "i", "j", "t", "N"}
    | set(SIGNALS)
)
"""Names that a constant, a state or a local value never has."""


class Unsupported(ValueError):
    """A rule cannot be written in the language of a target. The message says why in one line."""


class Constant(NamedTuple):
    """A number of a rule, or one number per synapse.

    name: the name in the export.
    value: the number as it acts, or an array [n_post, n_pre].
    note: its meaning.
    """

    name: str
    value: float | np.ndarray
    note: str


class State(NamedTuple):
    """A value that a rule keeps from step to step.

    name: the name in the export.
    original: the name in the state of the rule.
    side: where it stands.
    start: its value at birth.
    """

    name: str
    original: str
    side: Side
    start: Expression


class Let(NamedTuple):
    """A local value of a step."""

    name: Name
    value: Expression


@dataclass(frozen=True)
class Trace:
    """A decaying trace of the spikes of one side.

    name: the state.
    tau: the time constant in seconds.
    nearest: whether a spike sets the trace to `size`; otherwise it adds `size`.
    size: the jump.
    """

    name: Name
    tau: Expression
    nearest: bool
    size: Expression


@dataclass(frozen=True)
class AtSpike:
    """A change of weight at each spike of one side.

    side: the side.
    change: the change. In it, a trace of the same side is the one before its jump.
    """

    side: SpikeSide
    change: Expression


@dataclass(frozen=True)
class Events:
    """A rule that changes weights at spikes alone.

    traces: its traces.
    changes: the changes at spikes.
    after: sides whose traces a spike of the other side meets after their jump, where both neurons
        spike in one step.
    in_turn: whether the change by a postsynaptic spike is bounded after the change by a presynaptic
        spike, and sees the new weight.
    """

    traces: tuple[Trace, ...]
    changes: tuple[AtSpike, ...]
    after: frozenset[str]
    in_turn: bool = False


@dataclass(frozen=True)
class Program:
    """One step of a rule.

    signals: names of the view that it reads.
    constants: its numbers.
    states: its state.
    lets: local values, in order.
    kept: (state, value after the step).
    change: delta_w.
    events: the same rule by events, where it changes weights at spikes alone.
    """

    signals: tuple[Name, ...]
    constants: tuple[Constant, ...]
    states: tuple[State, ...]
    lets: tuple[Let, ...]
    kept: tuple[tuple[Name, Expression], ...]
    change: Expression
    events: Events | None = None


@dataclass(frozen=True)
class Builder:
    """The collector of the equations of a step.

    prefix: the mark of a part of a sum, before the names of its states.
    instead: {signal: value} of signals that a part of the rule sees in another form.
    """

    signals: dict[str, Name] = field(default_factory=dict)
    constants: list[Constant] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    lets: list[Let] = field(default_factory=list)
    kept: list[tuple[Name, Expression]] = field(default_factory=list)
    taken: set[str] = field(default_factory=lambda: set(RESERVED))
    events: list[Events] = field(default_factory=list)
    prefix: str = ""
    instead: dict[str, Expression] = field(default_factory=dict)

    def part(self, label: str) -> "Builder":
        """The builder of a part of a sum."""
        return replace(self, prefix=f"{self.prefix}{label}.")

    def seeing(self, values: dict[str, Expression]) -> "Builder":
        """The builder of a part that sees some signals in another form."""
        return replace(self, instead={**self.instead, **values})

    def signal(self, name: str, spikes: bool = False) -> Expression:
        """The value of a signal of the term grammar.

        Args:
            name: its name.
            spikes: whether its values are spikes.
        """
        if name in self.instead:
            return self.instead[name]
        kind: Kind = "spikes" if spikes else "signal"
        if name.startswith("modulator."):
            return self._signal(
                name, f"modulator_{name.removeprefix('modulator.')}", "scalar", kind
            )
        side: Any = SIGNALS[name][0]
        return self._signal(name, name, side, kind)

    def weight_initial(self) -> Expression:
        """The weight at birth."""
        return self._signal("weight_initial", "weight_initial", "synapse", "signal")

    def weight_max(self) -> Expression:
        """The upper bound of the weight."""
        return self._signal("weight_max", "weight_max", "scalar", "signal")

    def _signal(self, key: str, text: str, side: Side, kind: Kind) -> Name:
        key = f"{key} {kind}"
        if key not in self.signals:
            name = text
            if side == "scalar" and text != "weight_max":
                name = identifier(text, self.taken)
                self.taken.add(name)
            self.signals[key] = Name(name, side, kind)
        return self.signals[key]

    def constant(self, name: str, value: float | np.ndarray, note: str = "") -> Name:
        """A number of the rule under a name.

        Args:
            name: a name that resembles the field.
            value: the number as it acts, or an array [n_post, n_pre].
            note: its meaning.
        """
        text = self._new(f"{self.prefix}{name}")
        side: Side = "scalar"
        if isinstance(value, np.ndarray):
            side = "synapse"
        self.constants.append(Constant(text, value, note))
        return Name(text, side, "constant")

    def state(self, original: str, side: Side, start: Expression | float = 0.0) -> Name:
        """A state before the step."""
        original = f"{self.prefix}{original}"
        name = self._new(original)
        self.states.append(State(name, original, side, tree(start)))
        return Name(name, side, "state")

    def let(self, name: str, value: Expression) -> Name:
        """A local value with a name."""
        local = Name(self._new(f"{self.prefix}{name}"), side_of(value), "local")
        self.lets.append(Let(local, value))
        return local

    def keep(self, state: Name, value: Expression) -> Name:
        """The value of a state after the step, as a local value."""
        local = self.let(f"{state.name}_new", value)
        self.kept.append((state, local))
        return local

    def _new(self, text: str) -> str:
        name = identifier(text, self.taken)
        self.taken.add(name)
        return name

    def program(self, change: Expression, events: Events | None) -> Program:
        """The program that was collected.

        Args:
            change: delta_w.
            events: the same rule by events.
        """
        return Program(
            tuple(self.signals.values()),
            tuple(self.constants),
            tuple(self.states),
            tuple(self.lets),
            tuple(self.kept),
            change,
            events,
        )


def total(values: Sequence[Expression]) -> Expression:
    """The sum of trees, as a balanced tree; 0 for none."""
    if not values:
        return tree(0.0)
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    return total(values[:middle]) + total(values[middle:])


def faded(value: Expression, tau: Expression) -> Expression:
    """exp(-dt/tau) value."""
    return call("exp", -STEP / tau) * value
