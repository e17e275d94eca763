"""JSON and typed results: plain data become dataclasses, their types checked."""

import math
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from metaplast.registry import BadInput, Plain

T = TypeVar("T")

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A number that JSON holds as null where it is not finite; it is read back as NaN."""


def from_plain(kind: type[T], plain: Any, where: str) -> T:
    """Make a dataclass of plain data.

    Keys without a field are left out; a field without a key has its default. So a file of another
    version reads as far as it goes.

    Args:
        kind: the dataclass.
        plain: dicts, lists, numbers and words, as JSON gives them.
        where: the file, for the error.

    Raises: BadInput for data of another form.
    """
    try:
        return _adapter(kind).validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"]
        if place:
            where = f"{where}: {place}"
        raise BadInput(
            where,
            message[:1].lower() + message[1:],
            "give a folder as metaplast wrote it",
        ) from None


def of_schema(kind: type[T], schema: str, plain: Any, where: str) -> T:
    """Make a dataclass of the content of a file that may name its schema, as `from_plain` does.

    Args:
        kind: the dataclass.
        schema: the name of its schema.
        plain: as read from the file.
        where: the file, for the error.

    Raises: BadInput for another schema, or data of another form.
    """
    check_schema(plain, schema, where)
    return from_plain(kind, plain, where)


def check_schema(plain: Plain, schema: str, where: str) -> None:
    """Raises: BadInput for a file that says it is of another schema."""
    if not isinstance(plain, dict) or plain.get("schema", schema) != schema:
        raise BadInput(
            f"{where} of another schema", schema, "open it with the version that wrote it"
        )


def number_or_null(value: float) -> float | None:
    """The number as JSON holds it: null where it is not finite."""
    if math.isfinite(value):
        return value
    return None


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
