"""The figure of what is inborn and what is learned: scores at birth and after learning."""

from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures.section import Figure, PagePart, Section, Table
from metaplast.figures.style import OTHERS, OURS, PALETTE, hide, save, subplots
from metaplast.inspection.innate import Course, Innate
from metaplast.results.numbers import interval, json_list, number
from metaplast.results.statistics import Estimate

_TITLE = "Inborn or learned"


def part(course: Course, chosen: int, folder: Path) -> PagePart:
    """The score at birth and after learning, over the search and over the length of a life.

    Args:
        course: the scores of the thetas that the run kept.
        chosen: the index of the theta that was chosen.
        folder: of the picture.
    """
    path = folder / "innate.svg"
    draw(course, chosen, path)
    now = course.at(chosen)
    alt = (
        f"{course.metric} at birth {number(now.at_birth.mean)}, after learning "
        f"{number(now.learned.mean)}"
    )
    caption = (
        "Scores at birth and after learning over the outer steps of the search; scores of the "
        "chosen numbers over the length of a life (0: no plasticity; 1: as searched). Bars: 95 % "
        "intervals over lives."
    )
    words = [words_on(now, course.metric), *_words_on_course(course), *_words_on_lengths(course)]
    lengths = list(course.scores)
    head = ("outer step", *(f"life x {length:g}" for length in lengths), "gain", "innate share")
    rows = []
    points = []
    for index, step in enumerate(_steps(course)):
        of_step = course.at(index)
        scores = [course.score(length, index) for length in lengths]
        rows.append((step, *map(_estimate, scores), _estimate(of_step.gain), _share(of_step)))
        points.append({"outer_step": step, **_plain(course, index)})
    table = Table("Numbers of the search in lives of several lengths", head, rows)
    numbers = {
        "metric": course.metric,
        "chosen": chosen,
        "points": points,
        "refused": {f"{length:g}": why for length, why in course.refused.items()},
    }
    figure = Figure(path, alt, caption)
    return PagePart(Section(_TITLE, words, figures=[figure], tables=[table]), numbers)


def draw(course: Course, chosen: int, path: Path) -> None:
    """Draw the scores over the outer steps, and of the chosen theta over the length of a life."""
    figure, (left, right) = subplots(1, 2, figsize=(9.0, 3.2), layout="constrained")
    if course.steps:
        for index, length in enumerate(course.scores):
            scores = [course.score(length, at) for at in range(len(course.steps))]
            label = "at birth" if length == 0 else f"life x {length:g}"
            colour = OURS if length == 1 else PALETTE[(index + 1) % len(PALETTE)]
            _bars(left, course.steps, scores, colour, label)
        left.axvline(course.steps[chosen], color=OTHERS, lw=0.8, ls=":")
        left.set_xlabel("outer step (dots: the chosen one)", fontsize=9)
        left.set_ylabel(course.metric, fontsize=9)
        left.legend(fontsize=8)
    else:
        hide([left])
    lengths = list(course.scores)
    _bars(right, lengths, [course.score(length, chosen) for length in lengths], OURS, "")
    if course.chance is not None:
        right.axhline(course.chance, color=OTHERS, lw=0.8, ls="--")
    right.set_xticks(lengths, [f"{length:g}" for length in lengths])
    right.set_xlabel("length of a life (dashes: chance)", fontsize=9)
    right.set_ylabel(course.metric, fontsize=9)
    save(figure, path)


def _bars(axes: Any, x: list[Any], estimates: list[Estimate], colour: str, label: str) -> None:
    means = np.asarray([estimate.mean for estimate in estimates])
    below = means - [estimate.low for estimate in estimates]
    above = [estimate.high for estimate in estimates] - means
    axes.errorbar(x, means, yerr=[below, above], marker="o", capsize=3, color=colour, label=label)


def words_on(now: Innate, metric: str) -> str:
    """A score at birth and after learning in a sentence or two."""
    words = (
        f"At birth, with no rule at work, {metric} is {_estimate(now.at_birth)}; after learning it "
        f"is {_estimate(now.learned)} on the same lives. Learning makes it better by "
        f"{_estimate(now.gain)}. "
    )
    if now.not_finite:
        words += f"{now.not_finite} lives are left out: not finite. "
    if now.share is None:
        return words + "There is no innate share: no score of guessing is known."
    chance = f"chance, {number(now.chance, '.3g')}"
    if not np.isfinite(now.share.mean):
        return words + f"There is no innate share: the score after learning is not above {chance}."
    return words + f"Of what is reached above {chance}, the share {_share(now)} is innate."


def _words_on_course(course: Course) -> list[str]:
    """How the score at birth moved in the search."""
    if not course.steps:
        return ["No theta of the search was kept, so there is no curve over its outer steps."]
    first, last = course.at(0), course.at(len(course.steps) - 1)
    words = (
        f"From outer step {course.steps[0]} to {course.steps[-1]} the score at birth went from "
        f"{_estimate(first.at_birth)} to {_estimate(last.at_birth)}, and the score after learning "
        f"from {_estimate(first.learned)} to {_estimate(last.learned)}. A run keeps the "
        f"{len(course.steps)} candidates of its search and no other theta; "
        "`evaluation.candidates` says how many."
    )
    return [words]


def _words_on_lengths(course: Course) -> list[str]:
    words = []
    for length, why in course.refused.items():
        words.append(f"Not lived at {length:g} times the length: {why}")
    return words


def _steps(course: Course) -> list[str]:
    """The name of every theta."""
    return [str(step) for step in course.steps] or ["as searched"]


def _estimate(estimate: Estimate) -> str:
    return f"{number(estimate.mean, '.4g')} {interval([estimate.low, estimate.high], '.4g')}"


def _share(now: Innate) -> str:
    if now.share is None or not np.isfinite(now.share.mean):
        return "none"
    return f"{number(now.share.mean, '.2g')} {interval([now.share.low, now.share.high], '.2g')}"


def _plain(course: Course, index: int) -> dict[str, Any]:
    of_step = course.at(index)
    scores = {}
    for length in course.scores:
        scores[f"{length:g}"] = json_list(course.score(length, index))
    share = None if of_step.share is None else json_list(of_step.share)
    return {
        "scores": scores,
        "gain": json_list(of_step.gain),
        "chance": of_step.chance,
        "share": share,
    }
