"""The figure of lives: weights and activity over their steps."""

from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section
from metaplast.figures.style import OURS, hide, save, subplots
from metaplast.inspection.lived import LEVELS, Course
from metaplast.results.numbers import json_list, number

_TITLE = "Weights and activity through a life"


def part(course: Course, folder: Path) -> PagePart:
    """Weights and activity through lives.

    Args:
        course: of the rule's lives.
        folder: of the pictures.
    """
    path = folder / "life.svg"
    draw(course, path)
    caption = (
        "Weights: median, middle half and middle nine tenths of an edge's weights. Activity: the "
        "same over lives, of the mean of a population. Grey: phases without plasticity."
    )
    figures = [Figure(path, _alt(course), caption)]
    words = _words(course)
    return PagePart(Section(_TITLE, words, figures=figures), _plain(course))


def draw(course: Course, path: Path) -> None:
    """Draw weights per edge above, and activity per population below."""
    n_columns = max(len(course.weights), len(course.activity), 1)
    figure, grid = subplots(
        2, n_columns, figsize=(4.2 * n_columns, 5.2), layout="constrained", squeeze=False
    )
    for axes, (edge, values) in zip(grid[0], course.weights.items(), strict=False):
        _band(axes, course, course.steps, values)
        axes.set_title(edge, fontsize=9)
        axes.set_ylabel("weight", fontsize=9)
    for axes, (name, values) in zip(grid[1], course.activity.items(), strict=False):
        _band(axes, course, course.steps[1:], values)
        axes.set_title(name, fontsize=9)
        unit = "spikes per second" if name in course.spiking else "activity"
        axes.set_ylabel(f"mean {unit}", fontsize=9)
        axes.set_xlabel("step of the life", fontsize=9)
    hide(list(grid[0])[len(course.weights) :])
    hide(list(grid[1])[len(course.activity) :])
    save(figure, path)


def _band(axes: Any, course: Course, steps: np.ndarray, values: np.ndarray) -> None:
    first = 0
    for length, plastic in course.phases:
        if not plastic:
            axes.axvspan(first, first + length, color="0.92", lw=0)
        first += length
    axes.fill_between(steps, values[:, 0], values[:, 4], color=OURS, alpha=0.15, lw=0)
    axes.fill_between(steps, values[:, 1], values[:, 3], color=OURS, alpha=0.3, lw=0)
    axes.plot(steps, values[:, 2], color=OURS)


def _words(course: Course) -> list[str]:
    words = []
    for edge, values in course.weights.items():
        before = number(values[0, 4] - values[0, 0], ".3g")
        after = number(values[-1, 4] - values[-1, 0], ".3g")
        words.append(
            f"{edge}: the middle nine tenths of the weights span {before} at birth and {after} "
            f"at the end (means over {course.n_lives} validation lives)."
        )
    for name in course.spiking:
        rate = number(course.activity[name][-1, 2], ".3g")
        words.append(f"{name} fires at {rate} spikes per second at the end (median over lives).")
    if course.left_out:
        words.append(f"{course.left_out} lives with numbers that are not finite are left out.")
    return words


def _alt(course: Course) -> str:
    words = []
    for edge, values in course.weights.items():
        start = number(values[0, 2], ".3g")
        end = number(values[-1, 2], ".3g")
        words.append(f"median weight of {edge} from {start} to {end}")
    return "Weights and activity over a life: " + ", ".join(words)


def _plain(course: Course) -> dict[str, Any]:
    weights = {}
    for edge, values in course.weights.items():
        weights[edge] = [json_list(row) for row in values]
    activity = {}
    for name, values in course.activity.items():
        activity[name] = [json_list(row) for row in values]
    return {
        "dt": course.dt,
        "phases": [list(phase) for phase in course.phases],
        "steps": json_list(course.steps),
        "levels": list(LEVELS),
        "weights": weights,
        "activity": activity,
        "spiking": list(course.spiking),
        "lives": course.n_lives,
        "left_out": course.left_out,
    }
