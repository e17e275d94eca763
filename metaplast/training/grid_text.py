"""The text of a grid: the end of `metaplast eval --grid`."""

from metaplast.inspection.grid_verdict import grid_verdict
from metaplast.results.grid import Grid, render
from metaplast.settings.names import DISCOVERED


def grid_text(grid: Grid) -> str:
    """The verdict, the next command, and the table."""
    verdict = grid_verdict(grid, DISCOVERED)
    return f"{verdict.text}\n\n{render(grid, DISCOVERED)}"
