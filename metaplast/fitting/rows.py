"""One row of a fit: a family of rules, brought to rest on training trials, judged on all splits."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast.fitting.data import Data, n_values, recording_of
from metaplast.fitting.engine import Member, SearchResult, Tick, fit
from metaplast.fitting.judgement import Judgement, judge, only_columns
from metaplast.fitting.numbers import numbers
from metaplast.fitting.result import StartAgreement
from metaplast.fitting.scatter import starts as starts_of
from metaplast.fitting.support import SupportOption, chosen_index, is_long, n_kept, refits
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.penalised import everything
from metaplast.recording import AbstractRecording, Session
from metaplast.settings.fit import Fit
from metaplast.signals import Theta
from metaplast.tasks import SPLITS, Split

AS_GOOD = 0.01  # of the best loss: a start within it is as good


class Row(NamedTuple):
    """A fitted row.

    theta: the fitted rule.
    mask: 1 for the numbers that it may use, else 0.
    starts: the fits from every random start, the best first.
    path: the sets of terms that were tried; empty where the rule is short.
    at: the index of the one that was chosen.
    last: the final fit; None where nothing is learned.
    judgements: on every split.
    residual_sd: standard deviation of the residuals on the training trials.
    """

    theta: Theta
    mask: Theta
    starts: list[SearchResult]
    path: list[SupportOption]
    at: int
    last: SearchResult | None
    judgements: dict[Split, Judgement]
    residual_sd: float


def fit_row(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    data: Data,
    settings: Fit,
    seed: int,
    tick: Tick = lambda *_: None,
) -> Row:
    """Fit one family of rules. Deterministic in its arguments.

    Starts differ in theta alone (`scatter.starts`). A rule with more than `settings.few` terms is
    fitted from the best start under every penalty. The sets of terms that are left are refitted,
    and validation trials choose among them. Any other rule takes the best start.

    Args:
        problem: the rule in its network and task.
        outer: the search.
        data: the sessions.
        settings: of the fit.
        seed: of starts and lives.
        tick: called with (outer steps done, of all).
    """

    def fits(members: list[Member]) -> list[SearchResult]:
        return fit(problem, outer, data.sessions["train"], members, settings, seed, tick)

    thetas = starts_of(problem, settings.starts, seed)
    if not jax.tree.leaves(thetas[0]):
        return _judged(problem, data, seed, theta=thetas[0], mask=thetas[0], starts=[])
    long = is_long(problem.lifetime, settings.few)
    unit = _penalty_unit(problem, data, thetas[0], seed) if long else 0.0
    strength = settings.strengths[0] * unit
    members = [Member(theta, everything(theta), strength) for theta in thetas]
    starts = sorted(fits(members), key=_order)
    best = starts[0]
    if not long:
        mask = everything(best.theta)
        return _judged(problem, data, seed, theta=best.theta, mask=mask, starts=starts, last=best)
    members = []
    for strength in settings.strengths[1:]:
        members.append(Member(best.theta, everything(best.theta), strength * unit))
    penalised = [best, *fits(members)]
    members = refits(penalised, settings.support)
    refitted = fits(members)
    path = []
    for strength, member, refit in zip(settings.strengths, members, refitted, strict=True):
        path.append(_option(problem, data, strength, member.mask, refit.theta, seed))
    at = chosen_index(path)
    return _judged(
        problem,
        data,
        seed,
        theta=refitted[at].theta,
        mask=members[at].mask,
        starts=starts,
        path=path,
        at=at,
        last=refitted[at],
    )


def _order(result: SearchResult) -> tuple[bool, float]:
    """The key by which finite losses come first, the smallest before the others."""
    return (not np.isfinite(result.loss), result.loss)


def _penalty_unit(problem: MetaProblem, data: Data, theta: Theta, seed: int) -> float:
    """The unit of penalties: the mean training loss of a rule that does nothing."""
    still = {**theta, "rules": jax.tree.map(jnp.zeros_like, theta["rules"])}
    n_sessions = len(data.subject["train"])
    batch: Batch = train.take(data.sessions["train"], jax.random.key(seed), n_sessions)
    losses = train.evaluate(problem, jax.tree.map(lambda x: x[None], still), batch)[0]
    return float(losses[0])


def _option(
    problem: MetaProblem, data: Data, strength: float, mask: Theta, theta: Theta, seed: int
) -> SupportOption:
    """A set of terms with its deviance on validation trials; every subject counts once."""
    split: Split = "validation" if n_values(data.sessions["validation"]) else "train"
    judgement = judge(problem.lifetime, theta, data.sessions[split], seed)
    _, subject = np.unique(data.subject[split], return_inverse=True)
    deviance = np.bincount(subject, judgement.deviance)
    error = 0.0
    if len(deviance) > 1:
        error = float(deviance.std(ddof=1) / np.sqrt(len(deviance)))
    return SupportOption(strength, n_kept(mask), float(deviance.mean()), error)


def _judged(
    problem: MetaProblem,
    data: Data,
    seed: int,
    *,
    theta: Theta,
    mask: Theta,
    starts: list[SearchResult],
    path: list[SupportOption] | None = None,
    at: int = 0,
    last: SearchResult | None = None,
) -> Row:
    """The row with its judgement on every split."""
    judgements: dict[Split, Judgement] = {}
    for split in SPLITS:
        judgements[split] = judge(problem.lifetime, theta, data.sessions[split], seed)
    family = recording_of(problem.lifetime)
    sd = residual_sd(family, judgements["train"], data.sessions["train"])
    return Row(theta, mask, starts, path or [], at, last, judgements, sd)


def residual_sd(family: AbstractRecording, judgement: Judgement, sessions: Session) -> float:
    """The standard deviation of the residuals of a model on these sessions.

    It has the unit of the recording, or of weights where those are judged. Where both activity and
    choice are judged, it is of the activity.
    """
    if family.clamp:
        return float(np.sqrt(judgement.deviance.sum() / max(n_values(sessions), 1.0)))
    part = family.parts()[0]
    deviance = judgement.parts.get(part.name, judgement).deviance
    n = n_values(only_columns(sessions, part.columns))
    sd = getattr(part.likelihood, "sd", 1.0)
    return sd * float(np.sqrt(deviance.sum() / max(n, 1.0)))


def agreement(problem: MetaProblem, row: Row) -> StartAgreement:
    """The agreement of the starts whose loss is within AS_GOOD of the best.

    Their spread is the largest range of a number, as a share of the largest number.
    """
    if not row.starts or not problem.lifetime.slots:
        return StartAgreement(n=0, same=0, spread=0.0)
    best = row.starts[0].loss
    limit = best + AS_GOOD * abs(best)
    same = [start for start in row.starts if np.isfinite(start.loss) and start.loss <= limit]
    values = np.asarray([list(numbers(problem.lifetime, s.theta).values()) for s in same])
    largest = np.abs(values).max(initial=0.0)
    spread = 0.0
    if values.size and largest > 0:
        spread = float(np.ptp(values, axis=0).max(initial=0.0) / largest)
    return StartAgreement(n=len(row.starts), same=len(same), spread=spread)
