"""The fields of a spec: type, bounds and default from the spec, meaning from docstrings."""

import dataclasses
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BeforeValidator

from docs._build import plugins_docstring
from docs._build.plugins_docstring import Definition
from docs._build.values import flow
from metaplast import registry
from metaplast.spec import LARGEST

SECTION = "section"
"""The type of a field that holds a spec of the same page."""
_POINTER = re.compile(r"\b(_\w+)\.([A-Z]\w+)|see `([A-Z]\w+)`")
_PLAIN = {float: "number", int: "whole number", bool: "true or false", str: "text"}

_NOUNS = {"outer": "outer loop", "logging": "logger"}
"""{kind: its noun} where the kind is none."""


class Field(NamedTuple):
    """One field of a spec.

    name: as in a config.
    type: in words.
    bounds: of its value; empty where there are none.
    default: as in YAML; empty where a value has to be given.
    meaning: from the docstring that describes it; empty where none does.
    """

    name: str
    type: str
    bounds: str
    default: str
    meaning: str


class Types(NamedTuple):
    """The way in which a page writes types.

    plugins: the way from the page to the folder of the pages of plug-ins; empty for no links.
    has_sections: whether a spec inside a spec has a section of the page.
    """

    plugins: str = "../"
    has_sections: bool = False


def fields(cls: type[Any], shown: Types = Types()) -> tuple[Field, ...]:  # noqa: B008
    """The fields of a spec: its own in their order, then those of its bases.

    Args:
        cls: the class of the spec.
        shown: the way in which the page writes types.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    meanings = list(definitions(cls))
    listed = []
    for field in _nearest_first(cls):
        words, bounds = _type(hints[field.name], shown)
        written = _default(field)
        if words.startswith("mapping") and written == "[]":
            written = "{}"
        listed.append(Field(field.name, words, bounds, written, _meaning(field.name, meanings)))
    return tuple(listed)


def inner_specs(cls: Any) -> Iterator[tuple[str, Any]]:
    """(field, spec) for every field of a spec that holds specs which are no plug-ins.

    Args:
        cls: the class of the spec.
    """
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        for part in _classes(hints[field.name]):
            if dataclasses.is_dataclass(part) and not registry.kind_of(part):
                yield field.name, part


def definitions(cls: type[Any]) -> Iterator[Definition]:
    """The definitions of a class, of its bases, and of the classes that their docstrings name.

    Args:
        cls: the class of a spec.
    """
    seen: set[type[Any]] = set()
    waiting: list[type[Any]] = [base for base in cls.__mro__ if base is not object]
    while waiting:
        each = waiting.pop(0)
        if each in seen or not each.__dict__.get("__doc__"):
            continue
        seen.add(each)
        text = str(each.__doc__)
        yield from plugins_docstring.read(text).definitions
        waiting += _named_in(text, each)


def _nearest_first(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    """The fields of a spec: its own, then those of its bases, the nearest base first."""
    everything = {field.name: field for field in dataclasses.fields(cls)}
    ordered: dict[str, dataclasses.Field[Any]] = {}
    for each in cls.__mro__:
        for name in inspect.get_annotations(each):
            if name in everything:
                ordered.setdefault(name, everything[name])
    return list(ordered.values())


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return flow(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return flow(field.default_factory())
    return ""


def _classes(hint: Any) -> Iterator[type]:
    """The classes in an annotation."""
    inside = typing.get_args(hint)
    if not inside and inspect.isclass(hint):
        yield hint
    for part in inside:
        yield from _classes(part)


def _type(hint: Any, shown: Types) -> tuple[str, str]:
    """The type in words, and the bounds."""
    if typing.get_origin(hint) is Annotated:
        hint, *marks = typing.get_args(hint)
        words, inner = _type(hint, shown)
        if any(isinstance(mark, BeforeValidator) for mark in marks) and _pair_of(hint):
            words, inner = _mapping(_pair_of(hint), shown)
        return words, " and ".join(filter(None, (inner, _bounds(marks))))
    if hint in _PLAIN:
        return _PLAIN[hint], ""
    if hint is type(None):
        return "null", ""
    origin = typing.get_origin(hint)
    parts = typing.get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts), ""
    if origin in (types.UnionType, typing.Union) and set(parts) == set(_PLAIN):
        return "value", ""
    if origin in (types.UnionType, typing.Union):
        return _one_of(parts, shown)
    if origin is tuple:
        return _tuple(parts, shown)
    kind = registry.kind_of(hint) if isinstance(hint, type) else ""
    if kind:
        return _kind(kind, shown.plugins), ""
    if dataclasses.is_dataclass(hint) and shown.has_sections:
        return SECTION, ""
    if dataclasses.is_dataclass(hint):
        names = ", ".join(f"`{field.name}`" for field in dataclasses.fields(hint))
        return f"mapping of {names}", ""
    return "any value", ""


def _one_of(parts: tuple[Any, ...], shown: Types) -> tuple[str, str]:
    """The types among which a value chooses, and the bounds of the one that has any."""
    words = []
    bounds = []
    for part in parts:
        of_part, its_bounds = _type(part, shown)
        words.append(of_part)
        bounds.append(its_bounds)
    return " or ".join(words), " and ".join(filter(None, bounds))


def _kind(kind: str, plugins: str) -> str:
    noun = _NOUNS.get(kind, kind)
    article = "an" if noun[0] in "aeiou" else "a"
    words = f"{article} {noun}"
    return f"[{words}]({plugins}{registry.KINDS[kind].plural}/index.md)" if plugins else words


def _tuple(parts: tuple[Any, ...], shown: Types) -> tuple[str, str]:
    if len(parts) == 2 and parts[1] is not Ellipsis:
        return f"two values: {_type(parts[0], shown)[0]}, {_type(parts[1], shown)[0]}", ""
    pair = _pair_of(tuple[parts])
    if pair and pair[0] is str:
        return _mapping(pair, shown)
    words, bounds = _type(parts[0], shown)
    return f"list of {words}", f"each {bounds}" if bounds else ""


def _pair_of(hint: Any) -> tuple[Any, ...]:
    """The types of a pair, where a type is a tuple of pairs; else ()."""
    if typing.get_origin(hint) is not tuple:
        return ()
    inner = typing.get_args(hint)[0]
    bare = typing.get_args(inner)[0] if typing.get_origin(inner) is Annotated else inner
    pair = typing.get_args(bare)
    if typing.get_origin(bare) is tuple and len(pair) == 2 and Ellipsis not in pair:
        return pair
    return ()


def _mapping(pair: tuple[Any, ...], shown: Types) -> tuple[str, str]:
    """A list of pairs that a config writes as a mapping, and the bounds of its values."""
    key = "names" if pair[0] is str else _type(pair[0], shown)[0]
    value, bounds = _type(pair[1], shown)
    return f"mapping of {key} to {value}", bounds


def _bounds(marks: list[Any]) -> str:
    """The bounds in signs, as Markdown without breaks of lines."""
    low = ""
    high = ""
    for mark in marks:
        if isinstance(mark, Ge):
            low = f"≥&nbsp;{mark.ge:,}"
        elif isinstance(mark, Gt):
            low = f">&nbsp;{mark.gt:,}"
        elif isinstance(mark, Lt):
            high = f"&lt;&nbsp;{mark.lt:,}"
        elif isinstance(mark, Le) and mark.le != LARGEST:
            high = f"≤&nbsp;{mark.le:,}"
        elif isinstance(mark, MinLen):
            low = f"at least {mark.min_length} item"
    return ", ".join(filter(None, (low, high)))


def _named_in(text: str, cls: type[Any]) -> list[type[Any]]:
    """The classes that a docstring points to, as `_few_shot.Passes` or "see `AbstractDescent`"."""
    classes = []
    package = cls.__module__.rpartition(".")[0]
    for module, name, base in _POINTER.findall(text):
        if module:
            classes.append(getattr(importlib.import_module(f"{package}.{module}"), name))
        for each in cls.__mro__:
            if each.__name__ == base:
                classes.append(each)
    return classes


def _meaning(name: str, meanings: list[Definition]) -> str:
    """The first meaning of a field that is more than a pointer to another class."""
    for definition in meanings:
        if any(_is_name_of(pattern, name) for pattern in definition.names):
            pointer = _POINTER.search(definition.text)
            if pointer is None or len(definition.text) > len(pointer[0]) + 60:
                return definition.text
    return ""


def _is_name_of(pattern: str, name: str) -> bool:
    """Whether a name of a docstring, such as `tau_<trace>`, means a field."""
    parts = re.split(r"<\w+>", pattern)
    return re.fullmatch(r"\w+".join(map(re.escape, parts)), name) is not None
