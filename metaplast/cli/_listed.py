"""Two columns of text in 80 characters: names, and words on each name."""

import textwrap
from collections.abc import Iterable

WIDTH = 80
WIDEST = 32
"""Characters of the widest name that has words beside it. A wider name stands on its own line."""


def listed(pairs: Iterable[tuple[str, str]]) -> str:
    """The two columns of (name, words). Words that do not fit into a line go on in the next one."""
    pairs = list(pairs)
    column = 2 + max((len(name) for name, _ in pairs if len(name) <= WIDEST), default=0)
    return "\n".join(entry(name, words, column) for name, words in pairs)


def entry(name: str, words: str, column: int) -> str:
    """The lines of one name.

    Args:
        name: the name.
        words: the words on it.
        column: the column in which the words begin.
    """
    wrapped = textwrap.wrap(words, WIDTH - column, break_long_words=False, break_on_hyphens=False)
    lines = [f"{'':{column}}{line}" for line in wrapped]
    if len(name) + 2 > column:
        return "\n".join([name, *lines])
    first = wrapped[0] if wrapped else ""
    return "\n".join([f"{name:{column}}{first}".rstrip(), *lines[1:]])
