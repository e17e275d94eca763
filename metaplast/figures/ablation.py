"""The figures of an ablation: what each term is worth, and the front of terms against score."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.figures.style import OTHERS, OURS, TRUE, save, subplots
from metaplast.inspection.ablation import Ablation, Worth
from metaplast.inspection.parsimony import Parsimony
from metaplast.inspection.side_by_side import Difference, negligible
from metaplast.results.numbers import interval, json_number, number, rounded
from metaplast.results.statistics import Estimate
from metaplast.reuse.formula import formula
from metaplast.reuse.rule_file import RuleFile

TITLE = "What each term is worth"
DRAWN = 24
"""Knock-outs in the figure, the largest differences; the table has all of them."""
NAMED = 6
"""Terms that a sentence names."""


def part(
    ablation: Ablation | None,
    parsimony: Parsimony | None,
    sparse: RuleFile | None,
    folder: Path,
    on_tuning: str = "",
) -> PagePart:
    """The worth of terms or inputs, the front of terms kept, and the sparse rule.

    Args:
        ablation: the knock-outs; None where there is nothing to knock out.
        parsimony: the front; None for a rule without terms.
        sparse: the rule file of the chosen rule; None where none was made.
        folder: of the pictures.
        on_tuning: a sentence on the loop that re-tuned, or on why none did; "" for neither.
    """
    if ablation is None:
        words = "The rule has no terms and reads no signals: there is nothing to knock out."
        return PagePart(Section(TITLE, [words]), {})
    worths = _by_size([*ablation.alone, *ablation.together])
    words = [_how(ablation), *_what(ablation)]
    words += _retuning(ablation)
    if on_tuning:
        words.append(on_tuning)
    figures = [_figure_of_worths(ablation, worths, folder)]
    tables = [_table(ablation, worths)]
    formulas = []
    numbers: dict[str, Any] = {"ablation": _plain_ablation(ablation)}
    if parsimony is not None:
        words += _of_sparse(ablation, parsimony)
        figures.append(_figure_of_front(ablation, parsimony, folder))
        tables.append(_table_of_front(ablation, parsimony))
        numbers["parsimony"] = _plain_parsimony(parsimony)
    if sparse is not None:
        line = formula(sparse.document, sparse.tensors)
        formulas.append(line)
        numbers["sparse_formula"] = line
    title = TITLE
    if ablation.of == "inputs":
        title = "What each input is worth"
    section = Section(title, words, formulas=formulas, figures=figures, tables=tables)
    return PagePart(section, numbers)


def verdict(ablation: Ablation, worth: Worth) -> str:
    """Whether a knock-out `helps`, `harms` or is `not told from 0`, and whether it `breaks` lives.

    A difference below a thousandth of what everything together is worth is `negligible`.
    """
    by = worth.worth.by
    if worth.worth.not_finite:
        return "breaks lives"
    if not by.low > 0.0 and not by.high < 0.0:
        return "not told from 0"
    if abs(by.mean) < negligible(ablation.everything.by.mean):
        return "negligible"
    if by.mean > 0:
        return "helps"
    return "harms"


def label(worth: Worth, of_all: bool) -> str:
    """The name of a knock-out: the term, and where it was taken out if there are several places.

    Args:
        worth: the knock-out.
        of_all: whether the rules have several thetas.
    """
    if len(worth.entries) > 1:
        return f"{worth.name}, everywhere"
    if of_all and worth.entries:
        return f"{worth.name} in {worth.entries[0].rpartition('/')[2]}"
    return worth.name


def _several(ablation: Ablation) -> bool:
    """Whether the knock-outs are of several thetas."""
    places = {one.entries for one in ablation.alone}
    return len(places) > 1


def _by_size(worths: Sequence[Worth]) -> list[Worth]:
    """The knock-outs, the largest worth first; those that break lives come before all others."""

    def order(one: Worth) -> tuple[int, float]:
        mean = one.worth.by.mean
        return -one.worth.not_finite, -mean if np.isfinite(mean) else 0.0

    return sorted(worths, key=order)


def _how(ablation: Ablation) -> str:
    unit = f"{ablation.metric} on {ablation.n_lives} validation lives"
    if ablation.of == "inputs":
        return (
            "Every input was knocked out in the task: the rule saw the mean of the signal, over "
            "the steps and synapses that it visits, in place of the signal. The rest was held. "
            f"A worth is the paired difference of {unit}; positive: the input helps."
        )
    return (
        "Every term was knocked out in the task: its coefficient was set to 0, the rest was held. "
        f"A worth is the paired difference of {unit}; positive: the term helps."
    )


def _what(ablation: Ablation) -> list[str]:
    """The sentences on which terms carry the score, and which are not told from 0."""
    several = _several(ablation)
    by_verdict: dict[str, list[Worth]] = {}
    for one in _by_size(ablation.alone):
        by_verdict.setdefault(verdict(ablation, one), []).append(one)
    everything = ablation.everything
    noun = "terms" if ablation.of == "terms" else "inputs"
    words = [
        f"The full rule scores {number(ablation.mean)}; all {noun} together are worth "
        f"{_estimate(everything.by)} (n = {everything.by.n})."
    ]
    breaking = by_verdict.get("breaks lives", [])
    if breaking:
        texts = [f"{label(one, several)} ({one.worth.not_finite} lives)" for one in breaking]
        words.append(f"Without these the lives are not all finite: {_named(texts)}.")
    helping = by_verdict.get("helps", [])
    if helping:
        texts = [f"{label(one, several)} {_estimate(one.worth.by)}" for one in helping]
        words.append(f"The score is carried by {_count(helping, noun)}: {_named(texts)}.")
    harming = by_verdict.get("harms", [])
    if harming:
        texts = [f"{label(one, several)} {_estimate(one.worth.by)}" for one in harming[::-1]]
        words.append(f"The score is better without {_count(harming, noun)}: {_named(texts)}.")
    small = by_verdict.get("negligible", [])
    if small:
        texts = [label(one, several) for one in small]
        words.append(
            f"Told from 0, but worth less than a thousandth of all together: {_named(texts)}."
        )
    untold = by_verdict.get("not told from 0", [])
    if untold:
        texts = [label(one, several) for one in untold]
        words.append(
            f"Not told from 0 when taken out alone: {_count(untold, noun)}, {_named(texts)}."
        )
    if ablation.not_taken_out:
        parts = ", ".join(ablation.not_taken_out)
        words.append(
            f"Not knocked out: {parts}. These parts of the rules are no lists of terms; they and "
            "their inputs were held."
        )
    if ablation.absent:
        words.append(f"Not counted, with the coefficient 0: {_count(ablation.absent, noun)}.")
    n = len(ablation.alone)
    words.append(
        f"Each interval covers 95 % by itself: of {n} {noun} worth nothing, about {0.05 * n:.1f} "
        f"would still be told from 0. {noun.capitalize()} that stand in for each other are each "
        "worth little alone."
    )
    return words


def _count(things: Sequence[Any], noun: str) -> str:
    """`1 term`, `2 terms`; noun: in the plural."""
    if len(things) == 1:
        return f"1 {noun.removesuffix('s')}"
    return f"{len(things)} {noun}"


def _retuning(ablation: Ablation) -> list[str]:
    if not ablation.retuning or ablation.control is None:
        if not ablation.n_free:
            return ["Nothing can be re-tuned: the search of this rule moved no number."]
        return []
    noun = "coefficient" if ablation.of == "terms" else "input"
    control = ablation.control.by
    words = [
        f"Re-tuned: {ablation.retuning} outer steps on training lives, a tenth of the search's own "
        f"in size, followed each knock-out, with the {noun} held; the full rule took the same "
        f"steps. Only the {ablation.n_free} numbers that the search of the rule moved could move. "
        f"These steps changed its score by {_estimate(control)}; the re-tuned worth is the "
        "difference after them."
    ]
    if control.high < 0 and abs(control.mean) > negligible(ablation.everything.by.mean):
        words.append(
            "These steps made the full rule worse, so the re-tuned worths show the search as much "
            "as the rule."
        )
    return words


def _of_sparse(ablation: Ablation, parsimony: Parsimony) -> list[str]:
    chosen = parsimony.front[parsimony.chosen]
    n_all = len(parsimony.terms)
    names = _names_of(parsimony, chosen.kept)
    front = (
        f"Terms were taken out one after the other, the least worth first ({parsimony.rankings} "
        f"rankings on validation lives). {len(chosen.kept)} of {n_all} are enough for a score "
        f"within one standard error of the best subset, or within a thousandth of what all are "
        f"worth: {_named(names, len(names))}."
    )
    if not names:
        front = (
            f"No term is needed: without any of the {n_all}, the score is within one standard "
            "error of the best subset."
        )
    refit = "It keeps the numbers of the full rule; it was not refitted."
    if parsimony.steps:
        refit = f"It was refitted on its terms by {parsimony.steps} outer steps."
    elif parsimony.refit is not None:
        refit = (
            "A refit on its terms was no better on validation lives "
            f"({_estimate(parsimony.refit.by)}), so it keeps the numbers of the full rule."
        )
    judged = parsimony.heldout
    sparse_mean, full_mean = parsimony.heldout_means
    words = (
        f"On {judged.by.n} held-out lives, of those that judged the rows, the sparse rule scores "
        f"{number(sparse_mean)} and the full rule {number(full_mean)}: paired difference "
        f"{_estimate(judged.by)}, positive where the sparse rule is better; "
        f"{_loss_words(judged, ablation.everything.by.mean)}."
    )
    lost = ""
    if judged.not_finite:
        lost = f" {judged.not_finite} held-out lives of the sparse rule are not finite."
    return [front, f"{refit} {words}{lost}"]


def _loss_words(judged: Difference, everything: float) -> str:
    """What the paired difference of the sparse rule says."""
    by = judged.by
    if not by.low > 0 and not by.high < 0:
        return "a loss is not told from 0"
    if abs(by.mean) < negligible(everything):
        return "that is less than a thousandth of what all terms are worth"
    if by.mean < 0:
        return "it loses score"
    return "it gains score"


def _names_of(parsimony: Parsimony, kept: Sequence[int]) -> list[str]:
    entries = {one.entry for one in parsimony.terms}
    names = []
    for place in kept:
        term = parsimony.terms[place]
        name = term.term
        if len(entries) > 1:
            name = f"{term.term} in {term.entry.rpartition('/')[2]}"
        names.append(name)
    return names


def _estimate(estimate: Estimate) -> str:
    return f"{number(estimate.mean, '+.3g')} {interval([estimate.low, estimate.high], '.3g')}"


def _named(texts: Sequence[str], most: int = NAMED) -> str:
    """The first texts of a list, and how many more there are."""
    shown = ", ".join(texts[:most])
    if len(texts) > most:
        return f"{shown}, and {len(texts) - most} more (see the table)"
    return shown


def _figure_of_worths(ablation: Ablation, worths: Sequence[Worth], folder: Path) -> Figure:
    largest = sorted(worths, key=lambda one: -abs(np.nan_to_num(one.worth.by.mean)))[:DRAWN]
    drawn = [one for one in worths if one in largest]
    path = folder / "ablation.svg"
    draw_worths(ablation, drawn, path)
    several = _several(ablation)
    texts = [f"{label(one, several)} {number(one.worth.by.mean, '+.3g')}" for one in drawn]
    caption = (
        "What each is worth, with its 95 % interval over lives; blue: told from 0; grey: not. "
        "Filled: taken out in one place; hollow: everywhere at once."
    )
    if ablation.retuning:
        caption += f" Orange: after {ablation.retuning} outer steps of re-tuning."
    if len(drawn) < len(worths):
        caption += f" The {len(drawn)} largest of {len(worths)}."
    return Figure(path, f"Worth in {ablation.metric}: {', '.join(texts)}", caption)


def draw_worths(ablation: Ablation, worths: Sequence[Worth], path: Path) -> None:
    """Draw what every knock-out is worth, with its interval, the largest on top.

    Args:
        ablation: the knock-outs.
        worths: those that are drawn, in their order.
        path: of the picture.
    """
    several = _several(ablation)
    figure, axes = subplots(figsize=(7.2, 0.24 * len(worths) + 1.2), layout="constrained")
    ticks = []
    for y, one in enumerate(reversed(worths)):
        helps = verdict(ablation, one) in ("helps", "harms", "breaks lives")
        colour = OURS if helps else OTHERS
        face = "white" if len(one.entries) > 1 else colour
        _interval(axes, one.worth.by, y, colour, face)
        if one.retuned is not None:
            _interval(axes, one.retuned.by, y - 0.3, TRUE, TRUE)
        ticks.append(label(one, several))
    axes.axvline(0.0, color="0.4", lw=0.8)
    axes.set_yticks(range(len(ticks)), ticks, fontsize=8)
    axes.set_ylim(-0.8, len(ticks) - 0.4)
    axes.set_xlabel(f"worth: {ablation.metric} with it, compared to without it (+: it helps)")
    axes.grid(axis="x", alpha=0.3)
    save(figure, path)


def _interval(axes: Any, estimate: Estimate, y: float, colour: str, face: str) -> None:
    if np.isfinite(estimate.low):
        axes.plot([estimate.low, estimate.high], [y, y], color=colour, lw=2.2)
    if np.isfinite(estimate.mean):
        axes.plot(estimate.mean, y, "o", color=colour, mfc=face, ms=4.5)


def _figure_of_front(ablation: Ablation, parsimony: Parsimony, folder: Path) -> Figure:
    path = folder / "parsimony.svg"
    draw_front(ablation.metric, parsimony, path)
    chosen = parsimony.front[parsimony.chosen]
    best = parsimony.front[parsimony.best]
    alt = (
        f"{ablation.metric} against terms kept: {number(parsimony.front[0].mean)} with all "
        f"{len(parsimony.terms)}, best {number(best.mean)} with {len(best.kept)}, "
        f"{number(chosen.mean)} with {len(chosen.kept)}, "
        f"{number(parsimony.front[-1].mean)} with none"
    )
    caption = (
        f"Nested subsets of the terms on {parsimony.n_lives} validation lives; bars: 95 % interval "
        "of the paired difference to the full rule. Orange: the chosen rule."
    )
    return Figure(path, alt, caption)


def draw_front(metric: str, parsimony: Parsimony, path: Path) -> None:
    """Draw the score of every subset against the number of terms that it keeps."""
    figure, axes = subplots(figsize=(7.2, 3.4), layout="constrained")
    front = parsimony.front
    n_kept = [len(subset.kept) for subset in front]
    means = [subset.mean for subset in front]
    axes.plot(n_kept, means, color=OURS, lw=1)
    sign = 1.0 if parsimony.subject.larger_is_better else -1.0
    full = front[0].mean
    for index, subset in enumerate(front):
        colour = OURS
        if index == parsimony.chosen:
            colour = TRUE
        by = subset.to_full.by
        ends = [full + sign * by.low, full + sign * by.high]
        axes.plot([n_kept[index]] * 2, ends, color=colour, lw=1.5)
        axes.plot(n_kept[index], subset.mean, "o", color=colour, ms=5)
    axes.axhline(full, color="0.4", lw=0.8, ls="--")
    axes.set_xlabel("terms kept")
    axes.set_ylabel(f"{metric} on {parsimony.n_lives} validation lives")
    axes.grid(alpha=0.3)
    save(figure, path)


def _table(ablation: Ablation, worths: Sequence[Worth]) -> Table:
    several = _several(ablation)
    column = "coefficient" if ablation.of == "terms" else "held at"
    head = ["taken out", column, "worth", "95 %", "not finite", "verdict"]
    if ablation.retuning:
        head += ["re-tuned worth", "95 %"]
    rows = []
    for one in worths:
        by = one.worth.by
        value = ""
        if np.isfinite(one.value):
            value = number(one.value, ".3g")
        row = [label(one, several), value, number(by.mean, "+.3g")]
        row += [interval([by.low, by.high], ".3g"), str(one.worth.not_finite)]
        row.append(verdict(ablation, one))
        if one.retuned is not None:
            again = one.retuned.by
            row += [number(again.mean, "+.3g"), interval([again.low, again.high], ".3g")]
        rows.append(row)
    caption = f"Paired difference of {ablation.metric} on {ablation.n_lives} validation lives"
    return Table(caption, head, rows)


def _table_of_front(ablation: Ablation, parsimony: Parsimony) -> Table:
    rows = []
    before = set(parsimony.front[0].kept)
    for index, subset in enumerate(parsimony.front):
        removed = _names_of(parsimony, sorted(before - set(subset.kept)))
        before = set(subset.kept)
        mark = ""
        if index == parsimony.chosen:
            mark = "chosen"
        elif index == parsimony.best:
            mark = "best"
        by = subset.to_full.by
        bounds = interval([by.low, by.high], ".3g")
        cells = (number(subset.mean), number(by.mean, "+.3g"), bounds)
        rows.append((str(len(subset.kept)), ", ".join(removed) or "-", *cells, mark))
    head = ("terms kept", "taken out", ablation.metric, "to the full rule", "95 %", "")
    caption = f"Nested subsets on {parsimony.n_lives} validation lives"
    return Table(caption, head, rows)


def _plain_difference(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    estimate = rounded(difference.by)
    return {
        "mean": estimate.mean,
        "ci95": list(estimate.ci95),
        "n": estimate.n,
        "not_finite": difference.not_finite,
    }


def _plain_worth(ablation: Ablation, worth: Worth) -> dict[str, Any]:
    return {
        "name": worth.name,
        "entries": list(worth.entries),
        "value": json_number(worth.value),
        "worth": _plain_difference(worth.worth),
        "verdict": verdict(ablation, worth),
        "retuned": _plain_difference(worth.retuned),
    }


def _plain_ablation(ablation: Ablation) -> dict[str, Any]:
    return {
        "of": ablation.of,
        "metric": ablation.metric,
        "split": "validation",
        "n_lives": ablation.n_lives,
        "mean": json_number(ablation.mean),
        "everything": _plain_difference(ablation.everything),
        "alone": [_plain_worth(ablation, one) for one in ablation.alone],
        "together": [_plain_worth(ablation, one) for one in ablation.together],
        "absent": [list(pair) for pair in ablation.absent],
        "retuning_steps": ablation.retuning,
        "control": _plain_difference(ablation.control),
        "n_free": ablation.n_free,
        "not_taken_out": list(ablation.not_taken_out),
    }


def _plain_parsimony(parsimony: Parsimony) -> dict[str, Any]:
    terms = []
    for one in parsimony.terms:
        terms.append({"entry": one.entry, "term": one.term, "value": json_number(one.value)})
    front = []
    for subset in parsimony.front:
        to_full = _plain_difference(subset.to_full)
        mean = json_number(subset.mean)
        front.append({"kept": list(subset.kept), "mean": mean, "to_full": to_full})
    sparse_mean, full_mean = parsimony.heldout_means
    return {
        "terms": terms,
        "n_lives": parsimony.n_lives,
        "front": front,
        "best": parsimony.best,
        "chosen": parsimony.chosen,
        "rankings": parsimony.rankings,
        "refit_steps": parsimony.steps,
        "refit": _plain_difference(parsimony.refit),
        "heldout": {
            "sparse_mean": json_number(sparse_mean),
            "full_mean": json_number(full_mean),
            "difference": _plain_difference(parsimony.heldout),
        },
    }
