"""`@spec`: frozen, validated, hashable structure. Equal specs share one compiled program.

A spec holds no arrays. YAML and Python go through the same checks. Every field of a
plug-in has a default, so that `find(kind, name)()` always works.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, dataclass_transform

import pydantic
from annotated_types import Ge, Gt, Le
from pydantic import BeforeValidator, PlainValidator

from metaplast import registry
from metaplast.registry import BadInput, nearest

T = TypeVar("T")

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]
LARGEST = 10**9
"""The largest number of anything that is counted.

A larger one is a slip, and is refused before memory is asked for it.
"""
Count = Annotated[int, Ge(1), Le(LARGEST)]
Natural = Annotated[int, Ge(0), Le(LARGEST)]
MANY = 10**6
"""The largest number of judged lives or refits: each leaves numbers of its own."""
Some = Annotated[int, Ge(1), Le(1000)]
"""A number of things that are trained or kept one by one."""
Judged = Annotated[int, Ge(1), Le(MANY)]
"""A number of judged lives."""
Members = Annotated[int, Ge(1), Le(10**6)]
"""The size of an outer loop's population: each member has its own theta in every step."""
Seed = Annotated[int, Ge(0), Le(2**31 - 1)]
"""A seed that a JAX key takes without x64."""

_CONFIG = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass_transform(frozen_default=True)
def spec(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass whose fields are checked.

    No unknown field, no silent cast, no inf or nan passes.
    """
    return pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)(cls)  # pyright: ignore[reportReturnType, reportCallIssue, reportArgumentType]


def frozen(value: Any) -> Any:
    """Lists, as YAML gives them, become tuples, to any depth; everything else passes through."""
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return value


def build(cls: type[T], fields: Mapping[str, Any]) -> T:
    """Make a spec from a plain mapping; lists become tuples.

    Args:
        cls: the class of the spec.
        fields: field -> value.

    Raises:
        BadInput: for an unknown field.
        pydantic.ValidationError: for a wrong value; `explain` turns it into one line.
    """
    any_class: Any = cls
    known = tuple(field.name for field in dataclasses.fields(any_class))
    for key in fields:
        if key not in known:
            expected = f"one of {', '.join(known)}" if known else "no field at all"
            raise BadInput(f"unknown field {key!r}", expected, nearest(key, known, "remove it"))
    _demand_methods(any_class)
    return cls(**{key: frozen(value) for key, value in fields.items()})


_PAGES = {
    "rule": "docs/guides/own_rule.md",
    "task": "docs/guides/own_task.md",
    "neuron": "docs/guides/own_neuron.md",
}
"""{kind: the page that shows a plug-in of this kind}; other kinds stand in CONTRIBUTING.md."""


def _demand_methods(cls: Any) -> None:
    """Raises: BadInput for a plug-in that lacks a method of its base class."""
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    kind = registry.kind_of(cls)
    if missing and kind:
        raise BadInput(
            f"{kind} {registry.name_of(cls)!r} has no method {missing[0]}",
            f"a class that writes {', '.join(missing)}",
            f"see {_PAGES.get(kind, 'CONTRIBUTING.md')}",
        )


def decode(kind: str, value: Any) -> Any:
    """The plug-in that plain data stands for.

    Args:
        kind: the kind of plug-in, such as `neuron`.
        value: an instance, a name, or a mapping with `name` and the fields.

    Raises:
        BadInput: for an unknown name or shape.
        pydantic.ValidationError: for a wrong field.
    """
    if not isinstance(value, str | Mapping):
        if type(value) in registry.classes(kind):
            return value
        expected = f"a {kind}: its name, or a mapping with 'name'"
        raise BadInput(f"{value!r}", expected, f"metaplast list {kind}")
    fields = {"name": value} if isinstance(value, str) else dict(value)
    name = fields.pop("name", None)
    if not isinstance(name, str):
        fix = f"one of {', '.join(registry.names(kind))}"
        raise BadInput(f"name={name!r}", f"the name of a {kind}", fix)
    return build(registry.find(kind, name), fields)


def plugin(kind: str) -> Any:
    """The annotation of a field that holds a plug-in of this kind.

    Use it as `Annotated[AbstractNeuron, plugin("neuron")]`.
    """

    def read(value: Any) -> Any:
        held = getattr(value, "spec", None)
        if type(held) in registry.classes(kind):
            # A TypeError passes pydantic as one line, where a ValueError becomes a report.
            raise TypeError(
                f"a loaded {kind} with its numbers - expected the form of a {kind} - give .spec, "
                f"and the numbers .theta to theta"
            )
        return decode(kind, value)

    return PlainValidator(read)


def _pairs(value: Any) -> Any:
    """A mapping as a hashable tuple of pairs in the same order; any other value passes through."""
    if not isinstance(value, Mapping):
        return value
    return tuple((key, frozen(item)) for key, item in value.items())


def nested(cls: type[Any]) -> Any:
    """The annotation of a field that holds a spec which is no plug-in.

    The field takes an instance of `cls` or a mapping.
    """
    return PlainValidator(reader(cls))


def reader(cls: type[T]) -> Callable[[Any], T]:
    """A function that makes a spec of class `cls` from an instance or a mapping.

    The class is no plug-in. The function raises BadInput for any other value.
    """

    def read(value: Any) -> T:
        if isinstance(value, cls):
            return value
        return build(cls, _as_mapping(value, cls))

    return read


def _as_mapping(value: Any, cls: type[Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        fields = ", ".join(field.name for field in dataclasses.fields(cls))
        raise BadInput(f"{value!r}", f"a mapping of fields ({fields})", "write field: value pairs")
    return value


def text(value: Any) -> str:
    """The value, which must be text. Raises: BadInput."""
    if not isinstance(value, str):
        raise BadInput(f"{value!r}", "text", "write it in quotes")
    return value


mapping = BeforeValidator(_pairs)
Options = Annotated[tuple[tuple[str, bool | int | float | str], ...], mapping]


def named(decode_value: Callable[[Any], Any]) -> Any:
    """The annotation of a field that maps names to specs.

    The field holds a tuple of (name, spec) pairs.

    Args:
        decode_value: makes a spec from plain data.
    """

    def pair(name: str, item: Any) -> tuple[str, Any]:
        try:
            return name, decode_value(item)
        except pydantic.ValidationError as error:
            raise explain(error, name) from None
        except BadInput as error:
            raise error.within(f"{name}: ") from None

    def read(value: Any) -> Any:
        pairs = value
        if isinstance(value, Mapping):
            pairs = tuple(value.items())
        if not isinstance(pairs, tuple) or not all(map(_is_pair, pairs)):
            raise BadInput(f"{value!r}", "a mapping of names", "write name: value pairs")
        return tuple(pair(str(key), item) for key, item in pairs)

    return PlainValidator(read)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2


def encode(value: Any) -> Any:
    """The plain data (dict, list, number, text) of a spec.

    `decode` of it gives an equal spec.
    """
    if dataclasses.is_dataclass(value):
        name = registry.name_of(type(value))
        plain = {}
        for field in dataclasses.fields(value):
            plain[field.name] = encode(getattr(value, field.name))
        return {"name": name, **plain} if name else plain
    if isinstance(value, tuple):
        if value and all(map(_is_named, value)):
            return {key: encode(item) for key, item in value}
        return list(map(encode, value))
    return value


def _is_named(item: Any) -> bool:
    """Whether an item is a pair of a name and a value."""
    return _is_pair(item) and isinstance(item[0], str)


def explain(error: pydantic.ValidationError, where: str = "") -> BadInput:
    """The first complaint of a validation error, as one line that names the field and the fix.

    Args:
        error: the error of pydantic.
        where: the path of the spec that holds the field.
    """
    first = error.errors(include_url=False)[0]
    path = ".".join([where, *map(str, first["loc"])]).strip(".")
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, pydantic.ValidationError):
        return explain(cause, path)
    if isinstance(cause, BadInput):
        return cause.within(f"{path}: " if path else "")
    value = first.get("input")
    if first["type"] == "tuple_type":
        item = value if isinstance(value, bool | int | float | str) else "ITEM"
        return BadInput(f"{path}={value!r}", "a list", f"write [{item}]")
    message = first["msg"]
    expected = message[:1].lower() + message[1:]
    return BadInput(f"{path}={value!r}", expected, "change the value")
