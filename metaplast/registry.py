"""Plug-ins by kind and name.

A plug-in is one file, and the name of the file is the registered name. This is the only module that
finds a plug-in by a string.

Outside packages join through entry points (`metaplast.rules`, `metaplast.tasks`, ...) or by being
imported (`--import MODULE`). `find` imports only modules that the rooms and entry points list: a
name that is not among them never leads to an import.
"""

import difflib
import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T", bound=type)

Plain = dict[str, Any]
"""Plain data: text, numbers, lists and dicts, as YAML and JSON hold them."""


class Room(NamedTuple):
    """The place of the plug-ins of one kind.

    package: the room, a package whose files, also those in its folders, are the plug-ins.
    plural: the word of the command line, the group of configs and the last part of the entry-point
        group.
    """

    package: str
    plural: str


KINDS: dict[str, Room] = {
    "rule": Room("metaplast.rules", "rules"),
    "neuron": Room("metaplast.neurons", "neurons"),
    "connection": Room("metaplast.connections", "connections"),
    "transmission": Room("metaplast.transmission", "transmissions"),
    "network": Room("metaplast.networks", "networks"),
    "feedback": Room("metaplast.feedback", "feedbacks"),
    "genome": Room("metaplast.genomes", "genomes"),
    "objective": Room("metaplast.objectives", "objectives"),
    "likelihood": Room("metaplast.likelihoods", "likelihoods"),
    "task": Room("inner_tasks", "tasks"),
    "outer": Room("outer_loops", "outer"),
    "reference": Room("metaplast.references", "references"),
    "logging": Room("metaplast.runs.loggers", "loggers"),
}

BASES: dict[str, str] = {
    "AbstractRule": "rule",
    "AbstractNeuron": "neuron",
    "AbstractConnection": "connection",
    "AbstractTransmission": "transmission",
    "AbstractNetwork": "network",
    "AbstractFeedback": "feedback",
    "AbstractGenome": "genome",
    "AbstractObjective": "objective",
    "AbstractLikelihood": "likelihood",
    "AbstractTaskFamily": "task",
    "AbstractOuterLoop": "outer",
    "AbstractReference": "reference",
    "AbstractLogger": "logging",
}
"""{base of the plug-ins of a kind: the kind}"""

OLD_NAMES: dict[tuple[str, str], str] = {
    ("rule", "voltage"): "clopath",
    ("task", "target_rate"): "homeostasis",
    ("task", "rewarded_patterns"): "spike_pattern_reward",
}
"""(kind, name of an earlier version) -> the name of today.

An old name is accepted for ever in configs, rule files and `find`. It warns once per process.
"""

_registered: dict[tuple[str, str], type] = {}
_warned: set[tuple[str, str]] = set()


class BadInput(ValueError):
    """An input from outside is wrong. The message is one line: `what - expected - fix`.

    Args:
        what: the input as it was given.
        expected: a description of the inputs that are right.
        fix: how to correct it.
    """

    def __init__(self, what: str, expected: str, fix: str) -> None:
        self.what = what
        self.expected = expected
        self.fix = fix
        super().__init__(f"{what} - expected {expected} - {fix}")

    def __reduce__(self) -> tuple:
        # It is pickled on its way out of a worker process.
        return type(self), (self.what, self.expected, self.fix)

    def within(self, where: str) -> "BadInput":
        """The same error with the place of the input before it."""
        return type(self)(f"{where}{self.what}", self.expected, self.fix)


class NotInstalled(BadInput):
    """What an input needs is right, but its package is not on this machine."""


_USUAL = {"lr": "learning_rate"}
"""{short name that is usual elsewhere: the name here}"""


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """The fix of a `BadInput` for an unknown name: a question after the nearest known name.

    Args:
        name: the unknown name.
        known: the known names.
        otherwise: the fix where no known name is near.
    """
    known = list(known)
    usual = _USUAL.get(name)
    if usual in known:
        return f"did you mean {usual!r}?"
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise


def register(kind: str, name: str) -> Callable[[T], T]:
    """Enrol a class as a plug-in: `@register("rule", "my_rule")` above `class MyRule`.

    Args:
        kind: one of KINDS.
        name: the snake_case of the class name.

    Returns: the decorator, which returns the class unchanged.

    Raises: BadInput for an unknown kind, a name that differs from the class, or a name that is
        taken, today or by a plug-in that had it in an earlier version.
    """
    if kind not in KINDS:
        expected = f"one of {', '.join(KINDS)}"
        raise BadInput(f"kind {kind!r}", expected, "correct the kind in @register")

    def enrol(cls: T) -> T:
        class_name = snake_case(cls.__name__)
        if class_name != name:
            what = f"name {name!r} of {cls.__name__}"
            raise BadInput(what, repr(class_name), "rename the one or the other")
        if (kind, name) in OLD_NAMES:
            expected = f"a free name: it is the old name of {OLD_NAMES[kind, name]!r}"
            raise BadInput(f"{kind} {name!r}", expected, "choose another name")
        holder = _registered.get((kind, name))
        if holder is not None and _place(holder) != _place(cls):
            expected = f"a free name: {holder.__module__} has it"
            raise BadInput(f"{kind} {name!r}", expected, "choose another name")
        _registered[(kind, name)] = cls
        return cls

    return enrol


