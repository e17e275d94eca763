"""One row of a fit: a family of rules brought to rest on the training trials, and judged on every
split.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast.fitting.data import Data, n_values
from metaplast.fitting.engine import Fitted, Member, Tick, fit
from metaplast.fitting.numbers import numbers
from metaplast.fitting.scatter import starts as starts_of
from metaplast.fitting.support import Choice, chosen, is_long, n_kept, refits
from metaplast.fitting.worth import Worth, cut, worth
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.penalised import everything
from metaplast.recording import AbstractRecording, Session
from metaplast.settings.fit import Fit
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split


class Row(NamedTuple):
    """theta, mask: the fitted rule and the numbers it may use; starts: the fits from every random
    start, best first;
    path: the penalties tried, `at` the one that was chosen (empty where the rule is short); last:
    the final fit;
    worths: on every split; spread: residual standard deviation on the training trials."""

    theta: Theta
    mask: Theta
    starts: list[Fitted]
    path: list[Choice]
    at: int
    last: Fitted | None
    worths: dict[Split, Worth]
    spread: float


def fit_row(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    data: Data,
    settings: Fit,
    seed: int,
    tick: Tick = lambda *_: None,
) -> Row:
    """Fit one family of rules. Deterministic in its arguments.

    Starts differ in theta alone (`scatter.starts`). A rule with more than `settings.few` terms goes
    along the path of penalties from the best start, its supports are refitted, and validation
    trials choose; any other takes the best start.
    """
    sessions = data.sessions["train"]
    inits = starts_of(problem, settings.starts, seed)
    if not jax.tree.leaves(inits[0]):
        return _judged(problem, data, inits[0], inits[0], seed, ([], [], 0, None))
    long = is_long(problem.lifetime, settings.few)
    unit = _unit(problem, data, inits[0], seed) if long else 0.0
    first = [Member(theta, everything(theta), settings.strengths[0] * unit) for theta in inits]
    starts = sorted(fit(problem, outer, sessions, first, settings, seed, tick), key=_order)
    if not long:
        return _judged(
            problem,
            data,
            starts[0].theta,
            everything(starts[0].theta),
            seed,
            (starts, [], 0, starts[0]),
        )
    rest = [
        Member(starts[0].theta, everything(starts[0].theta), s * unit)
        for s in settings.strengths[1:]
    ]
    along = [starts[0], *fit(problem, outer, sessions, rest, settings, seed, tick)]
    members = refits(along, settings.support)
    refitted = fit(problem, outer, sessions, members, settings, seed, tick)
    path = [
        _choice(problem, data, (strength, member), found, seed)
        for strength, member, found in zip(settings.strengths, members, refitted, strict=True)
    ]
    at = chosen(path)
    return _judged(
        problem, data, refitted[at].theta, members[at].mask, seed, (starts, path, at, refitted[at])
    )


def _order(found: Fitted) -> tuple[bool, float]:
    return (not np.isfinite(found.loss), found.loss)


def _unit(problem: MetaProblem, data: Data, theta: Theta, seed: int) -> float:
    """The mean loss on training trials of a rule that does nothing: the scale of penalties."""
    still = {**theta, "rules": jax.tree.map(jnp.zeros_like, theta["rules"])}
    batch: Batch = train.take(
        data.sessions["train"], jax.random.key(seed), len(data.subject["train"])
    )
    return float(train.evaluate(problem, jax.tree.map(lambda x: x[None], still), batch)[0][0])


def _choice(
    problem: MetaProblem, data: Data, tried: tuple[float, Member], found: Fitted, seed: int
) -> Choice:
    split: Split = "validation" if n_values(data.sessions["validation"]) else "train"
    each = worth(problem.lifetime, found.theta, data.sessions[split], seed).deviance
    deviance = np.bincount(
        np.unique(data.subject[split], return_inverse=True)[1], each
    )  # a subject counts once
    error = float(deviance.std(ddof=1) / np.sqrt(len(deviance))) if len(deviance) > 1 else 0.0
    return Choice(tried[0], n_kept(tried[1].mask), float(deviance.mean()), error)


def _judged(
    problem: MetaProblem,
    data: Data,
    theta: Theta,
    mask: Theta,
    seed: int,
    way: tuple[list[Fitted], list[Choice], int, Fitted | None],
) -> Row:
    worths: dict[Split, Worth] = {
        split: worth(problem.lifetime, theta, data.sessions[split], seed) for split in SPLITS
    }
    family: AbstractRecording = problem.lifetime.task  # pyright: ignore[reportAssignmentType]
    spread = residual_sd(family, worths["train"], data.sessions["train"])
    return Row(theta, mask, *way, worths, spread)


def residual_sd(family: AbstractRecording, found: Worth, sessions: Session) -> float:
    """The standard deviation [unit of the recording, or of weights] of what a model leaves of these
    sessions; of both activity and choice, of the activity."""
    if family.clamp:
        return float(np.sqrt(found.deviance.sum() / max(n_values(sessions), 1.0)))
    name, likelihood, columns = family.parts()[0]
    mine, n = found.parts.get(name, found), n_values(cut(sessions, columns))
    return getattr(likelihood, "sd", 1.0) * float(np.sqrt(mine.deviance.sum() / max(n, 1.0)))


def agreement(problem: MetaProblem, row: Row) -> dict[str, float]:
    """How far apart the starts ended: the largest spread of a number over the largest number, among
    the starts whose loss is within 1 % of the best (`same`: how many those are, of `n`)."""
    if not row.starts or not problem.lifetime.slots:
        return {"n": 0, "same": 0, "spread": 0.0}
    best = row.starts[0].loss
    same = [s for s in row.starts if np.isfinite(s.loss) and s.loss <= best + 0.01 * abs(best)]
    told = np.asarray([list(numbers(problem.lifetime, s.theta).values()) for s in same])
    largest = np.abs(told).max(initial=0.0)
    spread = (
        float(np.ptp(told, axis=0).max(initial=0.0) / largest) if told.size and largest > 0 else 0.0
    )
    return {"n": len(row.starts), "same": len(same), "spread": spread}
