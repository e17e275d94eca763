"""A rule with some of its terms, as the content of a rule file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metaplast.inspection.knock_out import at, coefficients, entries, lists, with_leaf
from metaplast.inspection.parsimony import Parsimony
from metaplast.language.account import Account
from metaplast.life.lifetime import Lifetime
from metaplast.life.slots import Slot
from metaplast.registry import find
from metaplast.reuse.describe import ancestry_from, describe_rule
from metaplast.reuse.rule_file import RuleFile, checksum
from metaplast.rules.base import AbstractRule, TermList
from metaplast.signals import Theta
from metaplast.spec import decode, encode


def sparse_rule(parsimony: Parsimony) -> RuleFile:
    """The content of the rule file of the chosen rule.

    A list of terms holds only the terms that are kept on some edge of its slot; on its other edges
    such a term has the coefficient 0. A list without any kept term holds its first one, with the
    coefficient 0. The provenance is that of the full rule, with an entry `sparse`:

        from: the checksum of the file of the full rule.
        terms, of: the number of terms that are kept, and that the full rule has.
        refitted: the outer steps of the refit on the kept terms; 0: it keeps the numbers of the
            full rule.

    Returns: the document and the tensors, for `save_rule`.
    """
    subject = parsimony.subject
    lifetime, theta = narrowed(subject.problem.lifetime, parsimony.theta)
    document = subject.file.document
    provenance = dict(document.get("provenance", {}))
    provenance.pop("versions", None)
    provenance["sparse"] = {
        "from": checksum(document, subject.file.tensors),
        "terms": len(parsimony.front[parsimony.chosen].kept),
        "of": len(parsimony.terms) + len(parsimony.absent),
        "refitted": parsimony.steps,
    }
    reference = document.get("activity_reference", 1.0)
    described = describe_rule(
        lifetime,
        theta,
        provenance=provenance,
        activity_reference=reference,
        ancestry=ancestry_from(subject.file, "made sparse"),
    )
    return RuleFile(*described)


def narrowed(lifetime: Lifetime, theta: Theta) -> tuple[Lifetime, Theta]:
    """The same changes of weight by rules without the terms whose coefficient is 0 everywhere.

    The rule of a slot stays as it is where it would have another clock, or see other spikes,
    without these terms.

    Args:
        lifetime: the slots with their rules.
        theta: of the whole lifetime.

    Returns: the lifetime with these rules, and its theta.
    """
    rules = theta["rules"]
    slots = []
    for slot in lifetime.slots:
        narrow, of_slot = _narrowed_slot(lifetime, slot, {**theta, "rules": rules})
        slots.append(narrow)
        rules = of_slot
    return replace(lifetime, slots=tuple(slots)), {**theta, "rules": rules}


def _narrowed_slot(lifetime: Lifetime, slot: Slot, theta: Theta) -> tuple[Slot, Any]:
    """The slot with fewer terms, and theta["rules"] that goes with it."""
    found = coefficients(lifetime, theta)
    rules = theta["rules"]
    plain = encode(slot.rule)
    for listed in lists(slot):
        if not issubclass(find("rule", listed.spec["name"]), TermList):
            continue
        if "initial" not in listed.account.moved:
            continue
        paths = []
        for entry in entries(lifetime):
            if entry.slot == slot:
                paths.append((*entry.path, *listed.leaves))
        leaves = [(*path, "coefficients") for path in paths]
        acting = {one.place for one in found if one.path in leaves and one.value != 0.0}
        kept = sorted(acting) or [0]
        terms = listed.spec["terms"]
        plain = with_leaf(plain, (*listed.fields, "terms"), [terms[index] for index in kept])
        plain = with_leaf(plain, (*listed.fields, "initial"), [])
        fewer = decode("rule", at(plain, listed.fields))
        for path in paths:
            old = at(rules, path)
            start = np.asarray(listed.spec["initial"] or 0.0, old["coefficients"].dtype)
            acts = np.asarray(start + old["coefficients"])[kept]
            of_list = _own_leaves(old, listed.account, fewer.account())
            rules = with_leaf(rules, path, {**of_list, "coefficients": acts})
    rule: AbstractRule = decode("rule", plain)
    same = rule.clock == slot.rule.clock and rule.spike_timing == slot.rule.spike_timing
    if not same:
        return slot, theta["rules"]
    return replace(slot, rule=rule), rules


def _own_leaves(theta: Mapping[str, Any], before: Account, after: Account) -> dict[str, Any]:
    """The leaves of a list of terms that it still has with fewer terms.

    The time constant of a trace that no term reads any more goes with its terms.
    """
    gone = {moved.leaf for moved in before.moved.values()}
    gone -= {moved.leaf for moved in after.moved.values()}
    return {name: leaf for name, leaf in theta.items() if name not in gone}
