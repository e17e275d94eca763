"""The heat map of a grid: how much better a rule is than the best tuned baseline of each world."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.patches import Patch, Rectangle

from metaplast.figures.style import FAINT, INK, ON_DEEP_MAP, ON_MAP, save, subplots
from metaplast.results.grid import (
    LEARNS,
    MISFIT,
    NEEDS_PACKAGE,
    NO_WORLD,
    REFUSED,
    Grid,
    GridCell,
)
from metaplast.results.numbers import number, table_form
from metaplast.results.summary import Difference

MAP = "RdBu"
HATCHES = {"": "//", MISFIT: "xx", NEEDS_PACKAGE: "..", NO_WORLD: "//"}
"""{kind of refusal: hatch}"""
DEEP = 0.6
"""The share of the largest difference from which on the map is deep."""


def draw(grid: Grid, searched: str, path: Path) -> None:
    """Draw one line of cells per factor.

    The colour is the paired difference to the best tuned baseline: blue where the rule is better. A
    cell says its level, the score of the rule and the difference, and how the rule breaks. `~`
    stands before a difference whose 95 % interval holds 0. A cell without a difference has no
    colour. A refused cell is hatched by the kind of refusal, which a legend names.

    Args:
        grid: the grid.
        searched: the name of the searched row in its cells.
        path: of the picture.
    """
    lines = by_factor(grid.cells)
    values = gains(lines)
    largest = max(1e-3, float(np.nanmax(np.abs(values), initial=0.0)))
    n_lines, n_columns = values.shape
    size = (1.35 * n_columns + 1.6, 0.6 * n_lines + 0.8)
    figure, axes = subplots(figsize=size, layout="constrained")
    image = axes.imshow(values, cmap=MAP, vmin=-largest, vmax=largest, aspect="auto")
    for row, cells in enumerate(lines.values()):
        for column, one in enumerate(cells):
            is_deep = abs(values[row, column]) > DEEP * largest
            _write(axes, column, row, one, searched, is_deep)
    axes.set_xticks([])
    axes.set_yticks(range(n_lines), list(lines), fontsize=9)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    handles = _kinds(grid.cells)
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False
        )
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02)
    words = f"better than\nthe best tuned\nbaseline by ({_metric(grid)})"
    bar.set_label(words, fontsize=8)
    save(figure, path)


def by_factor(cells: Sequence[GridCell]) -> dict[str, list[GridCell]]:
    """{factor: its cells}, in their order."""
    lines: dict[str, list[GridCell]] = {}
    for one in cells:
        lines.setdefault(one.factor, []).append(one)
    return lines


def gains(lines: dict[str, list[GridCell]]) -> np.ndarray:
    """The differences [n_factors, n_levels]; NaN where a cell has none."""
    values = np.full((len(lines), max(map(len, lines.values()))), np.nan)
    for row, cells in enumerate(lines.values()):
        for column, one in enumerate(cells):
            if one.cell is None or one.cell.better_by is None:
                continue
            if one.cell.better_by.mean is not None:
                values[row, column] = one.cell.better_by.mean
    return values


def _kinds(cells: Sequence[GridCell]) -> list[Patch]:
    """A patch for every kind of refusal."""
    patches = []
    for refusal in dict.fromkeys(one.refusal for one in cells if one.refusal):
        label = f"{REFUSED}: {refusal}"
        patches.append(Patch(fc="none", ec=FAINT, hatch=_hatch(refusal), label=label))
    return patches


def _hatch(refusal: str) -> str:
    """The hatch of a kind of refusal; that of no kind for one of another version."""
    return HATCHES.get(refusal, HATCHES[""])


def _write(axes: Any, x: int, y: int, one: GridCell, searched: str, is_deep: bool) -> None:
    """The words of a cell."""
    words = [one.level]
    colour = ON_DEEP_MAP if is_deep else ON_MAP
    if one.cell is not None:
        score = next(score for score in one.cell.scores if score.name == searched)
        form = table_form([score.mean])
        line = number(score.mean, form)
        if one.cell.better_by is not None:
            line += f" ({_gain(one.cell.better_by, form)})"
        else:
            colour = INK
        words.append(line)
    else:
        colour = INK
        hatch = _hatch(one.refusal)
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc="none", ec=FAINT, hatch=hatch))
    if one.refusal:
        words.append(one.refusal)
    elif one.how != LEARNS:
        words.append(one.how)
    axes.text(x, y, "\n".join(words), ha="center", va="center", fontsize=7, color=colour)


def _gain(gain: Difference, form: str) -> str:
    """A difference in words, with `~` where it is not told apart from 0."""
    low, high = gain.ci95
    words = number(gain.mean, f"+{form}")
    if low is None or high is None or low <= 0.0 <= high:
        return f"~ {words}"
    return words


def _metric(grid: Grid) -> str:
    """The metric of the first cell that has one."""
    for one in grid.cells:
        if one.cell is not None:
            return one.cell.metric
    return "score"
