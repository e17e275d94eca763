"""The fields of a plug-in: type, bounds and default from the spec, meaning from docstrings."""

import dataclasses
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MinLen
from omegaconf import OmegaConf

from docs._build import plugins_docstring
from docs._build.plugins_docstring import Definition
from metaplast import registry
from metaplast.spec import LARGEST, encode

_POINTER = re.compile(r"\b(_\w+)\.([A-Z]\w+)|see `([A-Z]\w+)`")
_PLAIN = {float: "number", int: "whole number", bool: "true or false", str: "text"}


class Field(NamedTuple):
    """One field of a plug-in.

    name: as in a config.
    type: in words.
    bounds: of its value; empty where there are none.
    default: as in YAML.
    meaning: from the docstring that describes it; empty where none does.
    """

    name: str
    type: str
    bounds: str
    default: str
    meaning: str


def fields(cls: type[Any]) -> tuple[Field, ...]:
    """The fields of a plug-in, in the order of the spec.

    Args:
        cls: the class of the plug-in.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    meanings = _meanings(cls)
    shown = []
    for field in _own_first(cls):
        words, bounds = _type(hints[field.name])
        default = field.default
        if default is dataclasses.MISSING:
            default = getattr(cls(), field.name)
        written = flow(default)
        if words.startswith("mapping") and written == "[]":
            written = "{}"
        shown.append(Field(field.name, words, bounds, written, _meaning(field.name, meanings)))
    return tuple(shown)


def _own_first(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    """The fields of a spec: its own, then those of its bases, the nearest base first."""
    everything = {field.name: field for field in dataclasses.fields(cls)}
    ordered: dict[str, dataclasses.Field[Any]] = {}
    for each in cls.__mro__:
        for name in inspect.get_annotations(each):
            if name in everything:
                ordered.setdefault(name, everything[name])
    return list(ordered.values())


def differing(value: Any) -> Any:
    """The plain data of a spec, with its name and the fields that differ from their defaults.

    Args:
        value: a spec, or the value of a field.
    """
    if isinstance(value, tuple) and value and all(_is_named(item) for item in value):
        return {name: differing(item) for name, item in value}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return encode(value)
    plain = {}
    name = registry.name_of(type(value))
    if name:
        plain["name"] = name
    start = type(value)()
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        if own != getattr(start, field.name):
            plain[field.name] = differing(own)
    return plain


def flow(value: Any) -> str:
    """A value in one line of YAML.

    Args:
        value: a spec, or the value of a field.
    """
    return _flow(differing(value))


def _flow(plain: Any) -> str:
    if isinstance(plain, dict):
        if set(plain) == {"name"}:
            return str(plain["name"])
        pairs = ", ".join(f"{key}: {_flow(item)}" for key, item in plain.items())
        return f"{{{pairs}}}"
    if isinstance(plain, list):
        return f"[{', '.join(map(_flow, plain))}]"
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, float):
        return f"{plain:.6g}"
    if plain == "":
        return '""'
    if isinstance(plain, str) and re.search(r"[,{}\[\]:#*&]", plain):
        return f'"{plain}"'
    return str(plain)


def yaml(plain: Any) -> str:
    """Plain data as a block of YAML.

    Args:
        plain: text, numbers, lists and mappings.
    """
    return OmegaConf.to_yaml(OmegaConf.create(plain)).strip()


def _is_named(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)


def _type(hint: Any) -> tuple[str, str]:
    """The type in words, and the bounds."""
    bounds = ""
    if typing.get_origin(hint) is Annotated:
        hint, *marks = typing.get_args(hint)
        bounds = _bounds(marks)
        words, inner = _type(hint)
        return words, " and ".join(filter(None, (inner, bounds)))
    if hint in _PLAIN:
        return _PLAIN[hint], ""
    origin = typing.get_origin(hint)
    parts = typing.get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts), ""
    if origin in (types.UnionType, typing.Union) and set(parts) == set(_PLAIN):
        return "value", ""
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(part)[0] for part in parts), ""
    if origin is tuple:
        return _tuple(parts)
    kind = registry.kind_of(hint) if isinstance(hint, type) else ""
    if kind:
        return f"[{_a(kind)}](../{registry.KINDS[kind].plural}/index.md)", ""
    if dataclasses.is_dataclass(hint):
        names = ", ".join(f"`{field.name}`" for field in dataclasses.fields(hint))
        return f"mapping of {names}", ""
    return "any value", ""


def _a(noun: str) -> str:
    article = "an" if noun[0] in "aeiou" else "a"
    return f"{article} {noun}"


def _tuple(parts: tuple[Any, ...]) -> tuple[str, str]:
    if len(parts) == 2 and parts[1] is not Ellipsis:
        return f"two values: {_type(parts[0])[0]}, {_type(parts[1])[0]}", ""
    inner = parts[0]
    bare = typing.get_args(inner)[0] if typing.get_origin(inner) is Annotated else inner
    pair = typing.get_args(bare)
    if typing.get_origin(bare) is tuple and len(pair) == 2 and pair[0] is str:
        return f"mapping of names to {_type(pair[1])[0]}", ""
    words, bounds = _type(inner)
    return f"list of {words}", f"each {bounds}" if bounds else ""


def _bounds(marks: list[Any]) -> str:
    """The bounds in signs."""
    low = ""
    high = ""
    for mark in marks:
        if isinstance(mark, Ge):
            low = f"≥ {mark.ge:,}"
        elif isinstance(mark, Gt):
            low = f"> {mark.gt:,}"
        elif isinstance(mark, Lt):
            high = f"< {mark.lt:,}"
        elif isinstance(mark, Le) and mark.le != LARGEST:
            high = f"≤ {mark.le:,}"
        elif isinstance(mark, MinLen):
            low = f"at least {mark.min_length} item"
    return ", ".join(filter(None, (low, high)))


def definitions(cls: type[Any]) -> Iterator[Definition]:
    """The definitions of a class, of its bases, and of the classes that their docstrings name.

    Args:
        cls: the class of a plug-in.
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


def _named_in(text: str, cls: type[Any]) -> list[type[Any]]:
    """The classes that a docstring points to, as `_few_shot.Passes` or "see `AbstractDescent`"."""
    found = []
    package = cls.__module__.rpartition(".")[0]
    for module, name, base in _POINTER.findall(text):
        if module:
            found.append(getattr(importlib.import_module(f"{package}.{module}"), name))
        for each in cls.__mro__:
            if each.__name__ == base:
                found.append(each)
    return found


def _meanings(cls: type[Any]) -> list[Definition]:
    return list(definitions(cls))


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
