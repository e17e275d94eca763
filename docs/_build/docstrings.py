"""Docstrings of this repository: their parts in order, and the Markdown of them.

A docstring holds paragraphs, equations and examples that are indented, and lists with one symbol a
line. A list may stand under a word such as `Args:`. A word and a colon may begin a paragraph, as in
`Limits: ...`. The convention is in CONTRIBUTING.md, under "The docstring of a plug-in".
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

INDENT = "    "
_NAME = r"(?:\|\|\w+\|\||[*A-Za-z][\w'<>.*]*(?:\^-?\d|[+\-*^])?(?:\([^()]*\)|\[\w*\])?)"
_SHAPE = r"(?: \[[^\]]*\](?: or \[[^\]]*\])*)"
_QUOTED = rf"`?{_NAME}`?{_SHAPE}?"
HEAD = re.compile(rf"^({_QUOTED}(?:, {_QUOTED})*)( ~ [^:]+)?:(?: |$)")
"""The symbols of a line of a list, with their shapes, and the distribution that they come from."""
LABEL = re.compile(r"^(?:((?:[A-Z][a-z]{2,})(?: [a-z]+){0,4}|theta):(?: |$)|(Clock|Fixed point) )")
"""The words before a paragraph."""
_SHAPES = re.compile(_SHAPE)
SECTIONS = (
    *("Args", "Attributes", "Returns", "Yields", "Raises", "Source", "Sources", "References"),
    *("Limits", "Limit", "Example", "Examples", "Splits", "View", "State", "Metrics", "Defaults"),
)
"""Labels that a page shows as such, in any docstring."""
WORDS = {"Args": "Arguments", "Attributes": "Fields"}
CODE = re.compile(r"(`[^`]+`)")


@dataclass
class Part:
    """A paragraph, a list or a piece of code of a docstring.

    label: the words before it, such as `Args`; may be empty.
    text: the words of a paragraph, or the lines of code.
    is_code: whether it is code or an equation.
    items: the symbols of a list as they are written, with shapes, each with its words.
    """

    label: str = ""
    text: str = ""
    is_code: bool = False
    items: list[tuple[str, str]] = field(default_factory=list)


def parts(docstring: str) -> list[Part]:
    """The parts of a docstring, in their order.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
    """
    whole: list[Part] = []
    for block in _blocks(inspect.cleandoc(docstring)):
        if all(line.startswith(INDENT) for line in block):
            code = "\n".join(line.removeprefix(INDENT) for line in block)
            if whole and whole[-1].is_code:
                whole[-1].text += f"\n\n{code}"
            else:
                whole.append(Part(text=code, is_code=True))
        elif not whole:
            whole.append(Part(text=_joined(block)))  # the claim is one paragraph
        else:
            whole += _of_block(block)
    return whole


def symbols(docstring: str) -> dict[str, str]:
    """{symbol: the words on it} of every list in a docstring.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
    """
    words = {}
    for part in parts(docstring):
        for head, text in part.items:
            for name in names_of(head):
                words[name] = text
    return words


def names_of(head: str) -> tuple[str, ...]:
    """The names in the head of a line of a list, without shapes and backticks.

    Args:
        head: the words before the colon.
    """
    bare = _SHAPES.sub("", head.partition(" ~ ")[0])
    return tuple(name.strip(" `") for name in bare.split(","))


def summary(docstring: str) -> str:
    """The first sentence of a docstring."""
    return re.split(r"(?<=[.?!]) (?=[A-Z`])", parts(docstring)[0].text)[0]


def as_markdown(docstring: str, fields: Mapping[str, str] | None = None) -> str:
    """The Markdown of a docstring.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
        fields: {field: its type and default} of a class of data. A field stands beside its words,
            or below the docstring where that has no words on it.
    """
    types = dict(fields or {})
    whole = parts(docstring)
    described = symbols(docstring)
    silent = [(name, "") for name in types if name not in described]
    if silent:
        whole.append(Part("Attributes", items=silent))
    return "\n\n".join(_markdown(part, types) for part in whole) + "\n"


def as_prose(docstring: str) -> str:
    """The Markdown of the paragraphs and equations of a docstring, without its lists.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
    """
    prose = []
    for part in parts(docstring):
        if not part.items and part.label not in SECTIONS:
            prose.append(_markdown(part, {}))
    return "\n\n".join(prose)


def literal(text: str, code: Callable[[str], str] = str) -> str:
    """Prose in which Markdown sees no markup but code in backticks.

    Args:
        text: the words.
        code: gives the Markdown of a piece in backticks.
    """
    pieces = CODE.split(text)
    for index, piece in enumerate(pieces):
        if index % 2:
            pieces[index] = code(piece)
        else:
            pieces[index] = re.sub(r"([\\*_\[\]$])", r"\\\1", piece).replace("<", "&lt;")
    return "".join(pieces)


def _blocks(text: str) -> list[list[str]]:
    """The lines between blank lines."""
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _of_block(block: list[str]) -> list[Part]:
    """The parts of lines without a blank line between them."""
    whole: list[Part] = []
    for item in _items(block):
        label = LABEL.match(item[0])
        head = HEAD.match(item[0])
        if label and label[1] != "theta":
            whole.append(_labelled(label, item))
        elif head:
            if not whole or not whole[-1].items or whole[-1].label:
                whole.append(Part())
            whole[-1].items.append(_definition(head, item))
        else:
            whole.append(Part(text=_joined(item)))
    return whole


def _labelled(label: re.Match[str], item: list[str]) -> Part:
    """A paragraph behind a label, or the list under it."""
    name = label[1] or label[2]
    inner = list(_items([line.removeprefix(INDENT) for line in item[1:]]))
    heads = [HEAD.match(lines[0]) for lines in inner]
    if name in SECTIONS and not item[0][label.end() :].strip() and inner and all(heads):
        part = Part(name)
        for head, lines in zip(heads, inner, strict=True):
            assert head is not None
            part.items.append(_definition(head, lines))
        return part
    return Part(name, _joined(item)[label.end() :].strip())


def _definition(head: re.Match[str], item: list[str]) -> tuple[str, str]:
    return f"{head[1]}{head[2] or ''}", _joined(item)[head.end() :].strip()


def _joined(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines)


def _items(block: list[str]) -> Iterator[list[str]]:
    """Lines of a list, labelled paragraphs and plain paragraphs of a block, each as its lines."""
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
    if HEAD.match(item[0]) and not LABEL.match(item[0]):
        return True
    return item[-1].endswith(".") and bool(HEAD.match(line) or LABEL.match(line))


def _markdown(part: Part, types: Mapping[str, str]) -> str:
    if part.is_code:
        return f"```{_language(part.text)}\n{part.text}\n```"
    lines = []
    if part.label or part.text:
        lines += [_paragraph(part), ""]
    for head, words in part.items:
        symbol = head.replace("`", "")
        if symbol in types:
            symbol += f": {types[symbol]}"
        lines.append(f"- `{symbol}`: {literal(words)}".removesuffix(": "))
    return "\n".join(lines).strip()


def _paragraph(part: Part) -> str:
    """The Markdown of a paragraph with its label."""
    if part.label in SECTIONS:
        return f"**{WORDS.get(part.label, part.label)}:** {literal(part.text)}"
    if part.label in ("Clock", "Fixed point"):
        return f"{part.label} {literal(part.text)}"
    if part.label:
        return f"{part.label}: {literal(part.text)}"
    return literal(part.text)


def _language(code: str) -> str:
    """`python` for a program, `text` for an equation."""
    try:
        ast.parse(code)
    except SyntaxError:
        return "text"
    return "python"
