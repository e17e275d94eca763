"""A finished run, as a page reads it."""

from pathlib import Path
from typing import NamedTuple

from metaplast.results.summary import RunSummary
from metaplast.reuse.ask import whole
from metaplast.reuse.rule_file import RuleFile, read_rule
from metaplast.runs.job import Job, parse
from metaplast.runs.same_setting import config_of_finished
from metaplast.settings.names import RULE_FILE
from metaplast.training.summary import read_summary


class FinishedRun(NamedTuple):
    """A finished run.

    path: folder of the run
    job: rows of the run
    summary: of the run
    rule: the rule file; None where nothing was plastic
    """

    path: Path
    job: Job
    summary: RunSummary
    rule: RuleFile | None

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.summary.seed


def read_finished(path: Path) -> FinishedRun:
    """The finished run of a folder. Raises: BadInput for a folder without one."""
    config = config_of_finished(path)
    file = path / RULE_FILE
    rule = None
    if file.is_file():
        rule = whole(read_rule(file))
    return FinishedRun(path, parse(config, check=False), read_summary(path), rule)
