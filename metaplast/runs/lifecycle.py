"""One protocol for every kind of run: check, create, lock, log, execute, resume, render.

A kind of run is a folder of this package with a `kind.py`, which holds one `RunKind` named KIND.
`metaplast resume` and `metaplast compare` find the kind of a run folder by its marker file.
"""

import hashlib
import importlib
import importlib.util
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import jax

from metaplast import registry
from metaplast.registry import BadInput
from metaplast.runs import environment, folder, provenance, saver
from metaplast.runs.config import Plain, read_file, to_yaml
from metaplast.runs.counted import Counted
from metaplast.runs.files import reader_of
from metaplast.runs.stopping import Stop, stoppable
from metaplast.runs.workers import Joined
from metaplast.settings.names import CONFIG, MARK_OF_INTERRUPTED

PACKAGE = "metaplast"
Progress = Callable[[str, float, float], None]
"""progress(stage, done, total) shows how far a stage is."""
Say = Callable[[str], None]
"""say(line) shows a line of text."""


class Request(NamedTuple):
    """The request of a user.

    plain: the composed config. It becomes config.yaml.
    options: options of the command line beside the config. They become the marker file, as JSON.
    """

    plain: Plain
    options: dict[str, Any] = {}  # noqa: RUF012  (never changed)


@dataclass(frozen=True)
class Means:
    """The means of a run. They do not change its results.

    progress: shows how far each stage is.
    say: shows a line of text.
    jobs: rows at a time; None: two where there are two cores and memory for two, else one.
    modules: plug-ins that every worker process imports first.
    command: the command of the run, as it was given; "" where there is none.
    lives_on: whether this process outlives the run, as that of a notebook does.
    stop: the signals of the run. `execute` gets those to which the run listens.
    joined: the worker that shares the job with other processes; None: there is one process.
    """

    progress: Progress = lambda stage, done, total: None
    say: Say = lambda line: None
    jobs: int | None = None
    modules: tuple[str, ...] = ()
    command: str = ""
    lives_on: bool = False
    stop: Stop = field(default_factory=lambda: Stop(None))
    joined: Joined | None = None

    @property
    def follows(self) -> bool:
        """Whether another process of the job writes the run."""
        return self.joined is not None and not self.joined.place.is_first


class CompareOptions(NamedTuple):
    """The form of a comparison of finished runs.

    row: the row whose differences to a reference are shown.
    against: the rows among which the reference is chosen.
    out: a file for a figure, or None.
    """

    row: str
    against: tuple[str, ...] = ()
    out: Path | None = None


class Checked(Protocol):
    """A checked request: the plan of a run."""

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        ...


Plan = TypeVar("Plan", bound=Checked)


class RunKind(ABC, Generic[Plan]):
    """A kind of run.

    marker: name of the file that marks a folder of this kind from its first moment. A kind with ""
        has no such file.
    noun: the word for runs of this kind, in the plural.
    counted: the counts by which progress is shown.
    compare_options: the fields of CompareOptions that `compare` reads.
    rows_at_a_time: whether `Means.jobs` counts: rows are done in worker processes.
    """

    marker: ClassVar[str]
    noun: ClassVar[str]
    counted: ClassVar[Counted]
    compare_options: ClassVar[tuple[str, ...]] = ()
    rows_at_a_time: ClassVar[bool] = False

    @abstractmethod
    def check(self, request: Request, path: Path | None, means: Means) -> Plan:
        """The plan of a request. Nothing on disk changes.

        Args:
            request: the config and the options.
            path: the folder of the run; None: a new name.
            means: workers and plug-ins.

        Raises: BadInput for a request that cannot be carried out.
        """

    def config(self, request: Request) -> Plain:
        """The config for config.yaml."""
        return request.plain

    def files(self, request: Request) -> dict[str, str]:
        """{name: SHA-256} of the files of data that a checked request reads."""
        return {}

    def settled(self, request: Request, means: Means) -> Request:
        """The request of a new run, with the choices made that it leaves open.

        A resumed run reads the choices from its config. Raises: BadInput.
        """
        return request

    def has_spikes(self, request: Request) -> bool:
        """Whether a population of a checked request may spike."""
        return True

    def n_devices(self, request: Request) -> int:
        """The devices of one process for which a checked request asks."""
        return 1

    def begin(self, plan: Plan, means: Means) -> None:
        """Show the first lines of a new run. A resumed run does not show them."""

    @abstractmethod
    def execute(self, plan: Plan, means: Means) -> None:
        """Do all parts of a run that are not finished.

        It calls `means.stop.check` at good places to end. A signal saves the rows that train in
        this process, see `saver.SAVER`.
        """

    @abstractmethod
    def finished(self, path: Path) -> bool:
        """Whether the run in a folder is finished."""

    @abstractmethod
    def render(self, path: Path, as_json: bool = False) -> str:
        """The result of a run as text or as JSON. Raises: BadInput for an unfinished run."""

    @abstractmethod
    def compare(self, paths: Sequence[Path], how: CompareOptions) -> str:
        """A table that lays finished runs side by side. Raises: BadInput for an unfinished run."""

    def demand_whole(self, path: Path) -> None:
        """Check that every part of a run has a result.

        Raises: an error with an exit code where a part has none.
        """


