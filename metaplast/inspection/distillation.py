"""Distillation: any rule written as the few local terms that explain what it does in its task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.inspection import library
from metaplast.inspection.sparse_regression import Support, fit
from metaplast.inspection.subject import Subject, arrays
from metaplast.inspection.visited import Visited, visited
from metaplast.life.slots import Slot, theta_of
from metaplast.objectives.l1 import L1
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import Plain
from metaplast.results import evaluate
from metaplast.results.statistics import Estimate, estimate
from metaplast.results.surfaces import for_one_synapse
from metaplast.reuse.describe import ancestry_from, describe_rule
from metaplast.rules.base import AbstractRule, TermList
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.signals import Theta

FITS = 0.9
"""The least share of the variance on held-out lives at which a rule counts as written in terms.

It is a cosine of 0.95, or 18 degrees, between the changes of the two rules. Below that, the terms
are another rule.
"""
MOST_SAMPLES = 40_000
"""Samples of one rule in a regression."""
N_SHOWN = 4000
"""Samples of one rule that are kept for a figure."""
FEW_LIVES = 4
FEW_SYNAPSES = 8
"""Synapses of a life on which time constants are fitted."""
TAUS = (5e-3, 10e-3, 20e-3, 40e-3, 80e-3)
"""Seconds of the traces from which the search of the time constants begins."""


class Samples(NamedTuple):
    """Samples of a change, with the values of the terms of a library.

    columns: the values of every term [n].
    change: [n].
    lives: the number of the life of every sample [n].
    steps: the number of the step of every sample [n].
    """

    columns: list[np.ndarray]
    change: np.ndarray
    lives: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True)
class Entry:
    """The distilled rule of one slot, or of one edge of a slot.

    edges: where it acts.
    terms, coefficients, low, high: of delta_w, with 95 % intervals over resampled lives.
    taus: seconds of `pre_trace` and `post_trace`; None where no term may read traces.
    library: the terms among which these were chosen.
    same: terms of the library that are sums of others on the visited signals: nothing tells them
        from those.
    unnamed: what the rule reads and no term can name.
    state: the names of the state of the rule, which no term but a trace of spikes can express.
    per_synapse: whether the rule holds a number per synapse, which no list of terms can express.
    fitted: share of the variance explained on the lives of the fit.
    heldout: the same share on held-out lives.
    shrinks: the best factor in front of the terms in the first and in the last fifth of the steps.
    n_samples: of the fit.
    n_lives: of the fit.
    actual, distilled: changes on held-out signals, for a figure [n].
    """

    edges: tuple[str, ...]
    terms: tuple[str, ...]
    coefficients: np.ndarray
    low: np.ndarray
    high: np.ndarray
    taus: tuple[float, float] | None
    library: tuple[str, ...]
    same: tuple[str, ...]
    unnamed: tuple[str, ...]
    state: tuple[str, ...]
    per_synapse: bool
    fitted: float
    heldout: Estimate
    shrinks: tuple[float, float]
    n_samples: int
    n_lives: int
    actual: np.ndarray
    distilled: np.ndarray

    @property
    def fits(self) -> bool:
        """Whether the terms are the rule, on held-out lives."""
        return self.heldout.mean >= FITS


class InTask(NamedTuple):
    """The distilled rule at work, on held-out lives.

    original, distilled: the scores.
    better: how much better the distilled rule is, life by life.
    not_finite: lives of the distilled rule whose score is not finite; they do not count.
    """

    original: Estimate
    distilled: Estimate
    better: Estimate
    not_finite: int


class Distillation(NamedTuple):
    """A rule as terms.

    entries: {slot, or slot/edge: its distilled rule}.
    problem: the task with the distilled rule in place of the original one.
    theta: its numbers.
    in_task: the two rules compared by their scores; None where it was not asked for.
    document, tensors: of the rule file, for `save_rule`.
    """

    entries: dict[str, Entry]
    problem: MetaProblem
    theta: Theta
    in_task: InTask | None
    document: Plain
    tensors: dict[str, np.ndarray]


def distil(
    subject: Subject, n_heldout: int = 256, followed: Mapping[str, Visited] | None = None
) -> Distillation:
    """Write a rule as a sum of few terms over the signals that it meets in its task.

        delta_w ~ sum_k c_k term_k(post, pre, weight, ...)

    The terms are chosen by `sparse_regression.fit` among all products of powers 0 to 2 of the
    signals that the rule reads. Between spiking neurons they are products of spikes and their
    traces, and the two time constants are fitted too. The fit is made on validation lives. It is
    judged on held-out lives, by the variance explained and by running it in place of the rule.

    Args:
        subject: the rule in its task.
        n_heldout: held-out lives in which the distilled rule is run; 0: it is not run.
        followed: `visited(subject)`, where it is known.

    Returns: the distilled rule, also as the content of a rule file.
    """
    followed = followed or visited(subject)
    unseen = visited(subject, "heldout")
    entries = {}
    for slot in subject.problem.lifetime.slots:
        for name, edges in _places(subject, slot).items():
            entries[name] = _entry(subject, slot, edges, followed, unseen)
    problem, theta = _in_place(subject, entries)
    document, tensors = describe_rule(
        problem.lifetime,
        theta,
        provenance={"distilled": True, "seed": subject.seed},
        activity_reference=subject.file.document.get("activity_reference", 1.0),
        ancestry=ancestry_from(subject.file, "distilled"),
    )
    in_task = None
    if n_heldout:
        in_task = _run(subject, problem, theta, n_heldout)
    return Distillation(entries, problem, theta, in_task, document, tensors)


def explained(actual: np.ndarray, distilled: np.ndarray, lives: np.ndarray) -> Estimate:
    """The share of the variance explained, with a 95 % interval over resampled lives.

        1 - sum (d - d')^2 / sum (d - mean d)^2

    Args:
        actual: d [n].
        distilled: d' [n].
        lives: the number of the life of every sample [n].
    """
    numbers = np.unique(lives)
    residual = []
    total = []
    mean = actual.mean()
    for life in numbers:
        rows = lives == life
        residual.append(float(np.sum((actual[rows] - distilled[rows]) ** 2)))
        total.append(float(np.sum((actual[rows] - mean) ** 2)))
    missed = np.asarray(residual)
    whole = np.asarray(total)
    if not whole.sum() > 0:
        return Estimate(np.nan, np.nan, np.nan, len(numbers))
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(1000):
        chosen = generator.integers(len(numbers), size=len(numbers))
        if whole[chosen].sum() > 0:
            draws.append(1.0 - missed[chosen].sum() / whole[chosen].sum())
    low, high = np.quantile(draws, [0.025, 0.975])
    share = 1.0 - missed.sum() / whole.sum()
    return Estimate(float(share), float(low), float(high), len(numbers))


def _places(subject: Subject, slot: Slot) -> dict[str, tuple[str, ...]]:
    """{slot, or slot/edge: edges} of the rules of one slot."""
    edges = []
    for name, (_, of_edge) in subject.problem.lifetime.plastic().items():
        if of_edge == slot:
            edges.append(name)
    if slot.shared:
        return {slot.name: tuple(edges)}
    return {f"{slot.name}/{edge}": (edge,) for edge in edges}


def _entry(
    subject: Subject,
    slot: Slot,
    edges: tuple[str, ...],
    followed: Mapping[str, Visited],
    unseen: Mapping[str, Visited],
) -> Entry:
    lifetime = subject.problem.lifetime
    fields: set[str] = set()
    for edge in edges:
        fields |= lifetime.reads()[edge]
    read = library.read_by(fields)
    theta = theta_of(subject.theta, slot, edges[0])
    spikes = all(_spiking(subject, edge) for edge in edges)
    ours = [followed[edge] for edge in edges]
    new = [unseen[edge] for edge in edges]
    taus = None
    if spikes:
        terms = library.of_traces(read.names)
        taus = fitted_taus(terms, ours, lifetime.dt)
    else:
        terms = library.products(read.names)
    return regressed(
        terms,
        samples(terms, read.names, ours, taus, lifetime.dt),
        samples(terms, read.names, new, taus, lifetime.dt),
        edges=edges,
        taus=taus,
        unnamed=tuple(library.unnamed(read.others)),
        state=_state(slot.rule),
        per_synapse=for_one_synapse(slot.rule, arrays(theta)).averaged,
    )


def regressed(
    terms: tuple[str, ...],
    ours: Samples,
    new: Samples,
    edges: tuple[str, ...] = (),
    taus: tuple[float, float] | None = None,
    unnamed: tuple[str, ...] = (),
    state: tuple[str, ...] = (),
    per_synapse: bool = False,
) -> Entry:
    """The entry of samples of a change.

    Args:
        terms: of the library.
        ours: samples of the fit.
        new: samples of other lives.
        edges: where the rule acts.
        taus: seconds of `pre_trace` and `post_trace`, where terms read traces.
        unnamed: what the rule reads and no term can name.
        state: names of the state of the rule.
        per_synapse: whether the rule holds a number per synapse.
    """
    support = fit(ours.columns, ours.change, ours.lives)
    chosen = [terms[place] for place in support.terms]
    distilled = _predicted(support, new)
    shown = np.arange(len(new.change))
    if len(shown) > N_SHOWN:
        shown = np.random.default_rng(0).choice(shown, N_SHOWN, replace=False)
    return Entry(
        edges=edges,
        terms=tuple(chosen),
        coefficients=support.coefficients,
        low=support.low,
        high=support.high,
        taus=taus,
        library=tuple(terms),
        same=tuple(terms[place] for place in support.same),
        unnamed=unnamed,
        state=state,
        per_synapse=per_synapse,
        fitted=1.0 - support.unexplained,
        heldout=explained(new.change, distilled, new.lives),
        shrinks=_shrinks(new, distilled),
        n_samples=len(ours.change),
        n_lives=len(np.unique(ours.lives)),
        actual=new.change[shown],
        distilled=distilled[shown],
    )


def samples(
    terms: Sequence[str],
    names: Sequence[str],
    followed: Sequence[Visited],
    taus: tuple[float, float] | None,
    dt: float,
) -> Samples:
    """Samples of the change at the followed synapses of several edges, at most MOST_SAMPLES.

    Args:
        terms: of the library.
        names: signals that the rule reads.
        followed: the signals of every edge.
        taus: seconds of `pre_trace` and `post_trace`; None: no term reads traces.
        dt: seconds of a step.
    """
    room = MOST_SAMPLES // len(followed)
    parts = []
    for of_edge in followed:
        counts = _counts(of_edge)
        rows = np.flatnonzero(counts)
        if len(rows) > room:
            rows = np.sort(np.random.default_rng(0).choice(rows, room, replace=False))
        if taus is None:
            signals = {}
            for name, values in library.named(names, of_edge).items():
                signals[name] = values.reshape(-1)[rows]
            signals["gate"] = of_edge.gate.reshape(-1)[rows]
            columns = [value * signals["gate"] for value in library.values(terms, signals)]
        else:
            every = library.trace_values(terms, taus, of_edge, dt)
            columns = [value.reshape(-1)[rows] for value in every]
        lives, steps, _ = np.unravel_index(rows, of_edge.change.shape)
        parts.append(Samples(columns, of_edge.change.reshape(-1)[rows], lives, steps))
    if len(parts) == 1:
        return parts[0]
    joined = []
    for place in range(len(terms)):
        joined.append(np.concatenate([part.columns[place] for part in parts]))
    return Samples(
        joined,
        np.concatenate([part.change for part in parts]),
        np.concatenate([part.lives for part in parts]),
        np.concatenate([part.steps for part in parts]),
    )


def _counts(followed: Visited) -> np.ndarray:
    """Where plasticity is open, all numbers are finite, and there is a synapse at all."""
    counts = followed.gate > 0
    for values in (*followed.signals.values(), followed.change):
        counts &= np.isfinite(values)
    used = (followed.change != 0) | (followed.signals["weight"] != 0)
    return counts & used.any(axis=1, keepdims=True)


def fitted_taus(
    terms: tuple[str, ...], followed: Sequence[Visited], dt: float
) -> tuple[float, float]:
    """Seconds of `pre_trace` and `post_trace` at which pairs of spikes explain the change best.

    Args:
        terms: of the library.
        followed: the signals of every edge.
        dt: seconds of a step.
    """
    from scipy.optimize import minimize  # 0.2 s, and most rules need no such search

    pairs = tuple(term for term in terms if "slow" not in term)
    few = [_few(of_edge) for of_edge in followed]
    if not any(np.any(of_edge.change) for of_edge in few):
        return TAUS[len(TAUS) // 2], TAUS[len(TAUS) // 2]

    def missed(logs: Any) -> float:
        taus = (float(np.exp(logs[0])), float(np.exp(logs[1])))
        found = samples(pairs, (), few, taus, dt)
        matrix = np.stack(found.columns, axis=1)
        solution = np.linalg.lstsq(matrix, found.change, rcond=None)[0]
        return float(np.sum((found.change - matrix @ solution) ** 2))

    starts = []
    for pre in TAUS:
        for post in TAUS:
            logs = (np.log(pre), np.log(post))
            starts.append((missed(logs), logs))
    best = min(starts)[1]
    options = {"xatol": 1e-3, "fatol": 0.0, "maxfev": 80}
    found = minimize(missed, best, method="Nelder-Mead", options=options)
    return float(np.exp(found.x[0])), float(np.exp(found.x[1]))


def _few(followed: Visited) -> Visited:
    """Some of the lives and synapses, enough for two time constants."""

    def cut(values: np.ndarray) -> np.ndarray:
        return values[:FEW_LIVES, :, :FEW_SYNAPSES]

    signals = {name: cut(values) for name, values in followed.signals.items()}
    synapses = followed.synapses[:FEW_LIVES, :FEW_SYNAPSES]
    return Visited(signals, cut(followed.gate), cut(followed.change), synapses)


def _predicted(support: Support, new: Samples) -> np.ndarray:
    distilled = np.zeros_like(new.change)
    for place, coefficient in zip(support.terms, support.coefficients, strict=True):
        distilled += coefficient * new.columns[place]
    return distilled


def _shrinks(new: Samples, distilled: np.ndarray) -> tuple[float, float]:
    """The best factor in front of the terms in the first and in the last fifth of the steps."""
    factors = []
    early = new.steps <= np.quantile(new.steps, 0.2)
    late = new.steps >= np.quantile(new.steps, 0.8)
    for rows in (early, late):
        power = float(distilled[rows] @ distilled[rows])
        factor = np.nan
        if power > 0:
            factor = float(distilled[rows] @ new.change[rows]) / power
        factors.append(factor)
    return factors[0], factors[1]


def _spiking(subject: Subject, name: str) -> bool:
    """Whether both neurons of a synapse spike."""
    wiring = subject.problem.lifetime.wiring()
    edge, _ = subject.problem.lifetime.plastic()[name]
    ends = (edge.pre, edge.post)
    return all(wiring.spikes(wiring.population(end)) for end in ends)


def _state(rule: AbstractRule) -> tuple[str, ...]:
    """The names of the state of a rule."""
    one = Dense(1, 1)

    def state() -> Any:
        return rule.init_state(rule.init(jax.random.key(0), one), one)

    shapes = jax.eval_shape(state)
    names: list[str] = []
    for side in ("synapse", "post", "pre", "scalar"):
        names += sorted(getattr(shapes, side))
    return tuple(names)


def _in_place(subject: Subject, entries: Mapping[str, Entry]) -> tuple[MetaProblem, Theta]:
    """The task with the distilled rule in place of the original one, and its theta."""
    slots = []
    rules = {}
    for slot in subject.problem.lifetime.slots:
        of_slot = {}
        for name in _places(subject, slot):
            of_slot[name] = entries[name]
        rule = form(list(of_slot.values()))
        thetas = {}
        for name, entry in of_slot.items():
            thetas[name.rpartition("/")[2]] = numbers(rule, entry)
        slots.append(replace(slot, rule=rule))
        rules[slot.name] = thetas
        if slot.shared:
            rules[slot.name] = thetas[slot.name]
    lifetime = replace(subject.problem.lifetime, slots=tuple(slots))
    theta = {**subject.theta, "rules": rules}
    return replace(subject.problem, lifetime=lifetime), theta


def form(entries: Sequence[Entry]) -> TermList:
    """The rule whose terms are those of all entries, with coefficients in theta."""
    terms = []
    largest = 0.0
    for entry in entries:
        terms += entry.terms
        largest = max([largest, *np.abs(entry.coefficients)])
    rate = 1.0
    if largest > 0:
        # A largest coefficient of 0.0999 has the unit 0.1, as one of 0.1 has.
        rate = 10.0 ** int(np.floor(np.log10(largest) + 0.02))
    terms = tuple(dict.fromkeys(terms)) or ("1",)
    if entries[0].taus is None:
        return Polynomial(terms=terms, rate=rate)
    return TraceTaylor(terms=terms, rate=rate, learn_tau=True)


def numbers(rule: TermList, entry: Entry) -> Theta:
    """The theta of `form` for one entry."""
    found = dict(zip(entry.terms, entry.coefficients, strict=True))
    coefficients = np.asarray([found.get(term, 0.0) for term in rule.terms], np.float32)
    theta = {"coefficients": coefficients / np.float32(rule.rate)}
    if isinstance(rule, TraceTaylor) and entry.taus is not None:
        for leaf, value in library.log_taus(rule, entry.taus).items():
            theta[leaf] = np.asarray(value, np.float32)
    return theta


def _run(subject: Subject, problem: MetaProblem, theta: Theta, n: int) -> InTask:
    original = evaluate.lives(
        unpenalised(subject.problem), subject.theta, subject.seed, "heldout", n
    )[subject.metric]
    ours = evaluate.lives(unpenalised(problem), theta, subject.seed, "heldout", n)[subject.metric]
    finite = np.isfinite(ours) & np.isfinite(original)
    if not finite.any():
        nothing = Estimate(np.nan, np.nan, np.nan, 0)
        return InTask(nothing, nothing, nothing, len(ours))
    better = subject.better_by(ours, original)[finite]
    return InTask(
        estimate([original[finite]]),
        estimate([ours[finite]]),
        estimate([better]),
        int(np.sum(~finite)),
    )


def unpenalised(problem: MetaProblem) -> MetaProblem:
    """The problem whose loss holds no penalty of theta: two forms of one rule differ in theta."""
    objective = problem.objective
    while isinstance(objective, L1):
        objective = objective.objective
    return replace(problem, objective=objective)
