"""What a rule says of its numbers, asked of its own code; and what its step says where the rule does not."""

from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np
import pydantic

from metaplast.registry import BadInput
from metaplast.reuse._node import Node, node
from metaplast.reuse.reference import TINY, reference
from metaplast.reuse.rule_file import RuleFile, flatten, subtree
from metaplast.rules._account import LAWS, Account, Moved, plain
from metaplast.rules._locality import measured
from metaplast.rules.base import AbstractRule
from metaplast.signals import Theta
from metaplast.spec import decode, encode, explain

STEP = 0.05  # by how much a leaf is moved; 5 STEP is a factor of 1.28 under the law `grown`
DT = 1e-3
SAME = 1e-4  # relative: below it two changes are the same
Plain = dict[str, Any]


def node_of(rule: AbstractRule, theta: Theta) -> Node:
    """The rule with its theta, ready for formulas and tables."""
    leaves = flatten("it", jax.tree.map(np.asarray, theta))
    return node(encode(rule), account_of(rule), subtree("it", leaves))


def whole(file: RuleFile) -> RuleFile:
    """The file; where it holds no account, as in version 0.1.0, with those of its rules' own code.

    Raises: BadInput for a spec that does not fit the rule's code.
    """
    slots = {}
    for name, slot in file.document["slots"].items():
        slots[name] = slot if "account" in slot else {**slot, "account": _account_of_spec(slot["rule"])}
    return RuleFile({**file.document, "slots": slots}, file.tensors)


def _account_of_spec(spec: Plain) -> Plain:
    try:
        return plain(account_of(decode("rule", spec)))
    except pydantic.ValidationError as error:
        raise explain(error, "rule file") from None


@lru_cache(maxsize=256)
def account_of(rule: AbstractRule) -> Account:
    """What the rule says, and for scalar leaves of which it says nothing the law that its step obeys, if any does."""
    account = rule.account()
    parts = {
        label: part._replace(account=account_of(inside(rule, part.fields))) for label, part in account.parts.items()
    }
    moved = dict(account.moved)
    for leaf, field in _unsaid(rule, account):
        law = _law(rule, leaf, field)
        if law is not None:
            moved[field] = Moved(leaf, law)
    return replace(account, moved=moved, parts=parts)


def substituted(rule: AbstractRule, field: str, moved: Moved, theta: Theta) -> tuple[AbstractRule, Theta]:
    """The rule whose field has the value that theta gives it, and theta with that leaf as such a rule starts."""
    value = LAWS[moved.law](float(getattr(rule, field)), float(np.asarray(theta[moved.leaf])))
    other: Any = replace(rule, **{field: value})  # pyright: ignore[reportArgumentType]
    start = other.init(jax.random.key(0), TINY)
    return other, {**theta, moved.leaf: start[moved.leaf]}


def _unsaid(rule: AbstractRule, account: Account) -> list[tuple[str, str]]:
    """(leaf, field) of scalar leaves that nothing is said of and that bear the name of a number of the rule."""
    template = jax.eval_shape(lambda: rule.init(jax.random.key(0), TINY))
    if not isinstance(template, dict):
        return []
    said = {moved.leaf for moved in account.moved.values()}
    inside = {part.leaves[0] for part in account.parts.values() if part.leaves}
    numbers = []
    for item in fields(rule):  # pyright: ignore[reportArgumentType]
        value = getattr(rule, item.name)
        if isinstance(value, int | float) and not isinstance(value, bool) and item.name not in account.moved:
            numbers.append(item.name)
    pairs = []
    for leaf, value in template.items():
        if leaf in said or leaf in inside or getattr(value, "shape", None) != ():
            continue
        pairs += [(leaf, name) for name in numbers if leaf == name or leaf.endswith(f"_{name}")]
    return pairs


def _law(rule: AbstractRule, leaf: str, field: str) -> str | None:
    """The one law under which a rule with the acting value in its field changes weights as the rule with theta does."""
    channels, _ = measured(rule, TINY)
    theta = rule.init(jax.random.key(0), TINY)
    theta = {**theta, leaf: np.asarray(theta[leaf]) + STEP}
    try:
        there = reference(rule, theta, channels, DT)
        still = reference(rule, rule.init(jax.random.key(0), TINY), channels, DT)
    except BadInput:
        return None
    if _same(there, still):  # the leaf shows in nothing: no law can be told
        return None
    fitting = []
    for law in LAWS:
        try:
            other, moved = substituted(rule, field, Moved(leaf, law), theta)
            if _same(reference(other, moved, channels, DT), there):
                fitting.append(law)
        except (BadInput, ValueError):  # a value that the field cannot have
            continue
    return fitting[0] if len(fitting) == 1 else None


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max() <= SAME * max(np.abs(one).max(), np.abs(other).max()))


def inside(rule: Any, path: tuple[str, ...]) -> Any:
    """The rule that stands at `path` among the fields of another (Part.fields)."""
    for name in path:
        rule = dict(rule)[name] if isinstance(rule, tuple) else getattr(rule, name)
    return rule
