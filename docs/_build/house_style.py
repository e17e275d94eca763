"""The docstrings of this repository as Markdown, for the pages of the Python reference."""

import ast
import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from docs._build.docstrings import as_markdown

DATA = {"spec", "pytree", "dataclass"}
"""Decorators of classes whose annotations are the fields of their instances."""


class HouseStyle(griffe.Extension):
    """Give every docstring to mkdocstrings as Markdown, with the types and defaults of fields."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            fields = _fields(obj) if isinstance(obj, griffe.Class) else {}
            obj.docstring.value = as_markdown(obj.docstring.value, fields)


def _fields(cls: griffe.Class) -> dict[str, str]:
    """{field: its type and default} of a class of data."""
    names = {str(decorator.value).split("(")[0] for decorator in cls.decorators}
    if not names & DATA and "NamedTuple" not in map(str, cls.bases):
        return {}
    fields = {}
    for name, member in cls.members.items():
        if (
            isinstance(member, griffe.Attribute)
            and member.annotation
            and "property" not in member.labels
        ):
            default = "" if member.value is None else f" = {member.value}"
            if "field(" in default:
                default = ""  # a call that makes it tells a reader nothing
            fields[name] = f"{_type(str(member.annotation))}{default}"
    return fields


def _type(annotation: str) -> str:
    """An annotation without the checks that `Annotated` adds."""
    tree = ast.parse(annotation, mode="eval").body
    if not isinstance(tree, ast.Subscript) or not isinstance(tree.slice, ast.Tuple):
        return annotation
    if ast.unparse(tree.value) == "Annotated":
        return ast.unparse(tree.slice.elts[0])
    return annotation
