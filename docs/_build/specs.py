"""Specs as tables: every field with its type, bounds, default and sentence."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Any

import annotated_types

from docs._build.docstrings import literal, symbols
from docs._build.tables import table
from metaplast import registry
from metaplast.spec import encode

PLAIN = {int: "integer", float: "number", bool: "true or false", str: "text", type(None): "null"}


def fields_table(
    cls: Any, prefix: str = "", parts_at: str = "", defaults: dict[str, Any] | None = None
) -> list[str]:
    """The table of the fields of a spec.

    Args:
        cls: the class of the spec.
        prefix: the words before the name of a field, such as `problem.`.
        parts_at: the way to the pages of the parts; empty for words without links.
        defaults: defaults that differ from those of the class.
    """
    said = symbols(cls.__doc__ or "")
    hints = typing.get_type_hints(cls, include_extras=True)
    rows = []
    for field in dataclasses.fields(cls):
        name = f"`{prefix}{field.name}`"
        type_words = _words(hints[field.name], parts_at)
        if type_words == "section":
            type_words = f"[section](#{field.name})"
        default = "`{}`" if type_words.startswith("mapping") else _default(field)
        if defaults and field.name in defaults:
            default = f"`{defaults[field.name]}`"
        rows.append([name, type_words, default, literal(said.get(field.name, ""))])
    return table(("field", "type", "default", "meaning"), rows)


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


def _classes(hint: Any) -> Iterator[type]:
    """The classes in an annotation."""
    inside = typing.get_args(hint)
    if not inside and inspect.isclass(hint):
        yield hint
    for part in inside:
        yield from _classes(part)


def _words(hint: Any, parts_at: str) -> str:
    """An annotation in words."""
    origin = typing.get_origin(hint)
    inside = typing.get_args(hint)
    if origin is typing.Annotated:
        limits = [limit for limit in map(_limit, inside[1:]) if limit]
        return ", ".join([_words(inside[0], parts_at), *limits])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(part, parts_at) for part in inside)
    if origin is tuple:
        return _collection(inside, parts_at)
    if hint in PLAIN:
        return PLAIN[hint]
    if inspect.isclass(hint) and registry.kind_of(hint):
        return _kind(registry.kind_of(hint), parts_at)
    return "section"  # of the same page


def _collection(inside: tuple[Any, ...], parts_at: str) -> str:
    """A tuple of an annotation in words: a list, a mapping, or items of several types."""
    if inside[-1] is not Ellipsis:
        return f"\\[{', '.join(_words(part, parts_at) for part in inside)}\\]"
    item = typing.get_args(inside[0])
    if typing.get_origin(inside[0]) is tuple and len(item) == 2:
        return f"mapping of {_words(item[0], parts_at)} to {_words(item[1], parts_at)}"
    return f"list of {_words(inside[0], parts_at)}"


def _kind(kind: str, parts_at: str) -> str:
    """A kind of plug-in, with a link to its page where there is one."""
    if parts_at:
        return f"[{kind}]({parts_at}{registry.KINDS[kind].plural}/index.md)"
    return kind


def _limit(check: Any) -> str:
    """A bound in words; empty for a check that is none."""
    if isinstance(check, annotated_types.Gt):
        return f"&gt;&nbsp;{check.gt}"
    if isinstance(check, annotated_types.Ge):
        return f"≥&nbsp;{check.ge}"
    if isinstance(check, annotated_types.Lt):
        return f"&lt;&nbsp;{check.lt}"
    if isinstance(check, annotated_types.Le):
        return f"≤&nbsp;{check.le}"
    if isinstance(check, annotated_types.MinLen):
        return f"at least {check.min_length}"
    return ""


def _default(field: dataclasses.Field[Any]) -> str:
    """The default of a field."""
    if field.default_factory is not dataclasses.MISSING:
        value = encode(field.default_factory())
    elif field.default is not dataclasses.MISSING:
        value = encode(field.default)
    else:
        return "none: give one"
    if isinstance(value, dict):
        return f"`{value['name']}`" if "name" in value else "see there"
    if value is None or isinstance(value, bool):
        return f"`{ {None: 'null', True: 'true', False: 'false'}[value] }`"
    return f"`{value}`" if value != "" else "empty"
