"""Several starts of one search: how far the rules agree in numbers, in weights and in behaviour."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.inspection.ends import ends
from metaplast.inspection.identifiability import Curvature
from metaplast.inspection.numbers import acting, names, of_rules
from metaplast.inspection.subject import Subject
from metaplast.outer import AbstractOuterLoop
from metaplast.registry import BadInput
from metaplast.results.statistics import Estimate, estimate, student
from metaplast.signals import Theta
from metaplast.tasks import Split

N_LIVES = 16
SPREAD = 0.1
FAR = 1_000_000
"""Seeds of further starts begin so far from the seed of the run."""


class Agreement(NamedTuple):
    """The agreement of the rules that several starts found.

    names: of the numbers of the rules [n]. Numbers of genome, feedback and neurons are no part of
        the comparison: all starts live with those of the first run.
    values: {name: mean over starts with Student's interval}, as the numbers act.
    cosine: of the numbers of every pair, as they act [n_starts, n_starts]; NaN where the rules have
        no numbers.
    weights: {pair (i, j): correlation of the changes of weights, over lives}.
    outputs: {pair: correlation of the outputs of all steps, over lives}.
    scores: {pair: score of i minus score of j on the same lives}.
    weights_at_start, outputs_at_start: the same correlations between the first rule and the rule
        before the search: what agrees without any search.
    along_stiff: the part of the squared distances between starts, in units, that lies in stiff
        directions; NaN without a curvature.
    stiff_share: the part expected by chance: the mean share of the rules' own directions that is
        stiff.
    n_starts: the number of starts.
    """

    names: list[str]
    values: dict[str, Estimate]
    cosine: np.ndarray
    weights: dict[tuple[int, int], Estimate]
    outputs: dict[tuple[int, int], Estimate]
    scores: dict[tuple[int, int], Estimate]
    weights_at_start: Estimate
    outputs_at_start: Estimate
    along_stiff: float
    stiff_share: float
    n_starts: int


def agreement(
    subject: Subject,
    thetas: Sequence[Theta],
    curvature: Curvature | None = None,
    split: Split = "validation",
    n_lives: int = N_LIVES,
) -> Agreement:
    """The agreement of several rules for one task, each found from another start or other tasks.

    All rules live the same lives of the first run, from the same birth: what the first run learned
    beside its rules (genome, feedback, neurons) holds for all, and is not compared. Of every pair
    and life:

        weights: correlation over synapses of w(T) - w(0)
        outputs: correlation over steps and units of the output

    Args:
        subject: the first run.
        thetas: of all runs, the first one included.
        curvature: of the first run, if it is known.
        split: of the tasks.
        n_lives: the number of lives.

    Raises:
        BadInput: fewer than two thetas, or thetas of other forms.

    Source:
        own definitions.
    """
    if len(thetas) < 2:
        raise BadInput("one start", "at least two", "train with another seed, and give both runs")
    form = jax.tree.map(np.shape, subject.theta["rules"])
    for theta in thetas:
        if jax.tree.map(np.shape, theta["rules"]) != form:
            raise BadInput("rules of different forms", "the same form", "compare them one by one")
    at_start = subject.problem.init(search_loop.stream(subject.seed, "theta"))
    members = []
    for theta in (*thetas, at_start):
        rules = jax.tree.map(np.asarray, theta["rules"])
        members.append({**jax.tree.map(np.asarray, subject.theta), "rules": rules})
    lived = ends(subject, members, split, n_lives)
    n = len(thetas)
    weights = {}
    outputs = {}
    scores = {}
    metric = lived.scores[subject.metric]
    for i in range(n):
        for j in range(i + 1, n):
            weights[i, j] = _correlation(lived.changes(), i, j)
            outputs[i, j] = _correlation(lived.output, i, j)
            scores[i, j] = estimate([metric[i] - metric[j]])
    flat = np.stack([_flat(member) for member in members[:n]])
    own = of_rules(subject.theta)
    acts = np.stack([acting(subject, member)[own] for member in members[:n]])
    named = [name for name, is_own in zip(names(subject), own, strict=True) if is_own]
    along, chance = _along_stiff(flat, own, curvature)
    return Agreement(
        named,
        {name: student(values) for name, values in zip(named, acts.T, strict=True)},
        _cosines(acts),
        weights,
        outputs,
        scores,
        _correlation(lived.changes(), 0, n),
        _correlation(lived.output, 0, n),
        along,
        chance,
        n,
    )


def further(
    subject: Subject,
    outer: AbstractOuterLoop,
    n: int,
    n_steps: int | None = None,
    spread: float = SPREAD,
) -> list[Theta]:
    """The thetas of further starts of the search, on the tasks of the run.

    Only the start differs: a new draw of `Problem.init`, plus normal noise, because many rules
    begin at fixed numbers.

    Args:
        subject: the run.
        outer: the outer loop of the search.
        n: the number of starts.
        n_steps: outer steps of each; None: those of the outer loop.
        spread: the standard deviation of the noise on every number.
    """
    problem = subject.problem
    found = []
    for index in range(n):
        key = search_loop.stream(subject.seed + FAR * (index + 1), "theta")
        drawn, unravel = ravel_pytree(problem.init(key))
        noise = np.random.default_rng([subject.seed, index]).normal(0.0, spread, drawn.shape)
        start = unravel(drawn + noise.astype(drawn.dtype))
        state = search_loop.begin(problem, outer, subject.seed, theta=start)
        last = n_steps or outer.n_steps
        for _, state_after, _ in search_loop.steps(problem, outer, subject.seed, state, 0, last):
            state = state_after
        found.append(jax.tree.map(np.asarray, outer.theta(state)))
    return found


def _flat(theta: Theta) -> np.ndarray:
    return np.asarray(ravel_pytree(theta)[0], np.float64)


def _correlation(values: np.ndarray, i: int, j: int) -> Estimate:
    """The correlation of two members' numbers in each life: its mean over the finite lives.

    Args:
        values: [n_members, n_lives, ...].
        i: the one member.
        j: the other member.
    """
    one = values[i].reshape(values.shape[1], -1)
    other = values[j].reshape(values.shape[1], -1)
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.sum(one * other, axis=1) / sizes
    finite = correlations[np.isfinite(correlations)]
    if not len(finite):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return estimate([finite])


def _cosines(acts: np.ndarray) -> np.ndarray:
    """The cosine of every pair of rows; NaN without numbers."""
    if not acts.shape[1]:
        return np.full((len(acts), len(acts)), np.nan)
    norms = np.maximum(np.linalg.norm(acts, axis=1), 1e-12)
    return acts @ acts.T / np.outer(norms, norms)


def _along_stiff(
    flat: np.ndarray, own: np.ndarray, curvature: Curvature | None
) -> tuple[float, float]:
    """(The part of the distances between starts in stiff directions, the part by chance).

    Args:
        flat: the numbers of every start [n_starts, n].
        own: marks of the numbers of the rules [n]; all others are the same in all starts.
        curvature: of the first run.
    """
    if curvature is None or not own.any():
        return float("nan"), float("nan")
    away = (flat - flat.mean(axis=0)) / curvature.units
    parts = (away @ curvature.directions.T) ** 2
    total = float(parts.sum())
    chance = float(curvature.shares[own].mean())
    if total == 0:
        return float("nan"), chance
    return float(parts[:, curvature.stiff].sum()) / total, chance
