"""The commands that a job carries out: to begin a run or a member of a sweep, and to go on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.clusters.script import INDEX, Commands
from metaplast.registry import BadInput
from metaplast.runs import folder
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.runs.lifecycle import Means, Request
from metaplast.sweeping.axes import words_of
from metaplast.sweeping.kind import KIND as SWEEPING
from metaplast.sweeping.members import Origin
from metaplast.sweeping.request import request_of
from metaplast.training import group

DISTRIBUTED = "distributed"


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
        words = self.of_plugins()
        if self.jobs is not None:
            words += ["--jobs", str(self.jobs)]
        return [*words, "--quiet"]

    def of_plugins(self) -> list[str]:
        """The words of the options that import plug-ins."""
        words = []
        for module in self.modules:
            words += ["--import", module]
        return words


def check_words(words: Sequence[str]) -> None:
    """Raises: BadInput for a line that a script cannot hold, and for words that `launch` adds."""
    for word in words:
        if not word.isprintable():
            raise BadInput(word, "a line without control characters", "take them out")
        if word.partition("=")[0].partition(".")[0] == DISTRIBUTED:
            raise BadInput(
                word, "--nodes or --tasks-per-node, to which launch adds it", "leave it out"
            )


class Target(NamedTuple):
    """What a launch trains.

    run: the folder of a run or of a sweep, as an absolute path.
    commands: of its jobs.
    members: the names of the members of a sweep; () for one run.
    sweep: the request of a sweep; None for one run.
    """

    run: Path
    commands: Commands
    members: Sequence[str] = ()
    sweep: Request | None = None


def a_run(words: Sequence[str], run_dir: Path | None, given: Given, n_tasks: int) -> Target:
    """One run, whose words are checked. The memory of this machine is not asked.

    Args:
        words: of `metaplast train`.
        run_dir: its folder; None: a new one.
        given: the options.
        n_tasks: its processes.

    Raises: BadInput for words that cannot be trained.
    """
    several, plain = group.split(compose(words, Sources(given.config_dir), given.config))
    job = parse(plain)
    new = folder.fresh_path(job.main.experiment, several.label(job.main.seed))
    run = (run_dir or new).absolute()
    several.runs(job, run)
    return Target(run, of_run(words, run, given, n_tasks))


def a_sweep(words: Sequence[str], run_dir: Path | None, given: Given) -> Target:
    """A sweep, whose members are checked.

    Args:
        words: of `metaplast sweep`.
        run_dir: its folder; None: a new one.
        given: the options.

    Raises: BadInput for words that do not go together.
    """
    origin = Origin(Sources(given.config_dir), given.config)
    request = request_of(words_of(words), origin, given.modules)
    plan = SWEEPING.check(request, run_dir, Means())
    run = plan.folder.absolute()
    names = [member.name for member in plan.sweep.members]
    return Target(run, of_sweep(run, given), names, request)


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
        go_on.insert(2, f"{DISTRIBUTED}=auto")
    return Commands(begin, go_on)


def of_sweep(run: Path, given: Given) -> Commands:
    """The commands of a sweep. The one that begins a member also goes on with it.

    Args:
        run: the folder of the sweep.
        given: the options.
    """
    member = ["sweep", "--run-dir", str(run), "--member", INDEX, *given.of_process()]
    plugins = given.of_plugins()
    gather = ["resume", str(run), *plugins, "--quiet"]
    return Commands(member, member, gather, ["compare", str(run), *plugins])
