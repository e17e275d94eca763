"""The nearest known rule: whose changes go the same way, and what it scores in the task."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.inspection.along import changes
from metaplast.inspection.distillation import unpenalised
from metaplast.inspection.side_by_side import difference, scores
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited, visited
from metaplast.language.constants import log_for
from metaplast.language.grammar import MIXING, SIGNALS, field_of
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.life.view import edge_reads, with_surprise
from metaplast.neurons.adex import Adex
from metaplast.neurons.base import AbstractNeuron, NeuronWrapper
from metaplast.neurons.hodgkin_huxley import HodgkinHuxley
from metaplast.neurons.izhikevich import Izhikevich
from metaplast.neurons.mixed import Mixed
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.results.statistics import Estimate, estimate
from metaplast.reuse.known import known_rules
from metaplast.reuse.load import known
from metaplast.rules.abcd import Abcd
from metaplast.rules.base import AbstractRule, TermList
from metaplast.rules.bcm import Bcm
from metaplast.rules.clopath import Clopath
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.stdp import Stdp
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.scale import Scale
from metaplast.rules.wrappers.sum import Sum
from metaplast.signals import Theta

IN_TASK = 3
"""Rules that are run in place of the rule."""
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Factors of the best scale among which validation lives choose."""
N_TUNING = 64
"""Validation lives on which a scale is chosen."""
RESAMPLES = 1000
SAME = 1e-6
"""One minus the cosine at which the changes of two known rules count as the same."""
ROUNDING = 1e-7
"""The size of a change, as a share of the weights, that is rounding and no change."""
OTHERS: Mapping[str, AbstractRule] = {
    "abcd": Abcd(shared=True),
    "bcm": Bcm(),
    "clopath": Clopath(),
    "stdp": Stdp(),
    "urbanczik_senn": UrbanczikSenn(),
    "vogels": Vogels(),
}
"""Rules of the field that have no file in configs/rule."""
CLOPATH_OF_UNITS = Clopath(scale=20.2, offset=-70.6)
"""The rule of Clopath et al. for neurons whose rest is 0 and whose threshold is 1, not in mV."""
IN_MV = (Adex, HodgkinHuxley, Izhikevich)
ANOTHER_RATE: Mapping[str, str] = {"pes": "delta"}
"""Known rules that are another known rule at a rate of their own. The other one names both."""
OFF = 1e-12
"""A factor of a rule that is to change nothing."""


class Likeness(NamedTuple):
    """A known rule beside the rule, at one edge.

    cosine: between the changes of the two rules over the visited signals, with its sign and the
        95 % interval over resampled lives.
    distance: the root mean square of their difference at the best single scale of the known rule,
        as a share of the root mean square of the change: sqrt(1 - cosine^2).
    scale: that best scale, of either sign.
    """

    cosine: Estimate
    distance: float
    scale: float


class Relative(NamedTuple):
    """A known rule that was run in place of the rule.

    name: of the known rule.
    sign: -1 where it was run with all its changes reversed.
    factor: the factor of the best scale that validation lives chose.
    score: on the held-out lives whose score is finite.
    better: how much better than the rule itself it is, life by life, where both are finite.
    not_finite: held-out lives in which its score is not finite. They are no part of the means.
    """

    name: str
    sign: int
    factor: float
    score: Estimate
    better: Estimate
    not_finite: int


class Kinship(NamedTuple):
    """The known rules beside the rule.

    likeness: {known rule: {edge: likeness}}, the nearest first.
    same: {known rule: the one of `likeness` whose changes are its own on these signals, but for a
        factor of either sign}.
    left_out: {known rule: the reason why it is not compared}.
    in_task: the nearest ones at work; those that cannot be run are not among them.
    not_run: {known rule among the nearest: the reason}.
    still: {edge that is no part of the comparison: the reason}, such as one at which the rule
        changes nothing.
    """

    likeness: dict[str, dict[str, Likeness]]
    same: dict[str, str]
    left_out: dict[str, str]
    in_task: list[Relative]
    not_run: dict[str, str]
    still: dict[str, str]


class _Candidate(NamedTuple):
    rule: AbstractRule
    theta: Theta


