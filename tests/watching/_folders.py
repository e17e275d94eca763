"""Folders of runs, as a run that goes on leaves them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metaplast.registry import Plain
from metaplast.runs import folder, planned
from metaplast.runs.config import to_yaml
from metaplast.runs.folder import row_folder
from metaplast.runs.metrics import METRICS
from metaplast.runs.planned import Planned
from metaplast.settings.names import DISCOVERED

CONFIG: Plain = {"experiment": "oja", "seed": 3, "outer": {"name": "bptt", "steps": 10}}
ROWS = {DISCOVERED: 10, "hebb": 10, "nearest_prototype": 0}


def begun(path: Path, rows: dict[str, int] | None = ROWS, config: Plain = CONFIG) -> Path:
    """A run that has begun. Without rows it is one of an earlier version, which wrote no plan."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(to_yaml(config))
    folder.write_json(path / "environment.json", {"device": "cpu", "step": "jax"})
    if rows is not None:
        planned.record(path, Planned(rows))
    return path


def line(step: int, loss: Any = 0.5, **more: Any) -> str:
    """A line of metrics.jsonl, of a step of half a second."""
    fields = {"outer_step": step, "wall_s": 0.5, "loss": loss, "lives": 8, "diverged": 0, **more}
    return json.dumps(fields) + "\n"


def write_lines(run: Path, name: str, lines: Sequence[str]) -> None:
    """Write the metrics of a row, and the checkpoint that stands before its first step."""
    row = row_folder(run, name)
    (row / "checkpoints" / "000000").mkdir(parents=True, exist_ok=True)
    (row / METRICS).write_text("".join(lines))


def finish_row(run: Path, name: str) -> None:
    row = row_folder(run, name)
    row.mkdir(parents=True, exist_ok=True)
    (row / "row.json").write_text("{}")


def finish(run: Path) -> None:
    """Finish all rows of a run, and the run."""
    plan = planned.read(run)
    assert plan is not None
    for name, steps in plan.rows.items():
        if steps:
            write_lines(run, name, [line(step) for step in range(1, steps + 1)])
        finish_row(run, name)
    (run / "summary.json").write_text("{}")
    (run / "report.html").write_text("")
