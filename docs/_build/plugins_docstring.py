"""The docstring of a plug-in as data: claim, equations, symbols, labelled paragraphs.

The convention is in CONTRIBUTING.md, under "The docstring of a plug-in".
"""

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

INDENT = "    "
_NAME = r"(?:\|\|\w+\|\||[A-Za-z][\w'<>.]*(?:\^-?\d|[+\-*^])?(?:\([^()]*\)|\[\w*\])?)"
_SHAPE = r"(?: \[[^\]]*\](?: or \[[^\]]*\])*)"
_QUOTED = rf"`?{_NAME}`?{_SHAPE}?"
_HEAD = re.compile(rf"^({_QUOTED}(?:, {_QUOTED})*)( ~ [^:]+)?:(?: |$)")
_LABEL = re.compile(r"^(?:((?:[A-Z][a-z]{2,})(?: [a-z]+){0,4}|theta):(?: |$)|(Clock|Fixed point) )")
_LISTS = ("Args", "Attributes")
_CONDITION = re.compile(r"(?<![: ]) {3,}(?!=|<-| )")
_BRACKETS = re.compile(r"\[[^\]]*\]")


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
    blocks = _blocks(inspect.cleandoc(text))
    claim = " ".join(blocks[0]) if blocks else ""
    equations: list[Equation] = []
    graph: list[str] = []
    definitions: list[Definition] = []
    labelled: dict[str, str] = {}
    notes: list[str] = []
    symbols = ""
    for block in blocks[1:]:
        if all(line.startswith(INDENT) for line in block):
            if _is_graph(block):
                graph += [line.strip() for line in block]
            else:
                equations += _equations(block)
                symbols = " ".join(equation.text for equation in equations)
            continue
        for item in _items(block):
            _sort(item, symbols, definitions, labelled, notes)
    return Docstring(
        claim, tuple(equations), tuple(graph), tuple(definitions), labelled, tuple(notes)
    )


def _blocks(text: str) -> list[list[str]]:
    """The lines between blank lines."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _is_graph(block: list[str]) -> bool:
    return any(" -> " in line for line in block) and not any("=" in line for line in block)


def _equations(block: list[str]) -> Iterator[Equation]:
    """The equations of a block. A line that is indented further goes on with the one before."""
    whole: list[str] = []
    for line in block:
        if line.startswith(INDENT + " ") and whole:
            whole[-1] += " " + line.strip()
        else:
            whole.append(line.strip())
    for line in whole:
        text, _, condition = _CONDITION.sub("\0", line, count=1).partition("\0")
        yield Equation(re.sub(r" +", " ", text), re.sub(r" +", " ", condition))


def _items(block: list[str]) -> Iterator[list[str]]:
    """Definitions, labelled paragraphs and plain paragraphs of a block, each as its lines."""
    item: list[str] = []
    for line in block:
        if item and _begins(line, item):
            yield item
            item = []
        item.append(line)
    if item:
        yield item


def _begins(line: str, item: list[str]) -> bool:
    """Whether a line begins a new item. A line of a wrapped sentence never does."""
    if line.startswith(INDENT):
        return False
    is_definition = bool(_HEAD.match(item[0])) and not _LABEL.match(item[0])
    if is_definition:
        return True
    return item[-1].endswith(".") and bool(_HEAD.match(line) or _LABEL.match(line))


def _sort(
    item: list[str],
    symbols: str,
    definitions: list[Definition],
    labelled: dict[str, str],
    notes: list[str],
) -> None:
    """Put an item where it belongs."""
    label = _LABEL.match(item[0])
    if label and label[1] == "theta" and re.search(r"\btheta(?!\w)|\btheta_[a-z]{1,2}\b", symbols):
        label = None
    if label and label[1] in _LISTS:
        for inner in _dedented(item[1:]):
            _sort(inner, symbols, definitions, labelled, notes)
        return
    text = " ".join(line.strip() for line in item)
    if label:
        name = label[1] or label[2]
        rest = text[label.end() :].strip()
        labelled[name] = f"{labelled[name]} {rest}" if name in labelled else rest
        return
    head = _HEAD.match(item[0])
    if head is None:
        notes.append(text)
        return
    definitions.append(_definition(head, text[head.end() :].strip()))


def _dedented(lines: list[str]) -> Iterator[list[str]]:
    """The definitions under a header such as `Args:`."""
    yield from _items([line.removeprefix(INDENT) for line in lines])


def _definition(head: re.Match[str], text: str) -> Definition:
    shapes = _BRACKETS.findall(re.sub(r"\w\[\w*\]", "", head[1]))
    bare = re.sub(_SHAPE, "", head[1])
    names = tuple(name.strip(" `") for name in bare.split(","))
    if not shapes:
        shapes = [shape for shape in _BRACKETS.findall(text) if _is_shape(shape)]
    drawn = head[2] or ""
    if drawn:
        text = f"{drawn.strip()}: {text}"
    return Definition(names, ", ".join(dict.fromkeys(shapes)), text)


def _is_shape(text: str) -> bool:
    """Whether a text in brackets is the shape of an array: `[]`, `[n_post, n_pre]`, `[2]`."""
    return re.fullmatch(r"\[(?:(?:n|n_\w+|\d+|K|mu)(?:, )?)*\]", text) is not None
