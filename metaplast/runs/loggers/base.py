"""The base of loggers. A logger shows the numbers of a run in another place than the run folder.

It runs in its own process and reads the run folder (follower.py). So an error of a logger cannot
harm the run.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from metaplast.registry import Plain
from metaplast.spec import Count, spec


class Sink(NamedTuple):
    """The functions that receive the numbers of a run.

    log: log(row, outer_step, numbers) receives one line of metrics.
    finish: finish(run, summary) receives the end of the run. `summary` is None for a run that did
        not come to its end.
    """

    log: Callable[[str, int, Mapping[str, float]], None]
    finish: Callable[[Path, Plain | None], None]


@spec
class AbstractLogger:
    """A logger.

    every: outer steps from one logged step to the next. metrics.jsonl always holds all steps.
    """

    every: Count = 1

    @property
    def off(self) -> bool:
        """Whether the logger logs nothing. No process is started then."""
        return False

    def check(self) -> None:
        """Check that the logger can work. Raises: BadInput where it cannot."""

    def open(self, run: Path, config: Plain) -> Sink:
        """Begin to log, in the logger's own process.

        Args:
            run: the folder of the run.
            config: the resolved config of the run.
        """
        raise TypeError(f"{type(self).__name__} opens nothing")
