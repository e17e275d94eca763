"""The versions of the document of a rule file, and the way from each to the next.

A file has one entry of metadata, `metaplast.rule/N`, whose value is the document.

    1: the document without `ancestry`. Files of metaplast 0.1.0 also lack accounts and a checksum.
    2: `ancestry`, a list of ancestors, the eldest first.
"""

import re
from collections.abc import Callable, Mapping

from metaplast.registry import BadInput, Plain
from metaplast.reuse.text import quote

NEWEST = 2
_SCHEMA = re.compile(r"metaplast\.rule/([1-9]\d{0,5})")


def name_of(version: int) -> str:
    """The name of a version, the key of the document in the metadata."""
    return f"metaplast.rule/{version}"


SCHEMA = name_of(NEWEST)
"""The version that is written."""


def version_of(key: str, where: str) -> int:
    """The version that a key of the metadata names.

    Args:
        key: the only key of the metadata.
        where: the name of the file, for errors.

    Raises: BadInput for another key, and for a version that is newer than NEWEST.
    """
    match = _SCHEMA.fullmatch(key)
    if match is None:
        raise BadInput(
            f"{where}: metadata {quote([key])}",
            f"one entry {SCHEMA}",
            "this is another kind of safetensors file",
        )
    version = int(match[1])
    if version > NEWEST:
        raise BadInput(
            f"{where}: {name_of(version)}, written by a newer metaplast",
            f"at most {SCHEMA}",
            "update: pip install --upgrade metaplast",
        )
    return version


def migrated(document: Plain, version: int) -> Plain:
    """The document of an earlier version as one of the newest. The given document stays as it is.

    Args:
        document: the document as it was written.
        version: its version.
    """
    for step in range(version, NEWEST):
        document = _STEPS[step](document)
    return document


def _with_ancestry(document: Plain) -> Plain:
    """From version 1 to 2: a rule without known ancestors."""
    return {**document, "ancestry": []}


_STEPS: Mapping[int, Callable[[Plain], Plain]] = {1: _with_ancestry}
"""{version: the way to the next one}"""
