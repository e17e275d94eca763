"""What is seen of a run, as plain data for JSON."""

from typing import Any

from metaplast.runs.metrics import plain_number
from metaplast.watching.seen import RowSeen, RunSeen

SCHEMA = "metaplast.watch/1"


def to_json(seen: RunSeen) -> dict[str, Any]:
    """What is seen of a run, of a group or of a sweep. A loss that is not finite is text."""
    return {"schema": SCHEMA, **_run(seen)}


def _run(seen: RunSeen) -> dict[str, Any]:
    return {
        "path": str(seen.path),
        "kind": seen.kind,
        "state": seen.state,
        "process": seen.process,
        "quiet_s": _rounded(seen.quiet_s),
        **seen.facts._asdict(),
        "outer_steps": seen.done,
        "of": seen.total,
        "left_s": _rounded(seen.left_s),
        "rows": [_row(row) for row in seen.rows],
        "parts": [_run(part) for part in seen.parts],
        "faults": list(seen.faults),
        "warnings": list(seen.warnings),
    }


def _row(row: RowSeen) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": row.state,
        "outer_steps": row.done,
        "of": row.total,
        "loss": plain_number(row.losses[-1]) if row.losses else None,
        "steps_per_s": _rounded(row.steps_per_s),
        "lives": row.lives,
        "diverged_lives": row.diverged_lives,
        "skipped_steps": row.skipped,
        "falls": row.falls,
        "damaged_checkpoints": row.damaged,
        "unreadable_lines": row.unreadable,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
