"""The commands that a job carries out: to begin a run or a member of a sweep, and to go on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.clusters.script import INDEX
from metaplast.registry import BadInput
from metaplast.runs import folder
from metaplast.runs.config import Plain
from metaplast.runs.job import parse
from metaplast.training import group

DISTRIBUTED = "distributed"


class Commands(NamedTuple):
    """The words of two commands of `metaplast`.

    begin: the words of the command that begins a run.
    go_on: the words of the command that goes on with it.
    """

    begin: list[str]
    go_on: list[str]


class Given(NamedTuple):
    """Options of `metaplast launch` that go on to the program.

    config: a whole config.
    config_dir: the user's config groups.
    modules: plug-ins.
    jobs: rows at a time.
    """

    config: Path | None = None
    config_dir: Path | None = None
    modules: Sequence[str] = ()
    jobs: int | None = None

    def of_config(self) -> list[str]:
        """The words of the options that say where configs come from."""
        words = []
        if self.config is not None:
            words += ["--config", str(self.config)]
        if self.config_dir is not None:
            words += ["--config-dir", str(self.config_dir)]
        return words

    def of_process(self) -> list[str]:
        """The words of the options that every process of a run gets."""
        words = []
        for module in self.modules:
            words += ["--import", module]
        if self.jobs is not None:
            words += ["--jobs", str(self.jobs)]
        return [*words, "--quiet"]


def check_words(words: Sequence[str]) -> None:
    """Raises: BadInput for a line that a script cannot hold, and for words that `launch` adds."""
    for word in words:
        if not word.isprintable():
            raise BadInput(word, "a line without control characters", "take them out")
        if word.partition("=")[0].partition(".")[0] == DISTRIBUTED:
            raise BadInput(
                word, "--nodes or --tasks-per-node, to which launch adds it", "leave it out"
            )


def place_of(plain: Plain) -> Path:
    """A new folder for a run, whose config is checked. The memory of this machine is not asked.

    Args:
        plain: the composed config.

    Raises: BadInput for a config that cannot be trained.
    """
    several, rest = group.split(plain)
    job = parse(rest)
    path = folder.fresh_path(job.main.experiment, several.label(job.main.seed))
    several.runs(job, path)
    return path


def of_run(words: Sequence[str], run: Path, given: Given, n_tasks: int) -> Commands:
    """The commands of one run.

    Args:
        words: of the run.
        run: its folder.
        given: the options.
        n_tasks: its processes.
    """
    process = given.of_process()
    begin = ["train", *words, *given.of_config(), "--run-dir", str(run), *process]
    go_on = ["resume", str(run), *process]
    if n_tasks > 1:
        begin.insert(1 + len(words), f"{DISTRIBUTED}=auto")
        go_on += [f"--{DISTRIBUTED}", "auto"]
    return Commands(begin, go_on)


def of_member(run: Path, given: Given) -> Commands:
    """The commands of a member of the sweep in a folder: one command begins it and goes on."""
    words = ["sweep", "--run-dir", str(run), "--member", INDEX, *given.of_process()]
    return Commands(words, words)
