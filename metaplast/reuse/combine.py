"""Several rules as one: their sum, with factors and gates."""

from collections.abc import Mapping

from metaplast.language.grammar import reach
from metaplast.locality.reads import measured
from metaplast.registry import BadInput, Plain
from metaplast.reuse import formula as formulas
from metaplast.reuse.ask import node_of
from metaplast.reuse.document import MAX_ANCESTORS
from metaplast.reuse.load import Rule
from metaplast.reuse.reference import TINY
from metaplast.reuse.text import quote
from metaplast.rules.base import AbstractRule
from metaplast.rules.wrappers.gate import Gate
from metaplast.rules.wrappers.scale import Scale
from metaplast.rules.wrappers.sum import Sum


def combine(
    rules: Mapping[str, Rule],
    *,
    factors: Mapping[str, float] | None = None,
    gates: Mapping[str, str] | None = None,
) -> Rule:
    """The sum of several rules at one synapse.

        delta_w = sum_k factor_k m_k delta_w_k

    factor_k: a positive number; 1 where none is given.
    m_k: the modulator of this step that gates rule k; 1 where none is given.
    The step of the whole is the largest step of its parts.

    Args:
        rules: {label: rule}, at least one.
        factors: {label: factor}.
        gates: {label: name of a modulator}.

    Returns: a rule like any other. `rule.save(path)` writes it, with its parts as ancestors.
    Raises: BadInput for no rule, a label without a rule, rules whose clocks do not go together, and
        a modulator that is no name.
    """
    if not isinstance(rules, Mapping):
        given = f"rules of the type {type(rules).__name__}"
        raise BadInput(given, "{label: rule}", "write {'oja': rule} in place of [rule]")
    factors = dict(factors or {})
    gates = dict(gates or {})
    for label in (*factors, *gates):
        if label not in rules:
            raise BadInput(f"label {quote(label)}", f"one of {', '.join(rules)}", "correct it")
    parts: list[tuple[str, AbstractRule]] = []
    theta = {}
    ancestry: list[Plain] = []
    connections: Plain = {}
    for label, rule in rules.items():
        # Neither wrapper has numbers of its own, so that theta is the theta of the rule.
        spec = rule.spec
        if label in factors:
            spec = Scale(rule=spec, factor=factors[label], learn=False)
        if label in gates:
            spec = Gate(rule=spec, modulator=gates[label])
        parts.append((label, spec))
        theta[label] = rule.theta
        ancestry += rule.ancestry
        ancestry.append(rule.as_ancestor(f"part {label} of a sum"))
        connections = connections or rule.connections
    whole = Sum(rules=tuple(parts))
    steps = {rule.dt for rule in rules.values() if rule.dt is not None}
    # A known rule without a file fits any activity.
    references = {rule.activity_reference for rule in rules.values() if rule.dt is not None}
    if len(references) > 1:
        expected = "one meaning of an activity of 1"
        raise BadInput(f"activities of {sorted(references)} Hz", expected, "scale the signals")
    reads = measured(whole, TINY)[1]
    return Rule(
        name="+".join(rules),
        spec=whole,
        theta=theta,
        edges=tuple(connections),
        connections=connections,
        reads=reads,
        reach=reach(reads),
        clock=whole.clock,
        dt=max(steps, default=None),
        activity_reference=max(references, default=1.0),
        formula=f"delta_w = {formulas.text(formulas.expression(node_of(whole, theta)))}",
        document={},
        ancestry=tuple(ancestry[-MAX_ANCESTORS:]),
    )