def start(kind: RunKind[Plan], request: Request, path: Path | None, means: Means) -> Path:
    """Begin a run and carry it out. Nothing on disk changes where the request is wrong.

    Args:
        kind: the kind of run.
        request: the config and the options.
        path: the folder, new or empty; None: runs/<date>-...
        means: progress, workers, plug-ins.

    Returns: the folder of the run.
    Raises: BadInput, folder.Busy, stopping.Interrupted, OSError, and the errors of the kind.
    """
    request = kind.settled(request, means)
    plan = kind.check(request, path, means)
    run = folder.create(plan.folder)
    with opened(kind, request, run, means), folder.logging_to(run):
        kind.begin(plan, means)
        _execute(kind, plan, means)
    return run


def lay_out(kind: RunKind[Plan], request: Request, path: Path | None, means: Means) -> Path:
    """Make the folder of a run without carrying it out. `resume` does that.

    The arguments, the result and the errors are those of `start`.
    """
    request = kind.settled(request, means)
    plan = kind.check(request, path, means)
    run = folder.create(plan.folder)
    with opened(kind, request, run, means):
        kind.begin(plan, means)
    return run


def resume(run: Path, means: Means) -> Path:
    """Go on with a run that was stopped. Finished parts are kept. A finished run stays as it is.

    Args:
        run: the folder of the run.
        means: progress, workers, plug-ins.

    Returns: the folder of the run.
    Raises: the errors of `start`; BadInput where the config was changed; checkpoint.NoCheckpoint.
    """
    folder.check_idle(run)
    kind = kind_of(run)
    request = _recorded(kind, run)
    plan = None if kind.finished(run) else kind.check(request, run, means)
    with folder.locked(run), folder.logging_to(run):
        n = {} if plan is None else n_devices(kind, request, means)
        if not means.follows:
            here = _environment(means) | n
            environment.warn_of_other_versions(run, kind.has_spikes(request), here)
        if plan is not None:
            environment.record_devices(run, n)
            _execute(kind, plan, means)
    return run


@contextmanager
def opened(
    kind: RunKind[Any], request: Request, run: Path, means: Means | None = None
) -> Iterator[None]:
    """Hold the lock of a run folder, in which the files of the request stand.

    A new folder is made, and gets them. A folder that has them all stays as it is.

    Args:
        kind: the kind of run.
        request: the config and the options.
        run: the folder of the run, or of one run of a group.
        means: of the run, whose command and plug-ins are recorded; None: not known.

    Raises: folder.Busy, OSError.
    """
    run.mkdir(exist_ok=True)
    with folder.locked(run):
        # It is written last.
        if not (run / environment.FILE).is_file():
            text = to_yaml(kind.config(request))
            if kind.marker:
                folder.write_json(run / kind.marker, {**request.options, "config": _digest(text)})
            folder.write_text(run / CONFIG, text)
            how = means or Means()
            modules = how.modules if how.command else _used(how.modules, text)
            provenance.record(run, how.command, kind.files(request), modules)
            facts = _environment(how) | n_devices(kind, request, how)
            folder.write_json(run / environment.FILE, facts)
        yield


