"""The progress of a run: bars on a terminal, lines under the cell of a notebook, else on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from metaplast.api.pace import Pace
from metaplast.runs.counted import Counted
from metaplast.runs.spans import duration

MENTIONED = 60.0
"""Seconds of work from which on a forecast is shown."""
DAY = 86_400.0
RENEWED = 0.2
"""Seconds between two renewals of the lines under a cell."""
MANY = 10_000_000
"""The count from which on counts are shown in millions."""
PARTS = Counted("", whole=False)
"""Parts of a page: every part is a stage, and its counts are no measure of time."""


class Screen:
    """Progress without bars: a line when a stage begins, and one forecast.

    A silent screen shows only a forecast of a day or more.
    """

    def __init__(
        self, silent: bool, counted: Counted, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.silent = silent
        self.counted = counted
        self.pace = Pace(clock)
        self.begun: set[str] = set()
        self.forecast: list[str] = []

    def __call__(self, name: str, done: float, total: float) -> None:
        """Show that `done` of `total` counts of a stage are done."""
        self.pace.seen(name, done, total)
        if done and name not in self.begun:
            self.begun.add(name)
            self.stage(name, total)
        if not self.counted.unit:
            return
        seconds = self.pace.left()
        if seconds is not None and seconds >= MENTIONED and not self.forecast:
            self.forecast = [self._forecast(seconds)]
            if not self.silent or seconds >= DAY:
                self.write(self.forecast[0])

    def stage(self, name: str, total: float) -> None:
        """Show the beginning of a stage."""
        words = name
        if self.counted.unit:
            words += f": {total:,} {self.counted.unit}"
        self.say(words)

    def count(self, done: float, total: float) -> str:
        """The counts of a stage; "" where they are not shown."""
        if not self.counted.unit:
            return ""
        return f"{number_text(done)}/{number_text(total)} {self.counted.unit}"

    def say(self, line: str) -> None:
        """Show a line, unless the screen is silent."""
        if not self.silent:
            self.write(line)

    def write(self, line: str) -> None:
        """Show a line."""
        click.echo(line, err=True)

    def _left(self, name: str) -> str:
        """The time that is left for a stage; empty where it is unknown."""
        stage = self.pace.stages[name]
        if stage.done >= stage.total:
            return "done" if self.counted.once else ""
        if stage.pace is None or not self.counted.once:
            return ""
        return f"{duration((stage.total - stage.done) * stage.pace)} left"

    def _forecast(self, seconds: float) -> str:
        bound = ""
        if not self.counted.whole:
            bound = "at least "
        elif len(self.pace.stages) > 1:
            bound = "at most "  # some rows may learn nothing
        forecast = f"forecast: {bound}about {duration(seconds)}"
        if seconds >= DAY:
            forecast += "; Ctrl-C saves what is done, metaplast resume goes on"
        return forecast


class Bars(Screen):
    """One bar for every stage, with its counts and the time that is left."""

    def __init__(self, counted: Counted) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskID, TextColumn

        super().__init__(silent=False, counted=counted)
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(bar_width=10),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[left]}"),
        )
        self.bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self.known: dict[str, TaskID] = {}

    def __call__(self, name: str, done: float, total: float) -> None:
        super().__call__(name, done, total)
        if name not in self.known:
            return
        count = self.count(done, total)
        self.bars.update(
            self.known[name], completed=done, total=total, count=count, left=self._left(name)
        )

    def stage(self, name: str, total: float) -> None:
        # The bars start late, so that an error before the first step stays one line.
        self.bars.start()
        self.known[name] = self.bars.add_task(name, total=total, count="", left="")

    def write(self, line: str) -> None:
        self.bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


class Cell(Screen):
    """The stages under a cell of a notebook, in lines that are renewed at most five times a second.

    It needs no widgets.
    """

    def __init__(self, counted: Counted, display: Callable[..., Any]) -> None:
        """Show nothing yet.

        Args:
            counted: the counts of the run.
            display: `IPython.display.display`.
        """
        super().__init__(silent=False, counted=counted)
        self.display = display
        self.handle: Any = None
        self.lines: list[str] = []
        self.renewed = 0.0

    def __call__(self, name: str, done: float, total: float) -> None:
        super().__call__(name, done, total)
        if time.monotonic() - self.renewed >= RENEWED:
            self.renew()

    def stage(self, name: str, total: float) -> None:
        pass  # its line shows it

    def write(self, line: str) -> None:
        self.lines.append(line)
        self.renew()

    def renew(self) -> None:
        """Show the lines so far, and a line for every stage that is under way or done."""
        self.renewed = time.monotonic()
        lines = list(self.lines)
        for name, stage in self.pace.stages.items():
            if name in self.begun:
                count = self.count(stage.done, stage.total)
                lines.append(f"{name:<24} {count}  {self._left(name)}".rstrip())
        shown = {"text/plain": "\n".join(lines)}
        if self.handle is None:
            self.handle = self.display(shown, raw=True, display_id=True)
        else:
            self.handle.update(shown, raw=True)


def number_text(count: float) -> str:
    """A count in at most nine characters, below 10^10."""
    if count >= MANY:
        return f"{count / 1e6:,.1f}M"
    return f"{count:,}" if isinstance(count, int) else f"{count:.2f}"


@contextmanager
def shown(quiet: bool, counted: Counted) -> Iterator[Screen]:
    """The screen of a run. A silent one for `quiet`.

    Args:
        quiet: whether no progress is shown.
        counted: the counts of the run.
    """
    display = _display_of_notebook()
    if quiet:
        yield Screen(True, counted)
    elif display is not None:
        cell = Cell(counted, display)
        try:
            yield cell
        finally:
            if cell.begun:
                cell.renew()
    elif sys.stderr.isatty():
        bars = Bars(counted)
        try:
            yield bars
        finally:
            if bars.known:
                bars.bars.stop()
    else:
        yield Screen(False, counted)


def _display_of_notebook() -> Callable[..., Any] | None:
    """`IPython.display.display` in the kernel of a notebook; None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    if type(shell).__name__ != "ZMQInteractiveShell":
        return None
    return import_module("IPython.display").display
