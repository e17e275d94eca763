"""The heat map of a grid: one line per factor, with the words of every cell."""

import numpy as np

from metaplast.figures.grid import by_factor, draw, gains
from metaplast.results.changed_world import Cell
from metaplast.results.grid import About, Grid, GridCell, Health
from metaplast.results.numbers import Bounds
from metaplast.results.summary import Difference, RowScore

NONE = Difference(None, Bounds(None, None))


def _cell(factor, level, mean, low, how="learns"):
    gain = Difference(mean, Bounds(low, mean + 0.1))
    score = RowScore(
        name="discovered",
        split="heldout",
        metric="accuracy",
        mean=0.75,
        ci95=Bounds(0.7, 0.8),
        n=20,
        difference=NONE,
    )
    return GridCell(
        factor=factor,
        level=level,
        words=[],
        cell=Cell(
            changes=[],
            seeds=[0],
            n=20,
            metric="accuracy",
            scores=[score],
            baseline="tuned",
            better_by=gain,
        ),
        health=Health(diverged=0, n=20, at_bound=0.0, idle={}, over_birth=NONE, how=how),
    )


def test_a_line_for_every_factor_and_a_word_for_every_break(tmp_path):
    cells = [
        _cell("start", "as given", 0.1, 0.05),
        _cell("width", "x2", -0.2, -0.3, "saturates"),
        _cell("width", "x4", 0.0, -0.1),
        GridCell(factor="depth", level="3", words=[], refused="why"),
    ]
    values = gains(by_factor(cells))
    np.testing.assert_array_equal(values, [[0.1, np.nan], [-0.2, 0.0], [np.nan, np.nan]])
    about = About(
        rule="r",
        sha256="",
        base="",
        setting=[],
        rows=["tuned"],
        searched=None,
        budget=1,
        lives=20,
    )
    draw(Grid(about=about, cells=cells), "discovered", tmp_path / "grid.svg")
    text = (tmp_path / "grid.svg").read_text()
    scores = ("0.750 (+0.100)", "0.750 (-0.200)", "0.750 (~ +0.000)")
    for word in ("start", "width", "depth", "saturates", "refused", *scores):
        assert f">{word}<" in text, word
