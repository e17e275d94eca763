"""The coefficients of a rule of terms, and theta with some of them at 0."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.language.account import LAWS, Account
from metaplast.life.lifetime import Lifetime
from metaplast.life.slots import Slot
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import Plain, find
from metaplast.reuse.ask import account_of
from metaplast.rules.base import TermList
from metaplast.signals import Theta
from metaplast.spec import decode, encode

_OPENED = {"none": "coefficients", "rate": "both"}
"""`learn` of a list of terms without learned coefficients -> `learn` with them."""


class Entry(NamedTuple):
    """One theta of the rules: of a slot, or of one edge where edges do not share theta.

    name: the slot, or slot/edge, as in a rule file.
    slot: the slot.
    path: the place of the theta in theta["rules"].
    """

    name: str
    slot: Slot
    path: tuple[str, ...]


class Coefficient(NamedTuple):
    """One coefficient of a term.

    entry: of the theta that holds it.
    term: the term as text. Under `sum`, the label of a part stands before it.
    path: the place of its leaf in theta["rules"].
    place: of its number in the leaf.
    value: the coefficient as it acts, before the rate.
    zero: the number in the leaf with which the coefficient acts as 0.
    """

    entry: str
    term: str
    path: tuple[str, ...]
    place: int
    value: float
    zero: float


class ShownPart(NamedTuple):
    """A rule, or a rule inside it, and what it shows: a list of terms, or an expression.

    mark: names the part in which it stands, where a rule has several parts.
    fields: the path to its spec in the plain spec of the rule.
    leaves: the path to its theta in the theta of the rule.
    spec: its spec as plain data.
    account: its account.
    """

    mark: str
    fields: tuple[str, ...]
    leaves: tuple[str, ...]
    spec: Plain
    account: Account


def entries(lifetime: Lifetime) -> list[Entry]:
    """The thetas of all rules, in the order of slots and edges."""
    places = []
    for slot in lifetime.slots:
        if slot.shared:
            places.append(Entry(slot.name, slot, (slot.name,)))
            continue
        for edge, (_, slot_of_edge) in lifetime.plastic().items():
            if slot_of_edge == slot:
                places.append(Entry(f"{slot.name}/{edge}", slot, (slot.name, edge)))
    return places


def lists(slot: Slot) -> list[ShownPart]:
    """The lists of terms of the rule of a slot, also inside wrappers."""
    return _shown(slot, "terms")


def expressions(slot: Slot) -> list[ShownPart]:
    """The expressions of the rule of a slot, also inside wrappers."""
    return _shown(slot, "expression")


def _shown(slot: Slot, shows: str) -> list[ShownPart]:
    found = []
    for part in _parts(encode(slot.rule), account_of(slot.rule), "", (), ()):
        if part.account.shows == shows:
            found.append(part)
    return found


def _parts(
    spec: Plain, account: Account, mark: str, fields: tuple[str, ...], leaves: tuple[str, ...]
) -> Iterator[ShownPart]:
    """A rule and all rules inside it."""
    yield ShownPart(mark, fields, leaves, spec, account)
    for label, part in account.parts.items():
        mark_of_part = mark
        if len(account.parts) > 1:
            mark_of_part = f"{mark}{label}: "
        inner = at(spec, part.fields)
        path = (*leaves, *part.leaves)
        yield from _parts(inner, part.account, mark_of_part, (*fields, *part.fields), path)


def without_terms(lifetime: Lifetime) -> list[str]:
    """The parts of rules that are no lists of terms: `slot: rule`, with the label of the part."""
    named = []
    for slot in lifetime.slots:
        for mark, spec in _others(encode(slot.rule), account_of(slot.rule), ""):
            named.append(f"{slot.name}: {mark}{spec['name']}")
    return named


def _others(spec: Plain, account: Account, mark: str) -> Iterator[tuple[str, Plain]]:
    """(mark, spec) of the innermost rules that have no terms."""
    if not account.parts and account.shows != "terms":
        yield mark, spec
    for label, part in account.parts.items():
        mark_of_part = mark
        if len(account.parts) > 1:
            mark_of_part = f"{mark}{label}: "
        yield from _others(at(spec, part.fields), part.account, mark_of_part)


def coefficients(lifetime: Lifetime, theta: Theta) -> list[Coefficient]:
    """All coefficients of terms that theta moves and can move to 0.

    Args:
        lifetime: the slots with their rules.
        theta: of the whole lifetime.
    """
    movable = []
    for entry in entries(lifetime):
        for listed in lists(entry.slot):
            moved = listed.account.moved.get("initial")
            if moved is None:
                continue
            terms = listed.spec["terms"]
            starts = listed.spec.get("initial") or [0.0] * len(terms)
            path = (*entry.path, *listed.leaves, *moved.leaf.split("."))
            leaf = np.asarray(at(theta["rules"], path))
            for index, (term, start) in enumerate(zip(terms, starts, strict=True)):
                zero = leaf_of_zero(moved.law, float(start))
                if zero is None:
                    continue
                value = LAWS[moved.law].acts(float(start), float(leaf[index]))
                if leaf[index] == leaf.dtype.type(zero):
                    value = 0.0
                name = f"{listed.mark}{term}"
                movable.append(Coefficient(entry.name, name, path, index, value, zero))
    return movable


def leaf_of_zero(law: str, start: float) -> float | None:
    """The leaf with which a number acts as 0; None for a law that never gives 0.

    Args:
        law: one of language/account.py.
        start: the number of the field.
    """
    leaves = {
        "plus": -start,
        "instead": 0.0,
        "times": 0.0,
        "times_one_plus": -1.0,
        "tanh": 0.0,
        "square": 0.0,
    }
    return leaves.get(law)


def knocked_out(theta: Theta, which: Iterable[Coefficient]) -> Theta:
    """The theta in which some coefficients act as 0, and everything else is as it was."""
    changed = jax.tree.map(np.asarray, theta)
    for coefficient in which:
        leaf = np.array(at(changed["rules"], coefficient.path))
        leaf[coefficient.place] = coefficient.zero
        rules = with_leaf(changed["rules"], coefficient.path, leaf)
        changed = {**changed, "rules": rules}
    return changed


def free_numbers(theta: Theta, which: Iterable[Coefficient], searched: Theta) -> Theta:
    """True for every number that a search may move once more, a tree like theta.

    They are the numbers that the first search moved, without the coefficients. A number that
    `opened` put into theta was held by the search, and stays so.

    Args:
        theta: of `opened`.
        which: the coefficients that are held.
        searched: the theta of the search, before `opened`.
    """
    moved = {path for path, _ in jax.tree.leaves_with_path(searched)}
    free = jax.tree_util.tree_map_with_path(
        lambda path, leaf: np.full(np.shape(leaf), path in moved), theta
    )
    for coefficient in which:
        leaf = np.array(at(free["rules"], coefficient.path))
        leaf[coefficient.place] = False
        free = {**free, "rules": with_leaf(free["rules"], coefficient.path, leaf)}
    return free


def count(free: Theta) -> int:
    """The number of numbers that a search may move."""
    return sum(int(np.sum(leaf)) for leaf in jax.tree.leaves(free))


def opened(problem: MetaProblem, theta: Theta) -> tuple[MetaProblem, Theta]:
    """The same lives, with every coefficient of a list of terms in theta.

    A rule may hold its coefficients fixed and learn its rate alone. Its coefficients move here from
    the form of the rule to theta, which changes nothing.

    Args:
        problem: the problem.
        theta: of the problem.

    Returns: the problem and its theta; the same where theta holds all coefficients.
    """
    lifetime = problem.lifetime
    rules = theta["rules"]
    slots = []
    for slot in lifetime.slots:
        plain = encode(slot.rule)
        for listed in lists(slot):
            if "initial" in listed.account.moved or not _is_term_list(listed.spec):
                continue
            learn = _OPENED[listed.spec["learn"]]
            plain = with_leaf(plain, (*listed.fields, "learn"), learn)
            zeros = np.zeros(len(listed.spec["terms"]), _dtype(theta))
            for entry in entries(lifetime):
                if entry.slot == slot:
                    path = (*entry.path, *listed.leaves, "coefficients")
                    rules = with_leaf(rules, path, zeros)
        slots.append(replace(slot, rule=decode("rule", plain)))
    if tuple(slots) == lifetime.slots:
        return problem, theta
    with_coefficients = replace(lifetime, slots=tuple(slots))
    return replace(problem, lifetime=with_coefficients), {**theta, "rules": rules}


def at(tree: Any, path: Iterable[str]) -> Any:
    """What stands at a path of nested mappings."""
    for name in path:
        tree = tree[name]
    return tree


def with_leaf(tree: Mapping[str, Any], path: tuple[str, ...], leaf: Any) -> dict[str, Any]:
    """Nested mappings with another leaf at a path."""
    first, *rest = path
    if not rest:
        return {**tree, first: leaf}
    return {**tree, first: with_leaf(tree.get(first, {}), tuple(rest), leaf)}


def _is_term_list(spec: Plain) -> bool:
    return issubclass(find("rule", spec["name"]), TermList)


def _dtype(theta: Theta) -> Any:
    """The dtype of the leaves of theta, or that of JAX where it has none."""
    leaves = jax.tree.leaves(theta)
    if leaves:
        return np.asarray(leaves[0]).dtype
    return jax.dtypes.canonicalize_dtype(float)
