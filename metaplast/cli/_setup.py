"""What the verbs that compute share: the compilation cache, imported plug-ins, progress."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from metaplast.registry import BadInput

if TYPE_CHECKING:
    from metaplast.launch.run import Progress  # it imports JAX


def prepare(modules: Sequence[str] = ()) -> None:
    """Switch on the on-disk compilation cache (private to the user) and import the user's plug-ins.

    Set as environment variables before JAX is imported, so that worker processes inherit them.
    """
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metaplast" / "jax"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    except (OSError, RuntimeError):
        pass  # a read-only home: compile every time
    if modules:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            import_module(module)
        except (ImportError, TypeError, ValueError) as error:
            raise BadInput(
                f"--import {module}: {error}", "an importable module", "correct the name or install it"
            ) from None


@contextmanager
def progress(quiet: bool) -> "Iterator[Progress]":
    """One bar per row on stderr, with a forecast of the time that is left once a few steps are done."""
    if quiet:
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    times = (TimeElapsedColumn(), TextColumn("about"), TimeRemainingColumn(), TextColumn("left"))
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), *times)
    bars = Bars(*columns, console=Console(stderr=True), transient=True)
    known: dict[str, TaskID] = {}

    def show(name: str, done: int, total: int) -> None:
        if done and name not in known:
            bars.start()  # only now: an error before the first step stays one line
            known[name] = bars.add_task(name, total=total)
        if name in known:
            bars.update(known[name], completed=done)

    try:
        yield show
    finally:
        if known:
            bars.stop()
