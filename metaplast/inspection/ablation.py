"""What each term of a rule is worth in its task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from metaplast.inspection.knock_out import Coefficient, coefficients, knocked_out, opened
from metaplast.inspection.retuned import retuned
from metaplast.inspection.side_by_side import Difference, difference, scores
from metaplast.inspection.subject import Subject
from metaplast.outer import AbstractOuterLoop

N_LIVES = 128

Tick = Callable[[str, int, int], None]
"""tick(stage, parts that are done, all parts)"""


class Worth(NamedTuple):
    """What one thing is worth that was taken out of a rule.

    entries: the thetas, or the edges, in which it was taken out.
    name: the term as text, or the name of the input.
    value: the coefficient as it acts, before the rate; the value at which an input is held. NaN
        where it was taken out of several.
    worth: score of the rule - score without it, life by life; positive where it helps.
    retuned: the same after a short search, of the rule and of the rest of it; None where there was
        none.
    """

    entries: tuple[str, ...]
    name: str
    value: float
    worth: Difference
    retuned: Difference | None = None


@dataclass(frozen=True, eq=False)
class Ablation:
    """What the terms, or the inputs, of a rule are worth.

    of: whether terms or inputs were taken out.
    metric: the name of the score.
    larger_is_better: whether a larger score is better.
    n_lives: validation lives of each.
    mean: of the score of the full rule.
    everything: what all terms together are worth.
    alone: each taken out of one entry alone.
    together: each taken out of all entries that have it, where there are several.
    absent: (entry, term) of terms whose coefficient is 0 already.
    retuning: outer steps of the search after each knock-out; 0: none.
    control: what the same search does to the full rule: score after - score before; None: none.
    """

    of: str
    metric: str
    larger_is_better: bool
    n_lives: int
    mean: float
    everything: Difference
    alone: tuple[Worth, ...]
    together: tuple[Worth, ...]
    absent: tuple[tuple[str, str], ...]
    retuning: int = 0
    control: Difference | None = None


def ablation(
    subject: Subject,
    n_lives: int = N_LIVES,
    outer: AbstractOuterLoop | None = None,
    tick: Tick = lambda *_: None,
) -> Ablation | None:
    """Knock out every term of every rule, everything else held.

    The acting coefficient of the term is set to 0 in theta. The rule lives the same validation
    lives with and without the term, and `worth` is the mean of the paired difference with the 95 %
    interval of the bootstrap over lives:

        worth_k = mean over lives of s (score(theta) - score(theta with c_k = 0))

    s: 1 where a larger score is better, else -1.

    A search moves the full rule too, so `retuned` compares the rule after a search with the rule
    without the term after the same search. Two terms that do the same work may each be worth
    nothing alone; `inspection.parsimony` takes out several.

    Args:
        subject: the rule in its task.
        n_lives: validation lives.
        outer: the outer loop of a short search after each knock-out, of all its steps, on training
            lives, with the coefficient held at 0; None: no search.
        tick: a function that is called as parts get done.

    Returns: what every term is worth; None for a rule without terms that act.
    """
    problem, theta = opened(subject.problem, subject.theta)
    subject = replace(subject, problem=problem, theta=theta)
    present = []
    absent = []
    for coefficient in coefficients(problem.lifetime, theta):
        if coefficient.value == 0.0:
            absent.append((coefficient.entry, coefficient.term))
        else:
            present.append(coefficient)
    if not present:
        return None
    alone = [(one,) for one in present]
    sets = [(), *alone, *_together(present), tuple(present)]
    tick("knock-outs", 0, len(sets))
    thetas = [knocked_out(theta, which) for which in sets]
    values = scores(subject, thetas, "validation", n_lives)
    tick("knock-outs", len(sets), len(sets))
    worths = [_worth(which, _lost(subject, values, i)) for i, which in enumerate(sets)]
    found = Ablation(
        of="terms",
        metric=subject.metric,
        larger_is_better=subject.larger_is_better,
        n_lives=values.shape[1],
        mean=float(np.mean(values[0])),
        everything=worths[-1].worth,
        alone=tuple(worths[1 : 1 + len(alone)]),
        together=tuple(worths[1 + len(alone) : -1]),
        absent=tuple(absent),
    )
    if outer is None:
        return found
    return _after_search(subject, found, sets[:-1], values, outer, tick)


def _after_search(
    subject: Subject,
    found: Ablation,
    sets: Sequence[Sequence[Coefficient]],
    before: np.ndarray,
    outer: AbstractOuterLoop,
    tick: Tick,
) -> Ablation:
    """The same with `retuned`; the first of the sets is empty."""
    thetas = retuned(subject, outer, sets, tick)
    values = scores(subject, thetas, "validation", found.n_lives)
    worths = []
    for index, worth in enumerate([*found.alone, *found.together]):
        worths.append(worth._replace(retuned=_lost(subject, values, index + 1)))
    n = len(found.alone)
    return replace(
        found,
        alone=tuple(worths[:n]),
        together=tuple(worths[n:]),
        retuning=outer.n_steps,
        control=difference(subject, values[0], before[0]),
    )


def _together(present: Sequence[Coefficient]) -> list[tuple[Coefficient, ...]]:
    """The coefficients of a term in all entries that have it, where there are several."""
    by_term: dict[str, list[Coefficient]] = {}
    for coefficient in present:
        by_term.setdefault(coefficient.term, []).append(coefficient)
    return [tuple(which) for which in by_term.values() if len(which) > 1]


def _worth(which: Sequence[Coefficient], worth: Difference) -> Worth:
    value = float("nan")
    name = ""
    if which:
        name = which[0].term
    if len(which) == 1:
        value = which[0].value
    return Worth(tuple(one.entry for one in which), name, value, worth)


def _lost(subject: Subject, values: np.ndarray, index: int) -> Difference:
    """The full rule, the first row, against another row; its lives that are not finite count."""
    not_finite = int((~np.isfinite(values[index])).sum())
    return difference(subject, values[0], values[index])._replace(not_finite=not_finite)
