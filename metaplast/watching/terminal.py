"""What is seen of a run, as a picture in a terminal of 80 columns."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metaplast.api.progress import number_text
from metaplast.reuse.text import printable
from metaplast.runs.spans import duration
from metaplast.watching.seen import (
    DAMAGED,
    DIVERGED,
    DONE,
    FAILED,
    INTERRUPTED,
    RUNNING,
    TRAINING,
    UNKNOWN,
    WAITING,
    RowSeen,
    RunSeen,
)
from metaplast.watching.sparkline import BLOCKS, PLAIN, sparkline

WIDTH = 80
"""Columns of the terminal."""
APART = "  "
"""Between two facts of a line."""
BAR = 8
CURVE = 12
MOST = 20
"""Members of a sweep, and faults, that are shown."""
STATES = {
    WAITING: "not begun",
    RUNNING: "running",
    UNKNOWN: "not finished",
    INTERRUPTED: "interrupted",
    DONE: "done",
    DIVERGED: "diverged",
    DAMAGED: "damaged",
    FAILED: "failed",
}


class Curve:
    """A curve in one line, by the characters that the terminal has."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heights = PLAIN if options.ascii_only else BLOCKS
        yield Text(sparkline(self.values, CURVE, heights))


def picture(seen: RunSeen) -> RenderableType:
    """The picture of a run, of a group or of a sweep."""
    path = printable(str(seen.path))
    parts: list[RenderableType] = [Text(line) for line in _laid_out([path, *_headline(seen)])]
    parts += [Text(line) for line in _laid_out(_state(seen))]
    if seen.state == UNKNOWN:
        parts.append(Text("no process of this host works in it; one of another host may"))
    if seen.state == INTERRUPTED:
        parts.append(Text(f"go on with: metaplast resume {path}"))
    left = seen.left_s
    if left is not None:
        parts.append(Text(_forecast(seen, left)))
    if seen.kind == "sweep":
        parts.append(_members(seen.parts))
    elif seen.rows:
        parts.append(_rows(seen.rows))
    parts += _listed("faults", seen.all_faults)
    parts += _listed("last warnings", seen.warnings)
    return Group(*parts)


def _headline(seen: RunSeen) -> list[str]:
    """The facts of a run in words."""
    facts = seen.facts
    words = []
    if seen.kind != "run":
        words.append(f"{seen.kind} of {len(seen.parts)}")
    if facts.experiment:
        words.append(facts.experiment)
    if facts.seeds:
        words.append(f"seed {facts.seeds}")
    if facts.devices:
        words.append(facts.devices)
    if facts.begun:
        words.append(f"begun {facts.begun} UTC")
    return words


def _state(seen: RunSeen) -> list[str]:
    """The state of a run in words."""
    words = [STATES[seen.state]]
    if seen.kind == "sweep":
        counts = Counter(part.state for part in seen.parts)
        words += [f"{n} {state}" for state, n in counts.items()]
    if seen.process is not None:
        words.append(f"process {seen.process} of this host")
    if seen.quiet_s is not None and seen.state in (RUNNING, UNKNOWN):
        words.append(f"last sign {duration(seen.quiet_s)} ago")
    return words


def _forecast(seen: RunSeen, seconds: float) -> str:
    bound = ""
    if any(part.state == WAITING for part in (*seen.rows, *seen.parts)):
        bound = "at most "  # a row that has not begun may learn nothing
    return f"forecast: {bound}about {duration(seconds)}"


def _rows(rows: Sequence[RowSeen]) -> Table:
    table = _table("row", 20)
    table.add_column("steps/s", no_wrap=True, justify="right")
    table.add_column("left", no_wrap=True)
    for row in rows:
        rate = "" if row.steps_per_s is None else f"{row.steps_per_s:.3g}"
        table.add_row(
            _cell(row.name),
            _bar(row.done, row.total),
            _count(row.done, row.total),
            Curve(row.losses),
            _loss(row.losses),
            rate if row.state == TRAINING else "",
            _time_left(row),
        )
    return table


def _time_left(row: RowSeen) -> str:
    """The time that is left for a row, else its state."""
    if row.state != TRAINING or row.total is None or row.pace is None:
        return row.state
    return duration((row.total - row.done) * row.pace)


def _members(members: Sequence[RunSeen]) -> RenderableType:
    """The members of a sweep; of many, those that are under way or ended badly."""
    shown = list(members)
    if len(shown) > MOST:
        shown = [member for member in members if member.state not in (WAITING, DONE)]
    table = _table("member", 28)
    table.add_column("left", no_wrap=True)
    for member in shown[:MOST]:
        losses = member.rows[0].losses if member.rows else ()
        left = member.left_s
        table.add_row(
            _cell(member.path.name),
            _bar(member.done, member.total),
            _count(member.done, member.total),
            Curve(losses),
            _loss(losses),
            member.state if left is None else duration(left),
        )
    if len(shown) > MOST:
        return Group(table, Text(f"and {len(shown) - MOST} more"))
    return table


def _table(first: str, widest: int) -> Table:
    """A table with the columns of rows and of members.

    Args:
        first: the head of the first column.
        widest: its characters at most.
    """
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(first, max_width=widest)  # the one that gives way where a line is too long
    table.add_column("", width=BAR)
    table.add_column("outer steps", no_wrap=True, justify="right")
    table.add_column("loss", width=CURVE, no_wrap=True)
    table.add_column("", no_wrap=True, justify="right")
    return table


def _bar(done: int, total: int | None) -> RenderableType:
    return ProgressBar(total=total, completed=done, width=BAR) if total else ""


def _count(done: int, total: int | None) -> str:
    if total == 0:
        return ""  # a reference, or a row that learns nothing
    return f"{number_text(done)}/{'?' if total is None else number_text(total)}"


def _loss(losses: Sequence[float]) -> str:
    return f"{losses[-1]:.3g}" if losses else ""


def _listed(title: str, lines: Sequence[str]) -> list[RenderableType]:
    """Lines under a title; of many the first."""
    if not lines:
        return []
    shown: list[RenderableType] = [Text(f"{title}:")]
    shown += [Text(f"  {line}") for line in lines[:MOST]]
    if len(lines) > MOST:
        shown.append(Text(f"  and {len(lines) - MOST} more"))
    return shown


def _laid_out(facts: Sequence[str]) -> list[str]:
    """Facts side by side, in lines that fit the terminal as far as each fact does."""
    lines: list[str] = []
    for fact in facts:
        if lines and len(lines[-1]) + len(APART) + len(fact) <= WIDTH:
            lines[-1] += APART + fact
        else:
            lines.append(fact)
    return lines


def _cell(name: str) -> Text:
    return Text(printable(name), no_wrap=True, overflow="ellipsis")
