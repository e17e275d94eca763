"""Pictures of a run, drawn from its files' numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

OURS, OTHERS = "#1b6ca8", "#9aa5b1"


def scores(entries: Sequence[Mapping[str, Any]], path: Path, ours: Sequence[str]) -> None:
    """Each row's mean with its 95 % interval, in the order of the table; our rows in blue."""
    finite = [e for e in entries if e["mean"] is not None]
    figure, axes = plt.subplots(figsize=(7, 0.45 * len(finite) + 1.2), layout="constrained")
    for y, entry in enumerate(reversed(finite)):
        colour = OURS if entry["name"] in ours else OTHERS
        low, high = entry["ci95"]
        axes.plot([low, high], [y, y], color=colour, lw=3, solid_capstyle="round")
        axes.plot(entry["mean"], y, "o", color=colour, ms=7)
    axes.set_yticks(range(len(finite)), [e["name"] for e in reversed(finite)])
    axes.set_xlabel(f"{finite[0]['metric']} on {finite[0]['n']} held-out lives, mean and 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def training(losses: Mapping[str, Sequence[float]], path: Path, ours: Sequence[str]) -> None:
    """The outer loss of every trained row, a running median over a twentieth of the run."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, values in losses.items():
        width = max(1, len(values) // 20)
        smooth = np.median(np.lib.stride_tricks.sliding_window_view(np.asarray(values), width), axis=1)
        axes.plot(np.arange(width, len(values) + 1), smooth, lw=2.2 if name in ours else 1.2, label=name)
    axes.set_xlabel("outer step")
    axes.set_ylabel("loss on training lives (running median)")
    if all(min(v, default=1) > 0 for v in losses.values()):
        axes.set_yscale("log")
    axes.legend(fontsize=8, frameon=False)
    axes.grid(alpha=0.3)
    _save(figure, path)


def coefficients(terms: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """The coefficient of every term, one column per slot or edge, printed and coloured by sign."""
    columns = list(terms)
    rows = list(dict.fromkeys(term for values in terms.values() for term in values))
    grid = np.array([[terms[c].get(r, np.nan) for c in columns] for r in rows])
    limit = max(float(np.nanmax(np.abs(grid))), 1e-12)
    figure, axes = plt.subplots(figsize=(2.4 + 1.6 * len(columns), 0.38 * len(rows) + 1.4), layout="constrained")
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for (i, j), value in np.ndenumerate(grid):
        if np.isfinite(value):
            dark = abs(value) > 0.6 * limit
            axes.text(j, i, f"{value:.3g}", ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), columns, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    figure.colorbar(image, label="coefficient (times the rate)")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
