"""Every public name, check, base of a plug-in and plug-in has a docstring."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import metaplast as mp
import metaplast.testing
from metaplast import registry


def _rooms() -> list[str]:
    return [package for package, _ in registry.KINDS.values()]


def _modules(room: str) -> list[str]:
    package = importlib.import_module(room)
    names = []
    for module in pkgutil.walk_packages(package.__path__, f"{room}."):
        last = module.name.rpartition(".")[2]
        if not module.ispkg and not last.startswith("_"):
            names.append(module.name)
    return names


def _defined(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public classes and functions that a module itself defines, and their public methods."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            yield from _methods(name, value)
        elif inspect.isfunction(value):
            yield name, value


def _methods(owner: str, cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        defined_here = inspect.isfunction(function) and function.__module__ == cls.__module__
        if defined_here and not name.startswith("_"):
            yield f"{owner}.{name}", getattr(cls, name)


def _docstring(value: Any) -> str:
    """The docstring of a value, or of the method which it implements."""
    return inspect.getdoc(value) or ""


def _is_dataclass_text(cls: Any) -> bool:
    """Whether a text is `Name(field: type = default)`, which Python writes where nobody did."""
    return inspect.isclass(cls) and _docstring(cls).startswith(f"{cls.__name__}(")


@pytest.mark.parametrize("name", [name for name in mp.__all__ if name != "__version__"])
def test_a_public_name_and_each_of_its_arguments_is_said(name: str) -> None:
    value = getattr(mp, name)
    assert _docstring(value) and not _is_dataclass_text(value)
    if inspect.isfunction(value):
        _every_argument_is_named(value)
    if inspect.isclass(value) and value.__module__.startswith("metaplast"):
        assert not [method for method, value in _methods(name, value) if not _docstring(value)]


@pytest.mark.parametrize("name", metaplast.testing.__all__)
def test_a_check_and_each_of_its_arguments_is_said(name: str) -> None:
    value = getattr(metaplast.testing, name)
    assert _docstring(value)
    if inspect.isfunction(value):
        _every_argument_is_named(value)


@pytest.mark.parametrize("name", mp.plot.__all__)
def test_a_picture_and_each_of_its_arguments_is_said(name: str) -> None:
    value = getattr(mp.plot, name)
    assert _docstring(value)
    _every_argument_is_named(value)


def _every_argument_is_named(function: Any) -> None:
    names = list(inspect.signature(function).parameters)
    text = _docstring(function)
    assert not [name for name in names if name not in text]


@pytest.mark.parametrize("room", _rooms())
def test_every_base_and_every_plugin_is_said(room: str) -> None:
    silent = []
    for name in _modules(room):
        module = importlib.import_module(name)
        assert module.__doc__, name
        for path, value in _defined(module):
            if not _docstring(value) or _is_dataclass_text(value):
                silent.append(f"{name}.{path}")
    assert not silent
