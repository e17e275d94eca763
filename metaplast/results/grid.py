"""A rule in many worlds, beside baselines that were tuned in each: one factor at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from metaplast.results import table
from metaplast.results.changed_world import Cell, better_by, cell_to_json
from metaplast.results.numbers import interval, number, share, table_form
from metaplast.results.summary import Difference, RowScore
from metaplast.results.typed_json import Plain, from_plain, of_schema

SCHEMA = "metaplast.grid/1"
LEARNS = "learns"
DIVERGES = "diverges"
SATURATES = "saturates"
NO_LEARNING = "does not learn"
LITTLE = "learns little"
REFUSED = "refused"
NEEDS_PACKAGE = "needs a package"
NO_WORLD = "no such world"
MISFIT = "does not fit"
REFUSALS = (NEEDS_PACKAGE, NO_WORLD, MISFIT)
"""The kinds of refusal, see `GridCell`."""
MANY = 0.25
"""The share of weights at a bound, or of idle units of a population, from which on it is large."""
HALF = 0.5
"""The share of the gain in the first world below which a rule learns little."""
BIRTH = "at_birth"
_HEAD = (
    *("world", "score", table.INTERVAL, "best tuned baseline"),
    *("rule better by", table.INTERVAL, "over birth", "n", "the rule"),
)


@dataclass(frozen=True, kw_only=True)
class Health:
    """The state of the lives of a rule.

    diverged: lives with a number that is not finite.
    n: lives.
    at_bound: share of plastic weights that end at a bound.
    idle: {`silent_<population>` or `saturated_<population>`: share of units}.
    over_birth: how much better the rule is than the same network without plasticity, paired on the
        same lives; positive is better, in any metric.
    how: LEARNS, or how it breaks: DIVERGES, SATURATES, NO_LEARNING or LITTLE.
    """

    diverged: int
    n: int
    at_bound: float
    idle: dict[str, float]
    over_birth: Difference
    how: str


@dataclass(frozen=True, kw_only=True)
class GridCell:
    """A rule in one world of a grid.

    factor: the factor that was changed.
    level: its level.
    words: the words that change the config; empty for the world from which the grid starts.
    notes: facts about the world, such as images that come again.
    refused: the reason why the rule cannot live there; "" where it lives.
    refusal: its kind. NEEDS_PACKAGE: a package is not on this machine, so the cell can be lived
        elsewhere. NO_WORLD: the config has no such level. MISFIT: the rule, a baseline or a word
        does not fit the world. "" where it lives, and in files of earlier versions.
    cell: the scores of the rule and of the baselines tuned there; None where it was refused.
    health: None where it was refused.
    failed: {baseline: the state of its search}, of searches that failed or diverged.
    wall_s: seconds.
    """

    factor: str
    level: str
    words: list[str]
    notes: list[str] = field(default_factory=list)
    refused: str = ""
    refusal: str = ""
    cell: Cell | None = None
    health: Health | None = None
    failed: dict[str, str] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def world(self) -> str:
        """The name of the world: the factor and its level."""
        return f"{self.factor} {self.level}"

    @property
    def how(self) -> str:
        """How the rule does: refused, with the kind, or as its health says."""
        if self.health is not None:
            return self.health.how
        return f"{REFUSED} ({self.refusal})" if self.refusal else REFUSED


@dataclass(frozen=True, kw_only=True)
class About:
    """The setting that all cells of a grid share.

    rule: the path or name of the rule.
    sha256: the checksum of its file.
    setting: the words for that config.
    rows: the baselines.
    searched: outer steps of the search that found the rule; None where they are unknown.
    budget: outer steps of the search of each baseline in each cell.
    lives: held-out lives of each cell.
    base: a digest of the config from which the grid starts.
    is_run: whether the rule is that of a run folder, not a rule file.
    imports: the words of a command that import the plug-ins of that run and of the grid.
    """

    rule: str
    sha256: str
    setting: list[str]
    rows: list[str]
    searched: int | None
    budget: int
    lives: int
    base: str
    is_run: bool = False
    imports: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A rule in many worlds.

    about: the setting that all cells share.
    cells: the worlds; the first is the one from which the grid starts.
    """

    about: About
    cells: list[GridCell]


