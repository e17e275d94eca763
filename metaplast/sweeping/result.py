"""The result of a sweep: one table, one figure, one page, and one file with all numbers."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from metaplast.figures import scores
from metaplast.figures.scores import Panel
from metaplast.registry import BadInput, Plain
from metaplast.results import table
from metaplast.settings.names import FIGURES, REPORT, SWEEP_RESULT
from metaplast.sweeping import all_numbers
from metaplast.sweeping.outcome import SCHEMA, SweepResult, read_result, write_result
from metaplast.sweeping.request import Sweep, read_sweep
from metaplast.sweeping.worlds import (
    AS_GIVEN,
    FinishedRuns,
    World,
    finished_runs,
    worlds_of,
)
from metaplast.training import summary_text
from metaplast.training.group import MAX_SETTINGS
from metaplast.training.group_result import setting_to_json, settings_of
from metaplast.training.page import inspect_runs
from metaplast.training.variants_page import PICTURE, write_variants

HEAD = (
    "setting",
    "metric",
    "mean",
    table.INTERVAL,
    "minus the best",
    table.INTERVAL,
    "reach",
    "learned",
    "n",
)


def conclude(path: Path, sweep: Sweep, result: SweepResult) -> None:
    """Write the figure, the page, the file with all numbers, and sweep_result.json.

    Args:
        path: the folder of the sweep.
        sweep: its members.
        result: the end of every member.
    """
    runs = finished_runs(path, sweep)
    worlds = worlds_of(runs)
    if worlds:
        _write_page(path, sweep, runs, worlds, result.wall_s)
    all_numbers.write(path, sweep, result)
    write_result(path, result)


def render(path: Path) -> str:
    """The text at the end of `metaplast sweep`. Raises: BadInput for an unfinished sweep."""
    result = _result(path)
    parts = []
    if len(result.failed) < len(result.members):
        parts.append(table_of(path))
    lines = []
    for member in result.failed:
        lines.append(f"{member.name} failed with exit code {member.code}: {member.error}")
    if lines:
        parts.append("\n".join(lines))
    files = [
        ("numbers", path / all_numbers.FILE),
        ("figure", path / FIGURES / PICTURE),
        ("report", path / REPORT),
    ]
    parts.append("\n".join(f"{name:8} {file}" for name, file in files if file.is_file()))
    return "\n\n".join(parts)


def as_json(path: Path) -> str:
    """The end of every member, and the scores under every setting, on one line.

    Raises: BadInput for an unfinished sweep.
    """
    result = _result(path)
    settings: list[Plain] = []
    folders = finished_runs(path, read_sweep(path)).folders()
    for setting in settings_of(folders):
        runs = [folder.relative_to(path).as_posix() for folder in folders[setting.differs]]
        settings.append(setting_to_json(replace(setting, runs=runs)))
    return json.dumps({"schema": SCHEMA, **asdict(result), "settings": settings})


def table_of(path: Path) -> str:
    """The table of a sweep: one line for every setting, over its seeds.

    Raises: BadInput for a sweep of which no run is finished.
    """
    runs = finished_runs(path, read_sweep(path))
    worlds = worlds_of(runs)
    if not worlds:
        raise BadInput(
            f"{path}: no run is finished", "a sweep with results", f"metaplast resume {path}"
        )
    parts = []
    if len(runs.by_setting) == 1:
        ((label, folders),) = runs.folders().items()
        if label != AS_GIVEN:
            parts.append(f"Of all settings, {label} alone has a finished run.")
        parts.append(summary_text.pooled(folders))
    else:
        parts += _verdicts(worlds)
        lines: list[tuple[str, ...]] = [HEAD]
        for world in worlds:
            for label, *cells in world.lines():
                lines.append((label, world.metric, *cells))
        parts.append(table.aligned(lines))
    if runs.lost:
        parts.append(f"Without scores: {', '.join(runs.lost)}.")
    return "\n\n".join(parts)


def _verdicts(worlds: Sequence[World]) -> list[str]:
    """The verdict on the settings; of several worlds, the first sentence on each."""
    verdicts = []
    for world in worlds:
        if world.variants is not None:
            verdicts.append(world.variants.verdict)
    if len(worlds) == 1:
        return [verdict.text for verdict in verdicts]
    return ["\n".join(verdict.found for verdict in verdicts)] if verdicts else []


def _result(path: Path) -> SweepResult:
    result = read_result(path)
    if result is None:
        raise BadInput(f"{path}", f"a sweep with a {SWEEP_RESULT}", f"metaplast resume {path}")
    return result


def _write_page(
    path: Path, sweep: Sweep, runs: FinishedRuns, worlds: Sequence[World], wall_s: float
) -> None:
    """Write the figure, and a page where all settings are of one world."""
    (path / FIGURES).mkdir(exist_ok=True)
    first = worlds[0]
    if len(worlds) == 1 and first.variants is not None and len(first.scores) <= MAX_SETTINGS:
        write_variants(path, first.variants, wall_s, sweep.axes)
        return
    if len(runs.by_setting) == 1:
        (folders,) = runs.folders().values()
        inspect_runs(folders, path, n_lives=0)
        (of_setting,) = first.pools.values()
        panels = [Panel(of_setting.scores, [of_setting.scores[0].name])]
    else:
        panels = []
        for world in worlds:
            best = [world.variants.best] if world.variants is not None else []
            panels.append(Panel(world.scores, best))
    drawn = [panel for panel in panels if panel.finite()]
    if drawn:
        scores.draw_panels(drawn, path / FIGURES / PICTURE)
