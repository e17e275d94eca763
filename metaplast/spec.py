"""`@spec`: frozen, validated, hashable structure. Equal specs share one compiled program.

A spec holds no arrays. YAML and Python go through the same checks; every field has a default, so
that `find(kind, name)()` always works.
"""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator, PlainValidator

from metaplast import registry
from metaplast.registry import BadInput

T = TypeVar("T")

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]
LARGEST = (
    10**9
)  # of anything that is counted: what is larger is a slip, and is refused before memory is asked for it
Count = Annotated[int, Ge(1), Le(LARGEST)]
Natural = Annotated[int, Ge(0), Le(LARGEST)]
MANY = 10**6  # lives that are judged, refits: each leaves numbers of its own
Some = Annotated[int, Ge(1), Le(1000)]  # of what is trained or kept one by one
Judged = Annotated[int, Ge(1), Le(MANY)]
Members = Annotated[
    int, Ge(1), Le(10**6)
]  # of a population: each has a theta of its own in every step
Seed = Annotated[int, Ge(0), Le(2**31 - 1)]  # what a JAX key takes without x64

_CONFIG = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass_transform(frozen_default=True)
def spec(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass whose fields are checked: no unknown field, no silent cast, no
    inf or nan.
    """
    return pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)(cls)  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType]


def frozen(value: Any) -> Any:
    """Lists, as YAML gives them, become tuples, to any depth; everything else passes through."""
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value


def build(cls: type[T], fields: Mapping[str, Any]) -> T:
    """Make a spec from a plain mapping (lists become tuples).

    Raises: BadInput for an unknown field; pydantic.ValidationError, which `explain` turns into one
    line, for a value.
    """
    known = tuple(field.name for field in dataclasses.fields(cls))  # pyright: ignore[reportArgumentType]
    for key in fields:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            fix = f"did you mean {near[0]!r}?" if near else "remove it"
            raise BadInput(
                f"unknown field {key!r}",
                f"one of {', '.join(known)}" if known else "no field at all",
                fix,
            )
    return cls(**{key: frozen(value) for key, value in fields.items()})


def decode(kind: str, value: Any) -> Any:
    """A plug-in given as an instance, a name, or a mapping with `name` and its fields.

    Raises: BadInput for an unknown name or shape; pydantic.ValidationError for a wrong field.
    """
    if not isinstance(value, str | Mapping):
        if type(value) in registry.classes(kind):
            return value
        raise BadInput(
            f"{value!r}", f"a {kind}: its name, or a mapping with 'name'", f"metaplast list {kind}"
        )
    fields = {"name": value} if isinstance(value, str) else dict(value)
    name = fields.pop("name", None)
    if not isinstance(name, str):
        raise BadInput(
            f"name={name!r}", f"the name of a {kind}", f"one of {', '.join(registry.names(kind))}"
        )
    return build(registry.find(kind, name), fields)


def plugin(kind: str) -> Any:
    """The annotation of a field that holds a plug-in: `Annotated[AbstractNeuron,
    plugin("neuron")]`.
    """
    return PlainValidator(lambda value: decode(kind, value))


def _pairs(value: Any) -> Any:
    """A mapping as a hashable tuple of pairs, in the order given."""
    return (
        tuple((key, frozen(item)) for key, item in value.items())
        if isinstance(value, Mapping)
        else value
    )


def nested(cls: type[Any]) -> Any:
    """The annotation of a field that holds a spec which is no plug-in, given as an instance or a
    mapping.
    """
    return PlainValidator(reader(cls))


def reader(cls: type[T]) -> Callable[[Any], T]:
    """What makes a spec that is no plug-in of an instance or a mapping. Raises: BadInput for
    anything else.
    """
    return lambda value: value if isinstance(value, cls) else build(cls, _as_mapping(value, cls))


def _as_mapping(value: Any, cls: type[Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        fields = ", ".join(field.name for field in dataclasses.fields(cls))
        raise BadInput(f"{value!r}", f"a mapping of fields ({fields})", "write field: value pairs")
    return value


mapping = BeforeValidator(_pairs)
Options = Annotated[tuple[tuple[str, bool | int | float | str], ...], mapping]


def named(decode_value: Callable[[Any], Any]) -> Any:
    """The annotation of a field that maps names to specs; held as a tuple of (name, spec) pairs."""

    def one(name: str, item: Any) -> tuple[str, Any]:
        try:
            return name, decode_value(item)
        except pydantic.ValidationError as error:
            raise explain(error, name) from None
        except BadInput as error:
            raise BadInput(f"{name}: {error.what}", error.expected, error.fix) from None

    def read(value: Any) -> Any:
        pairs = tuple(value.items()) if isinstance(value, Mapping) else value
        if not isinstance(pairs, tuple) or not all(
            isinstance(pair, tuple) and len(pair) == 2 for pair in pairs
        ):
            raise BadInput(f"{value!r}", "a mapping of names", "write name: value pairs")
        return tuple(one(str(key), item) for key, item in pairs)

    return PlainValidator(read)


def encode(value: Any) -> Any:
    """The plain data (dict, list, number, text) of a spec: `decode` of it gives an equal spec."""
    if dataclasses.is_dataclass(value):
        name = registry.name_of(type(value))
        plain = {
            field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
        return {"name": name, **plain} if name else plain
    if isinstance(value, tuple):
        if value and all(
            isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
            for item in value
        ):
            return {key: encode(item) for key, item in value}
        return [encode(item) for item in value]
    return value


def explain(error: pydantic.ValidationError, where: str = "") -> BadInput:
    """The first complaint of a validation error as one line that names the field and the fix."""
    first = error.errors(include_url=False)[0]
    path = ".".join([where, *(str(part) for part in first["loc"])]).strip(".")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, pydantic.ValidationError):
        return explain(cause, path)
    if isinstance(cause, BadInput):
        return BadInput(f"{path}: {cause.what}" if path else cause.what, cause.expected, cause.fix)
    given = first.get("input")
    if first["type"] == "tuple_type":
        item = given if isinstance(given, bool | int | float | str) else "ITEM"
        return BadInput(f"{path}={given!r}", "a list", f"write [{item}]")
    return BadInput(
        f"{path}={given!r}", first["msg"][:1].lower() + first["msg"][1:], "change the value"
    )
