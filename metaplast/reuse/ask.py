"""The account of a rule's numbers.

A rule gives an account of itself. Its step confirms the account, or the account is measured on the
step.
"""

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
from metaplast.registry import BadInput, Plain, name_of
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

AWAY = 0.03
"""The distance of leaves from their start at which a formula is tried."""


def node_of(rule: AbstractRule, theta: Theta) -> Node:
    """The node of a rule, for formulas and tables.

    Args:
        rule: the form of the rule.
        theta: its numbers.
    """
    return _node(rule, account_of(rule), theta)


def _node(rule: AbstractRule, account: Account, theta: Theta) -> Node:
    leaves = flatten("theta", jax.tree.map(np.asarray, theta))
    return node(encode(rule), account, subtree("theta", leaves))


def whole(file: RuleFile) -> RuleFile:
    """The file with an account of every rule.

    A file of version 0.1.0 holds no account. Its rules get the accounts of their code.

    Raises: BadInput for a spec that does not fit the code of its rule.
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
    """The account of a rule, confirmed by its step.

    Where the step does not confirm it, the fields get the laws (_laws.py) that the step obeys. A
    field without such a law is `hidden`. A rule of this package is not measured here, because that
    takes seconds. Its contract test measures it.

    Raises: BadInput where a part of the rule, or the theta of a part, is not where the rule says.
    """
    account = rule.account()
    parts = {}
    for label, part in account.parts.items():
        parts[label] = part._replace(account=account_of(_inner(rule, label, part)))
    account = replace(account, parts=parts)
    if _is_of_this_package(rule):
        return account
    with jax.enable_x64(True):
        confirmed = _confirmed(rule, account)
        if not _changes_as_shown(rule, confirmed):
            confirmed = _confirmed(rule, replace(account, shows="constants", silent=False))
    return replace(confirmed, silent=account.silent and _reads_no_more(rule, confirmed))


def _is_of_this_package(rule: AbstractRule) -> bool:
    return type(rule).__module__.partition(".")[0] == __name__.partition(".")[0]


def _reads_no_more(rule: AbstractRule, account: Account) -> bool:
    """Whether the terms and the parts of a rule read every field that the rule reads."""
    of_terms = fields(_node(rule, account, rule.init(jax.random.key(0), TINY)))
    return of_terms is not None and measured(rule, TINY)[1] - {"key"} <= of_terms


def _changes_as_shown(rule: AbstractRule, account: Account) -> bool:
    """Whether a rule changes weights as its terms or its expression do."""
    if account.shows == "constants":
        return True
    bench = _laws.bench(rule)
    leaves = {}
    for name, leaf in bench.start.items():
        leaves[name] = leaf + _laws.spread(AWAY, leaf.shape)
    theta = jax.tree.unflatten(jax.tree.structure(bench.theta), list(leaves.values()))
    try:
        plain_rule = _plain_rule(rule, _node(rule, account, theta))
        if plain_rule is None:
            return True
        expected = _laws.changes(_laws.bench_of(plain_rule, bench.views), {})
    except (BadInput, pydantic.ValidationError, KeyError, AttributeError, TypeError):
        return False
    tolerance = 1e-9 * np.abs(expected).max()
    return bool(np.allclose(_laws.changes(bench, leaves), expected, rtol=1e-6, atol=tolerance))


def _plain_rule(rule: Any, node: Node) -> AbstractRule | None:
    """The rule of this package with the terms or the expression of a node, all numbers fixed.

    None for terms of traces, because each rule has its own conventions of traces.
    """
    if node.account.shows == "expression":
        return Symbolic(
            expression=_expression.show(tree(node)),
            rate=rate(node),
            learn="none",
            eligibility=rule.eligibility,
            tau=rule.tau,
        )
    if node.account.traces:
        return None
    return Polynomial(
        terms=tuple(node.spec["terms"]),
        initial=tuple(coefficients(node).values()),
        rate=rate(node),
        learn="none",
    )


def accounts_of_before(rule: AbstractRule) -> tuple[Account, Account]:
    """The accounts that files of earlier versions may hold.

    Earlier versions wrote the account of the code without a check, or with nothing hidden.
    """
    return rule.account(), _unhidden(account_of(rule))


def _unhidden(account: Account) -> Account:
    """The account without hidden fields, also in its parts."""
    parts = {}
    for label, part in account.parts.items():
        parts[label] = part._replace(account=_unhidden(part.account))
    return replace(account, parts=parts, hidden=())


def _confirmed(rule: AbstractRule, account: Account) -> Account:
    """The account with the laws that the step of the rule obeys."""
    bench = _laws.bench(rule)
    moved: dict[str, Moved] = {}
    by_leaf: dict[str, dict[str, Moved]] = {}
    for field, pair in account.moved.items():
        if field == account.listed:
            moved[field] = pair
        else:
            by_leaf.setdefault(pair.leaf, {})[field] = pair
    explained = {pair.leaf for pair in moved.values()}
    for part in account.parts.values():
        explained |= set(_leaves_of(part, bench))
    for leaf, together in by_leaf.items():
        if _laws.obeyed(bench, together, unseen=True):
            moved |= together
            explained.add(leaf)
    free = [field for field in _laws.numbers(rule) if field != account.listed]
    for leaf, start in bench.start.items():
        if leaf in explained or start.size > _laws.TABLE:
            continue
        unmoved = [field for field in free if field not in moved]
        laws = _laws.law_of(bench, leaf, unmoved)
        if laws:
            moved |= laws
            explained.add(leaf)
    unexplained = [leaf for leaf in bench.start if leaf not in explained]
    hidden: tuple[str, ...] = ()
    if unexplained:
        hidden = _laws.doubtful(bench, unexplained, sorted(free), moved)
    visible = {field: pair for field, pair in moved.items() if field not in hidden}
    return replace(account, moved=visible, hidden=hidden)


def _leaves_of(part: Part, bench: _laws.RuleBench) -> list[str]:
    """The dotted names of the leaves of theta that belong to a part."""
    prefix = ".".join(part.leaves)
    if not prefix:
        return list(bench.start)
    names = []
    for name in bench.start:
        if name == prefix or name.startswith(f"{prefix}."):
            names.append(name)
    return names


def check_parts(rule: AbstractRule) -> None:
    """Check the parts of a rule before a search.

    Raises: BadInput where a part, or the theta of a part, is not where the rule says.
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
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), TINY))
    inner_theta = jax.eval_shape(lambda: inner.init(jax.random.key(0), TINY))
    for name in part.leaves:
        theta = theta.get(name) if isinstance(theta, dict) else None
    if jax.tree.structure(theta) != jax.tree.structure(inner_theta):
        expected = f"the leaves of theta that are its own, not {list(part.leaves)}"
        raise BadInput(where, expected, "correct account(), such as parts with leaves=('rule',)")
    return inner


