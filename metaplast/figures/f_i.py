"""The figure of f-I curves: the rate of a cell over the constant current that drives it."""

import itertools
from collections.abc import Mapping

from metaplast.figures.style import OURS, PALETTE, TRUE, Picture, subplots
from metaplast.results.f_i import FICurve


def draw(curves: Mapping[str, FICurve], port: str) -> Picture:
    """The steady rate of each cell (solid) and the rate at onset (dotted) over the drive.

    Args:
        curves: {name: curve}.
        port: of the drive.
    """
    figure, axes = subplots(figsize=(6.0, 3.8), layout="constrained")
    colours = itertools.cycle((OURS, TRUE, *PALETTE))
    for (name, each), colour in zip(curves.items(), colours, strict=False):
        axes.plot(each.drives, each.steady, color=colour, lw=1.8, label=f"{name}, steady")
        axes.plot(each.drives, each.onset, ":", color=colour, lw=1.4, label=f"{name}, at onset")
    axes.set_xlabel(f"constant drive of the port {port}, in the neuron's own unit")
    axes.set_ylabel("rate, Hz")
    axes.set_ylim(bottom=0.0)
    axes.legend(frameon=False, fontsize=8)
    return figure
