"""The plug-ins that contracts hold for, and their oracles, by name alone: one file is enough."""

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

from metaplast import registry


def enrolled(kind: str) -> list[str]:
    """The names of a kind: every file in its room or in a folder of it.

    Plug-ins that other tests may have registered are left out.
    """
    package = registry.KINDS[kind].package
    selected = []
    for name in registry.names(kind):
        module = registry.find(kind, name).__module__
        if module.startswith(f"{package}.") and module.endswith(f".{name}"):
            selected.append(name)
    return selected


def oracle(name: str) -> Any:
    """The module tests/oracles/<name>.py; None where there is none."""
    module = importlib.util.find_spec(f"tests.oracles.{name}")
    return importlib.import_module(f"tests.oracles.{name}") if module else None


def programs(room: str) -> dict[str, Callable[..., Any]]:
    """{plug-in: its plain program}, the public functions of tests/oracles/<room>.py.

    A plug-in without one is held to the promises of its kind, and to nothing more.
    """
    module = importlib.import_module(f"tests.oracles.{room}")
    by_name = {}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_"):
            by_name[name] = function
    return by_name