def health(
    rule: Mapping[str, np.ndarray],
    birth: np.ndarray,
    metric: str,
    at_start: float | None = None,
) -> Health:
    """The state of the lives of a rule.

    Args:
        rule: {metric: values [n]} of its lives, as `evaluate.lives` gives them.
        birth: values [n] of the same network without plasticity, on the same lives.
        metric: the name of these values.
        at_start: the gain over birth in the world from which the grid starts; None: unknown.
    """
    values = {LEARNS: [np.asarray(rule[metric], np.float64)], BIRTH: [np.asarray(birth, float)]}
    of_birth = table.scores(values, metric, LEARNS)[1]
    idle = {}
    for name, shares in sorted(rule.items()):
        if name.startswith(("silent_", "saturated_")):
            idle[name] = round(float(np.mean(shares)), 4)
    found = Health(
        diverged=int((~np.isfinite(rule["loss"])).sum()),
        n=len(rule["loss"]),
        at_bound=round(float(np.mean(rule["at_bound"])), 4),
        idle=idle,
        over_birth=better_by(of_birth),
        how=LEARNS,
    )
    return replace(found, how=how(found, at_start))


def how(found: Health, at_start: float | None) -> str:
    """How a rule does.

    It diverges where any life is not finite. It breaks where the 95 % interval of its gain over
    the network at birth is not above 0, or is below HALF of the gain in the first world. Then it
    saturates where a share of at least MANY of its weights is at a bound, or of the units of a
    population is idle. Else it does not learn, or learns little.

    Args:
        found: the lives of the rule.
        at_start: its gain over birth in the first world; None: unknown.
    """
    if found.diverged:
        return DIVERGES
    low, high = found.over_birth.ci95
    learns = low is not None and low > 0
    is_little = high is not None and at_start is not None and high < HALF * at_start
    if learns and not is_little:
        return LEARNS
    if max([found.at_bound, *found.idle.values()]) >= MANY:
        return SATURATES
    return LITTLE if learns else NO_LEARNING


def held_against_the_first(cells: Sequence[GridCell]) -> list[GridCell]:
    """The cells, each with how the rule does beside its gain in the first of them."""
    gain = None
    if cells and cells[0].health is not None:
        gain = cells[0].health.over_birth.mean
    held = list(cells[:1])
    for one in cells[1:]:
        if one.health is not None:
            one = replace(one, health=replace(one.health, how=how(one.health, gain)))
        held.append(one)
    return held


def render(grid: Grid, searched: str) -> str:
    """The grid as text: the setting, the table, and a line for every note.

    Args:
        grid: the grid.
        searched: the name of the searched row in the cells.
    """
    parts = [head(grid.about), table.aligned(lines(grid, searched))]
    notes = remarks(grid)
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts)


def head(about: About) -> str:
    """The setting of a grid in words."""
    rows = ", ".join(about.rows) or "none"
    had = "its file tells of no search of the rule"
    if about.searched is not None:
        had = f"the rule had {about.searched}"
    setting = " ".join(about.setting) or "the setting of its search"
    if about.searched is not None and about.budget < about.searched:
        had += ", so the budgets are not equal and favour the rule"
    return (
        f"{about.rule} as it is, in: {setting}. Baselines ({rows}) are tuned anew in every cell, "
        f"by the same outer loop in {about.budget} outer steps; {had}. "
        f"{about.lives} held-out lives a cell."
    )


