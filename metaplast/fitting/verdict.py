"""The verdict on a fit: a few sentences made from its numbers, the first of terminal and page."""

from typing import NamedTuple

from metaplast.fitting.doubts import (
    SPREAD,
    can_hold_out_more,
    contained_family_is_better,
    dropped_terms,
    has_terms,
    terms_words,
    without_scale,
)
from metaplast.fitting.result import FitResult, IntervalsResult, RowResult
from metaplast.settings.names import DISCOVERED

SHOWN = 3  # numbers named
NEXT = "Next: "
RECOVER = "recover"
OWN_RECORDINGS = "own recordings"
"""Kinds of steps whose command is not the one of the fit with a change."""


def verdict(fit: FitResult) -> list[str]:
    """The sentences of a verdict.

    They are about the success against the nulls, a better family, the settled numbers, the reasons
    to doubt it, another meaning of the data, and the next step.
    """
    sentences = [
        success(fit),
        better_family(fit),
        family_told_apart(fit),
        settled_numbers(fit),
        why_not(fit),
        read_as_meant(fit),
        f"{NEXT}{next_step(fit).words}",
    ]
    return [sentence for sentence in sentences if sentence is not None]


def success(fit: FitResult) -> str:
    """The success against the null of which the rule explains least."""
    row = fit.discovered
    if row.splits["heldout"].deviance is None:
        return "Not found: the fitted network diverges on held-out data."
    judged = {}
    for null, share in row.explained.items():
        if share.mean is None:
            return f"Not judged: {without_scale(fit, null)}."
        judged[null] = share.mean
    hardest = min(judged, key=lambda null: judged[null])
    mean = judged[hardest]
    share = row.explained[hardest]
    low, high = share.ci95
    by = "trials of the same subjects"
    if fit.data.heldout_by == "subjects":
        by = "subjects"
    explained = f"{mean:.3f} of the deviance that {hardest} leaves on held-out {by}"
    if low is None or high is None:
        return (
            f"Not judged: the rule explains {explained}; values of one subject alone give no "
            "interval."
        )
    explained = f"{explained} [{low:.3f}, {high:.3f}]"
    if high < 0:
        return f"Not found: the rule is worse than {hardest}. It explains {explained}."
    if mean <= 0:
        return f"Not found: the rule is no better than {hardest}. It explains {explained}."
    level = _level_nulls(row)
    if low <= 0:
        level = [hardest]
    if level:
        return (
            f"Not settled: over {share.n} held out, the rule is not told apart from "
            f"{' and '.join(level)}. It explains {explained}."
        )
    return f"Found: the rule explains {explained}, and more of every other null."


def _level_nulls(row: RowResult) -> list[str]:
    """The nulls from which the rule is not told apart: the interval against them holds 0."""
    level = []
    for null, share in row.explained.items():
        if (share.ci95.low or 0.0) <= 0:
            level.append(null)
    return level


def better_family(fit: FitResult) -> str | None:
    """The family that explains most beyond the discovered rule."""
    better = []
    for name, family in fit.rows.items():
        lead = family.comparison.lead
        if name != DISCOVERED and lead.ci95.low is not None and lead.ci95.low > 0:
            better.append((lead.mean or 0.0, name))
    if not better:
        return None
    most, name = max(better)
    more = ""
    if len(better) > 1:
        more = f", as {len(better) - 1} others do"
    return (
        f"It is not the best of the families: {name} explains {most:.3f} more of the "
        f"deviance{more}."
    )


def family_told_apart(fit: FitResult) -> str | None:
    """The family that is told apart from every null, where the discovered rule is not."""
    name = best_told_apart(fit)
    if name is None:
        return None
    family = fit.rows[name]
    hardest = min(family.explained, key=lambda null: family.explained[null].mean or 0.0)
    share = family.explained[hardest]
    low, high = share.ci95
    sentence = (
        f"The family {name} is told apart from every null, and the rule is not: of the deviance "
        f"that {hardest} leaves it explains {share.mean:.3f} [{low:.3f}, {high:.3f}]."
    )
    lead = family.comparison.lead
    low, high = lead.ci95
    if lead.mean is not None and low is not None and high is not None and low <= 0 <= high:
        sentence += (
            f" Beside the rule it is {lead.mean:+.3f} [{low:+.3f}, {high:+.3f}], which holds 0."
        )
    return sentence


def best_told_apart(fit: FitResult) -> str | None:
    """The name of the family that explains most of its hardest null; None where the rule does."""
    if _is_told_apart(fit.discovered):
        return None
    apart = []
    for name, family in fit.rows.items():
        if name != DISCOVERED and _is_told_apart(family):
            least = min(share.mean or 0.0 for share in family.explained.values())
            apart.append((least, name))
    return max(apart)[1] if apart else None


def _is_told_apart(row: RowResult) -> bool:
    """Whether the intervals against all nulls lie above 0."""
    return bool(row.explained) and not _level_nulls(row)


def settled_numbers(fit: FitResult) -> str | None:
    """The number of numbers that are settled, or the reasons why none is."""
    row = fit.discovered
    if not row.numbers and data_leave_open(fit) is None:
        return None
    reasons = [
        still_moving(row),
        no_start_as_low(row),
        starts_apart(row),
        data_leave_open(fit),
        one_settles(fit),
    ]
    unsettled = []
    for reason in reasons:
        if reason is not None:
            unsettled.append(reason)
    if unsettled:
        return f"Its numbers are not settled: {', and '.join(unsettled)}."
    if not fit.number_bounds:
        return None
    settled = _away_from_zero(fit)
    if len(row.numbers) == 1:
        claim = "holds 0"
        if settled:
            claim = "leaves out 0"
        return f"Its one number, of {next(iter(row.numbers))}, has an interval that {claim}."
    named = ""
    if settled:
        named = f": {_first(settled)}"
    return (
        f"{len(settled)} of its {len(row.numbers)} numbers have an interval that leaves out "
        f"0{named}."
    )