def kinship(subject: Subject, n_heldout: int = 256) -> Kinship:
    """The known rules whose changes are most like those of the rule, on the signals that it meets.

        cosine = <d, d'> / (|d| |d'|)

    d: the changes of the rule at the followed synapses.
    d': the changes that a known rule would make on the same signals, with its own state.

    The nearest rule has the largest |mean over edges of cosine|. Cosines keep their signs in the
    mean, so a rule that goes along at one edge and against at another is not near. Below 0, it is
    the reversed rule that is near.

    The nearest ones are run in place of the rule. Their scale at each edge is the best one for d,
    times one common factor that validation lives choose.

    Args:
        subject: the rule in its task.
        n_heldout: held-out lives in which the nearest rules are run; 0: none is run.
    """
    candidates, left_out = _candidates(subject)
    followed = visited(_widened(subject, candidates))
    likeness: dict[str, dict[str, Likeness]] = {name: {} for name in candidates}
    moves: dict[str, list[np.ndarray]] = {name: [] for name in candidates}
    still = {}
    for edge, of_edge in followed.items():
        reason = _stillness(of_edge)
        if reason:
            still[edge] = reason
            continue
        theirs = changes(candidates, of_edge, subject.problem.lifetime.dt)
        for name, change in theirs.items():
            found = alike(of_edge, change)
            if found is not None:
                likeness[name][edge] = found
                moves[name].append(_unit(of_edge, change))
    compared = {}
    for name, of_edges in likeness.items():
        if of_edges and len(of_edges) == len(followed) - len(still):
            compared[name] = of_edges
        else:
            left_out[name] = "it changes next to nothing here, or its numbers are not finite"
    order, same = _distinct(compared, moves)
    ranked = {name: compared[name] for name in order}
    in_task: list[Relative] = []
    not_run: dict[str, str] = {}
    if n_heldout and order:
        nearest = {}
        for name in order[:IN_TASK]:
            scaled = _signed(candidates[name].rule, ranked[name])
            if scaled is None:
                not_run[name] = "its changes are reversed, and it is no list of terms"
            elif scaled.clock == "time":
                not_run[name] = "its clock is time, and it stands beside no rule of another clock"
            else:
                nearest[name] = scaled
        if nearest:
            in_task, failed = _run(subject, nearest, ranked, n_heldout)
            not_run |= failed
    return Kinship(ranked, same, left_out, in_task, not_run, still)


def _stillness(followed: Visited) -> str:
    """Why nothing can be compared at an edge; empty where the rule changes its weights."""
    ours = followed.change[followed.gate > 0]
    if not np.isfinite(ours).all():
        return "the change of the rule is not finite there"
    if not ours.any():
        return "the rule changes nothing there"
    return ""


def alike(followed: Visited, change: np.ndarray) -> Likeness | None:
    """The likeness of a change to the change that was followed.

    None where one of the two is 0 or rounding everywhere, or where a number is not finite.

    Args:
        followed: the signals and the change at one edge.
        change: of the other rule, in the same shape.
    """
    counts = followed.gate > 0
    ours = np.where(counts, followed.change, 0.0)
    theirs = np.where(counts, change, 0.0)
    if not np.isfinite(ours).all() or not np.isfinite(theirs).all():
        return None
    # Each rule has its own unit, and a product of large units would overflow.
    unit = float(np.abs(theirs).max(initial=0.0))
    weight = float(np.abs(followed.signals["weight"]).max(initial=0.0))
    if unit <= ROUNDING * weight or not ours.any():
        return None
    theirs = theirs / unit
    both = np.sum(ours * theirs, axis=(1, 2))
    power = np.sum(ours**2, axis=(1, 2))
    other = np.sum(theirs**2, axis=(1, 2))
    n = len(both)
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        rows = generator.integers(n, size=n)
        size = np.sqrt(power[rows].sum() * other[rows].sum())
        if size > 0:
            draws.append(both[rows].sum() / size)
    low, high = np.quantile(draws, [0.025, 0.975])
    cosine = float(both.sum() / np.sqrt(power.sum() * other.sum()))
    distance = float(np.sqrt(max(0.0, 1.0 - cosine**2)))
    scale = float(both.sum() / other.sum()) / unit
    return Likeness(Estimate(cosine, float(low), float(high), n), distance, scale)


def _unit(followed: Visited, change: np.ndarray) -> np.ndarray:
    """The change [n] where plasticity is open, at length 1."""
    values = np.where(followed.gate > 0, change, 0.0).reshape(-1)
    values = values / np.abs(values).max()
    return values / np.linalg.norm(values)


def _distinct(
    compared: Mapping[str, Mapping[str, Likeness]], moves: Mapping[str, Sequence[np.ndarray]]
) -> tuple[list[str], dict[str, str]]:
    """(the rules with changes of their own, the nearest first; {other rule: the one it repeats}).

    Of two such rules the one with the positive cosine stands first, then the one that is no other
    rule at a rate of its own, then the one with the shorter name.
    """

    def place(name: str) -> tuple[float, bool, bool, int]:
        cosine = mean_cosine(compared[name])
        return -round(abs(cosine), 6), cosine < 0, name in ANOTHER_RATE, len(name)

    order: list[str] = []
    same = {}
    for name in sorted(compared, key=place):
        for other in order:
            pairs = zip(moves[name], moves[other], strict=True)
            if min(abs(float(a @ b)) for a, b in pairs) > 1.0 - SAME:
                same[name] = other
                break
        else:
            order.append(name)
    return order, same


