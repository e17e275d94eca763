"""What the verbs that compute share: the compilation cache, imported plug-ins, progress."""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import click

from metaplast.registry import BadInput


def prepare(modules: Sequence[str] = ()) -> None:
    """Switch on the on-disk compilation cache (private to the user) and import the user's plug-ins.

    Set as environment variables before JAX is imported, so that worker processes inherit them.
    """
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")  # of a worker: else what a compilation took is kept in many pieces
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metaplast" / "jax"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    except (OSError, RuntimeError):
        pass  # a read-only home: compile every time
    import_plugins(modules)


def import_plugins(modules: Sequence[str]) -> None:
    """Import the user's own modules, so that what they register is found by name. Raises: BadInput for one that fails,
    whatever it fails with."""
    if modules:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            import_module(module)
        except Exception as error:
            raise BadInput(f"--import {module}: {_reason(error)}", "an importable module", _fix_of(module)) from error


def _reason(error: Exception) -> str:
    """An error of the user's own module by its kind and place, one of looking for it by its words."""
    if isinstance(error, ImportError | TypeError | ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = last.filename == __file__ or last.filename.startswith("<")  # a module that did not begin to run
    place = "" if ours else f" in {Path(last.filename).name}, line {last.lineno}"
    return f"{type(error).__name__}: {error}{place}"


def _fix_of(module: str) -> str:
    if module.endswith(".py"):
        return f"name the module, not its file: --import {module.removesuffix('.py').replace(os.sep, '.')}"
    return "correct the name or install it; --debug shows where it fails"


class Screen:
    """What is seen of a run under way, on stderr: a line for what is done; here no bars."""

    def __init__(self, silent: bool) -> None:
        self.silent = silent

    def __call__(self, name: str, done: int, total: int) -> None:
        pass

    def say(self, line: str) -> None:
        if not self.silent:
            click.echo(line, err=True)


class Bars(Screen):
    """One bar per row, with a forecast of the time that is left once a few steps are done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        super().__init__(silent=False)
        left = (TextColumn("about"), TimeRemainingColumn(), TextColumn("left"))
        counts = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        name = TextColumn("{task.description:<24}")
        self.bars = Progress(name, *counts, *left, console=Console(stderr=True), transient=True)
        self.known: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if done and name not in self.known:
            self.bars.start()  # only now: an error before the first step stays one line
            self.known[name] = self.bars.add_task(name, total=total)
        if name in self.known:
            self.bars.update(self.known[name], completed=done)

    def say(self, line: str) -> None:
        self.bars.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress(quiet: bool) -> Iterator[Screen]:
    """Bars on a terminal; plain lines where stderr goes elsewhere; nothing where `quiet`."""
    if quiet or not sys.stderr.isatty():
        yield Screen(silent=quiet)
        return
    bars = Bars()
    try:
        yield bars
    finally:
        if bars.known:
            bars.bars.stop()
