"""Reasons not to believe a fit: one small check each."""

import shlex

from metaplast.fitting.result import (
    NO_PLASTICITY,
    BootstrapResult,
    DirectionResult,
    FitResult,
    IntervalsResult,
    PathPoint,
    RowResult,
    SettledResult,
    TermsPlace,
    Weights,
)
from metaplast.language.grammar import is_term
from metaplast.results.numbers import RoundedEstimate
from metaplast.results.statistics import FEW
from metaplast.settings.names import DISCOVERED

SPREAD = 0.1  # of the largest number: beyond it starts of equal loss do not agree
WEIGHED = 0.8  # beyond this ratio of two standard deviations, activity has the wrong weight
NEARLY = 1e-3  # of a loss or deviance: a smaller difference is none
LOOSE_SHOWN = 3  # directions
OTHER_FORM = "The truth has another form than the rule searched: judge by R2 dw, not by terms."


def doubts(fit: FitResult) -> list[str]:
    """The sentences of all checks that find something, each with its number."""
    row = fit.discovered
    reasons = [still_moving(row), starts_disagree(row)]
    for null in row.explained:
        reasons.append(nothing_to_explain(fit, null))
    reasons += nulls_not_beaten(fit)
    reasons.append(activity_misweighed(row))
    for name, family in fit.rows.items():
        if name != DISCOVERED:
            reasons.append(family_still_moving(name, family))
            reasons.append(contained_family_is_better(fit, name))
            reasons.append(family_explains_more(name, family))
    reasons.append(supports_alike(row.path))
    reasons.append(intervals_not_asked(fit))
    reasons += interval_doubts(fit.intervals)
    if fit.bootstrap is not None:
        reasons.append(refits_still_moving(fit.bootstrap))
        for direction in _loose(fit.bootstrap):
            reasons.append(direction_loose(direction))
    reasons.append(lives_diverged(row))
    return [sentence for sentence in reasons if sentence is not None]


def still_moving(row: RowResult) -> str | None:
    """The numbers were not at rest when the search ended."""
    if row.stable:
        return None
    return (
        f"The numbers of the rule were still moving after {row.steps} outer steps: "
        "raise outer.steps."
    )


def starts_disagree(row: RowResult) -> str | None:
    """Starts of equal loss end at other numbers, or no other start comes as low."""
    starts = row.starts
    if starts.n <= 1:
        return None
    if starts.spread > SPREAD:
        return (
            f"{starts.same} of {starts.n} starts reach the same loss with numbers that differ by "
            f"{100 * starts.spread:.0f} % of the largest: the data do not settle the rule."
        )
    if starts.same == 1:
        return f"Only 1 of {starts.n} starts came within 1 % of the best loss: raise fit.starts."
    return None


def nothing_to_explain(fit: FitResult, null: str) -> str | None:
    """There is no share of the null's deviance, though the fitted network is finite."""
    row = fit.discovered
    if row.explained[null].mean is not None or row.splits["heldout"].deviance is None:
        return None
    return f"Nothing is said against {null}: {without_scale(fit, null)}."


def without_scale(fit: FitResult, null: str) -> str:
    """The reason why an explained share cannot be computed against a null model."""
    model = fit.nulls.get(null) or fit.rows.get(null)
    if model is None or model.splits["heldout"].deviance is None:
        return f"the null model {null} diverges on held-out data"
    return (
        f"{null} predicts all that was held out without fault, so that no rule has anything left "
        "to explain"
    )


def nulls_not_beaten(fit: FitResult) -> list[str]:
    """The nulls whose interval is missing or reaches 0: one sentence for all of one reason."""
    shares: dict[str, list[str]] = {}
    for null, share in fit.discovered.explained.items():
        if nothing_to_explain(fit, null):
            continue
        claim = _claim_of_no_better(fit, share)
        if claim is not None:
            shares.setdefault(claim, []).append(null)
    sentences = []
    for claim, nulls in shares.items():
        explained = []
        for null in nulls:
            share = fit.discovered.explained[null]
            low, high = share.ci95
            if low is None or high is None:
                continue
            words = f"against {null} {share.mean:.3f} [{low:.3f}, {high:.3f}]"
            if not explained:
                words = (
                    f"Against {null} the rule explains {share.mean:.3f} of the deviance "
                    f"[{low:.3f}, {high:.3f}]"
                )
            explained.append(words)
        listed = ", ".join(explained) or f"No interval against {', '.join(nulls)}"
        sentences.append(f"{listed}: {claim}.")
    return sentences


