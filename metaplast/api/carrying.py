"""The means of work in the process of a user, which lives on, with its settings as they were."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import jax

from metaplast import registry
from metaplast.api.progress import Screen, shown
from metaplast.figures.style import of_pages
from metaplast.runs import start_up
from metaplast.runs.counted import Counted
from metaplast.runs.lifecycle import Means
from metaplast.runs.stopping import Interrupted

_OURS = ("metaplast", "inner_tasks", "outer_loops", "__main__")
"""Where plug-ins are that a worker needs no module for, or that no module holds."""


@contextmanager
def precision_kept() -> Iterator[None]:
    """Leave the precision of JAX as the user has it."""
    precision = jax.config.read("jax_enable_x64")
    start_up.keep_programs()
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", precision)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the precision of JAX as it is, and draw as the command line does."""
    with precision_kept(), of_pages():
        yield


@contextmanager
def progress(quiet: bool, counted: Counted) -> Iterator[Screen]:
    """The progress of work that leaves the settings of the user as they are.

    Args:
        quiet: whether no progress is shown.
        counted: the counts of the work.
    """
    with undisturbed(), shown(quiet, counted) as show:
        yield show


@contextmanager
def means(quiet: bool, counted: Counted, jobs: int | None = None) -> Iterator[Means]:
    """The means of a run.

    Args:
        quiet: whether no progress is shown.
        counted: the counts of the run.
        jobs: see `Means`.

    Raises: KeyboardInterrupt after Ctrl-C, when all finished steps are saved.
    """
    with stopped_by_hand(), progress(quiet, counted) as show:
        yield Means(show, show.say, jobs, modules(), lives_on=True)


@contextmanager
def stopped_by_hand() -> Iterator[None]:
    """Give the interruption of work to the user as Python gives it.

    Raises: KeyboardInterrupt after Ctrl-C, when all finished steps are saved.
    """
    try:
        yield
    except Interrupted as end:
        if end.number != signal.SIGINT:
            signal.raise_signal(end.number)  # it was meant for this process
        words = "all finished steps are saved; go on with the same call"
        if end.run is not None:
            go_on = f"mp.resume({str(end.run)!r})"
            words = f"{end.run}: all finished steps are saved; go on with {go_on}"
        raise KeyboardInterrupt(words) from None


def modules() -> tuple[str, ...]:
    """The modules of the user's plug-ins that are registered here. Workers import them."""
    names = set()
    for kind in registry.KINDS:
        for cls in registry.classes(kind):
            if cls.__module__.partition(".")[0] not in _OURS:
                names.add(cls.__module__)
    return tuple(sorted(names))
