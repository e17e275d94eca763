"""Config words from keywords of Python: `task={"n_steps": 40}` is the word `task.n_steps=40`."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from typing import Any

from metaplast import registry
from metaplast.registry import BadInput
from metaplast.reuse.load import Rule
from metaplast.runs.merging import GROUPS
from metaplast.spec import encode

SHORT = {"steps": "outer.steps"}
"""{keyword: the word of a config for which it is short}"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def words_of(experiment: str | None, keywords: Mapping[str, Any]) -> list[str]:
    """The words of the command line that say the same as keywords.

    They are in the order of the keywords. Those of SHORT come last.

    A class of a notebook that stands for a plug-in is registered under its name in snake case.

    Args:
        experiment: the name of an experiment; None: none is named.
        keywords: {group or field: its value}. A mapping lays its fields on those of the experiment,
            a spec or its class takes the place of a whole plug-in.

    Raises: BadInput for a value that no config can hold.
    """
    words = []
    if experiment is not None:
        if not isinstance(experiment, str):
            raise BadInput(
                f"experiment {experiment!r}",
                "the name of an experiment",
                "see mp.list('experiments')",
            )
        words.append(f"experiment={experiment}")
    for name, value in keywords.items():
        if name not in SHORT:
            words += _words(name, value)
    # They come last, since `outer=NAME` begins a loop anew.
    for name, path in SHORT.items():
        if name in keywords:
            words += _words(path, keywords[name])
    return words


def _words(path: str, value: Any) -> Iterator[str]:
    """The words of the field at a dotted path."""
    if isinstance(value, Rule):
        raise BadInput(f"{path}: a rule with its numbers", "the form of a rule", "give its .spec")
    if isinstance(value, type) or dataclasses.is_dataclass(value):
        _check_kind(path, value)
        yield f"{path}=null"  # no field of the plug-in before is left
        yield f"{path}={_text(_plain(value), path)}"
    elif isinstance(value, Mapping):
        yield from _words_of_mapping(path, value)
    elif isinstance(value, str) and path in (*GROUPS, "experiment"):
        yield f"{path}={value}"
    else:
        yield f"{path}={_text(_plain(value), path)}"


def _words_of_mapping(path: str, fields: Mapping[Any, Any]) -> Iterator[str]:
    """The words of fields: one for each, as far as their names can stand in a word."""
    rest = dict(fields)
    if path in GROUPS and isinstance(rest.get("name"), str):
        yield f"{path}={rest.pop('name')}"
        if not rest:
            return
    if rest and all(isinstance(key, str) and _NAME.fullmatch(key) for key in rest):
        for key, value in rest.items():
            yield from _words(f"{path}.{key}", value)
    else:
        yield f"{path}={_text(_plain(rest), path)}"


def _check_kind(path: str, value: Any) -> None:
    """Raises: BadInput for a plug-in that stands where another kind is expected."""
    cls = value if isinstance(value, type) else type(value)
    wanted = path.rpartition(".")[2]
    if wanted in registry.KINDS and registry.kind_of(cls) not in ("", wanted):
        what = f"{path}: {cls.__name__}, a {registry.kind_of(cls)}"
        raise BadInput(what, f"a {wanted}", "give it where its kind stands")


def _plain(value: Any) -> Any:
    """The plain data of a value: plain data, specs and classes of specs in any mixture."""
    if isinstance(value, type):
        _enrol(value)
        value = value()
    if dataclasses.is_dataclass(value):
        _enrol(type(value))
        return encode(value)
    if isinstance(value, Mapping):
        fields = {}
        for key, item in value.items():
            fields[key] = _plain(item)
        return fields
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, PathLike):
        return fspath(value)
    if type(value).__module__ == "numpy":
        return value.tolist()
    return value


def _enrol(cls: type) -> None:
    """Register a class of this notebook that no `mp.register` stands above.

    Raises: BadInput for a class that is no spec, and for one of a module that is not registered.
    """
    if not dataclasses.is_dataclass(cls):
        raise BadInput(f"class {cls.__name__}", "a spec", "write @mp.spec above the class")
    kind = registry.kind_of(cls)
    if registry.name_of(cls) or not kind:
        return
    name = registry.snake_case(cls.__name__)
    if cls.__module__ != "__main__":
        raise BadInput(
            f"class {cls.__name__} of {cls.__module__}",
            f"a registered {kind}",
            f"write @mp.register({kind!r}, {name!r}) above the class",
        )
    registry.register(kind, name)(cls)


def _text(value: Any, path: str) -> str:
    """A value as JSON, which YAML reads. Raises: BadInput for anything that JSON cannot hold."""
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        what = f"{path}: {type(value).__name__}"
        raise BadInput(what, "numbers, text, lists, mappings or specs", "change it") from None
