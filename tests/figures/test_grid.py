"""The heat map of a grid: one line per factor, with the words of every cell."""

import numpy as np

from metaplast.figures.grid import by_factor, draw, gains
from metaplast.results.changed_world import Cell
from metaplast.results.grid import MISFIT, NEEDS_PACKAGE, About, Grid, GridCell, Health
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
        GridCell(factor="depth", level="4", words=[], refused="why", refusal=MISFIT),
        GridCell(factor="depth", level="5", words=[], refused="why", refusal=NEEDS_PACKAGE),
        GridCell(factor="depth", level="6", words=[], refused="why", refusal=NEEDS_PACKAGE),
    ]
    values = gains(by_factor(cells))
    expected = np.full((3, 4), np.nan)
    expected[0, 0] = 0.1
    expected[1, :2] = [-0.2, 0.0]
    np.testing.assert_array_equal(values, expected)
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
    # in its cells, and once in the legend
    assert (text.count(">does not fit<"), text.count(">refused: does not fit<")) == (1, 1)
    assert (text.count(">needs a package<"), text.count(">refused: needs a package<")) == (2, 1)
    assert "no such world" not in text
