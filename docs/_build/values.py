"""Specs and values of their fields as the text of a config."""

import dataclasses
import re
from typing import Any

from omegaconf import OmegaConf

from metaplast import registry
from metaplast.spec import encode


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
        content = getattr(value, field.name)
        if content != getattr(start, field.name):
            plain[field.name] = differing(content)
    return plain


def flow(value: Any) -> str:
    """A value in one line of YAML.

    Args:
        value: a spec, or the value of a field.
    """
    return _flow(differing(value))


def yaml(plain: Any) -> str:
    """Plain data as a block of YAML.

    Args:
        plain: text, numbers, lists and mappings.
    """
    return OmegaConf.to_yaml(OmegaConf.create(plain)).strip()


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
    if plain is None:
        return "null"
    if plain == "":
        return '""'
    if isinstance(plain, str) and re.search(r"[,{}\[\]:#*&]", plain):
        return f'"{plain}"'
    return str(plain)


def _is_named(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