def names(kind: str) -> tuple[str, ...]:
    """The names of a kind, sorted: files of the room, entry points, and imported modules.

    `find` accepts all of these, and the old names of OLD_NAMES too.

    Args:
        kind: one of KINDS.
    """
    imported = [name for (of_kind, name) in _registered if of_kind == kind]
    return tuple(sorted({*_modules(kind), *_entry_points(kind), *imported}))


def has(kind: str, name: Any) -> bool:
    """Whether `find` accepts a name, be it of today or of an earlier version.

    Args:
        kind: one of KINDS.
        name: the name, or anything else that stands in a file in its place.
    """
    return isinstance(name, str) and OLD_NAMES.get((kind, name), name) in names(kind)


def current_name(kind: str, name: str) -> str:
    """The name of today of a plug-in. An old name warns, once per process.

    Args:
        kind: one of KINDS.
        name: a name of today, a name of an earlier version, or any other text, which is returned.
    """
    new = OLD_NAMES.get((kind, name))
    if new is None:
        return name
    if (kind, name) not in _warned:
        _warned.add((kind, name))
        message = f"{kind} {name!r} is called {new!r} now; the old name still works"
        warnings.warn(message, FutureWarning, stacklevel=2)
    return new


def find(kind: str, name: str) -> type[Any]:
    """The class that is registered under a name.

    Args:
        kind: one of KINDS.
        name: one of `names(kind)`, or an old name of OLD_NAMES.

    Raises: BadInput for an unknown name, with the nearest known one, or for a file that does not
        register its class.
    """
    name = current_name(kind, name)
    if (kind, name) not in _registered:
        _load(kind, name)
    if (kind, name) not in _registered:
        expected = f"a class decorated with @register({kind!r}, {name!r})"
        raise BadInput(f"{kind} {name!r}", expected, "add it to that file")
    return _registered[(kind, name)]


def classes(kind: str) -> tuple[type, ...]:
    """The classes of a kind that are registered so far.

    Args:
        kind: one of KINDS.
    """
    return tuple(cls for (of_kind, _), cls in _registered.items() if of_kind == kind)


def name_of(cls: type) -> str:
    """The name under which a class is registered; empty for a class that is no plug-in.

    Args:
        cls: any class.
    """
    for (_, name), known in _registered.items():
        if known is cls:
            return name
    return ""


def kind_of(cls: type) -> str:
    """The kind of plug-in that a class is, by its bases; empty for a class that is none.

    Args:
        cls: any class.
    """
    for base in cls.__mro__:
        if base.__name__ in BASES:
            return BASES[base.__name__]
    return ""


def _load(kind: str, name: str) -> None:
    """Import the module that registers a plug-in. Raises: BadInput for an unknown name."""
    points = _entry_points(kind)
    modules = _modules(kind)
    if name in points:
        points[name].load()
    elif name in modules:
        importlib.import_module(modules[name])
    else:
        known = names(kind)
        fix = nearest(name, known, f"see 'metaplast list {KINDS[kind].plural}'")
        raise BadInput(f"{kind} {name!r}", f"one of {', '.join(known)}", fix)


def _modules(kind: str) -> dict[str, str]:
    """{name of a plug-in: its module}, for every file of the room and of the folders in it.

    Files and folders whose name begins with an underscore are no plug-ins, nor is `base`.

    Raises: BadInput for two files of one name.
    """
    package = importlib.import_module(KINDS[kind].package)
    modules: dict[str, str] = {}
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        path = module.name.removeprefix(f"{package.__name__}.").split(".")
        name = path[-1]
        if module.ispkg or name == "base" or any(part.startswith("_") for part in path):
            continue
        if modules.setdefault(name, module.name) != module.name:
            what = f"{module.name} beside {modules[name]}"
            raise BadInput(what, f"one {kind} {name!r}", "rename one of the files")
    return modules


@cache
def _entry_points(kind: str) -> dict[str, importlib.metadata.EntryPoint]:
    """{name: entry point} of a kind, from all installed packages.

    They are read once: a run asks 66 times, and every look reads files of all packages.
    """
    group = f"metaplast.{KINDS[kind].plural}"
    return {point.name: point for point in importlib.metadata.entry_points(group=group)}


def _place(cls: type) -> tuple[str, str]:
    """The module and the name of a class.

    A module that is imported twice defines the same class twice.
    """
    return cls.__module__, cls.__qualname__


def snake_case(name: str) -> str:
    """The snake_case of a class name.

    A last underscore, as in `None_`, is dropped: it only avoids a word of Python.
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().removesuffix("_")
