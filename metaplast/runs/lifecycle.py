"""One protocol for every kind of run: check, create, lock, log, execute, resume, render.

A kind of run is a folder of this package with a `kind.py` that holds one `Kind`, named KIND.
Nothing else names it: `metaplast resume` and `metaplast compare` find the kind of a folder by its
marker.
"""

import hashlib
import importlib
import importlib.util
import json
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import metaplast
from metaplast.registry import BadInput
from metaplast.runs import folder
from metaplast.runs.config import Plain, read_file, to_yaml
from metaplast.runs.counted import Counted
from metaplast.runs.environment import environment, warn_of_other_versions
from metaplast.runs.stopping import stoppable

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
Progress = Callable[[str, float, float], None]
"""(stage, how much of it is done, how much there is)."""
Say = Callable[[str], None]


class Request(NamedTuple):
    """What a user asks for.

    plain: the composed config. It becomes config.yaml.
    options: what the command line says beside the config. It becomes the marker file, as JSON.
    """

    plain: Plain
    options: dict[str, Any] = {}  # noqa: RUF012  (never changed)


@dataclass(frozen=True)
class Means:
    """How a run is carried out. Nothing here changes its results.

    progress: is told how far each stage is.
    say: is given a line of text at times.
    jobs: rows at a time; None: as many as the machine has room for.
    modules: plug-ins that every worker process imports first.
    """

    progress: Progress = lambda stage, done, total: None
    say: Say = lambda line: None
    jobs: int | None = None
    modules: tuple[str, ...] = ()


class Comparison(NamedTuple):
    """How finished runs are laid side by side.

    row: the row whose differences are shown.
    against: the rows that may be the reference.
    out: a file for a figure, or None.
    """

    row: str
    against: tuple[str, ...] = ()
    out: Path | None = None


class Checked(Protocol):
    """A request that was found right."""

    @property
    def folder(self) -> Path: ...


Plan = TypeVar("Plan", bound=Checked)


class Kind(ABC, Generic[Plan]):
    """A kind of run.

    marker: the file that a folder of this kind holds from its first moment. "": config.yaml alone.
    counted: what its progress counts.
    """

    marker: ClassVar[str]
    counted: ClassVar[Counted]

    @abstractmethod
    def check(self, request: Request, path: Path | None, means: Means) -> Plan:
        """The plan of a request, with a new folder where `path` is None. Nothing on disk changes.

        Raises: BadInput for what cannot be done.
        """

    def config(self, request: Request) -> Plain:
        """The config that config.yaml holds."""
        return request.plain

    def begin(self, plan: Plan, means: Means) -> None:
        """What is said once, when a new run begins."""

    @abstractmethod
    def execute(self, plan: Plan, means: Means) -> None:
        """Do everything that is not done yet. Finished parts are kept."""

    @abstractmethod
    def finished(self, path: Path) -> bool:
        """Whether nothing is left to do in a folder."""

    @abstractmethod
    def render(self, path: Path, as_json: bool = False) -> str:
        """The text, or the JSON, that is printed at the end. Raises: BadInput for an unfinished
        run.
        """

    @abstractmethod
    def compare(self, paths: Sequence[Path], how: Comparison) -> str:
        """Finished runs side by side. Raises: BadInput."""

    def demand_whole(self, path: Path) -> None:
        """Raises: an error with an exit code where a part of the run came to no result."""


def start(kind: Kind[Plan], request: Request, path: Path | None, means: Means) -> Path:
    """Begin a run and carry it out.

    Args:
        kind: the kind of run.
        request: the config and the options.
        path: the folder, new or empty; None: runs/<date>-...
        means: progress, workers, plug-ins.

    Returns: the folder. Nothing on disk changes unless the request is right.

    Raises: BadInput, folder.Busy, stopping.Interrupted, OSError, and what the kind raises.
    """
    plan = kind.check(request, path, means)
    run = folder.create(plan.folder)
    with _held(run):
        text = to_yaml(kind.config(request))
        if kind.marker:
            folder.write_json(run / kind.marker, {**request.options, "config": _digest(text)})
        folder.write_text(run / CONFIG, text)
        folder.write_json(run / ENVIRONMENT, environment())
        kind.begin(plan, means)
        _execute(kind, plan, means)
    return run


def resume(run: Path, means: Means) -> Path:
    """Go on with a run that was stopped. Finished parts are kept. A finished run stays as it is.

    Raises: as `start`; BadInput where the config was changed; checkpoint.NoCheckpoint.
    """
    folder.check_idle(run)
    kind = kind_of(run)
    request = _recorded(kind, run)
    plan = None if kind.finished(run) else kind.check(request, run, means)
    with _held(run):
        warn_of_other_versions(run)
        if plan is not None:
            _execute(kind, plan, means)
    return run


def kind_of(run: Path) -> Kind[Any]:
    """The kind of a run folder: the one whose marker it holds, else the one without a marker."""
    unmarked = []
    for kind in kinds():
        if not kind.marker:
            unmarked.append(kind)
        elif (run / kind.marker).is_file():
            return kind
    return unmarked[0]


def kinds() -> list[Kind[Any]]:
    """Every kind of run: KIND of each room of this package that has a kind.py."""
    found = []
    for module in pkgutil.iter_modules(metaplast.__path__, "metaplast."):
        name = f"{module.name}.kind"
        if module.ispkg and importlib.util.find_spec(name) is not None:
            found.append(importlib.import_module(name).KIND)
    return found


def _recorded(kind: Kind[Any], run: Path) -> Request:
    """The request that a folder was begun with. Raises: BadInput where its config is another by
    now.
    """
    plain = read_file(run / CONFIG)
    if not kind.marker:
        return Request(plain)  # each row's checkpoints know the config that they belong to
    options = json.loads((run / kind.marker).read_text())
    digest = options.pop("config", None)  # fits of version 0.1 have none
    if digest not in (None, _digest((run / CONFIG).read_text())):
        raise BadInput(f"{run}/{CONFIG}, changed", "the config it began with", "start a new run")
    return Request(plain, options)


def _execute(kind: Kind[Plan], plan: Plan, means: Means) -> None:
    with stoppable(plan.folder, lambda: None):  # also between its parts
        kind.execute(plan, means)


@contextmanager
def _held(run: Path) -> Iterator[None]:
    with folder.locked(run), folder.logged(run):
        yield


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
