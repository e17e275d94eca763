"""The part on transfer: the rule beside the best tuned baseline in every changed world."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from metaplast.figures import cut
from metaplast.figures.section import Figure, Folded, PagePart, Section, Table
from metaplast.figures.style import FAINT, INK, OURS, save, subplots
from metaplast.inspection.worlds_in_words import counted, name_of, own_score, sentence
from metaplast.results import table
from metaplast.results.changed_world import Cell, cell_to_json
from metaplast.results.numbers import interval, number, table_form
from metaplast.results.table import RowFacts

TITLE = "Transfer: the trained rows in changed worlds"
_HEAD = ("world", "metric", "rule", "95 %", "best tuned baseline", "rule better by", "95 %", "n")
LONG = 44
"""Characters of a world's words in the picture."""


def part(
    trained: Cell,
    worlds: Sequence[Cell],
    facts: Mapping[str, RowFacts],
    searched: str,
    command: str,
    folder: Path,
) -> PagePart:
    """The scores of all rows in changed worlds; nothing was tuned there.

    Args:
        trained: the world of the search.
        worlds: the changed worlds; empty where none was judged.
        facts: {row: facts}.
        searched: the name of the searched row.
        command: the command that judges a world.
        folder: of the picture.
    """
    numbers = {"cells": [cell_to_json(world) for world in worlds]}
    if not worlds:
        words = (
            f"Not judged. `{command}` judges every row, as it was trained, in a changed world; the "
            "next page shows the result here."
        )
        return PagePart(Section(TITLE, [words]), numbers)
    words = [sentence(world, facts, searched) for world in worlds]
    words.append(
        "Every row keeps the numbers of its training. The best tuned baseline is the row with the "
        "best mean among those that learned numbers, in each world anew. Differences are paired on "
        "the same held-out lives."
    )
    in_all = [trained, *worlds]
    summary = [_summary(world, facts, searched) for world in in_all]
    folded = []
    for world in worlds:
        head, *rows = table.cells(world.scores, facts, searched)
        whole = Table(_caption(world), head, rows)
        folded.append(Folded(f"All rows in {name_of(world)}", tables=[whole]))
    section = Section(
        TITLE,
        words,
        figures=_figures(in_all, folder),
        tables=[Table("The rule and the best tuned baseline of each world", _HEAD, summary)],
        summary=counted(f"In changed worlds ({len(worlds)}) the rule", worlds, searched),
        folded=folded,
    )
    return PagePart(section, numbers)


def draw(worlds: Sequence[Cell], path: Path) -> None:
    """Draw how much better the rule is than the best tuned baseline, one line per world.

    An arrow with its number stands for a world far outside the others.

    Args:
        worlds: of one metric, each with a baseline; the first is drawn at the top.
        path: of the picture.
    """
    figure, axes = subplots(figsize=(6.4, 0.42 * len(worlds) + 1.1), layout="constrained")
    labels = []
    limit = cut.reach(np.array([np.nanmax(np.abs(_ends(world))) for world in worlds]))
    for y, world in enumerate(reversed(worlds)):
        mean, *ends = _ends(world)  # a NaN is not drawn
        colour = OURS if world.changes else INK
        label = f"{_short(name_of(world))}\nagainst {world.baseline}"
        if abs(mean) > limit:
            side = np.sign(mean) * limit
            axes.plot(side, y, ">" if mean > 0 else "<", color=colour, ms=7, clip_on=False)
            label += f": {number(mean, '+.3g')}"
        else:
            axes.plot(ends, [y, y], color=colour, lw=2.5, solid_capstyle="round")
            axes.plot(mean, y, "o", color=colour, ms=6)
        labels.append(label)
    axes.axvline(0.0, color=FAINT, lw=1.5)
    axes.set_xlim(-limit, limit)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(worlds) - 0.4)
    axes.set_xlabel(f"rule better than the best tuned baseline by, in {worlds[0].metric}")
    axes.grid(axis="x", color=FAINT, alpha=0.6)
    save(figure, path)


def _ends(world: Cell) -> np.ndarray:
    """How much better the rule is: (mean, one end, other end); NaN where unknown."""
    assert world.better_by is not None
    return np.asarray([world.better_by.mean, *world.better_by.ci95], float)


def _figures(worlds: Sequence[Cell], folder: Path) -> list[Figure]:
    """The picture of the worlds with a difference in the metric of the first world."""
    metric = worlds[0].metric
    drawn = []
    for world in worlds:
        if world.better_by is not None and world.metric == metric:
            drawn.append(world)
    if not drawn:
        return []
    path = folder / "changed_worlds.svg"
    draw(drawn, path)
    values = []
    for world in drawn:
        assert world.better_by is not None
        values.append(f"{name_of(world)} {number(world.better_by.mean, '+.3g')}")
    alt = f"How much better the rule is than the best tuned baseline: {', '.join(values)}"
    caption = (
        "Paired on the same held-out lives, with 95 % intervals. Right of 0 the rule is better."
    )
    if len(drawn) < len(worlds):
        caption += f" Not drawn, without a difference in {metric}: {len(worlds) - len(drawn)}."
    return [Figure(path, alt, caption)]


def _short(words: str) -> str:
    """The words, cut where they are long."""
    if len(words) <= LONG:
        return words
    return f"{words[: LONG - 3]}..."


def _summary(world: Cell, facts: Mapping[str, RowFacts], searched: str) -> tuple[str, ...]:
    """A world as a line of the table."""
    ours = own_score(world, searched)
    form = table_form([score.mean for score in world.scores])
    baseline = "-"
    by = ("-", "-")
    if world.baseline is not None and world.better_by is not None:
        baseline = table.marked(world.baseline, facts.get(world.baseline))
        ends = world.better_by.ci95
        by = (number(world.better_by.mean, f"+{form}"), interval(ends, f"+{form}"))
    own = (number(ours.mean, form), interval(ours.ci95, form))
    return (name_of(world), world.metric, *own, baseline, *by, str(world.n))


def _caption(world: Cell) -> str:
    """The caption of the table of one world."""
    seeds = ", ".join(str(seed) for seed in world.seeds)
    kind = "bootstrap intervals over lives"
    noun = "seed"
    if len(world.seeds) > 1:
        kind = f"t intervals over {len(world.seeds)} splits"
        noun = "seeds"
    return f"{name_of(world)}: held-out lives of {noun} {seeds}; 95 % {kind}"
