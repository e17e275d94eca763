"""The figure of learning within a life: every row's metric over the steps, with a band."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section
from metaplast.figures.style import PLASTIC, count_in_wholes, row_styles, save, subplots
from metaplast.results.curves import Band
from metaplast.results.numbers import json_list, number

Phases = Sequence[tuple[int, bool]]  # (steps, whether plasticity is on) of every phase
MOST = 200
"""Points of a curve; a picture of every step of a long life would be large."""
_JUMP = (
    " A jump where a phase ends may come from the order of the stimuli: in a stream that shows "
    "every class equally often, what comes next differs from what came last."
)


class Facts(NamedTuple):
    """The facts about a set of curves.

    n_lives: held-out lives of each run.
    n_runs: number of runs.
    width: steps of the moving mean.
    not_finite: {row: lives with a loss that is not finite}.
    """

    n_lives: int
    n_runs: int
    width: int
    not_finite: Mapping[str, int]

    @property
    def smoothing(self) -> str:
        """The moving mean in words."""
        if self.width > 1:
            return f"moving mean over {self.width} steps within a phase"
        return "not smoothed"

    @property
    def over(self) -> str:
        """The lives in words."""
        several = ""
        if self.n_runs > 1:
            several = f" in each of {self.n_runs} runs"
        return f"{self.n_lives} held-out lives{several}"


def part(
    bands: Mapping[str, Mapping[str, Band]],
    phases: Phases,
    facts: Facts,
    folder: Path,
    ours: Sequence[str],
) -> PagePart:
    """One picture per metric.

    Args:
        bands: {metric: {row: band over the steps of a life}}.
        phases: of a life.
        facts: they are kept in the numbers of the part.
        folder: of the pictures.
        ours: the names of the rows with a thick line; the first is blue.
    """
    pictures = []
    for metric, rows in bands.items():
        pictures.append(_figure(metric, rows, phases, facts, folder, ours))
    words = (
        "Every step is scored before the change of weight it gives rise to, so within a plastic "
        "phase the curve is the score as a function of the number of steps learned from so far."
    )
    if not _is_plastic(phases):
        words = "Every step of a life is scored. No synapse changes within a life."
    paragraphs = [words + _JUMP if len(phases) > 1 else words]
    for name, n in facts.not_finite.items():
        if n:
            paragraphs.append(
                f"{name}: {n} lives with a loss that is not finite; "
                "from that step on they are left out of the curve."
            )
    numbers = {}
    for metric, rows in bands.items():
        numbers[metric] = {}
        for row, band in rows.items():
            numbers[metric][row] = {
                "mean": json_list(band.mean),
                "low": json_list(band.low),
                "high": json_list(band.high),
            }
    lengths = [{"steps": length, "plastic": plastic} for length, plastic in phases]
    plain = {**facts._asdict(), "phases": lengths, "bands": numbers}
    return PagePart(Section("Learning within a life", paragraphs, figures=pictures), plain)


def _figure(
    metric: str,
    rows: Mapping[str, Band],
    phases: Phases,
    facts: Facts,
    folder: Path,
    ours: Sequence[str],
) -> Figure:
    path = folder / f"curves_{metric}.svg"
    label = metric
    if facts.width > 1:
        label = f"{metric}, moving mean of {facts.width} steps"
    draw(rows, phases, label, path, ours, f"step in the life; {facts.over}")
    last = ", ".join(f"{name} {number(band.mean[-1], '.3g')}" for name, band in rows.items())
    alt = f"{metric} at every step of a life for {', '.join(rows)}; last step: {last}"
    certainty = "pointwise 95 % band"
    if not all(band.is_interval for band in rows.values()):
        certainty = f"thin: each of {facts.n_runs} runs, too few for a band"
    caption = f"{metric} at each step, mean over {facts.over}, {facts.smoothing}; {certainty}."
    if _is_plastic(phases):
        caption += " Shaded: plasticity is on."
    caption += " The legend is in the order of the curves' ends."
    return Figure(path, alt, caption)


def draw(
    bands: Mapping[str, Band],
    phases: Phases,
    label: str,
    path: Path,
    ours: Sequence[str],
    below: str = "step in the life",
) -> None:
    """Draw every row's band over the steps of a life; plastic phases are shaded and named.

    Of few splits, a thin line for each stands in place of the band.

    Args:
        bands: {row: band}.
        phases: of a life.
        label: of the vertical axis.
        path: of the picture.
        ours: the names of the rows with a thick line; the first is blue.
        below: the label of the horizontal axis.
    """
    figure, axes = subplots(figsize=(8.2, 4.4), layout="constrained")
    steps = np.arange(1, sum(length for length, _ in phases) + 1)
    drawn = _drawn(phases)
    if _is_plastic(phases):
        _shade(axes, phases)
    styles = row_styles(bands, ours)
    for name in sorted(bands, key=lambda name: name in ours):  # our rows lie on top
        band = bands[name]
        colour = styles[name]["color"]
        alpha = 0.12
        if name in ours:
            alpha = 0.22
        width = 1.3
        if name in ours:
            width = 2.4
        style = styles[name]
        at = steps[drawn]
        if band.is_interval:
            low, high = band.lowest[drawn], band.high[drawn]
            axes.fill_between(at, low, high, color=colour, alpha=alpha, lw=0)
        else:
            for split in band.splits:
                axes.plot(at, split[drawn], lw=0.6, color=colour, ls=style["ls"], alpha=0.7)
        mean = band.mean[drawn]
        axes.plot(at, mean, lw=width, label=name, color=colour, ls=style["ls"])
    if _wants_logarithm(bands):
        axes.set_yscale("log")
    axes.set_xlim(0.5, steps[-1] + 0.5)
    count_in_wholes(axes)
    axes.set_xlabel(below)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    _legend(figure, axes, bands)
    save(figure, path)


def _drawn(phases: Phases) -> np.ndarray:
    """The steps that have a point, from 0 on: evenly spaced, and both ends of every phase."""
    n_steps = sum(length for length, _ in phases)
    even = np.linspace(0, n_steps - 1, min(n_steps, MOST)).round().astype(int)
    starts = np.cumsum([0, *(length for length, _ in phases)])
    return np.union1d(even, np.concatenate([starts[:-1], starts[1:] - 1]))


def _wants_logarithm(bands: Mapping[str, Band]) -> bool:
    """Whether all bounds are positive and the means span more than a factor of 30."""
    low = np.concatenate([band.lowest for band in bands.values()])
    low = low[np.isfinite(low)]
    means = np.concatenate([band.mean for band in bands.values()])
    means = means[np.isfinite(means)]
    return bool(low.size and low.min() > 0 and means.max() > 30 * means.min())


def _legend(figure: Any, axes: Any, bands: Mapping[str, Band]) -> None:
    """The names in the order in which the curves end, from top to bottom."""
    handles, names = axes.get_legend_handles_labels()
    last = []
    for name in names:
        end = -np.inf
        if name in bands:
            end = float(np.nan_to_num(bands[name].mean[-1]))
        last.append(end)
    order = sorted(range(len(names)), key=lambda i: -last[i])
    figure.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="outside right upper",
        fontsize=8,
        frameon=False,
    )


def _is_plastic(phases: Phases) -> bool:
    """Whether plasticity is on in a phase of a life."""
    return any(plastic for _, plastic in phases)


def _shade(axes: Any, phases: Phases) -> None:
    style = {"ha": "center", "va": "bottom", "fontsize": 8}
    start = 0.5
    for length, plastic in phases:
        if plastic:
            axes.axvspan(start, start + length, color=PLASTIC, lw=0, zorder=0)
        word = "frozen"
        if plastic:
            word = "plastic"
        middle = start + length / 2
        axes.text(middle, 1.01, word, transform=axes.get_xaxis_transform(), **style)
        start += length
