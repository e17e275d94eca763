"""The stability of a rule: longer and shorter lives, wider networks, and the drift of a weight."""

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.inspection.ends import Ends, ends
from metaplast.inspection.subject import Subject
from metaplast.inspection.visited import Visited
from metaplast.life.slots import theta_of
from metaplast.registry import BadInput
from metaplast.results.statistics import Estimate, estimate
from metaplast.results.surfaces import ONE, deltas, for_one_synapse
from metaplast.reuse.reference import floats
from metaplast.signals import TaskShape
from metaplast.tasks import AbstractTaskFamily, Split

FACTORS = (0.5, 1.0, 2.0, 8.0)
WIDTHS = (0.5, 1.0, 2.0)
N_LIVES = 32
LENGTHS = (
    *("n_steps", "shots", "shown", "n_frames", "n_trials", "n_stretches"),
    *("n_train", "n_learn"),
)
"""Fields of task families that say how long a life learns."""
PASSES = "passes"
"""The field of families that show their examples again."""
N_VISITS = 2000
N_WEIGHTS = 41


class Reached(NamedTuple):
    """Lives at one horizon or width.

    factor: of the steps with plasticity, or of the hidden width.
    setting: what was changed, such as `shots 20 -> 40`.
    n_steps: steps of a life with plasticity.
    score: over the finite lives.
    mean_weight: {edge: mean |w| at the end, over lives}.
    mean_at_birth: {edge: mean |w| at birth}.
    largest_weight: {edge: largest |w| at the end, over lives}.
    at_bound: share of plastic synapses at a bound.
    silent: {population: share of silent units}.
    saturated: {population: share of saturated units}.
    diverged: lives with a number that is not finite.
    n_lives: all lives.
    """

    factor: float
    setting: str
    n_steps: int
    score: Estimate
    mean_weight: dict[str, Estimate]
    mean_at_birth: dict[str, float]
    largest_weight: dict[str, Estimate]
    at_bound: float
    silent: dict[str, float]
    saturated: dict[str, float]
    diverged: int
    n_lives: int


class Horizons(NamedTuple):
    """Lives at several horizons or widths.

    reached: those that the task or network can have.
    refused: {factor: why not}.
    """

    reached: list[Reached]
    refused: dict[float, str]


class Drift(NamedTuple):
    """The mean change of a weight over the visited signals, as a function of that weight.

    weights: [n].
    mean: the mean change per step at each weight [n].
    fixed_points: weights without a mean change, each with the slope there. A negative slope is
        stable.
    slope: the mean slope over the visited weights: d E[delta_w] / dw.
    n: the number of visits behind the mean.
    stateful: whether the rule has state. The step is then the first one from birth.
    """

    weights: np.ndarray
    mean: np.ndarray
    fixed_points: list[tuple[float, float]]
    slope: float
    n: int
    stateful: bool


def horizons(
    subject: Subject,
    factors: tuple[float, ...] = FACTORS,
    split: Split = "validation",
    n_lives: int = N_LIVES,
) -> Horizons:
    """A rule in lives whose learning is shorter or longer than those it was searched in.

    Nothing is searched anew. A longer life is another life of the task with more steps, not the
    same one continued: a family draws its whole life at birth.

    Args:
        subject: the rule in its task.
        factors: of the steps with plasticity.
        split: of the tasks.
        n_lives: the number of lives.
    """
    reached = []
    refused = {}
    family = subject.problem.lifetime.task
    for factor in factors:
        try:
            task, setting = lasting(family, factor, split)
            lifetime = replace(subject.problem.lifetime, task=task)
            reached.append(_reached(subject, lifetime, factor, setting, split, n_lives))
        except BadInput as error:
            refused[factor] = str(error)
    return Horizons(reached, refused)


