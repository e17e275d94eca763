"""What each term of a rule is worth in its task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from metaplast.inspection.hold import free_of_holding, held_inputs, hold, name_of_input
from metaplast.inspection.knock_out import (
    Coefficient,
    coefficients,
    count,
    free_numbers,
    knocked_out,
    opened,
    without_terms,
)
from metaplast.inspection.retuned import Start, retuned
from metaplast.inspection.side_by_side import Difference, difference, scores
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited, visited
from metaplast.outer import AbstractOuterLoop
from metaplast.signals import Theta

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
    not_taken_out: the parts of rules without terms, where terms were taken out: they were held.
    n_free: the numbers that the search after a knock-out may move in the full rule: those that the
        search of the rule moved.
    """

    of: Literal["terms", "inputs"]
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
    n_free: int = 0
    not_taken_out: tuple[str, ...] = ()


class _KnockOut(NamedTuple):
    """One knock-out, before it is lived. The fields are those of `Worth` and `Start`."""

    entries: tuple[str, ...]
    name: str
    value: float
    start: Start


class _Plan(NamedTuple):
    """All knock-outs of a rule.

    of: terms or inputs.
    subject: the rule in a task in which everything can be knocked out by theta alone.
    alone, together: see `Ablation`.
    everything: the theta without any.
    absent: see `Ablation`.
    free: True for the numbers that a search of the full rule may move.
    """

    of: Literal["terms", "inputs"]
    subject: Subject
    alone: list[_KnockOut]
    together: list[_KnockOut]
    everything: Theta
    absent: list[tuple[str, str]]
    free: Theta


def ablation(
    subject: Subject,
    n_lives: int = N_LIVES,
    outer: AbstractOuterLoop | None = None,
    signals: Mapping[str, Visited] | None = None,
    tick: Tick = lambda *_: None,
) -> Ablation | None:
    """Knock out every term of every rule, everything else held.

    The acting coefficient of the term is set to 0 in theta. The rule lives the same validation
    lives with and without the term, and `worth` is the mean of the paired difference with the 95 %
    interval of the bootstrap over lives:

        worth_k = mean over lives of s (score(theta) - score(theta with c_k = 0))

    s: 1 where a larger score is better, else -1.

    Where no rule has terms, every input of every edge is knocked out instead: the rule sees the
    mean of the signal over the lives that it visits, in all steps and at all synapses. Where some
    parts have terms and others have none, only terms are taken out (`not_taken_out`).

    A search moves the full rule too, so `retuned` compares the rule after a search with the rule
    without the term after the same search. Only the numbers move that the search of the rule moved:
    coefficients that a rule holds fixed, and those that are 0, stay. Two terms that do the same
    work may each be worth nothing alone; `inspection.parsimony` takes out several.

    Args:
        subject: the rule in its task.
        n_lives: validation lives.
        outer: the outer loop of a short search after each knock-out, of all its steps, on training
            lives, with the coefficient held at 0; None: no search.
        signals: {edge: the signals that its rule meets}; None: they are followed here, where
            inputs are knocked out.
        tick: a function that is called as parts get done.

    No search follows where the search of the rule moved no number (`n_free`).

    Returns: what every term is worth; None for rules without terms and without inputs.
    """
    plan = _terms(subject)
    if not plan.alone:
        plan = _inputs(subject, signals)
    if not plan.alone:
        return None
    not_taken_out = []
    if plan.of == "terms":
        not_taken_out = without_terms(plan.subject.problem.lifetime)
    both = plan.alone + plan.together
    tick("knock-outs", 0, len(both))
    thetas = [plan.subject.theta, *(each.start.theta for each in both), plan.everything]
    values = scores(plan.subject, thetas, "validation", n_lives)
    tick("knock-outs", len(both), len(both))
    worths = []
    for index, each in enumerate(both):
        lost = _lost(subject, values, index + 1)
        worths.append(Worth(each.entries, each.name, each.value, lost))
    n = len(plan.alone)
    before_search = Ablation(
        of=plan.of,
        metric=subject.metric,
        larger_is_better=subject.larger_is_better,
        n_lives=values.shape[1],
        mean=float(np.mean(values[0])),
        everything=_lost(subject, values, len(both) + 1),
        alone=tuple(worths[:n]),
        together=tuple(worths[n:]),
        absent=tuple(plan.absent),
        n_free=count(plan.free),
        not_taken_out=tuple(not_taken_out),
    )
    if outer is None or not before_search.n_free:
        return before_search
    return _after_search(plan, before_search, values[0], outer, tick)


