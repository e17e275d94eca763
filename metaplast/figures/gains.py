"""The figure of gains: how much better the searched rule is than every other row."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from metaplast.figures import cut
from metaplast.figures.section import Figure
from metaplast.figures.style import FAINT, INK, OTHERS, OURS, save, subplots
from metaplast.results.changed_world import better_by
from metaplast.results.numbers import number, table_form
from metaplast.results.summary import ReferenceRow, RowScore
from metaplast.results.table import RowFacts, marked


def figure_of(
    row_scores: Sequence[RowScore], facts: Mapping[str, RowFacts], searched: str, folder: Path
) -> Figure | None:
    """The gain over every other row with its 95 % interval; None where there is no other row.

    Args:
        row_scores: as `results.table.scores` gives them, with differences to the searched row.
        facts: {row: facts}.
        searched: the name of the searched row.
        folder: of the picture.
    """
    gains = {}
    for score in row_scores:
        gain = better_by(score)
        if score.name != searched and gain.mean is not None:
            ends = np.asarray([gain.mean, *gain.ci95], float)  # None becomes NaN
            gains[score.name] = ends
    if not gains:
        return None
    path = folder / "gains.svg"
    first = row_scores[0]
    draw(gains, facts, first.metric, path)
    form = table_form([float(ends[0]) for ends in gains.values()])
    words = []
    for name, ends in gains.items():
        words.append(f"{name} {number(ends[0], f'+{form}')}")
    alt = f"How much better the rule is in {first.metric} than: {', '.join(words)}"
    caption = (
        f"Paired on {first.n} held-out lives, with 95 % intervals. Right of the line the rule is "
        "better. Full: tuned rows; hollow: references and rows that learn nothing."
    )
    return Figure(path, alt, caption)


def draw(
    gains: Mapping[str, np.ndarray], facts: Mapping[str, RowFacts], metric: str, path: Path
) -> None:
    """Draw one line per row, the row that is best at the top.

    Args:
        gains: {row: (mean, one end, other end)}; positive where the searched row is better.
        facts: {row: facts}.
        metric: the name of the scores.
        path: of the picture.
    """
    in_order = sorted(gains, key=lambda name: gains[name][0], reverse=True)
    limit = cut.reach(np.array([np.nanmax(np.abs(ends)) for ends in gains.values()]))
    figure, axes = subplots(figsize=(4.8, 0.34 * len(gains) + 1.0), layout="constrained")
    form = f"+{table_form([float(ends[0]) for ends in gains.values()])}"
    labels = []
    for y, name in enumerate(in_order):
        mean, *ends = gains[name]
        is_tuned = _is_tuned(facts.get(name))
        colour = INK if is_tuned else OTHERS
        label = f"{marked(name, facts.get(name))}  {format(mean, form)}"
        labels.append(label)
        if abs(mean) > limit:
            side = np.sign(mean) * limit
            axes.plot(side, y, ">" if mean > 0 else "<", color=colour, ms=7, clip_on=False)
            continue
        axes.plot(ends, [y, y], color=colour, lw=2.5, solid_capstyle="round")
        face = colour if is_tuned else "white"
        axes.plot(mean, y, "o", color=colour, ms=6, mfc=face)
    axes.axvline(0.0, color=OURS, lw=2)
    axes.set_xlim(-limit * _share_left(gains), limit)
    axes.set_ylim(-0.6, len(gains) - 0.4)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    figure.supxlabel(f"rule better than the row by, in {metric}", fontsize=10)
    axes.grid(axis="x", color=FAINT, alpha=0.6)
    save(figure, path)


def _share_left(gains: Mapping[str, np.ndarray]) -> float:
    """How far the axis reaches to the left, as a share of its reach to the right."""
    lowest = min(float(np.nanmin(ends)) for ends in gains.values())
    return 1.0 if lowest < 0 else 0.1


def _is_tuned(facts: RowFacts | None) -> bool:
    """Whether a row learned numbers in the same outer loop."""
    if facts is None or isinstance(facts.row, ReferenceRow):
        return False
    return facts.row.learned > 0
