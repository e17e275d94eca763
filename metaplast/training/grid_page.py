"""The page of a grid, report.html in its folder."""

import shlex
from dataclasses import replace
from pathlib import Path

from metaplast.figures import grid as grid_figure
from metaplast.figures.section import Figure, Section, Table
from metaplast.inspection.grid_verdict import grid_verdict
from metaplast.report.page import Page, html
from metaplast.results.grid import Grid, counts_in_words, head, lines, remarks
from metaplast.results.numbers import number
from metaplast.runs import folder, provenance
from metaplast.settings.names import DISCOVERED, REPORT

FIGURE = "grid.svg"


def write_grid_page(path: Path, grid: Grid) -> None:
    """Draw grid.svg, and write report.html.

    Args:
        path: the folder of the grid.
        grid: the grid.
    """
    grid_figure.draw(grid, DISCOVERED, path / FIGURE)
    shown = _without_paths(grid)
    about = shown.about
    verdict = grid_verdict(shown, DISCOVERED)
    names, *rows = lines(shown, DISCOVERED)
    worlds = Section(
        "The worlds",
        [head(about)],
        tables=[Table("The rule and the best tuned baseline of each world", names, rows)],
        summary=counts_in_words(shown.cells),
    )
    sections = [worlds]
    notes = remarks(shown)
    if notes:
        sections.append(Section("What happened in them", notes))
    wall_s = sum(one.wall_s for one in shown.cells)
    page = Page(
        f"{about.rule} in {len(shown.cells)} worlds",
        [],
        sections,
        verdict=[verdict.found, verdict.sure, verdict.doubts],
        next_command=verdict.next_command,
        key_figure=_figure(path, shown),
        kind="A rule in many worlds",
        provenance=[
            ("rule", about.rule),
            ("SHA-256", about.sha256[: provenance.SHOWN_DIGITS] or provenance.NOT_RECORDED),
            ("setting", " ".join(about.setting) or "that of its search"),
            ("baselines", ", ".join(about.rows) or "none"),
            ("their budget", f"{about.budget} outer steps"),
            ("lives", f"{about.lives} held-out lives a world"),
            ("took", f"{wall_s:.0f} s"),
        ],
    )
    folder.write_text(path / REPORT, html(page))


def _without_paths(grid: Grid) -> Grid:
    """The grid as a page shows it: of a path of a machine only the name is left."""
    setting = shlex.split(provenance.shown_command(shlex.join(grid.about.setting)))
    rule = provenance.as_given(Path(grid.about.rule))
    return replace(grid, about=replace(grid.about, rule=rule, setting=setting))


def _figure(path: Path, grid: Grid) -> Figure:
    gains = []
    for one in grid.cells:
        if one.cell is not None and one.cell.better_by is not None:
            gains.append(f"{one.world} {number(one.cell.better_by.mean, '+.3g')}")
    alt = f"How much better the rule is than the best tuned baseline: {', '.join(gains) or 'none'}"
    caption = (
        "Blue where the rule is better; ~ stands before a difference whose 95 % interval holds 0."
    )
    return Figure(path / FIGURE, alt, caption)
