"""Two columns of text in 80 characters: names, and what is said of each."""

import textwrap
from collections.abc import Iterable

WIDTH = 80
WIDEST = 32  # of the names; a longer one has a line of its own


def listed(pairs: Iterable[tuple[str, str]]) -> str:
    """One entry a name; words that do not fit go on below each other."""
    pairs = list(pairs)
    column = 2 + max((len(name) for name, _ in pairs if len(name) <= WIDEST), default=0)
    return "\n".join(entry(name, words, column) for name, words in pairs)


def entry(name: str, words: str, column: int) -> str:
    """One of them, its words from `column` on."""
    lines = textwrap.wrap(
        words, WIDTH - column, break_long_words=False, break_on_hyphens=False
    ) or [""]
    rest = [f"{'':{column}}{line}" for line in lines[1:]]
    if len(name) + 2 <= column:
        first = [f"{name:{column}}{lines[0]}".rstrip()]
    else:
        first = [name, *([f"{'':{column}}{lines[0]}"] if lines[0] else [])]
    return "\n".join([*first, *rest])
