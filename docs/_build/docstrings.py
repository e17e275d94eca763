"""Docstrings of this repository as Markdown.

A docstring holds paragraphs, equations and examples that are indented, and lists with one symbol a
line. A list may stand under a word such as `Args:`. Words may stand behind `Returns:` in its line.
"""

import ast
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HEADING = re.compile(
    r"(Args|Attributes|Returns|Yields|Raises|Sources?|References|Limits?|Examples?|Splits|View"
    r"|State|Metrics|Defaults):(?: (.*))?"
)
WORDS = {"Args": "Arguments", "Attributes": "Fields"}
SYMBOL = re.compile(r"([\w*.`<>]+(?:, [\w*.`<>]+)*)((?: \[[^\]]*\])*(?: ~ [^:]+)?): (\S.*)")
CODE = re.compile(r"(`[^`]+`)")


@dataclass
class Part:
    """A paragraph, a list or a piece of code of a docstring.

    heading: the word above it, such as `Args`; may be empty.
    text: the words of a paragraph, or the lines of code.
    is_code: whether it is code or an equation.
    items: the symbols of a list, each with its words.
    """

    heading: str = ""
    text: str = ""
    is_code: bool = False
    items: list[tuple[str, str]] = field(default_factory=list)


def parts(docstring: str) -> list[Part]:
    """The parts of a docstring, in their order.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
    """
    found: list[Part] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(docstring)):
        lines = block.splitlines()
        if all(line.startswith("    ") for line in lines):
            code = "\n".join(line.removeprefix("    ") for line in lines)
            if found and found[-1].is_code:
                found[-1].text += f"\n\n{code}"
            else:
                found.append(Part(text=code, is_code=True))
        else:
            found += _written(lines)
    return found


def symbols(docstring: str) -> dict[str, str]:
    """{symbol: the words on it} of every list in a docstring.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
    """
    words = {}
    for part in parts(docstring):
        for symbol, text in part.items:
            names = re.split(r" \[| ~ ", symbol)[0]
            for name in names.split(", "):
                words[name] = text
    return words


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
    found = parts(docstring)
    said = symbols(docstring)
    silent = [(name, "") for name in types if name not in said]
    if silent:
        found.append(Part("Attributes", items=silent))
    return "\n\n".join(_markdown(part, types) for part in found) + "\n"


def as_prose(docstring: str) -> str:
    """The Markdown of the paragraphs and equations of a docstring, without its lists.

    Args:
        docstring: as `__doc__` holds it, or cleaned.
    """
    prose = [part for part in parts(docstring) if not part.items and not part.heading]
    return "\n\n".join(_markdown(part, {}) for part in prose)


def literal(text: str) -> str:
    """Prose in which Markdown sees no markup but code in backticks."""
    pieces = CODE.split(text)
    for index in range(0, len(pieces), 2):
        plain = re.sub(r"([\\*_\[\]$])", r"\\\1", pieces[index])
        pieces[index] = plain.replace("<", "&lt;")
    return "".join(pieces)


def _written(lines: list[str]) -> list[Part]:
    """The parts of lines without a blank line between them."""
    found: list[Part] = []
    outer = [line for line in lines if not line.startswith(" ")]
    is_list = all(SYMBOL.fullmatch(line) or HEADING.fullmatch(line) for line in outer)
    for line in lines:
        depth = len(line) - len(line.lstrip())
        heading = HEADING.fullmatch(line)
        if heading:
            found.append(Part(heading[1], heading[2] or ""))
            continue
        if not found:
            found.append(Part())
        last = found[-1]
        symbol = SYMBOL.fullmatch(line.strip())
        in_section = bool(last.heading) and not last.text and depth == 4
        if symbol and (in_section or (is_list and depth == 0)):
            last.items.append((f"{symbol[1]}{symbol[2]}", symbol[3]))
        elif last.items:
            names, words = last.items[-1]
            last.items[-1] = (names, f"{words} {line.strip()}")
        else:
            last.text = f"{last.text} {line.strip()}".strip()
    return found


def _markdown(part: Part, types: Mapping[str, str]) -> str:
    if part.is_code:
        return f"```{_language(part.text)}\n{part.text}\n```"
    heading = WORDS.get(part.heading, part.heading)
    lines = []
    if heading or part.text:
        lines += [f"**{heading}:** {literal(part.text)}" if heading else literal(part.text), ""]
    for names, words in part.items:
        symbol = names.replace("`", "")
        if symbol in types:
            symbol += f": {types[symbol]}"
        lines.append(f"- `{symbol}`: {literal(words)}".removesuffix(": "))
    return "\n".join(lines).strip()


def _language(code: str) -> str:
    """`python` for a program, `text` for an equation."""
    try:
        ast.parse(code)
    except SyntaxError:
        return "text"
    return "python"
