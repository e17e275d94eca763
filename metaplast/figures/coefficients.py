"""The figure of coefficients: a grid of one rule's terms, or means with intervals over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from metaplast.figures import coefficient_intervals
from metaplast.figures.section import Figure, PagePart, RulesShown, Section, Table
from metaplast.figures.style import ON_DEEP_MAP, ON_MAP, save, subplots
from metaplast.results.coefficients import Numbers, acting, over_seeds
from metaplast.results.numbers import interval, number, rounded
from metaplast.results.statistics import Estimate

Panels = Mapping[str, Mapping[str, Estimate]]  # slot or edge -> number -> estimate over seeds


def of_rules(shown: RulesShown) -> PagePart | None:
    """The coefficients and the learnt constants of the rules; None where there are neither."""
    numbers = []
    for file in shown.files:
        numbers.append(acting(file.document, file.tensors))
    first = numbers[0]
    if not any(first.terms.values()) and not any(first.constants.values()):
        return None
    terms = [of_rule.terms for of_rule in numbers]
    constants = [of_rule.constants for of_rule in numbers]
    return part(terms, constants, shown.folder)


def part(terms: Sequence[Numbers], constants: Sequence[Numbers], folder: Path) -> PagePart:
    """Coefficients c_k before the rate; learnt constants stand in a table of their own.

    Args:
        terms: {slot or edge: {term: c_k}} of every seed.
        constants: {slot or edge: {name: value as it acts}} of every seed.
        folder: of the picture.
    """
    n = len(terms)
    mean = {}
    for entry, values in over_seeds(terms).items():
        if values:
            mean[entry] = values
    learnt = {}
    for entry, values in over_seeds(constants).items():
        if values:
            learnt[entry] = values
    pictures: list[Figure] = []
    tables = []
    if (n > 1 and mean) or sum(map(len, mean.values())) > 1:
        pictures.append(_figure(mean, terms, folder))
    if mean:
        tables.append(_table("Coefficients, before the rate", mean, n))
    if learnt:
        tables.append(_table("Learnt constants, as they act", learnt, n))
    paragraphs = []
    if mean or learnt:
        paragraphs = [_words(n)]
    section = Section("Coefficients", paragraphs, figures=pictures, tables=tables)
    plain = {"seeds": n, "terms": _plain(mean), "constants": _plain(learnt)}
    return PagePart(section, plain)


def draw(terms: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the coefficient of every term, one column per slot or edge, coloured by sign."""
    columns = list(terms)
    rows = list(dict.fromkeys(term for values in terms.values() for term in values))
    grid = np.full((len(rows), len(columns)), np.nan)
    for j, column in enumerate(columns):
        for i, row in enumerate(rows):
            grid[i, j] = terms[column].get(row, np.nan)
    limit = max(float(np.nanmax(np.abs(grid))), 1e-12)
    size = (2.4 + 1.6 * len(columns), 0.38 * len(rows) + 1.4)
    figure, axes = subplots(figsize=size, layout="constrained")
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    style = {"ha": "center", "va": "center", "fontsize": 8}
    for (i, j), value in np.ndenumerate(grid):
        if np.isfinite(value):
            colour = ON_MAP
            if abs(value) > 0.6 * limit:
                colour = ON_DEEP_MAP
            axes.text(j, i, f"{value:.3g}", color=colour, **style)
    axes.set_xticks(range(len(columns)), columns, rotation=20, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    figure.colorbar(image, label="coefficient (before the rate)")
    save(figure, path)


def ends(panels: Mapping[str, Mapping[str, float]]) -> str:
    """`slot: term 0.1, term 0.2; slot: ...`, for the words of a picture."""
    words = []
    for entry, values in panels.items():
        numbers = ", ".join(f"{name} {number(value, '.3g')}" for name, value in values.items())
        words.append(f"{entry}: {numbers}")
    return "; ".join(words)


def _figure(mean: Panels, terms: Sequence[Numbers], folder: Path) -> Figure:
    n = len(terms)
    means = {}
    for entry, values in mean.items():
        means[entry] = {name: estimate.mean for name, estimate in values.items()}
    alt = f"Coefficients: {ends(means)}"
    if n == 1:
        path = folder / "coefficients.svg"
        draw({entry: terms[0][entry] for entry in mean}, path)
        caption = (
            "The coefficient of every term in every slot or edge, to be multiplied by its rate."
        )
        return Figure(path, alt, caption)
    path = folder / "coefficients_over_seeds.svg"
    coefficient_intervals.draw(mean, "coefficient (before the rate)", path)
    caption = (
        f"Mean of every coefficient over {n} seeds; bars: 95 % interval (Student's t over seeds)."
    )
    return Figure(path, alt, caption)


def _words(n: int) -> str:
    if n == 1:
        return "One seed: values without intervals over seeds."
    return (
        f"Mean over {n} seeds with the 95 % interval of Student's t; few seeds give wide intervals."
    )


def _table(caption: str, panels: Panels, n: int) -> Table:
    names = list(dict.fromkeys(name for values in panels.values() for name in values))
    rows = []
    for name in names:
        cells = []
        for values in panels.values():
            cells.append(_cell(values.get(name), n))
        rows.append((name, *cells))
    return Table(caption, ("", *panels), rows)


def _cell(estimate: Estimate | None, n: int) -> str:
    if estimate is None:
        return ""
    mean = number(estimate.mean, ".3g")
    if n > 1:
        return f"{mean} {interval([estimate.low, estimate.high], '.3g')}"
    return mean


def _plain(panels: Panels) -> dict[str, dict[str, object]]:
    plain: dict[str, dict[str, object]] = {}
    for entry, values in panels.items():
        plain[entry] = {}
        for name, estimate in values.items():
            plain[entry][name] = asdict(rounded(estimate))
    return plain