def still_moving(row: RowResult) -> str | None:
    """The search ended before the numbers were at rest."""
    if row.stable:
        return None
    return "they were still moving when the search ended"


def no_start_as_low(row: RowResult) -> str | None:
    """One start alone has the best loss."""
    alone = row.starts.n > 1 and row.starts.same == 1
    if alone:
        return "no other start came as low"
    return None


def starts_apart(row: RowResult) -> str | None:
    """Starts of equal loss ended at other numbers."""
    if row.starts.n <= 1 or row.starts.spread <= SPREAD:
        return None
    return f"starts of equal loss differ by {100 * row.starts.spread:.0f} % of the largest"


def data_leave_open(fit: FitResult) -> str | None:
    """The data do not bound the numbers."""
    if fit.intervals is None:
        return None
    if fit.intervals.separated:
        return "choices are predicted without fault"
    if fit.intervals.open:
        return f"the data do not settle {_first(_open_numbers(fit.intervals))}"
    return None


def _open_numbers(intervals: IntervalsResult) -> list[str]:
    """The numbers of all open combinations, each once."""
    return list(dict.fromkeys(name for weights in intervals.open for name in weights))


def one_settles(fit: FitResult) -> str | None:
    """One subject, or session, settles numbers by itself."""
    intervals = fit.intervals
    if intervals is None or not intervals.alone:
        return None
    return f"one {intervals.over.removesuffix('s')} alone settles {_first(intervals.alone)}"


def _first(names: list[str]) -> str:
    """The first SHOWN names, and dots where there are more."""
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")


def why_not(fit: FitResult) -> str:
    """The first reason to doubt the fit, and how many more there are."""
    if not fit.doubts:
        return (
            "Why not to believe it: no check found a reason; none can show that the network itself "
            "is right."
        )
    more = ""
    if len(fit.doubts) > 1:
        more = f" ({len(fit.doubts) - 1} more below)"
    return f"Why not to believe it: {fit.doubts[0]}{more}"


def read_as_meant(fit: FitResult) -> str | None:
    """The verdict rests on a reading of the data that has warnings."""
    n = len(fit.reading.warnings)
    if not n:
        return None
    warnings = "1 warning, told below"
    if n > 1:
        warnings = f"{n} warnings, listed below"
    return f"It holds if the data were read as you mean them: {warnings}."


def _away_from_zero(fit: FitResult) -> list[str]:
    """Names of the numbers whose interval leaves out 0, the largest number first."""
    values = fit.discovered.numbers
    settled = []
    for name in sorted(values, key=lambda name: -abs(values[name] or 0.0)):
        bounds = fit.number_bounds.get(name)
        if bounds is None or bounds.low is None or bounds.high is None:
            continue
        if bounds.low > 0 or bounds.high < 0:
            settled.append(name)
    return settled


class NextStep(NamedTuple):
    """The most useful thing to do next.

    words: the step in a sentence.
    change: the words of a config that make it; none where no word does.
    kind: RECOVER or OWN_RECORDINGS where these are the step, else "".
    """

    words: str
    change: tuple[str, ...] = ()
    kind: str = ""


def next_step(fit: FitResult) -> NextStep:
    """The most useful thing to do next."""
    if fit.intervals is not None and fit.intervals.separated:
        return NextStep(
            "record choices that differ where the rule now predicts each, or give the rule fewer "
            "terms."
        )
    if fit.intervals is not None and fit.intervals.open:
        return NextStep("hold or drop what is not settled, or record rows that depend on it.")
    if fit.advice:
        return NextStep(fit.advice[0].words, fit.advice[0].taken_by)
    if (name := family_to_fit(fit)) is not None:
        return NextStep(f"fit the terms of {name} alone.", terms_words(fit.rows[name], fit.terms))
    if (why := _nothing_told(fit.discovered)) is not None:
        if can_hold_out_more(fit):
            return NextStep(
                f"hold out more subjects (task.held.subjects), or record more: {why}.",
                ("task.held.subjects=0.5",),
            )
        return NextStep(f"record more subjects: {why}.")
    if not fit.discovered.stable:
        return NextStep(
            "raise outer.steps, for the numbers were still moving.",
            (f"outer.steps={2 * fit.discovered.steps}",),
        )
    if fit.recover is None and fit.truth is None:
        return NextStep(
            "simulate this rule on the same design (--recover) and see whether a fit gives it "
            "back.",
            kind=RECOVER,
        )
    return NextStep(
        "fit your own recordings with the same words, without --recover.", kind=OWN_RECORDINGS
    )


def family_to_fit(fit: FitResult) -> str | None:
    """The family whose terms are worth a fit of their own: the search lost them, or did no better.

    It is told apart from every null where the rule is not, or has terms that the penalty dropped
    and a lower training loss.
    """
    row = fit.discovered
    apart = best_told_apart(fit)
    if apart is not None:
        family = fit.rows[apart]
        if has_terms(family) and set(family.numbers) != set(row.numbers):
            return apart
    for name, family in fit.rows.items():
        is_better = contained_family_is_better(fit, name) is not None
        if name != DISCOVERED and is_better and dropped_terms(family, row):
            return name
    return None


def _nothing_told(row: RowResult) -> str | None:
    """The reason why the intervals against the nulls tell nothing; None where they do."""
    for share in row.explained.values():
        low, high = share.ci95
        if share.n == 1 and low is None:
            return "one subject alone gives no interval"
        if low is not None and high is not None and low < 0 < high:
            return "the interval is too wide to tell"
    return None
