"""Formulas as MathML, which a browser draws without a program."""

import html
import re

from latex2mathml.converter import convert

# The form in which pymdownx.arithmatex leaves them.
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def as_mathml(page: str) -> str:
    """The HTML of a page with its formulas, which are TeX, as MathML."""
    page = INLINE.sub(lambda match: convert(html.unescape(match[1])), page)
    return BLOCK.sub(_block, page)


def _block(match: re.Match[str]) -> str:
    formula = convert(html.unescape(match[1]).strip(), display="block")
    return f'<div class="formula">{formula}</div>'
