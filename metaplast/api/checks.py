"""Checks of what a user gives to a function of the library."""

import operator
from contextlib import suppress
from os import PathLike, curdir, fspath, path
from typing import Any

from metaplast.registry import BadInput

FEWEST = 2
"""Lives from which a spread can be told."""


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of Python, from one of Python or NumPy.

    Args:
        name: of the argument, for the error.
        value: the number.
        least: the least number that is allowed.

    Raises: BadInput for another value.
    """
    number = None
    if not isinstance(value, bool):
        with suppress(TypeError):
            number = operator.index(value)
    if number is None or number < least:
        raise BadInput(f"{name}={value!r}", f"at least {least}, a whole number", "give more")
    return number


def name_of(rule: Any) -> str:
    """The text that names a rule to the command line.

    A text may be a path or the name of a known rule. A path object is always a path.

    Args:
        rule: a text or a path object.

    Raises: BadInput for anything else.
    """
    if isinstance(rule, str):
        return rule
    if not isinstance(rule, PathLike):
        raise BadInput(
            f"rule {type(rule).__name__}",
            "a run, the path of a rule file, or a name such as 'zoo/oja'",
            "write a rule to a file with mp.save_rule, or give its run",
        )
    text = fspath(rule)
    if isinstance(text, bytes):
        text = text.decode()
    if path.isabs(text):
        return text
    return path.join(curdir, text)
