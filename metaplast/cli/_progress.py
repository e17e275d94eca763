"""What is seen of work under way, on stderr: bars on a terminal, one line for every stage
elsewhere.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from metaplast.cli._pace import Pace
from metaplast.runs.counted import Counted
from metaplast.runs.spans import duration

MENTIONED = 60.0  # seconds of work that are worth a line
DAY = 86_400.0
MANY = 10_000_000


ROWS = Counted("rows")


class Screen:
    """Without bars: a line when a stage begins, and the forecast. A forecast of days is said even
    where `silent`.
    """

    def __init__(
        self, silent: bool, counted: Counted, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.silent, self.counted = silent, counted
        self.pace = Pace(clock)
        self.begun: set[str] = set()
        self.forecast: list[str] = []

    def __call__(self, name: str, done: float, total: float) -> None:
        self.pace.seen(name, done, total)
        if done and name not in self.begun:
            self.begun.add(name)
            self.stage(name, total)
        seconds = self.pace.left()
        if seconds is not None and seconds >= MENTIONED and not self.forecast:
            self.forecast = [self._forecast(seconds)]
            if not self.silent or seconds >= DAY:
                self.write(self.forecast[0])

    def stage(self, name: str, total: float) -> None:
        self.say(f"{name}: {total:,} {self.counted.unit}")

    def say(self, line: str) -> None:
        if not self.silent:
            self.write(line)

    def write(self, line: str) -> None:
        click.echo(line, err=True)

    def _forecast(self, seconds: float) -> str:
        several = len(self.pace.stages) > 1
        bound = (
            "at least " if not self.counted.whole else "at most " if several else ""
        )  # some rows learn nothing
        left = f"forecast: {bound}about {duration(seconds)}"
        return (
            f"{left}; Ctrl-C saves what is done, metaplast resume goes on"
            if seconds >= DAY
            else left
        )


class Bars(Screen):
    """One bar for every stage, with what it counts and the time that is left."""

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
        count = f"{_number(done)}/{_number(total)} {self.counted.unit}"
        self.bars.update(
            self.known[name], completed=done, total=total, count=count, left=self._left(name)
        )

    def stage(self, name: str, total: float) -> None:
        self.bars.start()  # only now: an error before the first step stays one line
        self.known[name] = self.bars.add_task(name, total=total, count="", left="")

    def write(self, line: str) -> None:
        self.bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _left(self, name: str) -> str:
        """Nothing where it is not known: never no time while work goes on."""
        stage = self.pace.stages[name]
        if stage.done >= stage.total:
            return "done" if self.counted.once else ""
        if stage.pace is None or not self.counted.once:
            return ""
        return f"{duration((stage.total - stage.done) * stage.pace)} left"


def _number(count: float) -> str:
    """At most nine characters, as long as there are fewer than 10^10."""
    if count >= MANY:
        return f"{count / 1e6:,.1f}M"
    return f"{count:,}" if isinstance(count, int) else f"{count:.2f}"


@contextmanager
def progress(quiet: bool, counted: Counted) -> Iterator[Screen]:
    """Bars on a terminal; plain lines where stderr goes elsewhere; nothing where `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield Screen(quiet, counted)
        return
    bars = Bars(counted)
    try:
        yield bars
    finally:
        if bars.known:
            bars.bars.stop()
