"""The account of a rule's numbers: its own, checked by its step, or measured on its step."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import pydantic

from metaplast.language import expression as _expression
from metaplast.language.account import LAWS, Account, Moved, Part, plain
from metaplast.locality.reads import measured
from metaplast.registry import BadInput, name_of
from metaplast.reuse import _laws
from metaplast.reuse.formula import fields
from metaplast.reuse.node import Node, coefficients, node, rate, tree
from metaplast.reuse.reference import TINY
from metaplast.reuse.rule_file import RuleFile, flatten, subtree
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.symbolic import Symbolic
from metaplast.signals import Theta
from metaplast.spec import decode, encode, explain

AWAY = 0.03  # by how much leaves are moved from their start where a formula is tried
Plain = dict[str, Any]


def node_of(rule: AbstractRule, theta: Theta) -> Node:
    """The rule with its theta, ready for formulas and tables."""
    return _node(rule, account_of(rule), theta)


def _node(rule: AbstractRule, account: Account, theta: Theta) -> Node:
    leaves = flatten("it", jax.tree.map(np.asarray, theta))
    return node(encode(rule), account, subtree("it", leaves))


def whole(file: RuleFile) -> RuleFile:
    """The file with an account of every rule.

    A file of version 0.1.0 holds none: its rules get the accounts of their own code.

    Raises: BadInput for a spec that does not fit the rule's code.
    """
    slots = {}
    for name, slot in file.document["slots"].items():
        slots[name] = slot
        if "account" not in slot:
            slots[name] = {**slot, "account": _account_of_spec(slot["rule"])}
    return RuleFile({**file.document, "slots": slots}, file.tensors)


def _account_of_spec(spec: Plain) -> Plain:
    try:
        return plain(account_of(decode("rule", spec)))
    except pydantic.ValidationError as error:
        raise explain(error, "rule file") from None


@lru_cache(maxsize=256)
def account_of(rule: AbstractRule) -> Account:
    """The rule's own account where its step confirms it, else the laws that its step obeys.

    The laws are those of _laws.py; a field that obeys none is `hidden`. A rule of this package is
    not measured again, for that takes seconds: its contract test does it.

    Raises: BadInput where a part of the rule, or its theta, is not where the rule says.
    """
    account = rule.account()
    parts = {}
    for label, part in account.parts.items():
        parts[label] = part._replace(account=account_of(_inner(rule, label, part)))
    account = replace(account, parts=parts)
    if _is_of_the_house(rule):
        return account
    with jax.enable_x64(True):
        measurable = replace(account, **_measured(rule, account))
        if not _is_what_it_shows(rule, measurable):
            constants = replace(account, shows="constants", silent=False)
            measurable = replace(constants, **_measured(rule, constants))
    return replace(measurable, silent=account.silent and _reads_no_more(rule, measurable))


def _is_of_the_house(rule: AbstractRule) -> bool:
    return type(rule).__module__.partition(".")[0] == __name__.partition(".")[0]


def _reads_no_more(rule: AbstractRule, account: Account) -> bool:
    """Whether the rule reads no field that neither its terms nor its parts read."""
    said = fields(_node(rule, account, rule.init(jax.random.key(0), TINY)))
    return said is not None and measured(rule, TINY)[1] - {"key"} <= said


def _is_what_it_shows(rule: AbstractRule, account: Account) -> bool:
    """Whether the terms or the expression of a rule, at the numbers that act, change as it does."""
    if account.shows == "constants":
        return True
    it = _laws.bench(rule)
    theta = {name: leaf + _laws.spread(AWAY, leaf.shape) for name, leaf in it.start.items()}
    moved = jax.tree.unflatten(jax.tree.structure(it.theta), list(theta.values()))
    try:
        plain_rule = _plain_rule(rule, _node(rule, account, moved))
        if plain_rule is None:
            return True
        expected = _laws.changes(_laws.bench_of(plain_rule, it.views), {})
    except (BadInput, pydantic.ValidationError, KeyError, AttributeError, TypeError):
        return False
    return bool(
        np.allclose(
            _laws.changes(it, theta), expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max()
        )
    )


def _plain_rule(rule: Any, node: Node) -> AbstractRule | None:
    """The rule of this package with the shown terms or expression, all numbers fixed.

    None for terms of traces, whose conventions are the rule's own.
    """
    if node.account.shows == "expression":
        kept = {name: getattr(rule, name) for name in ("eligibility", "tau")}
        return Symbolic(
            expression=_expression.show(tree(node)), rate=rate(node), learn="none", **kept
        )
    if node.account.traces:
        return None
    values = tuple(coefficients(node).values())
    return Polynomial(
        terms=tuple(node.spec["terms"]), initial=values, rate=rate(node), learn="none"
    )


def accounts_of_before(rule: AbstractRule) -> tuple[Account, Account]:
    """The accounts in files that were written before an account was checked by the step.

    They hold the rule's own account, or the checked account with nothing hidden.
    """
    return rule.account(), _unhidden(account_of(rule))


def _unhidden(account: Account) -> Account:
    parts = {
        label: part._replace(account=_unhidden(part.account))
        for label, part in account.parts.items()
    }
    return replace(account, parts=parts, hidden=())


def _measured(rule: AbstractRule, account: Account) -> Plain:
    """{moved, hidden}."""
    it = _laws.bench(rule)
    moved = {field: pair for field, pair in account.moved.items() if field == account.listed}
    taken = {pair.leaf for pair in moved.values()} | {
        name for part in account.parts.values() for name in _of(part, it)
    }
    said: dict[str, dict[str, Moved]] = {}
    for field, pair in account.moved.items():
        if field not in moved:
            said.setdefault(pair.leaf, {})[field] = pair
    for leaf, together in said.items():
        if _laws.obeyed(it, together, unseen=True):
            moved |= together
            taken.add(leaf)
    free = set(_laws.numbers(rule)) - {account.listed}
    for leaf in (
        name for name in it.start if name not in taken and it.start[name].size <= _laws.TABLE
    ):
        laws = _laws.found(
            it, leaf, [name for name in _laws.numbers(rule) if name in free - set(moved)]
        )
        moved |= laws
        taken |= {leaf} if laws else set()
    unsaid = [name for name in it.start if name not in taken]
    hidden = _laws.doubtful(it, unsaid, sorted(free), moved) if unsaid else ()
    return {
        "moved": {field: pair for field, pair in moved.items() if field not in hidden},
        "hidden": hidden,
    }


def _of(part: Part, it: _laws.Bench) -> list[str]:
    """The leaves of theta that are a part's."""
    prefix = ".".join(part.leaves)
    return [
        name for name in it.start if not prefix or name == prefix or name.startswith(f"{prefix}.")
    ]