def _claim_of_no_better(fit: FitResult, share: RoundedEstimate) -> str | None:
    """The reason why a share says nothing for the rule; None where its interval leaves out 0."""
    low, high = share.ci95
    if low is None and share.n >= 2:
        return "held-out deviance is not finite: the fitted network diverges there"
    if low is None or high is None:
        return "fewer than two held-out subjects have recorded values"
    if low > 0 or share.mean is None:
        return None
    if high < 0:
        return "it is worse on subjects it has not seen"
    claim = "it may be no better on subjects it has not seen"
    if share.mean <= 0:
        claim = "it is no better here"
    if share.n < FEW:
        more = "record more"
        if can_hold_out_more(fit):
            more = "raise task.held.subjects, or record more"
        claim += f" (over {share.n} held out: {more})"
    return claim


def can_hold_out_more(fit: FitResult) -> bool:
    """Whether a larger task.held.subjects, up to 0.5, would hold out more subjects."""
    data = fit.data
    return data.subjects >= 4 and len(data.heldout_subjects) < data.subjects // 2


def activity_misweighed(row: RowResult) -> str | None:
    """Activity counts too much or too little beside choices."""
    noise = row.noise
    if noise is None or not noise.sd or not noise.residual_sd:
        return None
    ratio = noise.residual_sd / noise.sd
    if WEIGHED < ratio < 1 / WEIGHED:
        return None
    return (
        f"Activity is weighed against choices by an sd of {noise.sd:.4g}, and it leaves "
        f"{noise.residual_sd:.4g}: every value counts {ratio**2:.2g} times what it should. "
        f"Fit again with task.likelihood.units.sd={noise.residual_sd:.4g}."
    )


def family_still_moving(name: str, family: RowResult) -> str | None:
    """Another family was not at rest."""
    if family.stable:
        return None
    return f"The family {name} was not at rest: it may explain more than is shown."


def contained_family_is_better(fit: FitResult, name: str) -> str | None:
    """A family that the discovered rule contains has a lower training loss."""
    row = fit.discovered
    family = fit.rows[name]
    by_terms = bool(family.searched) or name == NO_PLASTICITY
    contained = by_terms and set(family.searched) < set(row.searched)
    if not contained or family.loss is None or row.loss is None:
        return None
    if family.loss >= row.loss - NEARLY * abs(row.loss):
        return None
    better = (
        f"The family {name} is contained in this one and has a lower training loss "
        f"({family.loss:.5g} against {row.loss:.5g})"
    )
    dropped = dropped_terms(family, row)
    if not dropped:
        return f"{better}: search longer."
    better = f"{better}: the penalty dropped {', '.join(dropped)}."
    words = terms_words(family, fit.terms)
    if not words:
        return f"{better} Fit its terms alone."
    return f"{better} Fit its terms: {shlex.join(words)}."


def dropped_terms(family: RowResult, row: RowResult) -> list[str]:
    """The terms of a family that a row searched, and lost to its penalty."""
    if not row.path or not has_terms(family):
        return []
    dropped = []
    for name in family.numbers:
        if name in row.searched and name not in row.numbers:
            dropped.append(name)
    return dropped


def has_terms(family: RowResult) -> bool:
    """Whether a family is a list of terms."""
    return bool(family.numbers) and all(map(is_term, family.numbers))


def terms_words(family: RowResult, place: TermsPlace) -> tuple[str, ...]:
    """The words of a config by which the terms of a family are fitted alone.

    Args:
        family: a list of terms.
        place: where the config has the terms of the discovered rule.

    Returns: none where the config has no place for them.
    """
    if not place.path:
        return ()
    words = (f"{place.path}.terms=[{','.join(family.numbers)}]",)
    if place.initial:
        words += (f"{place.path}.initial=[]",)
    return words


def family_explains_more(name: str, family: RowResult) -> str | None:
    """Another family explains more of the held-out deviance."""
    lead = family.comparison.lead
    if lead.ci95.low is None or lead.ci95.low <= 0:
        return None
    return f"The family {name} explains more: by {lead.mean:.4f} of the deviance."


def supports_alike(path: list[PathPoint]) -> str | None:
    """Other sets of terms are as good on validation trials as the chosen one.

    They have another size, or the same size with another deviance.
    """
    measured = []
    for p in path:
        if p.deviance is not None and p.error is not None:
            measured.append(p)
    chosen = []
    for point in measured:
        if point.chosen:
            chosen.append(point)
    if not chosen:
        return None
    best = min(measured, key=_deviance)
    limit = _deviance(best) + (best.error or 0.0)
    sizes = set()
    for point in measured:
        if _deviance(point) <= limit and not _same_support(point, chosen[0]):
            sizes.add(point.n_terms)
    if not sizes:
        return None
    counts = ", ".join(str(size) for size in sorted(sizes))
    return (
        f"Validation trials cannot tell the chosen set of terms from others, of {counts} numbers."
    )


def _deviance(point: PathPoint) -> float:
    assert point.deviance is not None
    return point.deviance


