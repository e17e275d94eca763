"""The docstring of a plug-in as data: claim, equations, symbols, labelled paragraphs.

The convention is in CONTRIBUTING.md, under "The docstring of a plug-in".
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from docs._build.docstrings import Part, names_of, parts

_CONDITION = re.compile(r"(?<![: ]) {3,}(?!=|<-| )")
_BRACKETS = re.compile(r"\[[^\]]*\]")
_LISTS = ("", "Args", "Attributes")
"""Labels of the lists of symbols and fields."""


class Definition(NamedTuple):
    """One line of symbols or fields and their meaning.

    names: the names, without shapes.
    shape: the shape in front of the colon, or in the text; empty where none is given.
    text: the meaning.
    """

    names: tuple[str, ...]
    shape: str
    text: str


class Equation(NamedTuple):
    """One equation in the plain notation.

    text: the equation, its lines joined.
    condition: the words behind it, such as `where z = 1`; may be empty.
    """

    text: str
    condition: str


class Docstring(NamedTuple):
    """The parts of a docstring.

    claim: the first paragraph.
    equations: of all indented blocks.
    graph: the indented lines that are arrows between populations and no equations.
    definitions: symbols and fields.
    labelled: {label, such as `Limits`: its text}.
    notes: all other paragraphs.
    """

    claim: str
    equations: tuple[Equation, ...]
    graph: tuple[str, ...]
    definitions: tuple[Definition, ...]
    labelled: dict[str, str]
    notes: tuple[str, ...]


def read(text: str) -> Docstring:
    """The parts of a docstring.

    Args:
        text: the docstring as it stands in the source.
    """
    first, *rest = parts(text) or [Part()]
    equations: list[Equation] = []
    graph: list[str] = []
    definitions: list[Definition] = []
    labelled: dict[str, str] = {}
    notes: list[str] = []
    for part in rest:
        if part.is_code:
            for block in part.text.split("\n\n"):
                lines = block.splitlines()
                if _is_graph(lines):
                    graph += [line.strip() for line in lines]
                else:
                    equations += _equations(lines)
        elif part.label in _LISTS and part.items:
            for head, words in part.items:
                if head == "theta" and not _names_theta(equations):
                    labelled[head] = words
                else:
                    definitions.append(_definition(head, words))
        elif part.label:
            _add(labelled, part)
        else:
            notes.append(part.text)
    return Docstring(
        first.text, tuple(equations), tuple(graph), tuple(definitions), labelled, tuple(notes)
    )


def _is_graph(lines: list[str]) -> bool:
    return any(" -> " in line for line in lines) and not any("=" in line for line in lines)


def _equations(lines: list[str]) -> Iterator[Equation]:
    """The equations of a block. A line that is indented further goes on with the one before."""
    whole: list[str] = []
    for line in lines:
        if line.startswith(" ") and whole:
            whole[-1] += " " + line.strip()
        else:
            whole.append(line.strip())
    for line in whole:
        text, _, condition = _CONDITION.sub("\0", line, count=1).partition("\0")
        yield Equation(re.sub(r" +", " ", text), re.sub(r" +", " ", condition))


def _names_theta(equations: list[Equation]) -> bool:
    """Whether theta is a symbol of the equations, and not the name of the learned numbers."""
    symbols = " ".join(equation.text for equation in equations)
    return re.search(r"\btheta(?!\w)|\btheta_[a-z]{1,2}\b", symbols) is not None


def _add(labelled: dict[str, str], part: Part) -> None:
    """Add a labelled paragraph, or the lines of the list under a label as one."""
    text = part.text or " ".join(f"{head}: {words}" for head, words in part.items)
    if part.label in labelled:
        text = f"{labelled[part.label]} {text}"
    labelled[part.label] = text


def _definition(head: str, text: str) -> Definition:
    written, _, drawn = head.partition(" ~ ")
    shapes = _BRACKETS.findall(re.sub(r"\w\[\w*\]", "", written))
    if not shapes:
        shapes = [shape for shape in _BRACKETS.findall(text) if _is_shape(shape)]
    if drawn:
        text = f"~ {drawn}: {text}"
    return Definition(names_of(head), ", ".join(dict.fromkeys(shapes)), text)


def _is_shape(text: str) -> bool:
    """Whether a text in brackets is the shape of an array: `[]`, `[n_post, n_pre]`, `[2]`."""
    return re.fullmatch(r"\[(?:(?:n|n_\w+|\d+|K|mu)(?:, )?)*\]", text) is not None
