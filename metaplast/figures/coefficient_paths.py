"""The figure of paths: every number of a rule over the outer steps of meta-training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from metaplast.figures.coefficients import ends
from metaplast.figures.section import Figure, PagePart, Section
from metaplast.figures.style import FAINT, PALETTE, count_in_wholes, hide, save, subplots
from metaplast.registry import Plain
from metaplast.results.numbers import json_tree

Course = Mapping[str, Sequence[float]]  # number -> values along the outer steps


def part(
    terms: Sequence[Plain], constants: Sequence[Plain], seeds: Sequence[int], folder: Path
) -> PagePart:
    """The way of coefficients and learnt constants along meta-training.

    Args:
        terms: {slot or edge: {term: values}} of every seed, as `results.coefficients.path` gives.
        constants: {slot or edge: {name: values}} of every seed.
        seeds: of the runs.
        folder: of the pictures.
    """
    by_entry = _by_entry(terms)
    by_name = _by_name(_by_entry(constants))
    pictures = []
    if by_entry:
        label = "coefficient (before the rate)"
        pictures.append(_figure(by_entry, label, seeds, folder / "path.svg"))
    if by_name:
        label = "learnt constant"
        pictures.append(_figure(by_name, label, seeds, folder / "path_constants.svg"))
    words = (
        "The rule of the page is the candidate that validation lives preferred; it may come from "
        "an earlier outer step than the last."
    )
    title = "The way there: coefficients over meta-training"
    plain = {
        "seeds": list(seeds),
        "terms": json_tree(list(terms)),
        "constants": json_tree(list(constants)),
    }
    return PagePart(Section(title, [words], figures=pictures), plain)


def draw(panels: Mapping[str, Sequence[Course]], label: str, path: Path) -> None:
    """Draw one panel per slot or edge: every number over outer steps, one line per seed.

    The ten numbers that end largest have a colour of their own.

    Args:
        panels: {slot or edge: one course per seed}.
        label: of the vertical axes.
        path: of the picture.
    """
    n_columns = min(2, len(panels))
    n_lines = -(-len(panels) // n_columns)
    figure, grid = subplots(
        n_lines,
        n_columns,
        figsize=(4.2 * n_columns + 2.0, 2.5 * n_lines + 0.9),
        layout="constrained",
        squeeze=False,
    )
    sizes = _sizes(panels)
    largest = sorted(sizes, key=lambda name: -sizes[name])[: len(PALETTE)]
    in_order = sorted(largest, key=list(sizes).index)
    colours = dict(zip(in_order, PALETTE, strict=False))
    for axes, (entry, seeds) in zip(grid.flat, panels.items(), strict=False):
        for course in seeds:
            for name in sorted(course, key=lambda name: name in colours):
                steps = np.arange(1, len(course[name]) + 1)
                width = 0.7
                if name in colours:
                    width = 1.4
                axes.plot(steps, course[name], color=colours.get(name, FAINT), lw=width)
        axes.set_title(entry, fontsize=9)
        count_in_wholes(axes)
        axes.set_xlabel("outer step", fontsize=8)
        axes.set_ylabel(label, fontsize=8)
        axes.grid(alpha=0.3)
    hide(list(grid.flat)[len(panels) :])
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    if len(sizes) > len(colours):
        handles.append(Line2D([], [], color=FAINT, label=f"{len(sizes) - len(colours)} smaller"))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    save(figure, path)


def _sizes(panels: Mapping[str, Sequence[Course]]) -> dict[str, float]:
    """By how much every number differs from 0 at the end, in the panel and seed where most."""
    sizes: dict[str, float] = {}
    for seeds in panels.values():
        for course in seeds:
            for name, values in course.items():
                end = float(np.abs(np.nan_to_num(values))[-1])
                sizes[name] = max(sizes.get(name, 0.0), end)
    return sizes


def _by_entry(runs: Sequence[Plain]) -> dict[str, list[Plain]]:
    """{slot or edge: one course per seed} of the entries that have numbers."""
    by_entry = {}
    for entry, numbers in runs[0].items():
        if numbers:
            by_entry[entry] = [run[entry] for run in runs]
    return by_entry


def _by_name(panels: Mapping[str, Sequence[Plain]]) -> dict[str, list[Plain]]:
    """{number: one {slot or edge: values} per seed}: constants of one kind share a panel."""
    names = dict.fromkeys(name for seeds in panels.values() for name in seeds[0])
    n_seeds = len(next(iter(panels.values()), ()))
    turned = {}
    for name in names:
        turned[name] = []
        for i in range(n_seeds):
            courses = {}
            for entry, seeds in panels.items():
                if name in seeds[i]:
                    courses[entry] = seeds[i]
            turned[name].append({entry: course[name] for entry, course in courses.items()})
    return turned


def _figure(
    panels: Mapping[str, Sequence[Plain]], label: str, seeds: Sequence[int], path: Path
) -> Figure:
    draw(panels, label, path)
    last = {}
    for entry, courses in panels.items():
        last[entry] = {name: values[-1] for name, values in courses[0].items()}
    alt = (
        f"{label} at every outer step in {', '.join(panels)}. Ends of seed {seeds[0]}: {ends(last)}"
    )
    several = "."
    if len(seeds) > 1:
        several = f", one line per seed ({len(seeds)})."
    return Figure(path, alt, f"{label.capitalize()} after each outer step{several}")
