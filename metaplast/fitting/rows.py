"""One row of a fit: a family of rules, brought to rest on training trials, judged on all splits."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import search_loop
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


class FittedRow(NamedTuple):
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
) -> FittedRow:
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
    fitter = _Fitter(problem, outer, data, settings, seed, tick)
    thetas = starts_of(problem, settings.starts, seed)
    if not jax.tree.leaves(thetas[0]):
        return fitter.row(theta=thetas[0], mask=thetas[0], starts=[])
    if is_long(problem.lifetime, settings.few):
        return fitter.fit_long(thetas)
    return fitter.fit_short(thetas)


class _Fitter(NamedTuple):
    """The arguments of `fit_row`, with its steps."""

    problem: MetaProblem
    outer: AbstractOuterLoop
    data: Data
    settings: Fit
    seed: int
    tick: Tick

    def fit_short(self, thetas: list[Theta]) -> FittedRow:
        """Fit all numbers, and take the best start."""
        starts = self._starts(thetas, 0.0)
        best = starts[0]
        return self.row(theta=best.theta, mask=everything(best.theta), starts=starts, last=best)

    def fit_long(self, thetas: list[Theta]) -> FittedRow:
        """Fit under every penalty, refit the terms that are left, and choose among them."""
        strengths = self.settings.strengths
        unit = self._penalty_unit(thetas[0])
        starts = self._starts(thetas, strengths[0] * unit)
        best = starts[0]
        members = []
        for strength in strengths[1:]:
            members.append(Member(best.theta, everything(best.theta), strength * unit))
        penalised = [best, *self._fits(members)]
        members = refits(penalised, self.settings.support)
        refitted = self._fits(members)
        path = []
        for strength, member, refit in zip(strengths, members, refitted, strict=True):
            path.append(self._option(strength, member.mask, refit.theta))
        at = chosen_index(path)
        chosen = refitted[at]
        return self.row(
            theta=chosen.theta,
            mask=members[at].mask,
            starts=starts,
            path=path,
            at=at,
            last=chosen,
        )

    def row(
        self,
        *,
        theta: Theta,
        mask: Theta,
        starts: list[SearchResult],
        path: list[SupportOption] | None = None,
        at: int = 0,
        last: SearchResult | None = None,
    ) -> FittedRow:
        """The row with its judgement on every split."""
        lifetime = self.problem.lifetime
        judgements: dict[Split, Judgement] = {}
        for split in SPLITS:
            judgements[split] = judge(lifetime, theta, self.data.sessions[split], self.seed)
        sessions = self.data.sessions["train"]
        sd = residual_sd(recording_of(lifetime), judgements["train"], sessions)
        return FittedRow(theta, mask, starts, path or [], at, last, judgements, sd)

    def _starts(self, thetas: list[Theta], strength: float) -> list[SearchResult]:
        """The fits from every start, the best first."""
        members = []
        for theta in thetas:
            members.append(Member(theta, everything(theta), strength))
        return sorted(self._fits(members), key=_order)

    def _fits(self, members: list[Member]) -> list[SearchResult]:
        """Bring these members to rest on the training sessions."""
        return fit(
            self.problem,
            self.outer,
            self.data.sessions["train"],
            members,
            self.settings,
            self.seed,
            self.tick,
        )

    def _penalty_unit(self, theta: Theta) -> float:
        """The unit of penalties: the mean training loss of a rule that does nothing."""
        still = {**theta, "rules": jax.tree.map(jnp.zeros_like, theta["rules"])}
        n_sessions = len(self.data.subject["train"])
        key = jax.random.key(self.seed)
        batch: Batch = search_loop.draw_tasks(self.data.sessions["train"], key, n_sessions)
        stacked = jax.tree.map(lambda x: x[None], still)
        return float(search_loop.evaluate(self.problem, stacked, batch)[0][0])

    def _option(self, strength: float, mask: Theta, theta: Theta) -> SupportOption:
        """A set of terms with its deviance on validation trials; every subject counts once."""
        split: Split = "validation" if n_values(self.data.sessions["validation"]) else "train"
        sessions = self.data.sessions[split]
        judgement = judge(self.problem.lifetime, theta, sessions, self.seed)
        _, subject = np.unique(self.data.subject[split], return_inverse=True)
        deviance = np.bincount(subject, judgement.deviance)
        error = 0.0
        if len(deviance) > 1:
            error = float(deviance.std(ddof=1) / np.sqrt(len(deviance)))
        return SupportOption(strength, n_kept(mask), float(deviance.mean()), error)


def _order(result: SearchResult) -> tuple[bool, float]:
    """The key by which finite losses come first, the smallest before the others."""
    return (not np.isfinite(result.loss), result.loss)


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


def agreement(problem: MetaProblem, row: FittedRow) -> StartAgreement:
    """The agreement of the starts whose loss is within AS_GOOD of the best.

    Their spread is the largest range of a number, as a share of the largest number.
    """
    if not row.starts or not problem.lifetime.slots:
        return StartAgreement(n=0, same=0, spread=0.0)
    best = row.starts[0].loss
    limit = best + AS_GOOD * abs(best)
    same = []
    for start in row.starts:
        if np.isfinite(start.loss) and start.loss <= limit:
            same.append(start)
    values = np.asarray([list(numbers(problem.lifetime, s.theta).values()) for s in same])
    largest = np.abs(values).max(initial=0.0)
    spread = 0.0
    if values.size and largest > 0:
        spread = float(np.ptp(values, axis=0).max(initial=0.0) / largest)
    return StartAgreement(n=len(row.starts), same=len(same), spread=spread)
