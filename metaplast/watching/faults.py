"""What went wrong in a run, in words."""

from collections.abc import Sequence

from metaplast.runs.spans import duration
from metaplast.training.diverged import MAX_SKIPPED
from metaplast.watching.seen import DIVERGED, RUNNING, UNKNOWN, RowSeen

LONG_S = 300.0
"""Seconds without a sign after which a run may be stuck. A compilation may last that long."""
MANY_STEPS = 20.0
"""Outer steps without a sign after which it may be."""


def of_row(row: RowSeen) -> list[str]:
    """The faults of a row."""
    faults = []
    if row.state == DIVERGED:
        faults.append(f"diverged: {MAX_SKIPPED} outer steps in a row had no finite loss")
    if row.diverged_lives:
        faults.append(f"{row.diverged_lives:,} of {row.lives:,} lives were not finite")
    if row.skipped:
        faults.append(f"skipped outer steps: {row.skipped:,}")
    if row.falls:
        faults.append(f"the search got lost and was led back: {row.falls}x")
    if row.damaged:
        faults.append(f"damaged checkpoints that were set aside: {row.damaged}")
    if row.unreadable:
        faults.append(f"lines of metrics.jsonl that cannot be read: {row.unreadable:,}")
    return [f"{row.name}: {fault}" for fault in faults]


def of_silence(state: str, quiet_s: float | None, rows: Sequence[RowSeen]) -> list[str]:
    """The fault of a run that should go on and gives no sign.

    Args:
        state: of the run.
        quiet_s: seconds since the last sign; None where there was none.
        rows: of the run.
    """
    if state not in (RUNNING, UNKNOWN) or quiet_s is None:
        return []
    paces = [row.pace for row in rows if row.pace is not None]
    if quiet_s <= max(LONG_S, MANY_STEPS * max(paces, default=0.0)):
        return []
    return [f"stale: nothing was written for {duration(quiet_s)}"]
