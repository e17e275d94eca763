"""Which plug-ins the contracts hold for: every file in the rooms of this distribution, found by the registry."""

import importlib
import importlib.util
from typing import Any

from metaplast import registry


def enrolled(kind: str) -> list[str]:
    """The names of a kind, without what other tests may have registered."""
    package = registry.KINDS[kind][0]
    return [name for name in registry.names(kind) if registry.find(kind, name).__module__ == f"{package}.{name}"]


def oracle(name: str) -> Any:
    """The module tests/oracles/<name>.py; None where there is none."""
    found = importlib.util.find_spec(f"tests.oracles.{name}")
    return importlib.import_module(f"tests.oracles.{name}") if found else None
