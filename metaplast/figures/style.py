"""The style that all figures share: colours, dashes, saving."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OURS = "#1b6ca8"  # the searched rule
OTHERS = "#9aa5b1"
FAINT = "#c9ced6"
TRUE = "#d55e00"  # the true value, where it is known
PALETTE = (
    *("#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"),
    *("#7a5195", "#8c564b", "#4d4d4d", "#b3b300", "#003f5c"),
)
DASHES = ("-", "--", ":", "-.")


def row_styles(names: Iterable[str], ours: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and dashes of every row.

    A row has the same style in every figure that is given all rows in their order.

    Args:
        names: all rows.
        ours: the rows of the searched rule; the first of them is drawn in blue.
    """
    styles: dict[str, dict[str, Any]] = {ours[0]: {"color": OURS, "ls": DASHES[0]}}
    others = []
    for name in names:
        if name != ours[0]:
            others.append(name)
    for index, name in enumerate(others):
        turn = index // len(PALETTE)
        styles[name] = {
            "color": PALETTE[index % len(PALETTE)],
            "ls": DASHES[turn % len(DASHES)],
        }
    return styles


def hide(axes: Iterable[Any]) -> None:
    """Hide the panels of a grid that nothing is drawn in."""
    for panel in axes:
        panel.set_axis_off()


def save(figure: Any, path: Path) -> None:
    """Write the figure as a PNG file and close it; missing folders are created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
