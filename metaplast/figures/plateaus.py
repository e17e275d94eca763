"""The part of a page on the jumps and plateaus of an evolutionary search."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.figures.style import FAINT, PALETTE, count_in_wholes, save, subplots
from metaplast.inspection.plateaus import FLAT, TOP, Plateaus
from metaplast.results.numbers import json_number, measured, number

TITLE = "Jumps and plateaus of the search"


def part(by_seed: Mapping[int, Plateaus], folder: Path) -> PagePart:
    """The statistics of the searches of several seeds, as a figure and a table.

    Args:
        by_seed: {seed: statistics}.
        folder: of the picture.
    """
    path = folder / "plateaus.svg"
    draw(by_seed, path)
    seed, first = next(iter(by_seed.items()))
    alt = (
        f"Lowest smoothed loss over outer steps; the longest plateau of seed {seed} is steps "
        f"{first.start + 1} to {first.start + first.longest}"
    )
    caption = (
        "The lowest running median of the loss so far; one line per seed. The longest plateau of "
        f"the first seed, {seed}, is shaded."
    )
    words = [
        f"A jump is a step among the best {100 * TOP:g} %. A plateau is a stretch in which the "
        f"loss falls by at most {100 * FLAT:g} % of the total gain. The loss is that of new "
        "training lives, so small gains are also luck."
    ]
    if all(np.isnan(each.drift) for each in by_seed.values()):
        words.append("Theta was not recorded, or never moved: its drift is not known.")
    head = (
        "seed",
        "gain in loss",
        f"share of the best {100 * TOP:g} %",
        "longest plateau, outer steps",
        "way of theta without a gain",
        "theta moved over the plateau",
    )
    rows = []
    for seed, each in by_seed.items():
        rows.append(
            (
                str(seed),
                number(each.gain, ".3g"),
                f"{measured(each.top_share, '.3g')} ({each.n_top} of {len(each.record)})",
                f"{each.longest} (from {each.start + 1})",
                measured(each.drift, ".3g"),
                measured(each.plateau_drift, ".3g"),
            )
        )
    caption_of_table = (
        "The way of theta is the sum of its steps. Its move over the plateau is the distance of "
        "both ends, over its largest distance from the start."
    )
    section = Section(
        TITLE,
        words,
        figures=[Figure(path, alt, caption)],
        tables=[Table(caption_of_table, head, rows)],
    )
    return PagePart(section, {str(seed): _plain(each) for seed, each in by_seed.items()})


def draw(by_seed: Mapping[int, Plateaus], path: Path) -> None:
    """Draw the record of every seed, and the longest plateau of the first.

    Args:
        by_seed: {seed: statistics}.
        path: of the picture.
    """
    figure, axes = subplots(figsize=(8.2, 3.2), layout="constrained")
    first = next(iter(by_seed.values()))
    axes.axvspan(first.start + 1, first.start + first.longest, color=FAINT, alpha=0.3, lw=0)
    for index, (seed, each) in enumerate(by_seed.items()):
        steps = np.arange(1, len(each.record) + 1)
        colour = PALETTE[index % len(PALETTE)]
        axes.step(steps, each.record, where="post", lw=1.6, color=colour, label=f"seed {seed}")
    count_in_wholes(axes)
    axes.set_xlabel("outer step")
    axes.set_ylabel("lowest smoothed loss")
    if all((each.record > 0).all() for each in by_seed.values()):
        axes.set_yscale("log")
    if len(by_seed) > 1:
        figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    axes.grid(alpha=0.3)
    save(figure, path)


def _plain(each: Plateaus) -> dict[str, Any]:
    return {
        "gain": json_number(each.gain),
        "top_share": json_number(each.top_share),
        "n_top": each.n_top,
        "longest": each.longest,
        "start": each.start,
        "drift": json_number(each.drift),
        "plateau_drift": json_number(each.plateau_drift),
        "record": [json_number(value) for value in each.record],
    }