def lasting(
    family: AbstractTaskFamily,
    factor: float,
    split: Split = "validation",
    fields: tuple[str, ...] = (PASSES, *LENGTHS),
) -> tuple[AbstractTaskFamily, str]:
    """(The family with lives that learn `factor` times as long, what was changed in words).

    One of the fields is changed. Where the family shows examples and has too few for a
    longer life, it shows each of them more often. Inputs, outputs, signals, the number of phases
    and the phases without plasticity must stay, and the steps with plasticity must grow as asked.

    Args:
        family: the task family.
        factor: of the steps with plasticity.
        split: of the tasks that are to be lived.
        fields: that may be changed, in the order in which they are tried.

    Raises:
        BadInput: the family has no such field, or refuses its new value.
    """
    if factor == 1:
        return family, "as searched"
    refusal = BadInput(
        f"a life of {type(family).__name__}",
        "a task with one of " + ", ".join(LENGTHS),
        "its lives have the one length",
    )
    for name in fields:
        old = getattr(family, name, None)
        if not isinstance(old, int) or isinstance(old, bool):
            continue
        new = round(old * factor)
        if new < 1 or (name == PASSES and factor < 1):
            continue
        try:
            changed: Any = dataclasses.replace(family, **{name: new})  # pyright: ignore
            if not _is_longer(family.shape(), changed.shape(), factor):
                continue
            check_drawn(changed, split)
        except BadInput as error:
            refusal = error
            continue
        except ValueError as error:  # of a field with a rule of its own
            told = str(error).splitlines()
            refusal = BadInput(f"{name}={new}", "a value that the task takes", " ".join(told[2:3]))
            continue
        return changed, f"{name} {old} -> {new}"
    raise refusal


def check_drawn(family: AbstractTaskFamily, split: Split) -> None:
    """Check that a family has tasks of a split. Nothing is computed.

    Raises: BadInput where the family cannot draw one.
    """
    # The key is made within, so that no program is compiled for it.
    jax.eval_shape(lambda: family.sample(jax.random.key(0), split))


def _is_longer(old: TaskShape, new: TaskShape, factor: float) -> bool:
    """Whether only the steps with plasticity changed, by the factor."""
    if (old.inputs, old.n_out, old.offers) != (new.inputs, new.n_out, new.offers):
        return False
    if [plastic for _, plastic in old.phases] != [plastic for _, plastic in new.phases]:
        return False
    resting = [n for n, plastic in old.phases if not plastic]
    if resting != [n for n, plastic in new.phases if not plastic]:
        return False
    return abs(_n_plastic(new) - factor * _n_plastic(old)) <= max(1.0, 0.05 * _n_plastic(new))


def _n_plastic(shape: TaskShape) -> int:
    return sum(n for n, plastic in shape.phases if plastic)


def widths(
    subject: Subject,
    factors: tuple[float, ...] = WIDTHS,
    split: Split = "validation",
    n_lives: int = N_LIVES,
) -> Horizons:
    """A rule in networks whose hidden populations are narrower or wider.

    Args:
        subject: the rule in its task.
        factors: of the hidden width.
        split: of the tasks.
        n_lives: the number of lives.
    """
    lifetime = subject.problem.lifetime
    hidden = getattr(lifetime.network, "hidden", ())
    if not hidden:
        why = "the network has no hidden populations of a chosen width"
        return Horizons([], dict.fromkeys(factors, why))
    reached = []
    refused = {}
    for factor in factors:
        new = tuple(max(1, round(n * factor)) for n in hidden)
        setting = "as searched"
        if factor != 1:
            setting = f"hidden {list(hidden)} -> {list(new)}"
        network: Any = dataclasses.replace(lifetime.network, hidden=new)  # pyright: ignore
        changed = replace(lifetime, network=network)
        try:
            form = jax.eval_shape(changed.init, jax.random.key(0))
            if _shapes(form) != _shapes(subject.theta):
                raise BadInput(
                    setting, "numbers that do not depend on the width", "they belong to one width"
                )
            reached.append(_reached(subject, changed, factor, setting, split, n_lives))
        except BadInput as error:
            refused[factor] = str(error)
    return Horizons(reached, refused)


def _shapes(theta: Any) -> list[tuple[int, ...]]:
    return [tuple(np.shape(leaf)) for leaf in jax.tree.leaves(theta)]


def _reached(
    subject: Subject, lifetime: Any, factor: float, setting: str, split: Split, n_lives: int
) -> Reached:
    problem = replace(subject.problem, lifetime=lifetime)
    changed = replace(subject, problem=problem)
    lived = ends(changed, [subject.theta], split, n_lives)
    return summary(lived, factor, setting, _n_plastic(lifetime.task.shape()), subject.metric)