def _after_search(
    plan: _Plan, before_search: Ablation, before: np.ndarray, outer: AbstractOuterLoop, tick: Tick
) -> Ablation:
    """The same with `retuned` and `control`; before: the scores of the full rule."""
    starts = [Start(plan.subject.theta, plan.free)]
    for each in plan.alone + plan.together:
        starts.append(each.start)
    thetas = retuned(plan.subject, outer, starts, tick)
    values = scores(plan.subject, thetas, "validation", before_search.n_lives)
    worths = []
    for index, worth in enumerate([*before_search.alone, *before_search.together]):
        worths.append(worth._replace(retuned=_lost(plan.subject, values, index + 1)))
    n = len(before_search.alone)
    return replace(
        before_search,
        alone=tuple(worths[:n]),
        together=tuple(worths[n:]),
        retuning=outer.n_steps,
        control=difference(plan.subject, values[0], before),
    )


def _terms(subject: Subject) -> _Plan:
    """The knock-outs of all terms that act."""
    problem, theta = opened(subject.problem, subject.theta)
    present = []
    absent = []
    for coefficient in coefficients(problem.lifetime, theta):
        if coefficient.value == 0.0:
            absent.append(coefficient)
        else:
            present.append(coefficient)

    def knock_out(which: Sequence[Coefficient]) -> _KnockOut:
        value = float("nan")
        if len(which) == 1:
            value = which[0].value
        free = free_numbers(theta, [*which, *absent], subject.theta)
        start = Start(knocked_out(theta, which), free)
        return _KnockOut(tuple(one.entry for one in which), which[0].term, value, start)

    by_term: dict[str, list[Coefficient]] = {}
    for coefficient in present:
        by_term.setdefault(coefficient.term, []).append(coefficient)
    opened_subject = replace(subject, problem=problem, theta=theta)
    alone = [knock_out([one]) for one in present]
    together = [knock_out(which) for which in by_term.values() if len(which) > 1]
    return _Plan(
        "terms",
        opened_subject,
        alone,
        together,
        knocked_out(theta, present),
        [(one.entry, one.term) for one in absent],
        free_numbers(theta, absent, subject.theta),
    )


def _inputs(subject: Subject, signals: Mapping[str, Visited] | None) -> _Plan:
    """The knock-outs of all inputs of all edges."""
    if signals is None:
        signals = visited(subject)
    problem, theta = held_inputs(subject.problem, subject.theta)
    free = free_of_holding(theta)
    places: dict[str, dict[tuple[str, str], tuple[int, float]]] = {}
    for edge, (_, slot) in problem.lifetime.plastic().items():
        met, _ = signals[edge].flat()
        held: Any = slot.rule
        for index, field in enumerate(held.inputs):
            if field in met and met[field].size:
                place = (index, float(met[field].mean()))
                places.setdefault(field, {})[slot.name, edge] = place
    alone = []
    together = []
    everything = theta
    for field, of_edges in places.items():
        name = name_of_input(field)
        for (slot_name, edge), place in of_edges.items():
            start = Start(hold(theta, {(slot_name, edge): place}), free)
            alone.append(_KnockOut((edge,), name, place[1], start))
        everything = hold(everything, of_edges)
        if len(of_edges) > 1:
            edges = tuple(edge for _, edge in of_edges)
            start = Start(hold(theta, of_edges), free)
            together.append(_KnockOut(edges, name, float("nan"), start))
    held_subject = replace(subject, problem=problem, theta=theta)
    return _Plan("inputs", held_subject, alone, together, everything, [], free)


def _lost(subject: Subject, values: np.ndarray, index: int) -> Difference:
    """The full rule, the first row, against another row.

    The lives count that are finite for the full rule and not for the other one.
    """
    not_finite = int((np.isfinite(values[0]) & ~np.isfinite(values[index])).sum())
    return difference(subject, values[0], values[index])._replace(not_finite=not_finite)
