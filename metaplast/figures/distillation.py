"""The part of a page on the distilled rule: its terms, and how well they are the rule."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.figures.style import ON_DEEP_MAP, ON_MAP, hide, save, subplots
from metaplast.inspection.distillation import FITS, Distillation, Entry, InTask
from metaplast.results.numbers import interval, json_list, json_number, number, rounded
from metaplast.results.statistics import Estimate

_TITLE = "The rule in few terms"
_COLUMNS = 3
_NEARLY = 0.999
"""A share from which on the words say how much is left."""
_MOST_NAMED = 8
"""Terms that are named in a sentence."""


def part(found: Distillation, metric: str, folder: Path) -> PagePart:
    """The distilled rule in words, a figure and a table.

    Args:
        found: the distilled rule.
        metric: the name of the score.
        folder: of the picture.
    """
    path = folder / "distillation.svg"
    figures = []
    if any(len(entry.actual) for entry in found.entries.values()):
        draw(found.entries, path)
        caption = (
            "Each cell counts steps of followed synapses on held-out lives. On the line, the terms "
            "make the change of the rule itself."
        )
        figures.append(Figure(path, _alt(found.entries), caption))
    words = [_method(found.entries)]
    for name, entry in found.entries.items():
        words += of_entry(name, entry)
    if found.in_task is not None:
        words.append(in_task(found.in_task, metric))
    formulas = [formula(name, entry) for name, entry in found.entries.items()]
    tables = []
    for name, entry in found.entries.items():
        if entry.terms:
            tables.append(_table(name, entry))
    plain: dict[str, Any] = {"fits_from": FITS, "entries": {}}
    for name, entry in found.entries.items():
        plain["entries"][name] = _plain(entry)
    plain["in_task"] = None
    if found.in_task is not None:
        plain["in_task"] = {
            "metric": metric,
            "original": asdict(rounded(found.in_task.original)),
            "distilled": asdict(rounded(found.in_task.distilled)),
            "better": asdict(rounded(found.in_task.better)),
            "not_finite": found.in_task.not_finite,
        }
    return PagePart(Section(_TITLE, words, formulas, figures, tables), plain)


def formula(name: str, entry: Entry) -> str:
    """The distilled rule in one line."""
    text = ""
    for term, value in zip(entry.terms, entry.coefficients, strict=True):
        sign = "+"
        if value < 0:
            sign = "-"
        if text:
            text += f" {sign} "
        elif value < 0:
            text += "-"
        text += f"{number(abs(value), '.4g')}*{term}".removesuffix("*1")
    traces = ""
    if entry.taus is not None:
        pre, post = entry.taus
        traces = f"   [tau of pre_trace {pre:.3g} s, of post_trace {post:.3g} s]"
    return f"delta_w[{name}] ~ {text or '0'}{traces}"


def draw(entries: Mapping[str, Entry], path: Path) -> None:
    """Draw the change of the terms over the change of the rule, one panel an entry."""
    n_columns = min(len(entries), _COLUMNS)
    n_rows = -(-len(entries) // n_columns)
    size = (3.6 * n_columns, 3.2 * n_rows)
    figure, grid = subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
    panels = list(grid.reshape(-1))
    for axes, (name, entry) in zip(panels, entries.items(), strict=False):
        _panel(axes, name, entry)
    hide(panels[len(entries) :])
    save(figure, path)


def _panel(axes: Any, name: str, entry: Entry) -> None:
    both = np.concatenate([entry.actual, entry.distilled])
    both = both[np.isfinite(both)]
    limit = float(np.abs(both).max(initial=0.0)) or 1.0
    extent = (-limit, limit, -limit, limit)
    axes.hexbin(
        entry.actual,
        entry.distilled,
        gridsize=40,
        bins="log",
        cmap="Blues",
        mincnt=1,
        extent=extent,
        rasterized=True,
    )
    # Few counts are nearly white: the ground stays light on a dark page too.
    axes.set_facecolor(ON_DEEP_MAP)
    axes.plot([-limit, limit], [-limit, limit], color=ON_MAP, lw=0.8)
    axes.set_xlabel("change by the rule", fontsize=9)
    axes.set_ylabel("change by the terms", fontsize=9)
    axes.set_title(name, fontsize=9)
    axes.ticklabel_format(style="sci", scilimits=(-2, 3))
    axes.tick_params(labelsize=8)


def _method(entries: Mapping[str, Entry]) -> str:
    first = next(iter(entries.values()))
    kind = "products of powers 0 to 2 of the signals that the rule reads"
    if first.taus is not None:
        kind = "products of spikes, their traces and the other signals that the rule reads"
    return (
        f"The change of weight was regressed on {kind}, at followed synapses of {first.n_lives} "
        f"validation lives. The terms were chosen by the Bayesian information criterion, in which "
        f"each life counts as one sample, because the steps of a life depend on each other. "
        f"Intervals are over resampled lives."
    )


def of_entry(name: str, entry: Entry) -> list[str]:
    """The sentences on one distilled rule."""
    share = entry.heldout
    if not np.isfinite(share.mean):
        return [f"{name}: the rule changes nothing on held-out lives, so no share is explained."]
    size = f"{len(entry.terms)} of {len(entry.library)} terms"
    explained = f"{number(share.mean, '.3f')} {_within(share, '.3f')}"
    if share.mean > _NEARLY:
        left = interval([1.0 - share.high, 1.0 - share.low], ".2g")
        explained = f"all but {number(1.0 - share.mean, '.2g')} {left}"
    verdict = f"The rule is written by them (from {FITS:g} on)."
    if not entry.fits:
        verdict = (
            f"That is below {FITS:g}, a cosine of 0.95 between the two changes: "
            f"the rule does not fit into these terms."
        )
    words = [
        f"{name}: {size} explain {explained} of the variance of the change on {share.n} held-out "
        f"lives. {verdict}"
    ]
    if entry.state:
        early, late = entry.shrinks
        words.append(
            f"{name} has state ({', '.join(entry.state)}), which terms without memory cannot hold: "
            f"the best factor in front of the terms is {number(early, '.3g')} in the first fifth "
            f"of the steps, and {number(late, '.3g')} in the last."
        )
        if entry.taus is not None:
            words[-1] = (
                f"{name} has state ({', '.join(entry.state)}). The terms have two traces in its "
                f"place."
            )
    if entry.per_synapse:
        words.append(
            f"{name} holds numbers of its own for every synapse, which no list of terms can "
            f"express."
        )
    if entry.unnamed:
        words.append(f"{name} reads {', '.join(entry.unnamed)}, which no term can name.")
    if entry.same:
        named = ", ".join(entry.same[:_MOST_NAMED])
        more = len(entry.same) - _MOST_NAMED
        if more > 0:
            named += f" and {more} more"
        words.append(
            f"{name}: on the visited signals these terms are 0 or sums of other terms, so nothing "
            f"tells them apart: {named}."
        )
    return words


def in_task(found: InTask, metric: str) -> str:
    """The comparison of the two rules in the task, in one sentence or two."""
    if found.better.n == 0:
        return (
            f"Run in the task, the distilled rule gives no finite {metric} in any of "
            f"{found.not_finite} held-out lives."
        )
    better = found.better
    verdict = "no difference is seen"
    if better.low > 0:
        verdict = "the distilled rule is better"
    elif better.high < 0:
        verdict = "the distilled rule is worse"
    words = (
        f"Run in place of the rule on {better.n} held-out lives, the terms have {metric} "
        f"{number(found.distilled.mean)} {_within(found.distilled)}; the rule itself has "
        f"{number(found.original.mean)} {_within(found.original)}. Life by life, the terms are "
        f"better by {number(better.mean)} {_within(better)}: {verdict}."
    )
    if found.not_finite:
        words += f" {found.not_finite} lives are not finite and do not count."
    return words


def _within(estimate: Estimate, form: str = ".4g") -> str:
    return interval([estimate.low, estimate.high], form)


def _table(name: str, entry: Entry) -> Table:
    rows = []
    for term, value, low, high in zip(
        entry.terms, entry.coefficients, entry.low, entry.high, strict=True
    ):
        rows.append((term, number(value), interval([low, high])))
    return Table(
        f"{name}: coefficients of the change of weight", ("term", "coefficient", "95 %"), rows
    )


def _alt(entries: Mapping[str, Entry]) -> str:
    words = []
    for name, entry in entries.items():
        words.append(f"{name}, {number(entry.heldout.mean, '.4g')} of the variance explained")
    return f"Change by the terms over change by the rule on held-out lives: {'; '.join(words)}"


def _plain(entry: Entry) -> dict[str, Any]:
    taus = None
    if entry.taus is not None:
        taus = {"pre_trace": json_number(entry.taus[0]), "post_trace": json_number(entry.taus[1])}
    return {
        "edges": list(entry.edges),
        "fits": entry.fits,
        "terms": list(entry.terms),
        "coefficients": json_list(entry.coefficients),
        "low": json_list(entry.low),
        "high": json_list(entry.high),
        "taus": taus,
        "library": list(entry.library),
        "same": list(entry.same),
        "unnamed": list(entry.unnamed),
        "state": list(entry.state),
        "per_synapse": entry.per_synapse,
        "explained_in_fit": json_number(entry.fitted),
        "explained_heldout": asdict(rounded(entry.heldout)),
        "factor_early": json_number(entry.shrinks[0]),
        "factor_late": json_number(entry.shrinks[1]),
        "n_samples": entry.n_samples,
        "n_lives": entry.n_lives,
    }