def _same_support(point: PathPoint, chosen: PathPoint) -> bool:
    """Whether a point of the path has the size and the deviance of the chosen one."""
    away = abs(_deviance(point) - _deviance(chosen))
    return point.n_terms == chosen.n_terms and away <= NEARLY * abs(_deviance(point))


def intervals_not_asked(fit: FitResult) -> str | None:
    """The numbers have neither intervals nor refits."""
    if fit.bootstrap is not None or not fit.discovered.numbers:
        return None
    return "How well the numbers are determined was not asked: set fit.bootstrap=200 or more."


def refits_still_moving(bootstrap: BootstrapResult) -> str | None:
    """Refits of the bootstrap were not at rest."""
    if not bootstrap.unsettled:
        return None
    return (
        f"{bootstrap.unsettled} refits of the bootstrap were not at rest: "
        "intervals may be too narrow."
    )


def direction_loose(direction: DirectionResult) -> str:
    """A combination of numbers is hardly determined."""
    name = next(iter(direction.weights))
    if len(direction.weights) > 1:
        name = f"the combination {words_of(direction.weights)}"
    return f"Hardly determined (sd {direction.sd:.3g}): {name}."


def _loose(bootstrap: BootstrapResult) -> list[DirectionResult]:
    """The loosest directions, at most LOOSE_SHOWN."""
    return [direction for direction in bootstrap.directions if direction.loose][:LOOSE_SHOWN]


def lives_diverged(row: RowResult) -> str | None:
    """Lives of the search were not finite."""
    if not row.diverged:
        return None
    return f"{row.diverged} lives of the search were not finite and were left out of its steps."


def interval_doubts(intervals: IntervalsResult | None) -> list[str]:
    """Reasons to doubt the intervals of the numbers."""
    if intervals is None:
        return []
    if intervals.why:
        return [
            f"How well the numbers are determined is not known: {intervals.why}. "
            "Set fit.bootstrap=200 or more."
        ]
    reasons = number_warnings(intervals)
    if intervals.open:
        for settled in intervals.settled:
            reasons.append(settled_alone(settled))
    for weights in intervals.swaps:
        reasons.append(swap_possible(weights))
    if intervals.alone:
        reasons.append(settled_by_one(intervals))
    if one := one_subject(intervals):
        reasons.append(one)
    return reasons


def number_warnings(intervals: IntervalsResult | None) -> list[str]:
    """The reasons for which numbers mean nothing: separated choices, and open combinations."""
    if intervals is None or intervals.why:
        return []
    reasons = [choices_separated(intervals.separated)] if intervals.separated else []
    return reasons + [combination_open(weights) for weights in intervals.open]


def choices_separated(names: list[str]) -> str:
    """Choices are predicted without fault along these numbers."""
    return (
        f"Choices are predicted without fault along {', '.join(names)} (separation): the "
        "likelihood rises without bound, the values are where the search stopped, and no interval "
        "of them exists. Record choices that differ."
    )


def combination_open(weights: Weights) -> str:
    """Predictions stay the same along a combination of numbers."""
    names = ", ".join(weights)
    if len(weights) == 1:
        return (
            f"{names} is not settled by these data: nothing that was recorded depends on it here. "
            "It has no interval."
        )
    return (
        f"The combination {words_of(weights)} is not settled by these data: what is predicted "
        f"stays the same along it. {names} have no interval of their own."
    )


def settled_alone(settled: SettledResult) -> str:
    """The data settle a combination of open numbers."""
    low, high = settled.ci95
    ends = "" if low is None else f" [{low:.4g}, {high:.4g}]"
    return f"These data settle only {words_of(settled.weights)}: {settled.value:.4g}{ends}."


def swap_possible(weights: Weights) -> str:
    """A number that was kept could be replaced by one that was left out."""
    return (
        f"A number that was kept cannot be told from one that was left out: {words_of(weights)} "
        "is not settled by these data, and either may be meant."
    )


def settled_by_one(intervals: IntervalsResult) -> str:
    """The data of one subject, or session, settle numbers of which the others say nothing."""
    one = intervals.over.removesuffix("s")
    return (
        f"The data of one {one} alone settle {', '.join(intervals.alone)}: the others say nothing "
        "of it, so the interval does not describe them."
    )


def one_subject(intervals: IntervalsResult) -> str | None:
    """The intervals hold for one subject alone."""
    if intervals.over == "subjects" or not intervals.ci95:
        return None
    return (
        f"Only one subject was fitted: intervals of the numbers are over {intervals.n} "
        f"{intervals.over} of it, and say nothing of others."
    )


def words_of(weights: Weights) -> str:
    """A combination of numbers as `+0.70 a -0.70 b`."""
    return " ".join(f"{value:+.2f} {name}" for name, value in weights.items())
