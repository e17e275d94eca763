"""The figure of spike protocols: pairs at several frequencies, and triplets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, RulesShown, Section
from metaplast.figures.style import OURS, TRUE, save, subplots
from metaplast.registry import Plain
from metaplast.results.numbers import json_list, number
from metaplast.results.spike_protocols import LAG, N_PAIRS, SpikeProtocols, spike_protocols
from metaplast.results.windows import WEIGHT

TITLE = "Change of weight by pairs at a frequency, and by triplets"


def of_rules(shown: RulesShown) -> PagePart | None:
    """The protocols of the rules that learn from the times of spikes; None where no rule does."""
    found = {}
    for entry, rule in shown.rules.items():
        of_rule = spike_protocols(rule)
        if of_rule is not None:
            found[entry] = of_rule
    if found:
        return part(found, shown.folder)
    return None


def part(found: Mapping[str, SpikeProtocols], folder: Path) -> PagePart:
    """The changes of weight by the protocols, for every slot or edge.

    Args:
        found: {slot or edge: its protocols}.
        folder: of the pictures.
    """
    words = [
        f"The weight stands still at {WEIGHT:g} (bounds 0 and 1), and modulators are held at 1. "
        f"Left: the mean change by a pair of spikes {1e3 * LAG:g} ms apart, in a train of "
        f"{N_PAIRS} pairs. Right: the change by three spikes."
    ]
    figures = []
    plain: Plain = {}
    for index, (entry, each) in enumerate(found.items()):
        path = folder / f"protocols_{index}.svg"
        _draw(each, path)
        sentence = _turning(each)
        words.append(f"{entry}: {sentence}")
        figures.append(Figure(path, f"Spike protocols of {entry}: {sentence}", entry))
        plain[entry] = {
            "frequencies_hz": json_list(each.frequencies),
            "post_later": json_list(each.post_later),
            "post_earlier": json_list(each.post_earlier),
            "intervals_s": [json_list(pair) for pair in each.intervals],
            "pre_post_pre": json_list(each.pre_post_pre),
            "post_pre_post": json_list(each.post_pre_post),
        }
    return PagePart(Section(TITLE, words, figures=figures), plain)


def _turning(each: SpikeProtocols) -> str:
    """The range of the mean change over the frequencies, for both orders of a pair."""
    parts = []
    for order, values in (("later", each.post_later), ("earlier", each.post_earlier)):
        first = number(values[0], ".3g")
        last = number(values[-1], ".3g")
        slow = f"{each.frequencies[0]:g} Hz"
        fast = f"{each.frequencies[-1]:g} Hz"
        parts.append(f"with the post spike {order}, {first} at {slow} and {last} at {fast}")
    return "; ".join(parts) + "."


def _draw(each: SpikeProtocols, path: Path) -> None:
    """Draw both protocols side by side."""
    figure, (left, right) = subplots(1, 2, figsize=(8.2, 3.4), layout="constrained")
    draw_frequency(left, each)
    draw_triplets(right, each)
    save(figure, path)


def draw_frequency(axes: Any, each: SpikeProtocols) -> None:
    """Draw the mean change by a pair of a train over the frequency of the pairs.

    Args:
        axes: a panel.
        each: the changes.
    """
    axes.plot(each.frequencies, each.post_later, "o-", color=OURS, label="post spike later")
    axes.plot(each.frequencies, each.post_earlier, "s--", color=TRUE, label="post spike earlier")
    axes.set_xlabel("frequency of the pairs, Hz")
    axes.set_ylabel("mean change of weight by a pair")
    axes.axhline(0.0, color="black", lw=0.8)
    axes.legend(frameon=False)


def draw_triplets(axes: Any, each: SpikeProtocols) -> None:
    """Draw the change by three spikes over the times between them.

    Args:
        axes: a panel.
        each: the changes.
    """
    places = np.arange(len(each.intervals))
    axes.plot(places - 0.1, each.pre_post_pre, "o", color=OURS, label="pre, post, pre")
    axes.plot(places + 0.1, each.post_pre_post, "s", color=TRUE, label="post, pre, post")
    names = []
    for first, second in each.intervals:
        names.append(f"{1e3 * first:g}, {1e3 * second:g}")
    axes.set_xticks(places, names)
    axes.set_xlabel("times between the spikes, ms")
    axes.set_ylabel("change of weight by a triplet")
    axes.axhline(0.0, color="black", lw=0.8)
    axes.legend(frameon=False)
