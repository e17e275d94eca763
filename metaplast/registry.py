"""Plug-ins by kind and name: one file each, file name = registered name. The only place that
dispatches on a string.

Outside packages join through entry points (`metaplast.rules`, `metaplast.tasks`, ...) or by being
imported (`--import MODULE`). A name that is not among `names(kind)` never leads to an import.
"""

import difflib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=type)

KINDS: dict[
    str, tuple[str, str]
] = {  # kind -> (its package, its plural: CLI word, config group, entry-point group)
    "rule": ("metaplast.rules", "rules"),
    "neuron": ("metaplast.neurons", "neurons"),
    "connection": ("metaplast.connections", "connections"),
    "transmission": ("metaplast.transmission", "transmissions"),
    "network": ("metaplast.networks", "networks"),
    "feedback": ("metaplast.feedback", "feedbacks"),
    "genome": ("metaplast.genomes", "genomes"),
    "objective": ("metaplast.objectives", "objectives"),
    "likelihood": ("metaplast.likelihoods", "likelihoods"),
    "task": ("inner_tasks", "tasks"),
    "outer": ("outer_loops", "outer"),
    "reference": ("metaplast.references", "references"),
    "logging": ("metaplast.runs.loggers", "loggers"),
}

_registered: dict[tuple[str, str], type] = {}


class BadInput(ValueError):
    """Something given from outside is wrong: what was given, what is expected, how to fix it, on
    one line.
    """

    def __init__(self, what: str, expected: str, fix: str) -> None:
        self.what, self.expected, self.fix = what, expected, fix
        super().__init__(f"{what} - expected {expected} - {fix}")

    def __reduce__(self) -> tuple:
        return type(self), (self.what, self.expected, self.fix)  # it crosses from worker processes


def register(kind: str, name: str) -> Callable[[T], T]:
    """Enrol a class under `name`, which must be the snake_case of the class name.

    Raises: ValueError for an unknown kind, a name that differs from the class, or a name already
    taken.
    """
    if kind not in KINDS:
        raise BadInput(
            f"kind {kind!r}", f"one of {', '.join(KINDS)}", "correct the kind in @register"
        )

    def enrol(cls: T) -> T:
        if _snake(cls.__name__) != name:
            raise BadInput(
                f"name {name!r} of {cls.__name__}",
                repr(_snake(cls.__name__)),
                "rename the one or the other",
            )
        taken = _registered.get((kind, name))
        if taken is not None and (taken.__module__, taken.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise BadInput(
                f"{kind} {name!r}", f"a free name: {taken.__module__} has it", "choose another name"
            )
        _registered[(kind, name)] = cls
        return cls

    return enrol


def names(kind: str) -> tuple[str, ...]:
    """Every name of a kind that `find` accepts, sorted: files of the room, entry points, imported
    modules.
    """
    package = importlib.import_module(KINDS[kind][0])
    files = [
        m.name
        for m in pkgutil.iter_modules(package.__path__)
        if m.name != "base" and not m.name.startswith("_")
    ]
    loose = [name for (of_kind, name) in _registered if of_kind == kind]
    return tuple(sorted({*files, *_entry_points(kind), *loose}))


def find(kind: str, name: str) -> type[Any]:
    """The class registered under `name`.

    Raises: BadInput that names the nearest known name.
    """
    if (kind, name) not in _registered:
        known = names(kind)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"see 'metaplast list {KINDS[kind][1]}'"
            )
            raise BadInput(f"{kind} {name!r}", f"one of {', '.join(known)}", hint)
        points = _entry_points(kind)
        if name in points:
            points[name].load()
        else:
            importlib.import_module(f"{KINDS[kind][0]}.{name}")
    if (kind, name) not in _registered:
        raise BadInput(
            f"{kind} {name!r}",
            f"a class decorated with @register({kind!r}, {name!r})",
            "add it to that file",
        )
    return _registered[(kind, name)]


def classes(kind: str) -> tuple[type, ...]:
    """The classes of a kind seen so far."""
    return tuple(cls for (of_kind, _), cls in _registered.items() if of_kind == kind)


def name_of(cls: type) -> str:
    """The name a class is registered under; empty for a class that is no plug-in."""
    return next((name for (_, name), known in _registered.items() if known is cls), "")


def _entry_points(kind: str) -> dict[str, importlib.metadata.EntryPoint]:
    return {
        point.name: point
        for point in importlib.metadata.entry_points(group=f"metaplast.{KINDS[kind][1]}")
    }


def _snake(name: str) -> str:
    """snake_case; a last underscore, as in `None_`, only keeps clear of a word of Python."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().removesuffix("_")
