"""The figure of a rule that is no list of terms: a histogram of every leaf of theta."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from metaplast.figures.section import Figure, PagePart, RulesShown, Section, Table
from metaplast.figures.style import OURS, hide, save, subplots
from metaplast.results import coefficients
from metaplast.results.numbers import number

MANY = 12
"""Numbers of a leaf whose distribution is drawn; the table shows the others."""


def of_rules(shown: RulesShown) -> PagePart | None:
    """The leaves of the first rule file; None where every rule is a list of terms."""
    file = shown.files[0]
    leaves = coefficients.leaves(file.document, file.tensors)
    if leaves:
        return part(leaves, shown.folder)
    return None


def part(leaves: Mapping[str, np.ndarray], folder: Path) -> PagePart:
    """The number, the shape and the size of the numbers in every leaf."""
    many = {}
    for name, values in leaves.items():
        if values.size >= MANY:
            many[name] = values
    rows = []
    plain = {}
    described = []
    for name, values in leaves.items():
        shape = "x".join(str(length) for length in values.shape) or "1"
        rms = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
        least = float(values.min())
        largest = float(values.max())
        sizes = []
        for value in (rms, least, largest):
            sizes.append(number(value, ".3g"))
        rows.append((name, shape, str(values.size), *sizes))
        described.append(f"{name} {values.size} numbers, rms {sizes[0]}")
        plain[name] = {
            "shape": list(values.shape),
            "size": values.size,
            "rms": rms,
            "min": least,
            "max": largest,
        }
    head = ("leaf", "shape", "numbers", "root mean square", "least", "largest")
    table = Table("Learned numbers by leaf", head, rows)
    pictures = []
    if many:
        path = folder / "numbers.svg"
        draw(many, path)
        alt = f"Histogram of every leaf of {MANY} numbers or more. {', '.join(described)}"
        caption = f"Distribution of the learned numbers of each leaf that has {MANY} or more."
        pictures.append(Figure(path, alt, caption))
    total = sum(values.size for values in leaves.values())
    words = f"A rule that is no list of terms: {total} numbers in {len(leaves)} leaves."
    section = Section("Learned numbers", [words], figures=pictures, tables=[table])
    return PagePart(section, {"leaves": plain})


def draw(leaves: Mapping[str, np.ndarray], path: Path) -> None:
    """Draw one histogram per leaf of theta."""
    n_lines = -(-len(leaves) // 3)
    figure, grid = subplots(
        n_lines, 3, figsize=(8.4, 2.2 * n_lines + 0.3), layout="constrained", squeeze=False
    )
    for axes, (name, values) in zip(grid.flat, leaves.items(), strict=False):
        axes.hist(values.reshape(-1), bins=min(40, max(5, values.size // 4)), color=OURS)
        axes.set_title(f"{name} {list(values.shape)}", fontsize=8)
        axes.set_xlabel("value", fontsize=8)
        axes.set_ylabel("numbers", fontsize=8)
    hide(list(grid.flat)[len(leaves) :])
    save(figure, path)