def mean_cosine(of_edges: Mapping[str, Likeness]) -> float:
    """The mean over edges of the signed cosines of a known rule: its size ranks the rule."""
    return float(np.mean([each.cosine.mean for each in of_edges.values()]))


def _candidates(subject: Subject) -> tuple[dict[str, _Candidate], dict[str, str]]:
    """({known rule: form and numbers}, {known rule: why it cannot be compared})."""
    lifetime = subject.problem.lifetime
    candidates = {}
    left_out = {}
    every = {}
    for name in known_rules():
        rule = known(name)
        every[name] = _Candidate(rule.spec, rule.theta)
    for name in OTHERS:
        every[name] = _Candidate(_other(lifetime, name), {})
    for name, candidate in every.items():
        reason = _unfit(lifetime, candidate)
        if reason:
            left_out[name] = reason
        else:
            candidates[name] = candidate
    return candidates, left_out


def _other(lifetime: Lifetime, name: str) -> AbstractRule:
    """One of `OTHERS`, in the unit of the potentials of the network."""
    if name != "clopath":
        return OTHERS[name]
    wiring = lifetime.wiring()
    for edge, _ in lifetime.plastic().values():
        cells = _cells(wiring.population(edge.post).neuron)
        if not all(isinstance(cell, IN_MV) for cell in cells):
            return CLOPATH_OF_UNITS
    return OTHERS[name]


def _cells(neuron: AbstractNeuron) -> list[AbstractNeuron]:
    """The cells inside wrappers and mixtures."""
    if isinstance(neuron, NeuronWrapper):
        return _cells(neuron.neuron)
    cells = [neuron]
    if isinstance(neuron, Mixed):
        cells = []
        for _, part in neuron.neurons:
            cells += _cells(part)
    return cells


def _unfit(lifetime: Lifetime, candidate: _Candidate) -> str:
    """The reason why a known rule cannot be compared; empty where it can."""
    rule = candidate.rule
    is_open = isinstance(rule, TermList) and rule.learns_coefficients and not any(rule.initial)
    if is_open or isinstance(rule, Abcd):
        return "a space to search, and no rule"
    wiring = lifetime.wiring()
    for edge, _ in lifetime.plastic().values():
        spikes = all(wiring.spikes(wiring.population(end)) for end in (edge.pre, edge.post))
        if rule.spike_timing and not spikes:
            return "a rule of spike times, and the neurons have none"
        try:
            fields = edge_reads(wiring, edge, rule, _offers(lifetime), lifetime.feedback)
        except BadInput as error:
            return f"{error.what}, which is not on offer"
        if "key" in fields:
            return "it draws random numbers"
    return ""


def _offers(lifetime: Lifetime) -> frozenset[str]:
    return with_surprise(lifetime.task.shape().offers)


def _widened(subject: Subject, candidates: Mapping[str, _Candidate]) -> Subject:
    """The subject whose views hold all signals that a known rule reads.

    Sums over synapses are computed only where a rule reads them. So a part that reads them and
    changes nothing stands beside the rule. It changes no life.
    """
    lifetime = subject.problem.lifetime
    have: set[str] = set()
    for fields in lifetime.reads().values():
        have |= fields
    wanted: set[str] = set()
    for candidate in candidates.values():
        for edge, _ in lifetime.plastic().values():
            wanted |= edge_reads(
                lifetime.wiring(), edge, candidate.rule, _offers(lifetime), lifetime.feedback
            )
    names = []
    for name in SIGNALS:
        if field_of(name) in wanted - have - set(MIXING.values()):
            names.append(name)
    aggregates = [name for name in names if _is_sum(name)]
    draws = any("key" in fields for fields in lifetime.reads().values())
    # A sum of rules has one clock.
    has_other_clock = any(slot.rule.clock != "event" for slot in lifetime.slots)
    if not aggregates or draws or has_other_clock:
        return subject
    zeros = (0.0,) * len(aggregates)
    reader = Polynomial(terms=tuple(aggregates), initial=zeros, learn="none")
    slots = []
    rules = {}
    for slot in lifetime.slots:
        both = Sum(rules=(("ours", slot.rule), ("reader", reader)))
        slots.append(replace(slot, rule=both))
        theta = subject.theta["rules"][slot.name]
        if slot.shared:
            rules[slot.name] = {"ours": theta, "reader": {}}
        else:
            rules[slot.name] = {edge: {"ours": part, "reader": {}} for edge, part in theta.items()}
    wide = replace(lifetime, slots=tuple(slots))
    return replace(
        subject,
        problem=replace(subject.problem, lifetime=wide),
        theta={**subject.theta, "rules": rules},
    )