def _environment(means: Means) -> dict[str, Any]:
    """The facts of the process that does the work, see `environment.environment`."""
    if means.joined is not None:
        return dict(means.joined.environment)
    return dict(environment.environment())


def n_devices(kind: RunKind[Any], request: Request, means: Means) -> dict[str, int]:
    """The numbers of `processes`, and of their `devices`, that carry out a checked request.

    Args:
        kind: the kind of run.
        request: the config and the options.
        means: of the run.
    """
    if means.joined is not None:
        place = means.joined.place
        return {"processes": place.processes, "devices": place.devices}
    asked = kind.n_devices(request)
    return {"processes": 1, "devices": min(asked, jax.local_device_count())}


def _used(modules: Sequence[str], text: str) -> list[str]:
    """The modules whose plug-ins a config names.

    A run from Python has every module with plug-ins that this process imported so far.
    """
    words = set(re.findall(r"\w+", text))
    used = set()
    for kind in registry.KINDS:
        for cls in registry.classes(kind):
            if cls.__module__ in modules and registry.name_of(cls) in words:
                used.add(cls.__module__)
    return sorted(used)


def kind_of(run: Path) -> RunKind[Any]:
    """The kind of a run folder: the kind whose marker it holds, else the kind without a marker."""
    unmarked = []
    for kind in kinds():
        if not kind.marker:
            unmarked.append(kind)
        elif (run / kind.marker).is_file():
            return kind
    return unmarked[0]


def check_jobs(kind: RunKind[Any], jobs: int | None, option: str) -> None:
    """Check that a number of rows at a time means something for a kind.

    Args:
        kind: the kind of run.
        jobs: rows at a time; None: not given.
        option: the name under which it was given.

    Raises: BadInput where it is given and the kind does one row after the other.
    """
    if jobs is not None and not kind.rows_at_a_time:
        raise BadInput(
            f"{option} with {kind.noun}", "this option with training runs", "leave it out"
        )


def kind_of_all(runs: Sequence[Path]) -> RunKind[Any]:
    """The kind of several runs. Raises: BadInput for no folder, and for runs of several kinds."""
    for run in runs:
        if not run.is_dir():
            fix = reader_of(str(run)) or f"did you mean experiment={run}?"
            raise BadInput(f"{run}", "a run folder, or words", fix)
    kind = kind_of(runs[0])
    for run in runs:
        other = kind_of(run)
        if other is not kind:
            raise BadInput(
                f"{run} beside {runs[0]}",
                f"runs of one kind, not {other.noun} beside {kind.noun}",
                "compare them one by one",
            )
    return kind


def kinds() -> list[RunKind[Any]]:
    """All kinds of run: the KIND of each folder of this package that has a kind.py."""
    every_kind = []
    for module in pkgutil.iter_modules(importlib.import_module(PACKAGE).__path__, f"{PACKAGE}."):
        name = f"{module.name}.kind"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            every_kind.append(importlib.import_module(name).KIND)
    return every_kind


def _recorded(kind: RunKind[Any], run: Path) -> Request:
    """The request with which a run began.

    Raises: BadInput where its config was changed, and for a damaged marker.
    """
    plain = read_file(run / CONFIG)
    if not kind.marker:
        # The checkpoints of each row hold the digest of their config.
        return Request(plain)
    options = folder.read_json(run / kind.marker)
    if not isinstance(options, dict):
        raise BadInput(
            f"{run / kind.marker}, of another form", "a JSON object", "restore it, or run again"
        )
    # A fit of version 0.1 has no digest.
    digest = options.pop("config", None)
    if digest not in (None, _digest((run / CONFIG).read_text())):
        raise BadInput(f"{run}/{CONFIG}, changed", "the config it began with", "start a new run")
    return Request(plain, options)


def _execute(kind: RunKind[Plan], plan: Plan, means: Means) -> None:
    saver.SAVER.renew()
    (plan.folder / MARK_OF_INTERRUPTED).unlink(missing_ok=True)
    with stoppable(plan.folder, saver.SAVER.end, lives_on=means.lives_on) as stop:
        kind.execute(plan, replace(means, stop=stop))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
