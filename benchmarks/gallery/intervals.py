"""Means with their 95 % intervals, one line each, the number above its mark."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmarks.gallery import terms
from metaplast.figures.style import INK, OTHERS, OURS
from metaplast.results.numbers import Bounds

WIDTH = 4.0
MARK = 7.0
ABOVE = 10.0  # points from the mark to its number


class Estimate(NamedTuple):
    """A line of the figure.

    words: of the row.
    mean: of its values; None where they are not finite: nothing is drawn.
    ci95: the 95 % interval; without ends where there is none.
    is_ours: whether it is the searched rule.
    """

    words: str
    mean: float | None
    ci95: Bounds
    is_ours: bool


def draw(
    axes: Any, estimates: Sequence[Estimate], form: str, cut: tuple[float, float] | None = None
) -> None:
    """Draw the lines from top to bottom.

    Args:
        axes: to draw in.
        estimates: the lines.
        form: of the numbers, such as `.3g`.
        cut: the ends of the axis. An arrow stands where a line goes on.
    """
    low, high = cut or (-float("inf"), float("inf"))
    lowest_first = list(reversed(estimates))
    for y, (_, mean, ci95, is_ours) in enumerate(lowest_first):
        if mean is None:
            continue
        colour = OURS if is_ours else OTHERS
        left = mean if ci95.low is None else ci95.low
        right = mean if ci95.high is None else ci95.high
        ends = [max(left, low), min(right, high)]
        axes.plot(ends, [y, y], color=colour, lw=WIDTH, solid_capstyle="butt")
        if left < low:
            axes.plot(low, y, "<", color=colour, ms=MARK, clip_on=False)
        if right > high:
            axes.plot(high, y, ">", color=colour, ms=MARK, clip_on=False)
        place = min(max(mean, low), high)
        if place == mean:
            axes.plot(mean, y, "o", color=colour, ms=MARK)
        axes.annotate(
            terms.number(mean, form),
            (place, y),
            (0.0 if place == mean else MARK, ABOVE),
            textcoords="offset points",
            ha="center" if place == mean else "left",
            color=INK,
            bbox={"fc": "white", "ec": "none", "pad": 1.0},
        )
    axes.set_yticks(range(len(lowest_first)), [each.words for each in lowest_first])
    axes.tick_params(axis="y", length=0, pad=MARK)
    axes.set_ylim(-0.6, len(lowest_first) - 0.3)
    axes.grid(axis="x", alpha=0.3)
    if cut is not None:
        axes.set_xlim(cut)