def _is_sum(name: str) -> bool:
    """Whether a signal is a sum over synapses or neurons."""
    return field_of(name).rpartition(".")[2] in {
        *("returned", "weight_sum", "weight_norm", "input_gain"),
        *("layer_power", "layer_backward", "layer_forward"),
    }


def _signed(rule: AbstractRule, of_edges: Mapping[str, Likeness]) -> AbstractRule | None:
    """The rule, reversed where its mean cosine is below 0; None where it cannot be reversed."""
    if mean_cosine(of_edges) >= 0:
        return rule
    if not isinstance(rule, TermList) or not rule.initial:
        return None
    form: Any = rule
    return replace(form, initial=tuple(-value for value in rule.initial))


def _run(
    subject: Subject,
    nearest: Mapping[str, AbstractRule],
    ranked: Mapping[str, Mapping[str, Likeness]],
    n_heldout: int,
) -> tuple[list[Relative], dict[str, str]]:
    """(the nearest rules at work, {rule that gives no finite score: the reason}).

    One compiled program runs all of them: all but one are off.
    """
    at_work = replace(subject, problem=unpenalised(_in_place(subject.problem, nearest)))
    thetas = []
    for factor in SCALES:
        for name in nearest:
            thetas.append(_theta(subject, nearest, ranked, name, factor))
    tried = scores(at_work, thetas, "validation", N_TUNING)
    tried = tried.reshape(len(SCALES), len(nearest), -1)
    factors = {}
    failed = {}
    for place, name in enumerate(nearest):
        best = best_row(tried[:, place], subject.larger_is_better)
        if best is None:
            failed[name] = f"no score is finite on validation lives, at any of {len(SCALES)} scales"
        else:
            factors[name] = SCALES[best]
    if not factors:
        return [], failed
    thetas = [_theta(subject, nearest, ranked, name, factor) for name, factor in factors.items()]
    theirs = scores(at_work, thetas, "heldout", n_heldout)
    alone = replace(subject, problem=unpenalised(subject.problem))
    ours = scores(alone, [subject.theta], "heldout", n_heldout)[0]
    relatives = []
    for (name, factor), values in zip(factors.items(), theirs, strict=True):
        sign = 1
        if mean_cosine(ranked[name]) < 0:
            sign = -1
        finite = values[np.isfinite(values)]
        score = Estimate(np.nan, np.nan, np.nan, 0)
        if len(finite):
            score = estimate([finite])
        compared = difference(subject, values, ours)
        relatives.append(Relative(name, sign, factor, score, compared.by, compared.not_finite))
    return relatives, failed


def best_row(values: np.ndarray, larger_is_better: bool) -> int | None:
    """The row with the fewest scores that are not finite, and then with the best mean of the rest.

    Args:
        values: scores [n_rows, n_lives].
        larger_is_better: whether a larger score is better.

    Returns: its place; None where no score is finite.
    """
    best = None
    best_key = (np.inf, np.inf)
    for place, row in enumerate(values):
        finite = row[np.isfinite(row)]
        if not len(finite):
            continue
        mean = float(finite.mean())
        key = (len(row) - len(finite), -mean if larger_is_better else mean)
        if key < best_key:
            best, best_key = place, key
    return best


def _in_place(problem: MetaProblem, nearest: Mapping[str, AbstractRule]) -> MetaProblem:
    """The task with a sum of all nearest rules, each with a factor of its own at every edge."""
    parts = []
    for place, rule in enumerate(nearest.values()):
        parts.append((f"rule_{place}", Scale(rule=rule)))
    slots = []
    for slot in problem.lifetime.slots:
        slots.append(Slot(slot.name, slot.edges, Sum(rules=tuple(parts)), shared=False))
    return replace(problem, lifetime=replace(problem.lifetime, slots=tuple(slots)))


def _theta(
    subject: Subject,
    nearest: Mapping[str, AbstractRule],
    ranked: Mapping[str, Mapping[str, Likeness]],
    chosen: str,
    factor: float,
) -> Theta:
    """The theta in which one of the nearest rules is at work, and all others are off."""
    rules: dict[str, dict[str, Any]] = {}
    for edge, (_, slot) in subject.problem.lifetime.plastic().items():
        parts = {}
        for place, name in enumerate(nearest):
            size = OFF
            if name == chosen and edge in ranked[name]:
                size = max(factor * abs(ranked[name][edge].scale), OFF)
            inner = jax.tree.map(lambda leaf: np.zeros_like(leaf), _numbers(name))
            log = np.asarray(log_for(1.0, size), np.float32)
            parts[f"rule_{place}"] = {"rule": inner, "log_factor": log}
        rules.setdefault(slot.name, {})[edge] = parts
    return {**subject.theta, "rules": rules}


def _numbers(name: str) -> Theta:
    if name in OTHERS:
        return {}
    return known(name).theta