def summary(lived: Ends, factor: float, setting: str, n_steps: int, metric: str) -> Reached:
    """The facts of lives of one theta.

    Args:
        lived: the ends of the lives.
        factor: of the steps or of the width.
        setting: what was changed, in words.
        n_steps: steps of a life with plasticity.
        metric: the name of the score.
    """
    score = lived.scores[metric][0]
    finite = np.isfinite(lived.scores["loss"][0])
    for weights in lived.final.values():
        finite &= np.isfinite(weights[0]).all(axis=1)
    mean_weight = {}
    mean_at_birth = {}
    largest_weight = {}
    for edge, weights in lived.final.items():
        there = lived.existing[edge]
        sizes = np.abs(weights[0][finite][:, there])
        mean_weight[edge] = _over_lives(sizes.mean(axis=1))
        largest_weight[edge] = _over_lives(sizes.max(axis=1, initial=0.0))
        mean_at_birth[edge] = float(np.abs(lived.born[edge][0][:, there]).mean())
    silent = {}
    saturated = {}
    for name, values in lived.scores.items():
        kind, _, population = name.partition("_")
        if kind == "silent":
            silent[population] = float(values[0].mean())
        if kind == "saturated":
            saturated[population] = float(values[0].mean())
    return Reached(
        factor,
        setting,
        n_steps,
        _over_lives(score[finite & np.isfinite(score)]),
        mean_weight,
        mean_at_birth,
        largest_weight,
        float(lived.scores["at_bound"][0].mean()),
        silent,
        saturated,
        int((~finite).sum()),
        len(finite),
    )


def _over_lives(values: np.ndarray) -> Estimate:
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    return estimate([values])


def drifts(subject: Subject, followed: Mapping[str, Visited]) -> dict[str, Drift]:
    """{edge: the mean change of a weight over visited signals, as a function of the weight}.

        m(w) = E[delta_w(signals, w)],   fixed point: m(w) = 0,   stable where m'(w) < 0

    All other signals keep the values of their visits, so m is the update of one synapse that is too
    small to change the activity of its neurons. It is no proof about a whole network.

    Args:
        subject: the rule in its task.
        followed: {edge: the signals that its rule meets}, from `visited`.

    Source:
        own definition, after the averaged learning equations of Oja 1982, J. Math. Biol. 15, 267.
    """
    found = {}
    generator = np.random.default_rng(subject.seed)
    for edge, (_, slot) in subject.problem.lifetime.plastic().items():
        if edge not in followed:
            continue
        signals, _ = followed[edge].flat()
        n = len(signals["weight"])
        if not n:
            continue
        chosen = generator.choice(n, min(n, N_VISITS), replace=False)
        visits = {name: values[chosen] for name, values in signals.items()}
        low, high = np.quantile(signals["weight"], [0.005, 0.995])
        margin = max(0.25 * (high - low), 1e-3)
        grid = np.linspace(low - margin, high + margin, N_WEIGHTS)
        spec = slot.rule
        theta, _ = for_one_synapse(spec, theta_of(subject.theta, slot, edge))
        points = {name: np.tile(values, N_WEIGHTS) for name, values in visits.items()}
        points["weight"] = np.repeat(grid, len(chosen))
        changes = deltas(spec, subject.problem.lifetime.dt, theta, floats(points))
        mean = np.asarray(changes, np.float64).reshape(N_WEIGHTS, -1).mean(axis=1)
        slopes = np.gradient(mean, grid)
        at_visits = np.interp(visits["weight"], grid, slopes)
        state = jax.eval_shape(lambda spec=spec, theta=theta: spec.init_state(theta, ONE))
        found[edge] = Drift(
            grid,
            mean,
            roots(grid, mean),
            float(at_visits.mean()),
            len(chosen),
            bool(jax.tree.leaves(state)),
        )
    return found


def roots(grid: np.ndarray, mean: np.ndarray) -> list[tuple[float, float]]:
    """(Weight, slope) at every change of sign of `mean` over `grid`, by linear interpolation."""
    found = []
    for index in range(len(grid) - 1):
        here, there = mean[index], mean[index + 1]
        if np.sign(here) * np.sign(there) < 0:
            slope = (there - here) / (grid[index + 1] - grid[index])
            found.append((float(grid[index] - here / slope), float(slope)))
    return found
