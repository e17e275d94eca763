"""Prose and links of the pages of plug-ins, as Markdown."""

import re
from functools import lru_cache

from docs._build.docstrings import literal
from docs._build.plugins_latex import Unreadable, expression, name
from metaplast.registry import KINDS, names

_UNIT = (
    r"(?:seconds|hertz per unit of the drive|hertz|mV\^2|mV / ms|mV|pA|pF|nS|1 / second|1 / ms"
    r"|1 / unit of \w+|1 / mV|radians per unit of x|radians|dimensionless|units of w per mV\^2"
    r"|units of w per mV|units? of [A-Za-z]+|the unit of [a-z]+(?: [a-z]+)?"
    r"|units of (?:the|threshold) [a-z]+|per step)"
)
_UNIT_FIRST = re.compile(rf"({_UNIT})(?=[.,;:]| where|$| of)")
_UNIT_INSIDE = re.compile(rf"\b(?:in|of) ({_UNIT})\b")


def prose(text: str, kind: str = "") -> str:
    """Words of a docstring, in which nothing but code in backticks is markup.

    Args:
        text: the words.
        kind: the kind of plug-in on whose page they stand; names of plug-ins become links.
    """
    return literal(text, lambda code: _linked(code, kind))


def _linked(code: str, kind: str) -> str:
    """A name in backticks, as a link where it is the name of one plug-in."""
    word = code.strip("`")
    homes = [each for each in KINDS if kind and word in _names(each)]
    home = kind if kind in homes else homes[0] if len(homes) == 1 else ""
    if not home or word in ("target", "symbolic", "none"):
        return code
    return f"[{code}](../{KINDS[home].plural}/{word}.md)"


@lru_cache
def _names(kind: str) -> frozenset[str]:
    return frozenset(names(kind))


def unit(text: str) -> str:
    """The unit that a meaning names; empty where it names none."""
    match = _UNIT_FIRST.match(text) or _UNIT_INSIDE.search(text)
    return match[1] if match else ""


def without_unit(text: str) -> str:
    """A meaning without a unit that stands first."""
    match = _UNIT_FIRST.match(text)
    if match is None:
        return text
    return text[match.end() :].lstrip(".,;: ")


def without_shape(text: str, shape: str) -> str:
    """A meaning without the shapes that stand in it, where a table shows them beside it."""
    for each in shape.split(", [") if shape else ():
        whole = each if each.startswith("[") else f"[{each}"
        text = text.replace(f" {whole}", "", 1)
    return re.sub(r",+(?=[.;]|$)", "", text)


def symbol(text: str) -> str:
    """A name of the plain notation as inline mathematics, or as code where it is none."""
    try:
        return f"${expression(text) if '(' in text or '[' in text or '|' in text else name(text)}$"
    except Unreadable:
        return f"`{text}`"
