"""The choice of the terms that a rule needs.

A path of penalties leaves sets of terms; each is refitted, and held-out trials choose among them.
"""

from typing import NamedTuple

import jax
import numpy as np

from metaplast.fitting.engine import Member, SearchResult
from metaplast.life.lifetime import Lifetime
from metaplast.problem.penalised import everything, of_terms
from metaplast.results.typed_json import Number
from metaplast.rules.base import TermList
from metaplast.signals import Theta


class SupportOption(NamedTuple):
    """One set of terms.

    strength: of the penalty that left it, relative to the loss of a rule that does nothing.
    n_terms: how many terms it keeps.
    deviance: mean over subjects on validation trials.
    error: its standard error.
    """

    strength: float
    n_terms: int
    deviance: Number
    error: Number


def is_long(lifetime: Lifetime, few: int) -> bool:
    """Whether a slot's rule has more than `few` terms, and fits a coefficient for each."""
    for slot in lifetime.slots:
        rule = slot.rule
        if not isinstance(rule, TermList) or rule.learn not in ("coefficients", "both"):
            continue
        if len(rule.terms) > few and not any(rule.initial):
            return True
    return False


def support_mask(theta: Theta, share: float) -> Theta:
    """1 for coefficients of at least `share` of the largest of their leaf, 0 for the rest.

    All other leaves are kept.
    """

    def large(leaf: np.ndarray) -> np.ndarray:
        size = np.abs(leaf)
        return (size >= share * size.max(initial=0.0)).astype(leaf.dtype)

    rules = jax.tree.map(np.asarray, theta["rules"])
    return {**everything(theta), "rules": of_terms(large, np.ones_like, rules)}


def n_kept(mask: Theta) -> int:
    """The number of terms that a mask lets act."""
    return int(sum(jax.tree.leaves(of_terms(np.sum, lambda _: 0, mask["rules"]))))


def refits(path: list[SearchResult], share: float) -> list[Member]:
    """The members that fit the terms left at every strength again, without a penalty."""
    members = []
    for penalised in path:
        mask = support_mask(penalised.theta, share)
        members.append(Member(jax.tree.map(np.asarray, penalised.theta), mask, 0.0))
    return members


def chosen_index(options: list[SupportOption]) -> int:
    """The sparsest option within one standard error of the best.

    Of equally sparse ones it is the one with the smaller deviance.
    """

    def order(option: SupportOption) -> tuple[bool, float]:
        return (not np.isfinite(option.deviance), option.deviance)

    best = min(options, key=order)
    limit = best.deviance + best.error
    close = []
    for index, option in enumerate(options):
        if option.deviance <= limit or option is best:
            close.append(index)
    return min(close, key=lambda index: (options[index].n_terms, options[index].deviance))
