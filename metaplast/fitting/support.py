"""Which terms of a rule are needed: a path of penalties, refits on each support, and a choice by
held-out trials.
"""

from typing import NamedTuple

import jax
import numpy as np

from metaplast.fitting.engine import Fitted, Member
from metaplast.life.lifetime import Lifetime
from metaplast.problem.penalised import everything, of_terms
from metaplast.rules.base import TermList
from metaplast.signals import Theta


class Choice(NamedTuple):
    """One point of the path: strength of the penalty (relative), the terms kept per leaf, and what
    it is worth on validation trials (mean deviance per session, its standard error)."""

    strength: float
    n_terms: int
    deviance: float
    error: float


def is_long(lifetime: Lifetime, few: int) -> bool:
    """Whether a slot's rule is a list of more than `few` terms with a coefficient to fit for
    each.
    """
    return any(
        isinstance(slot.rule, TermList)
        and slot.rule.learn in ("coefficients", "both")
        and len(slot.rule.terms) > few
        and not any(slot.rule.initial)
        for slot in lifetime.slots
    )


def support_mask(theta: Theta, share: float) -> Theta:
    """1 for coefficients of at least `share` of the largest of their leaf, 0 for the rest; other
    leaves are kept.
    """

    def large(leaf: np.ndarray) -> np.ndarray:
        size = np.abs(leaf)
        return (size >= share * size.max(initial=0.0)).astype(leaf.dtype)

    rules = jax.tree.map(np.asarray, theta["rules"])
    return {**everything(theta), "rules": of_terms(large, np.ones_like, rules)}


def n_kept(mask: Theta) -> int:
    """How many terms a mask lets act."""
    return int(sum(jax.tree.leaves(of_terms(np.sum, lambda _: 0, mask["rules"]))))


def refits(path: list[Fitted], share: float) -> list[Member]:
    """What is left at every strength, to be fitted again without a penalty."""
    masks = [support_mask(found.theta, share) for found in path]
    return [
        Member(jax.tree.map(np.asarray, f.theta), mask, 0.0)
        for f, mask in zip(path, masks, strict=True)
    ]


def chosen(options: list[Choice]) -> int:
    """The sparsest option within one standard error of the best; ties go to the smaller
    deviance.
    """
    best = min(options, key=lambda o: (not np.isfinite(o.deviance), o.deviance))
    close = [
        i for i, o in enumerate(options) if o.deviance <= best.deviance + best.error or o is best
    ]
    return min(close, key=lambda i: (options[i].n_terms, options[i].deviance))