def substituted(
    rule: AbstractRule, moved: Mapping[str, Moved], theta: Theta
) -> tuple[AbstractRule, Theta]:
    """A rule and its theta, with the numbers of one leaf written into the fields that it moves.

    In the new theta, the leaf has the neutral value of its law, or the value at the start of the
    new rule.

    Args:
        rule: the form of the rule.
        moved: {field: leaf and law} of the fields that the leaf moves.
        theta: the numbers of the rule.

    Returns: the new rule and its theta.
    """
    leaf, law = next(iter(moved.values()))
    leaves = _laws.named(theta)
    values = {}
    for field, pair in moved.items():
        values[field] = _laws.acting(pair.law, getattr(rule, field), leaves[leaf])
    form: Any = rule
    other = replace(form, **values)
    neutral = LAWS[law].neutral
    if neutral is None:
        new_leaf = _laws.named(other.init(jax.random.key(0), TINY))[leaf]
    else:
        new_leaf = np.full_like(leaves[leaf], neutral)
    leaves[leaf] = new_leaf
    return other, jax.tree.unflatten(jax.tree.structure(theta), list(leaves.values()))


def inside(rule: Any, path: tuple[str, ...]) -> Any:
    """The rule inside another rule, at a path of fields (Part.fields)."""
    for name in path:
        rule = dict(rule)[name] if isinstance(rule, tuple) else getattr(rule, name)
    return rule