def check_parts(rule: AbstractRule) -> None:
    """Check the parts of a rule before a search.

    Raises: BadInput for a part, or its theta, that is not where the rule says.
    """
    for label, part in rule.account().parts.items():
        check_parts(_inner(rule, label, part))


def _inner(rule: AbstractRule, label: str, part: Part) -> AbstractRule:
    """The rule of a part. Raises: BadInput where it, or its theta, is not where the rule says."""
    where = f"rule {name_of(type(rule)) or type(rule).__name__}: account: part {label!r}"
    try:
        inner = inside(rule, part.fields)
    except (AttributeError, KeyError):
        raise BadInput(
            f"{where} at {list(part.fields)}", "fields that hold a rule", "correct account()"
        ) from None
    shapes = [
        jax.eval_shape(lambda each=each: each.init(jax.random.key(0), TINY))
        for each in (rule, inner)
    ]
    theta = shapes[0]
    for name in part.leaves:
        theta = theta.get(name) if isinstance(theta, dict) else None
    if jax.tree.structure(theta) != jax.tree.structure(shapes[1]):
        expected = f"the leaves of theta that are its own, not {list(part.leaves)}"
        raise BadInput(where, expected, "correct account(), such as parts with leaves=('rule',)")
    return inner


def substituted(
    rule: AbstractRule, moved: Mapping[str, Moved], theta: Theta
) -> tuple[AbstractRule, Theta]:
    """The rule and theta after the numbers of one leaf are written into the fields.

    In theta the leaf has the neutral value of its law, or the value at the start of such a rule.

    Args:
        rule: the form of the rule.
        moved: the fields that the leaf moves.
        theta: the numbers of the rule.
    """
    leaf, law = next(iter(moved.values()))
    leaves = _laws.named(theta)
    values = {
        field: _laws.acting(pair.law, getattr(rule, field), leaves[leaf])
        for field, pair in moved.items()
    }
    other: Any = replace(rule, **values)  # pyright: ignore[reportArgumentType]
    neutral = LAWS[law].neutral
    back = np.full_like(leaves[leaf], neutral or 0.0)
    if neutral is None:
        back = _laws.named(other.init(jax.random.key(0), TINY))[leaf]
    flat = [back if name == leaf else value for name, value in leaves.items()]
    return other, jax.tree.unflatten(jax.tree.structure(theta), flat)


def inside(rule: Any, path: tuple[str, ...]) -> Any:
    """The rule that stands at `path` among the fields of another (Part.fields)."""
    for name in path:
        rule = dict(rule)[name] if isinstance(rule, tuple) else getattr(rule, name)
    return rule
