"""The form of a figure for a talk: its size, its letters, its colours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.text import Text

from metaplast.figures.style import Picture, kept, of_pages, subplots

SIZE = (8.0, 4.5)  # inches
LETTERS = 14.0  # points, at least


@contextmanager
def letters() -> Iterator[None]:
    """Draw with letters that can be read from the last row."""
    with of_pages(), matplotlib.rc_context({"font.size": LETTERS, "axes.titlesize": LETTERS}):
        yield


def panels(n_columns: int = 1, **grid: Any) -> Any:
    """A new figure of the size of a slide, with a line of axes."""
    return subplots(1, n_columns, figsize=SIZE, layout="constrained", **grid)


def redrawn(draw: Callable[[Path], None]) -> Picture:
    """A figure of `metaplast.figures` in the form of a slide.

    Args:
        draw: draws it into a file.
    """
    with kept() as figures:
        draw(Path("figure.svg"))
    (figure,) = figures.values()
    return enlarged(figure)


def enlarged(figure: Picture) -> Picture:
    """The same figure in the size of a slide, with no letters below LETTERS."""
    figure.set_size_inches(*SIZE)
    for words in figure.findobj(Text):
        words.set_fontsize(max(LETTERS, words.get_fontsize()))
    return figure
