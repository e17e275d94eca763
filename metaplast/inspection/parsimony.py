"""The front of terms kept against score, and the smallest rule that is as good."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from metaplast.inspection.ablation import Worth
from metaplast.inspection.knock_out import (
    Coefficient,
    coefficients,
    count,
    free_numbers,
    knocked_out,
    opened,
)
from metaplast.inspection.retuned import Start, retuned
from metaplast.inspection.side_by_side import MEMBERS, Difference, difference, negligible, scores
from metaplast.inspection.subject import Subject
from metaplast.outer import AbstractOuterLoop
from metaplast.signals import Theta

N_LIVES = 128
N_HELDOUT = 256
WORK = 10**9
"""Steps times synapses of all lives for which terms are ranked anew after every removal. A longer
elimination ranks them anew after half of them are removed, or once the score falls."""
RANKING = 64
"""Validation lives that rank the terms; the front has more."""
SLOWLY = 3
"""One of so many terms is removed by one ranking, once the score falls."""

Tick = Callable[[str, int, int], None]
"""tick(stage, parts that are done, all parts)"""


class Subset(NamedTuple):
    """A rule with some of its terms.

    kept: places of the kept terms in `Parsimony.terms`.
    mean: of the score on validation lives.
    to_full: score - score of the full rule, life by life; positive where the subset is better.
    """

    kept: tuple[int, ...]
    mean: float
    to_full: Difference


@dataclass(frozen=True, eq=False)
class Parsimony:
    """The front of terms kept against score.

    subject: the rule in its task, with all coefficients in theta.
    terms: all terms that act in the full rule.
    absent: all terms whose coefficient is 0 already.
    front: nested subsets, from the full rule to no term.
    best: the place in `front` of the subset with the best mean score.
    chosen: the place of the smallest one within one standard error of it.
    rankings: how often the terms were ranked by single knock-outs.
    n_lives: validation lives.
    theta: of the chosen rule, refitted where `steps` is not 0.
    steps: outer steps of the refit on the kept terms; 0: none, or none that is better.
    refit: validation score after the refit - before; None: no refit.
    heldout: held-out score of the chosen rule - that of the full rule, life by life.
    heldout_means: of both: (chosen rule, full rule).
    """

    subject: Subject
    terms: tuple[Coefficient, ...]
    absent: tuple[Coefficient, ...]
    front: tuple[Subset, ...]
    best: int
    chosen: int
    rankings: int
    n_lives: int
    theta: Theta
    steps: int
    refit: Difference | None
    heldout: Difference
    heldout_means: tuple[float, float]


def parsimony(
    subject: Subject,
    n_lives: int = N_LIVES,
    n_heldout: int = N_HELDOUT,
    outer: AbstractOuterLoop | None = None,
    alone: Sequence[Worth] = (),
    tick: Tick = lambda *_: None,
) -> Parsimony | None:
    """Take out terms until none is left, and choose the smallest rule that is as good.

    Backward elimination: the terms that are kept are knocked out one by one, and the one whose loss
    hurts the least is removed. Where that would live too long (WORK), up to half of the terms are
    removed in the order of one ranking, as long as the score is close to the best so far, and later
    up to a third. A subset is close to the best one if it is worse by no more than

        max(standard error of the mean score of the best one, 0.001 e)

    e: what all terms together are worth.

    The chosen rule is the smallest subset that is close: the one-standard-error rule (Breiman et
    al. 1984, section 3.4.3). It is judged on held-out lives, which play no part in the choice.

    Args:
        subject: the rule in its task.
        n_lives: validation lives.
        n_heldout: held-out lives.
        outer: the outer loop that refits the chosen rule on its terms, by all its steps on training
            lives; None: no refit. Only numbers move that the search of the rule moved. A refit
            counts if it has the better mean on validation lives.
        alone: what the terms are worth alone (`Ablation.alone`), for the first ranking; (): they
            are ranked here.
        tick: a function that is called as terms are removed.

    Returns: the front and the chosen rule; None for a rule without terms that act.
    """
    searched = subject.theta
    problem, theta = opened(subject.problem, searched)
    subject = replace(subject, problem=problem, theta=theta)
    found = coefficients(problem.lifetime, theta)
    terms = [one for one in found if one.value != 0.0]
    absent = [one for one in found if one.value == 0.0]
    if not terms:
        return None
    elimination = _Elimination(subject, terms, n_lives, _order(terms, alone))
    path, values, rankings = elimination.run(tick)
    best = _best(subject, values)
    front = _front(subject, path, values)
    limit = negligible(-front[-1].to_full.by.mean)
    chosen = _smallest(subject, values, best, limit)
    dropped = _dropped(terms, front[chosen].kept)
    chosen_theta = knocked_out(theta, dropped)
    steps = 0
    refit = None
    free = free_numbers(theta, [*dropped, *absent], searched)
    if outer is not None and count(free):
        start = Start(chosen_theta, free)
        refitted = retuned(subject, outer, [start], tick)[0]
        after = scores(subject, [refitted], "validation", n_lives)[0]
        refit = difference(subject, after, values[chosen])
        if refit.not_finite == 0 and refit.by.mean > 0.0:
            steps = outer.n_steps
            chosen_theta = refitted
    heldout = scores(subject, [theta, chosen_theta], "heldout", n_heldout)
    return Parsimony(
        subject=subject,
        terms=tuple(terms),
        absent=tuple(absent),
        front=tuple(front),
        best=best,
        chosen=chosen,
        rankings=rankings,
        n_lives=values.shape[1],
        theta=chosen_theta,
        steps=steps,
        refit=refit,
        heldout=difference(subject, heldout[1], heldout[0]),
        heldout_means=(float(np.mean(heldout[1])), float(np.mean(heldout[0]))),
    )


@dataclass(frozen=True, eq=False)
class _Elimination:
    """A backward elimination.

    subject: the rule in its task.
    terms: all terms that act.
    n_lives: validation lives.
    first: the terms, the least worth first; empty where that is not known.
    """

    subject: Subject
    terms: Sequence[Coefficient]
    n_lives: int
    first: Sequence[int]

    def run(self, tick: Tick) -> tuple[list[tuple[int, ...]], np.ndarray, int]:
        """(the subsets, from all terms to none; their scores [n_subsets, n_lives]; rankings)."""
        kept = tuple(range(len(self.terms)))
        full, nothing = self._scores([kept, ()], self.n_lives)
        limit = negligible(difference(self.subject, full, nothing).by.mean)
        path = [kept]
        rows = [full]
        rankings = 0
        many = self._work() > WORK
        is_close = many
        while kept:
            tick("parsimony", len(self.terms) - len(kept), len(self.terms))
            order = self._ranked(kept)
            rankings += 1
            if is_close:
                subsets = [_without(kept, order[:n]) for n in range(1, len(kept) // 2 + 1)]
                close = self._while_close(subsets, rows, limit)
                path += subsets[: len(close)]
                rows += close
                is_close = bool(close)
            if not is_close:
                n_removed = 1
                if many:
                    n_removed = max(1, len(kept) // SLOWLY)
                path += [_without(kept, order[:n]) for n in range(1, n_removed + 1)]
            kept = path[-1]
        rest = path[len(rows) :]
        if rest:
            rows += list(self._scores(rest, self.n_lives))
        tick("parsimony", len(self.terms), len(self.terms))
        return path, np.stack(rows), rankings

    def _ranked(self, kept: tuple[int, ...]) -> list[int]:
        """The kept terms, the least worth first."""
        if len(kept) == len(self.first):
            return list(self.first)
        n = min(RANKING, self.n_lives)
        subsets = [kept, *(_without(kept, [index]) for index in kept)]
        before, *rows = self._scores(subsets, n)
        costs = {}
        for index, row in zip(kept, rows, strict=True):
            lost = difference(self.subject, before, row).by.mean
            costs[index] = (int((~np.isfinite(row)).sum()), lost)
        return sorted(kept, key=lambda index: costs[index])

    def _while_close(
        self, subsets: Sequence[tuple[int, ...]], rows: Sequence[np.ndarray], limit: float
    ) -> list[np.ndarray]:
        """The scores of the subsets, as long as they are close to the best so far.

        rows: the scores of all subsets before.
        """
        found: list[np.ndarray] = []
        for start in range(0, len(subsets), MEMBERS):
            for row in self._scores(subsets[start : start + MEMBERS], self.n_lives):
                values = np.stack([*rows, *found, row])
                best = values[_best(self.subject, values)]
                if not _is_close(self.subject, row, best, limit):
                    return found
                found.append(row)
        return found

    def _scores(self, subsets: Sequence[tuple[int, ...]], n_lives: int) -> np.ndarray:
        """The scores of every subset [n_subsets, n_lives]."""
        thetas = []
        for kept in subsets:
            thetas.append(knocked_out(self.subject.theta, _dropped(self.terms, kept)))
        return scores(self.subject, thetas, "validation", n_lives)

    def _work(self) -> int:
        """Steps times synapses of all lives of an elimination that ranks after every removal."""
        lifetime = self.subject.problem.lifetime
        n_synapses = sum(int(np.prod(e.connection.shape)) for e in lifetime.wiring().edges)
        n_rules = len(self.terms) * (len(self.terms) + 1) // 2
        return n_rules * self.n_lives * lifetime.task.shape().n_steps * n_synapses


def _order(terms: Sequence[Coefficient], alone: Sequence[Worth]) -> list[int]:
    """The places of the terms, the least worth first; empty where a worth is missing."""
    costs = {}
    for one in alone:
        costs[one.entries[0], one.name] = (one.worth.not_finite, one.worth.by.mean)
    if any((one.entry, one.term) not in costs for one in terms):
        return []
    places = range(len(terms))
    return sorted(places, key=lambda place: costs[terms[place].entry, terms[place].term])


def _without(kept: Sequence[int], removed: Sequence[int]) -> tuple[int, ...]:
    return tuple(index for index in kept if index not in removed)


def _dropped(terms: Sequence[Coefficient], kept: Sequence[int]) -> list[Coefficient]:
    return [one for index, one in enumerate(terms) if index not in kept]


def _front(subject: Subject, path: Sequence[tuple[int, ...]], values: np.ndarray) -> list[Subset]:
    """The subsets with their scores."""
    front = []
    for kept, row in zip(path, values, strict=True):
        to_full = difference(subject, row, values[0])
        front.append(Subset(kept, float(np.mean(row)), to_full))
    return front


def _best(subject: Subject, values: np.ndarray) -> int:
    """The row with the fewest lives that are not finite, and then with the best mean."""

    def order(index: int) -> tuple[int, float]:
        row = values[index]
        finite = row[np.isfinite(row)]
        mean = float(np.mean(finite)) if len(finite) else 0.0
        return int((~np.isfinite(row)).sum()), -mean if subject.larger_is_better else mean

    return min(range(len(values)), key=order)


def _smallest(subject: Subject, values: np.ndarray, best: int, limit: float) -> int:
    """The row of the smallest subset that is close to the best one; they come by size."""
    chosen = best
    for index, row in enumerate(values):
        if index > chosen and _is_close(subject, row, values[best], limit):
            chosen = index
    return chosen


def _is_close(subject: Subject, row: np.ndarray, best: np.ndarray, limit: float) -> bool:
    """Whether a subset is as good as the best one: no more than a standard error worse."""
    if (~np.isfinite(row)).sum() > (~np.isfinite(best)).sum():
        return False
    finite = best[np.isfinite(best)]
    if len(finite) < 2:
        return False
    error = float(finite.std(ddof=1) / np.sqrt(len(finite)))
    return difference(subject, best, row).by.mean <= max(error, limit)
