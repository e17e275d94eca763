"""Pictures of a run, drawn from its files' numbers."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from metaplast.results.curves import Band
from metaplast.results.statistics import Estimate
from metaplast.results.surfaces import Surface

OURS, OTHERS, FAINT = "#1b6ca8", "#9aa5b1", "#c9ced6"
PALETTE = (
    *("#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"),
    *("#7a5195", "#8c564b", "#4d4d4d", "#b3b300", "#003f5c"),
)

DASHES = ("-", "--", ":", "-.")


def scores(
    entries: Sequence[Mapping[str, Any]],
    path: Path,
    ours: Sequence[str],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Each row's mean with its 95 % interval, in the order of the table; our rows in blue.

    labels: what stands for a row's name; a row under another label than its name is drawn hollow.
    """
    labels = labels or {}
    finite = [e for e in entries if e["mean"] is not None]
    figure, axes = plt.subplots(figsize=(7, 0.45 * len(finite) + 1.2), layout="constrained")
    for y, entry in enumerate(reversed(finite)):
        colour = OURS if entry["name"] in ours else OTHERS
        low, high = entry["ci95"]
        axes.plot([low, high], [y, y], color=colour, lw=3, solid_capstyle="round")
        hollow = labels.get(entry["name"], entry["name"]) != entry["name"]
        axes.plot(entry["mean"], y, "o", color=colour, ms=7, mfc="white" if hollow else colour)
    axes.set_yticks(
        range(len(finite)), [str(labels.get(e["name"], e["name"])) for e in reversed(finite)]
    )
    axes.set_xlabel(
        f"{finite[0]['metric']} on {finite[0]['n']} held-out lives, mean and 95 % interval"
    )
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def training(
    losses: Mapping[str, Sequence[float]],
    path: Path,
    ours: Sequence[str],
    label: str = "loss on training lives (running median)",
) -> None:
    """The outer loss of every trained row (the others have none), a running median over a twentieth
    of the run.
    """
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    styles = _row_styles(losses, ours)
    for name, values in losses.items():
        if not values:
            continue
        width = max(1, len(values) // 20)
        smooth = np.median(
            np.lib.stride_tricks.sliding_window_view(np.asarray(values), width), axis=1
        )
        steps = np.arange(width, len(values) + 1)
        axes.plot(steps, smooth, lw=2.2 if name in ours else 1.2, label=name, **styles[name])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("outer step")
    axes.set_ylabel(label)
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
    figure, axes = plt.subplots(
        figsize=(2.4 + 1.6 * len(columns), 0.38 * len(rows) + 1.4), layout="constrained"
    )
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for (i, j), value in np.ndenumerate(grid):
        if np.isfinite(value):
            dark = abs(value) > 0.6 * limit
            axes.text(
                j,
                i,
                f"{value:.3g}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )
    axes.set_xticks(range(len(columns)), columns, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    figure.colorbar(image, label="coefficient (before the rate)")
    _save(figure, path)


def curves(
    bands: Mapping[str, Band],
    phases: Sequence[tuple[int, bool]],
    labels: tuple[str, str],
    path: Path,
    ours: Sequence[str],
) -> None:
    """Every row's band over the steps of a life; plastic phases shaded. labels: of the axes."""
    figure, axes = plt.subplots(figsize=(8.2, 4.4), layout="constrained")
    steps = np.arange(1, sum(length for length, _ in phases) + 1)
    _shade(axes, phases)
    styles = _row_styles(bands, ours)
    for name in sorted(bands, key=lambda name: name in ours):  # ours lie on top
        mean, low, high = bands[name]
        axes.fill_between(
            steps,
            low,
            high,
            color=styles[name]["color"],
            alpha=0.22 if name in ours else 0.12,
            lw=0,
        )
        axes.plot(steps, mean, lw=2.4 if name in ours else 1.3, label=name, **styles[name])
    finite = np.concatenate([b.low for b in bands.values()])
    finite = finite[np.isfinite(finite)]
    means = np.concatenate([b.mean[np.isfinite(b.mean)] for b in bands.values()])
    if finite.size and finite.min() > 0 and means.max() > 30 * means.min():
        axes.set_yscale("log")
    axes.set_xlim(0.5, steps[-1] + 0.5)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.grid(alpha=0.3)
    handles, names = axes.get_legend_handles_labels()
    last = [
        float(np.nan_to_num(bands[name].mean[-1])) if name in bands else -np.inf for name in names
    ]
    order = sorted(range(len(names)), key=lambda i: -last[i])  # as the curves end, top to bottom
    figure.legend(
        [handles[i] for i in order],
        [names[i] for i in order],
        loc="outside right upper",
        fontsize=8,
        frameon=False,
    )
    _save(figure, path)


def intervals(panels: Mapping[str, Mapping[str, Estimate]], label: str, path: Path) -> None:
    """One panel per slot or edge: the mean over seeds of every number with its interval."""
    n_rows = max(len(values) for values in panels.values())
    n_columns = min(2, len(panels))
    height = 0.26 * n_rows + 0.9
    figure, grid = plt.subplots(
        -(-len(panels) // n_columns),
        n_columns,
        figsize=(4.6 * n_columns + 0.6, height * -(-len(panels) // n_columns)),
        layout="constrained",
        squeeze=False,
    )
    for axes, (entry, values) in zip(grid.flat, panels.items(), strict=False):
        for y, (mean, low, high, _) in enumerate(reversed(list(values.values()))):
            if np.isfinite(low):
                axes.plot([low, high], [y, y], color=OURS, lw=2.5, solid_capstyle="round")
            axes.plot(mean, y, "o", color=OURS, ms=5)
        axes.axvline(0, color="0.4", lw=0.8)
        axes.set_yticks(range(len(values)), list(values)[::-1], fontsize=8)
        axes.set_ylim(-0.6, len(values) - 0.4)
        axes.set_title(entry, fontsize=9)
        axes.set_xlabel(label, fontsize=8)
        axes.grid(axis="x", alpha=0.3)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    _save(figure, path)


def paths(
    panels: Mapping[str, Sequence[Mapping[str, Sequence[float]]]], label: str, path: Path
) -> None:
    """One panel per slot or edge: the path of every number over outer steps, one line per seed.

    panels: entry -> one mapping name -> values per seed. The ten numbers that end largest have a
    colour of their own.
    """
    n_columns = min(2, len(panels))
    n_lines = -(-len(panels) // n_columns)
    figure, grid = plt.subplots(
        n_lines,
        n_columns,
        figsize=(4.2 * n_columns + 2.0, 2.5 * n_lines + 0.9),
        layout="constrained",
        squeeze=False,
    )
    sizes: dict[str, float] = {}
    for seeds in panels.values():
        for values in seeds:
            for name, line in values.items():
                sizes[name] = max(sizes.get(name, 0.0), float(np.abs(np.nan_to_num(line))[-1]))
    largest = sorted(sizes, key=lambda name: -sizes[name])[: len(PALETTE)]
    colours = {name: PALETTE[i] for i, name in enumerate(sorted(largest, key=list(sizes).index))}
    for axes, (entry, seeds) in zip(grid.flat, panels.items(), strict=False):
        for values in seeds:
            for name in sorted(values, key=lambda name: name in colours):
                steps = np.arange(1, len(values[name]) + 1)
                axes.plot(
                    steps,
                    values[name],
                    color=colours.get(name, FAINT),
                    lw=1.4 if name in colours else 0.7,
                )
        axes.set_title(entry, fontsize=9)
        axes.set_xlabel("outer step", fontsize=8)
        axes.set_ylabel(label, fontsize=8)
        axes.grid(alpha=0.3)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    if len(sizes) > len(colours):
        handles.append(Line2D([], [], color=FAINT, label=f"{len(sizes) - len(colours)} smaller"))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    _save(figure, path)


def histograms(leaves: Mapping[str, np.ndarray], path: Path) -> None:
    """One histogram per leaf of theta."""
    figure, grid = plt.subplots(
        -(-len(leaves) // 3),
        3,
        figsize=(8.4, 2.2 * -(-len(leaves) // 3) + 0.3),
        layout="constrained",
        squeeze=False,
    )
    for axes, (name, values) in zip(grid.flat, leaves.items(), strict=False):
        axes.hist(values.reshape(-1), bins=min(40, max(5, values.size // 4)), color=OURS)
        axes.set_title(f"{name} {list(values.shape)}", fontsize=8)
        axes.set_xlabel("value", fontsize=8)
        axes.set_ylabel("numbers", fontsize=8)
    for axes in list(grid.flat)[len(leaves) :]:
        axes.set_axis_off()
    _save(figure, path)


def surfaces(drawn: Mapping[str, Sequence[Surface]], path: Path) -> None:
    """Heat maps of delta_w, one line per slot or edge; black: where it is 0. Every map has its own
    colour scale.
    """
    n_columns = max(len(found) for found in drawn.values())
    figure, grid = plt.subplots(
        len(drawn),
        n_columns,
        figsize=(4.3 * n_columns, 3.5 * len(drawn)),
        layout="constrained",
        squeeze=False,
    )
    for line, (entry, found) in zip(grid, drawn.items(), strict=True):
        for axes, surface in zip(line, found, strict=False):
            finite = surface.delta_w[np.isfinite(surface.delta_w)]
            limit = float(np.abs(finite).max(initial=0.0)) or 1.0
            image = axes.pcolormesh(
                surface.x_values,
                surface.y_values,
                surface.delta_w,
                cmap="RdBu_r",
                vmin=-limit,
                vmax=limit,
                rasterized=True,
            )
            if surface.delta_w.min() < 0 < surface.delta_w.max():
                axes.contour(
                    surface.x_values,
                    surface.y_values,
                    surface.delta_w,
                    levels=[0.0],
                    colors="black",
                    linewidths=1,
                )
            axes.set_xlabel(surface.x, fontsize=9)
            axes.set_ylabel(surface.y, fontsize=9)
            axes.set_title(entry, fontsize=9)
            ticks = ScalarFormatter()
            ticks.set_powerlimits((-2, 3))
            figure.colorbar(image, ax=axes, format=ticks).set_label(
                "change of weight per step", fontsize=8
            )
        for axes in list(line)[len(found) :]:
            axes.set_axis_off()
    _save(figure, path)


def _shade(axes: Any, phases: Sequence[tuple[int, bool]]) -> None:
    start, shown = 0.5, {True: "plastic", False: "frozen"}
    for length, plastic in phases:
        if plastic:
            axes.axvspan(start, start + length, color="#f3ecd8", lw=0, zorder=0)
        axes.text(
            start + length / 2,
            1.01,
            shown[plastic],
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
        )
        start += length


def _row_styles(names: Iterable[str], ours: Sequence[str]) -> dict[str, dict[str, str]]:
    """The same row has the same colour and dashes in every figure that is given all rows in their
    order.
    """
    others, n = [name for name in names if name != ours[0]], len(PALETTE)
    styles = {
        name: {"color": PALETTE[i % n], "ls": DASHES[i // n % len(DASHES)]}
        for i, name in enumerate(others)
    }
    return {ours[0]: {"color": OURS, "ls": DASHES[0]}} | styles


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
