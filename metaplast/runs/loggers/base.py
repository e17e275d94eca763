"""Where else the numbers of a run go, beside its folder. A logger runs in a process of its own that
reads the folder
(see follow.py): nothing that it does, or fails to do, can touch the run."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.spec import Count, spec

Plain = dict[str, Any]


class Sink(NamedTuple):
    """log(row, outer_step, numbers): one line of metrics; finish(run, summary): the run has ended,
    `summary` is None where it did not come to its end."""

    log: Callable[[str, int, Mapping[str, float]], None]
    finish: Callable[[Path, Plain | None], None]


@spec
class AbstractLogger:
    """every: log one outer step in so many. The run's own metrics.jsonl always holds them all."""

    every: Count = 1

    @property
    def off(self) -> bool:
        """Whether nothing is logged, so that no process is started for it."""
        return False

    def check(self) -> None:
        """Refuse what cannot be logged to. Raises: BadInput."""

    def open(self, run: Path, config: Plain) -> Sink:
        """Called in the logger's own process."""
        raise TypeError(f"{type(self).__name__} opens nothing")
