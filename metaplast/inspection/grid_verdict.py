"""The verdict on a rule in many worlds, beside baselines that were tuned in each."""

import shlex
from dataclasses import replace

from metaplast.inspection import verdict
from metaplast.inspection.world_verdict import ShortVerdict
from metaplast.inspection.worlds_in_words import counted
from metaplast.results.changed_world import Cell
from metaplast.results.grid import Grid, counts_in_words

MORE = 2
"""Times the budget of the baselines, where it was too small for a search."""


def grid_verdict(grid: Grid, searched: str) -> ShortVerdict:
    """The verdict on a grid.

    Args:
        grid: the grid.
        searched: the name of the searched row in the cells.
    """
    outcome = counts_in_words(grid.cells)
    worlds = _worlds(grid)
    if worlds:
        subject = f"Beside baselines tuned in each of {len(worlds)} worlds, the rule"
        outcome = f"{counted(subject, worlds, searched)} {outcome}"
    sure = "How sure: no world was lived."
    if worlds:
        sure = verdict.splits_in_words(worlds[0].seeds)
    failed = _failed(grid)
    if failed:
        named = [f"{name} in {', '.join(worlds)}" for name, worlds in failed.items()]
        sure = f"{sure} {verdict.failed_in_words(named)}"
    elif grid.about.rows and worlds:
        sure = f"{sure} {verdict.NONE_FAILED}"
    doubts = f"Why not to believe it: {' '.join(_doubts(grid))}"
    return ShortVerdict(outcome, sure, doubts, _next(grid, bool(failed)))


def _worlds(grid: Grid) -> list[Cell]:
    """The worlds that were lived, each under the name that the table gives it."""
    worlds = []
    for one in grid.cells:
        if one.cell is not None:
            worlds.append(replace(one.cell, changes=[one.world]))
    return worlds


def _failed(grid: Grid) -> dict[str, list[str]]:
    """{baseline with its failure: the worlds}."""
    failed: dict[str, list[str]] = {}
    for one in grid.cells:
        for name, state in one.failed.items():
            failed.setdefault(f"{name} ({state})", []).append(one.world)
    return failed


def _doubts(grid: Grid) -> list[str]:
    """The reasons to doubt the first sentence; at least one."""
    about = grid.about
    doubts = []
    if not about.rows:
        doubts.append("No baseline was tuned: nothing is known beside the network at birth.")
    if about.searched is not None and about.budget < about.searched:
        doubts.append(
            f"The baselines had {about.budget} outer steps and the rule {about.searched}, which "
            "favours the rule."
        )
    refused = [one.world for one in grid.cells if one.cell is None]
    if refused:
        doubts.append(f"Refused, so not known: {', '.join(refused)}.")
    if about.rows:
        doubts.append(
            "In each world the best baseline is best on these very lives, which favours it."
        )
    doubts.append("Worlds that change several factors at once may differ.")
    return doubts


def _next(grid: Grid, has_failed: bool) -> str:
    """The command that settles more: a larger budget, other seeds, or a look at the rule itself."""
    about = grid.about
    budget = about.budget
    if has_failed:
        budget = MORE * about.budget
    if about.searched is not None:
        budget = max(budget, about.searched)
    if about.rows and budget > about.budget:
        return shlex.join([*_again(grid), "--budget", str(budget), "--out", f"grid-{budget}"])
    inspect = ["metaplast", "inspect", *about.imports, about.rule]
    if not about.is_run:
        return shlex.join([*inspect, *about.setting])
    worlds = _worlds(grid)
    if worlds:
        return verdict.with_more_seeds(about.rule, worlds[0].seeds[0], about.imports)
    return shlex.join(inspect)


def _again(grid: Grid) -> list[str]:
    """The words of the command that makes the grid anew, without a budget and a folder."""
    about = grid.about
    words = ["metaplast", "eval", *about.imports, about.rule, *about.setting, "--grid"]
    own: dict[str, list[str]] = {}
    named = {}
    for one in grid.cells[1:]:
        if one.words == [f"{one.factor}={one.level}"]:
            own.setdefault(one.factor, []).append(one.level)
        else:
            named[one.factor] = None
    for name in named:
        words += ["--factor", name]
    for name, levels in own.items():
        words += ["--factor", f"{name}={','.join(levels)}"]
    for name in about.rows:
        words += ["--row", name]
    return [*words, "--lives", str(about.lives)]
