"""A rule, given as data, as the equations of one step."""

from collections.abc import Callable
from functools import partial

from metaplast.reuse.export import _potentials, _rates, _spikes, _wrappers
from metaplast.reuse.export._expressions import Expression
from metaplast.reuse.export._numbers import option
from metaplast.reuse.export._program import Builder, Program, Unsupported, total
from metaplast.reuse.export._spikes import Change
from metaplast.reuse.node import Node

PLAIN: dict[str, Callable[[Builder, Node], Expression]] = {
    "mlp": _rates.mlp,
    "abcd": _rates.abcd,
    "bcm": _rates.bcm,
    "clopath": _potentials.clopath,
    "eligibility": _potentials.eligibility,
    "eprop": _potentials.eprop,
    "urbanczik_senn": _potentials.urbanczik_senn,
}
SPIKES: dict[str, Callable[[Builder, Node], Change]] = {
    "stdp": _spikes.stdp,
    "triplet": _spikes.triplet,
    "vogels": _spikes.vogels,
    "trace_taylor": _spikes.trace_taylor,
}
WRAPPERS: dict[str, Callable[[Builder, Node, _wrappers.Inside], Expression]] = {
    "adam": _wrappers.adam,
    "bound": _wrappers.bound,
    "clip": _wrappers.clip,
    "consolidating": _wrappers.consolidating,
    "gate": _wrappers.gate,
    "heterosynaptic": _wrappers.heterosynaptic,
    "metaplastic": _wrappers.metaplastic,
    "momentum": _wrappers.momentum,
    "normalise": _wrappers.normalise,
    "scale": _wrappers.scale,
    "scaling": _wrappers.scaling,
    "sliding": _wrappers.sliding,
    "three_factor": _wrappers.three_factor,
}


def program(rule: Node) -> Program:
    """The equations of one step of a rule.

    Args:
        rule: the rule with its numbers.

    Raises: Unsupported for a rule whose form is not known as data.
    """
    builder = Builder()
    change = _change(builder, rule)
    return builder.program(change.change, change.events)


def _change(builder: Builder, rule: Node) -> Change:
    if rule.name in SPIKES:
        return SPIKES[rule.name](builder, rule)
    if rule.name in PLAIN:
        return Change(PLAIN[rule.name](builder, rule))
    if rule.account.shows == "terms" and not rule.account.traces:
        return Change(_rates.terms(builder, rule))
    if rule.account.shows == "expression":
        return Change(_rates.expression(builder, rule))
    if rule.name == "pathways":
        return _pathways(builder, rule)
    if rule.name == "sum":
        return _sum(builder, rule)
    if rule.name in WRAPPERS:
        inside = partial(_inside, rule=rule.parts["rule"])
        return Change(WRAPPERS[rule.name](builder, rule, inside))
    raise Unsupported(f"the form of rule {rule.name} is known as code and not as data")


def _inside(builder: Builder, rule: Node) -> Expression:
    return _change(builder, rule).change


def _pathways(builder: Builder, rule: Node) -> Change:
    """A rule whose two changes of a step are bounded one after the other.

    Raises: Unsupported where the change by the postsynaptic spike comes first.
    """
    if option(rule, "first") == "post":
        raise Unsupported("its postsynaptic change comes before its presynaptic one")
    inner = _change(builder, rule.parts["rule"])
    if inner.events is None:
        return inner
    events = inner.events
    in_turn = type(events)(events.traces, events.changes, events.after, in_turn=True)
    return Change(inner.change, in_turn)


def _sum(builder: Builder, rule: Node) -> Change:
    """The sum of the changes of several rules."""
    changes = []
    for label, part in rule.parts.items():
        changes.append(_inside(builder.part(label), part))
    return Change(total(changes))
