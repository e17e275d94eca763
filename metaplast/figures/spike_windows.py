"""The figure of spike-timing windows: the change of weight by one pair of spikes."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, RulesShown, Section
from metaplast.figures.style import OURS, PALETTE, TRUE, Picture, save, subplots
from metaplast.results.numbers import json_list, number
from metaplast.results.windows import WEIGHT, SpikeWindow, spike_window

Curve = tuple[np.ndarray, np.ndarray]  # lags in ms, changes of weight


def of_rules(shown: RulesShown) -> PagePart | None:
    """The windows of the rules that learn from the times of spikes; None where no rule does."""
    windows = {}
    for entry, rule in shown.rules.items():
        of_rule = spike_window(rule)
        if of_rule is not None:
            windows[entry] = of_rule
    if windows:
        return part(windows, shown.folder)
    return None


def part(windows: Mapping[str, SpikeWindow], folder: Path) -> PagePart:
    """The change of weight by a pair of spikes, for every slot or edge.

    Args:
        windows: {slot or edge: window}.
        folder: of the picture.
    """
    path = folder / "windows.svg"
    draw(curves_of(windows), None, path, alone_of(windows))
    extremes = []
    plain = {}
    for entry, each in windows.items():
        least = number(each.pair.min(), ".3g")
        largest = number(each.pair.max(), ".3g")
        extremes.append(f"{entry} {least} to {largest}")
        plain[entry] = {
            "lags_s": json_list(each.lags),
            "delta_w": json_list(each.pair),
            "alone": each.alone,
            "eligible_only": each.gated,
        }
    alt = f"Spike-timing windows: {', '.join(extremes)}"
    figure = Figure(path, alt, "Change of weight by one pair of spikes.")
    title = "Change of weight by a pair of spikes"
    return PagePart(Section(title, _words(windows), figures=[figure]), plain)


def curves_of(windows: Mapping[str, SpikeWindow]) -> dict[str, Curve]:
    """The curves of windows.

    Args:
        windows: {slot or edge: window}.
    """
    curves: dict[str, Curve] = {}
    for entry, each in windows.items():
        curves[entry] = (1e3 * each.lags, each.pair)
    return curves


def alone_of(windows: Mapping[str, SpikeWindow]) -> float | None:
    """The change by both spikes alone under a single window; None of several windows.

    Args:
        windows: {slot or edge: window}.
    """
    if len(windows) != 1:
        return None
    (only,) = windows.values()
    return only.alone


def draw(curves: Mapping[str, Curve], band: Any, path: Path, alone: float | None = None) -> None:
    """Draw the change of weight by one pair of spikes against post time minus pre time in ms.

    Args:
        curves: {name: (lags, changes)}; the first is blue and solid, the others are dashed.
        band: (lags, low, high) of the 95 % interval, or None.
        path: of the picture.
        alone: the change by both spikes without each other, at any lag; None: it has no line.
    """
    save(figure_of(curves, band, alone), path)


def figure_of(curves: Mapping[str, Curve], band: Any = None, alone: float | None = None) -> Picture:
    """The figure that `draw` writes.

    Args:
        curves: {name: (lags, changes)}; the first is blue and solid, the others are dashed.
        band: (lags, low, high) of the 95 % interval, or None.
        alone: see `draw`.
    """
    figure, axes = subplots(figsize=(7.4, 3.6), layout="constrained")
    if band is not None:
        lags, low, high = band
        axes.fill_between(lags, low, high, color=OURS, alpha=0.25, lw=0, label="95 % interval")
    colours = itertools.cycle((OURS, TRUE, *PALETTE))
    for (name, (lags, change)), colour in zip(curves.items(), colours, strict=False):
        dashes = "--"
        if colour == OURS:
            dashes = "-"
        axes.plot(*broken(lags, change), lw=1.6, color=colour, ls=dashes, label=name)
        at_once = lags == 0.0
        axes.plot(lags[at_once], change[at_once], "o", ms=4, color=colour)
    if alone is not None:
        axes.axhline(alone, lw=1.6, color=TRUE, ls="--", label="both spikes alone")
    axes.axhline(0.0, color="black", lw=0.8)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_xlabel("time of the post spike minus time of the pre spike, ms")
    axes.set_ylabel("change of weight")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def broken(lags: np.ndarray, change: np.ndarray) -> Curve:
    """The curve with a gap at lag 0, where a change jumps and the rule's order of spikes counts.

    Args:
        lags: in ms, rising.
        change: of the weight at each lag.
    """
    gap = np.array([np.nan])
    before, after = lags < 0.0, lags > 0.0
    broken_lags = np.concatenate([lags[before], gap, lags[after]])
    return broken_lags, np.concatenate([change[before], gap, change[after]])


def _words(windows: Mapping[str, SpikeWindow]) -> list[str]:
    words = [
        "What one spike on each side changes over the times shown, against the time between the "
        f"two, at a synapse whose weight stands still at {WEIGHT:g} (bounds 0 and 1); "
        "modulators are held at 1."
    ]
    for entry, each in windows.items():
        if each.gated:
            words.append(
                f"{entry}: a modulator applies what is eligible; shown is what the pair makes "
                "eligible, the change by the rule inside, before its fading and before the rate "
                "and the modulator of the rule around it."
            )
    for entry, each in windows.items():
        alone = number(each.alone, ".3g")
        words.append(f"{entry}: both spikes alone, without the other, change it by {alone}.")
    return words