def lines(grid: Grid, searched: str) -> list[tuple[str, ...]]:
    """The table cell by cell, its head first. The arguments are those of `render`."""
    means = []
    for one in grid.cells:
        if one.cell is not None:
            means.append(_score(one.cell, searched).mean)
    form = table_form(means)
    rows: list[tuple[str, ...]] = [_HEAD]
    for one in grid.cells:
        if one.cell is None or one.health is None:
            rows.append((one.world, *("-" for _ in _HEAD[2:]), one.how))
            continue
        score = _score(one.cell, searched)
        baseline, gain, gain_interval = "-", "-", "-"
        if one.cell.baseline is not None and one.cell.better_by is not None:
            baseline = one.cell.baseline
            if baseline in one.failed:
                baseline += f" ({one.failed[baseline]})"
            gain = number(one.cell.better_by.mean, f"+{form}")
            gain_interval = interval(one.cell.better_by.ci95, f"+{form}")
        rows.append(
            (
                one.world,
                *(number(score.mean, form), interval(score.ci95, form)),
                *(baseline, gain, gain_interval),
                number(one.health.over_birth.mean, f"+{form}"),
                *(str(one.cell.n), one.how),
            )
        )
    return rows


def _score(cell: Cell, searched: str) -> RowScore:
    return next(score for score in cell.scores if score.name == searched)


def remarks(grid: Grid) -> list[str]:
    """A line for every note, refusal and failure, with the worlds that have it."""
    worlds: dict[str, list[str]] = {}
    for one in grid.cells:
        words = list(one.notes)
        if one.refused:
            words.append(f"{one.how}: {one.refused}")
        if one.health is not None and one.health.how != LEARNS:
            words.append(_how(one.health))
        for name, state in one.failed.items():
            words.append(f"{name} is {state}")
        for line in words:
            worlds.setdefault(line, []).append(one.world)
    found = []
    for line, names in worlds.items():
        where = ", ".join(names)
        if len(names) == len(grid.cells):
            where = "all"
        found.append(f"{where}: {line}.")
    return found


def _how(found: Health) -> str:
    """How a rule breaks, with its numbers."""
    if found.how == DIVERGES:
        return f"the rule diverges in {found.diverged} of {found.n} lives"
    gain = number(found.over_birth.mean, "+.3g")
    bounds = interval(found.over_birth.ci95, "+.3g")
    words = f"the rule {found.how}: {gain} {bounds} better than its network at birth"
    if found.how == SATURATES:
        full = [f"{share(found.at_bound)} of weights at a bound"]
        for name, of_units in found.idle.items():
            if of_units >= MANY:
                kind, _, population = name.partition("_")
                full.append(f"{share(of_units)} of {population} {kind}")
        words += f", with {', '.join(full)}"
    return words


def grid_to_json(grid: Grid) -> Plain:
    """The grid as grid.json holds it."""
    cells = list(map(one_to_json, grid.cells))
    return {"schema": SCHEMA, "about": asdict(grid.about), "cells": cells}


def grid_from_json(plain: Plain, where: str) -> Grid:
    """The inverse of `grid_to_json`. Raises: BadInput for data of another form."""
    return of_schema(Grid, SCHEMA, plain, where)


def one_to_json(one: GridCell) -> Plain:
    """A cell as its file holds it."""
    plain = asdict(one)
    if one.cell is not None:
        plain["cell"] = cell_to_json(one.cell)
    return plain


def one_from_json(plain: Plain, where: str) -> GridCell:
    """The inverse of `one_to_json`. Raises: BadInput for data of another form."""
    return from_plain(GridCell, plain, where)


def counts(cells: Sequence[GridCell]) -> dict[str, int]:
    """{how the rule does: number of cells}."""
    found: dict[str, int] = {}
    for one in cells:
        found[one.how] = found.get(one.how, 0) + 1
    return found


def counts_in_words(cells: Sequence[GridCell]) -> str:
    """How the rule does, and in how many worlds."""
    each = [f"{how} in {n}" for how, n in counts(cells).items()]
    return f"Of {len(cells)} worlds: {', '.join(each)}."
