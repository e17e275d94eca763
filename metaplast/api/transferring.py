"""A rule in many worlds, from Python."""

import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from metaplast.api.carrying import stopped_by_hand, undisturbed
from metaplast.api.checks import name_of, whole
from metaplast.api.run import Run
from metaplast.api.words import words_of
from metaplast.figures import grid as grid_figure
from metaplast.figures.style import Picture, kept
from metaplast.registry import BadInput
from metaplast.results.grid import Grid, GridCell
from metaplast.reuse import html
from metaplast.settings.names import DISCOVERED
from metaplast.training.grid import GridRequest, make_grid
from metaplast.training.grid_text import grid_text


class Transfer:
    """A rule in many worlds, each beside baselines that were tuned there.

    cells: the worlds. The first is the one from which the grid starts.
    folder: the folder with grid.json, grid.svg and report.html.
    """

    def __init__(self, folder: Path, grid: Grid) -> None:
        """Hold a grid.

        Args:
            folder: of the grid.
            grid: its worlds.
        """
        self.folder = folder
        self._grid = grid

    @property
    def cells(self) -> list[GridCell]:
        """The worlds, the one from which the grid starts first."""
        return self._grid.cells

    @property
    def text(self) -> str:
        """The text that `metaplast eval --grid` prints: the verdict and the table."""
        return grid_text(self._grid)

    def plot(self) -> Picture:
        """The worlds as a heat map, one line for every factor."""
        with kept() as figures:
            grid_figure.draw(self._grid, DISCOVERED, Path("grid"))
        return figures["grid"]

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return html.formula(self.text)


def transfer(
    rule: str | PathLike[str] | Run,
    experiment: str | None = None,
    *,
    factors: Sequence[str] = (),
    rows: Sequence[str] = (),
    budget: int | None = None,
    lives: int = 1024,
    out: str | PathLike[str] | None = None,
    quiet: bool = False,
    **words: Any,
) -> Transfer:
    """Judge a rule in many worlds, as `metaplast eval RULE --grid` does.

    The rule stays as it is. The baselines are tuned anew in every world. The same call goes on
    where an earlier one ended.

        mp.transfer("zoo/readout", "readout", factors=["task.shots=10,40"], rows=["linear_readout"])

    Args:
        rule: a finished run, the path of a rule file, or `zoo/NAME`.
        experiment: the name of the experiment from whose world the grid starts; None: that of the
            run.
        factors: factors of the grid (docs/guides/transfer.md); empty: all that have a name.
        rows: the baselines; empty: every row that learns numbers.
        budget: outer steps of the search of each baseline; None: those of the config.
        lives: held-out lives of each world.
        out: the folder of the grid; None: `grid` in the run folder, or `grid-NAME` here.
        quiet: whether no line is shown for each world.
        words: config words of the world from which the grid starts, as in `train`.

    Raises: BadInput for a grid that cannot be made, or for a folder of another grid; Busy where
        another process works in the folder; KeyboardInterrupt after Ctrl-C.
    """
    if isinstance(factors, str) or isinstance(rows, str):
        raise BadInput("a text", "a list of factors, and one of rows", "put it into brackets")
    name = str(rule.alone()) if isinstance(rule, Run) else name_of(rule)
    lives = whole("lives", lives, 1)
    if budget is not None:
        budget = whole("budget", budget, 1)
    folder = None if out is None else Path(out)
    said = tuple(words_of(experiment, words))
    request = GridRequest(name, said, tuple(factors), tuple(rows), budget, lives, folder)
    show = _silent if quiet else _say
    with stopped_by_hand(), undisturbed():
        return Transfer(*make_grid(request, show, lives_on=True))


def _silent(line: str) -> None:
    """Show nothing."""


def _say(line: str) -> None:
    """Show a line beside the output, as the command line does."""
    print(line, file=sys.stderr)
