"""Plug-ins that a notebook or a script defines, in no module that another process could import.

The config of a run names them under the key `notebook`: `notebook: {rule: [own_rule]}`. A process
without these classes refuses the config in one line.
"""

from collections.abc import Iterator
from typing import Any

from metaplast import registry
from metaplast.registry import BadInput, Plain

KEY = "notebook"
"""The key of a config: {kind: names of the classes that a notebook defines}."""
_WORDS = ("experiment", "note", KEY)
"""Keys of a config whose texts name no plug-in."""


def recorded(plain: Plain) -> Plain:
    """A config with the plug-ins that it names and that this notebook defines.

    A config without such plug-ins stays as it is.

    Args:
        plain: the composed config.
    """
    texts = set()
    for key, value in plain.items():
        if key not in _WORDS:
            texts |= set(_texts(value))
    found: Plain = {}
    for kind in registry.KINDS:
        names = []
        for cls in registry.classes(kind):
            name = registry.name_of(cls)
            if cls.__module__ == "__main__" and name in texts:
                names.append(name)
        if names:
            found[kind] = sorted(names)
    return {**plain, KEY: found} if found else plain


def check(resolved: Plain) -> None:
    """Check that this process has the classes of the notebook that a config names.

    Raises: BadInput for a class that this process does not have.
    """
    for kind, name in _named(resolved):
        if not registry.has(kind, name):
            raise BadInput(
                f"{kind} {name!r}, a class of a notebook or script",
                "the kernel that defines it",
                "go on there (mp.resume), or put the class into a module and give --import MODULE",
            )


def is_here(plain: Plain) -> bool:
    """Whether a class that a config names is defined in this notebook, out of reach of workers."""
    here = False
    for kind, name in _named(plain):
        if registry.has(kind, name) and registry.find(kind, name).__module__ == "__main__":
            here = True
    return here


def _named(plain: Plain) -> list[tuple[str, str]]:
    """(kind, name) of every class that a config names. Raises: BadInput for another form."""
    found = plain.get(KEY) or {}
    pairs = []
    is_right = isinstance(found, dict)
    if is_right:
        for kind, names in found.items():
            is_right = is_right and kind in registry.KINDS and isinstance(names, list)
    if not is_right:
        raise BadInput(f"{KEY}={found!r}", "{kind: [names]}", "remove it")
    for kind, names in found.items():
        for name in names:
            pairs.append((kind, name))
    return pairs


def _texts(value: Any) -> Iterator[str]:
    """Every text among the values of plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
