"""The fields of cells as images: the weights of a life's inputs at its birth and at its end."""

import math

import numpy as np

from benchmarks.gallery import slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import Picture
from metaplast.settings.names import DISCOVERED

GAP = 1
"""Empty pixels between two cells."""


def draw(run: Finished, entry: Entry) -> Picture:
    """Birth on the left, end on the right; a square for every cell, ON minus OFF weights.

    Option `edge`: of the weights.
    """
    figure, panels = slide.panels(2)
    figure.get_layout_engine().set(wspace=0.08)
    born, grown = run.weights(DISCOVERED, entry.options["edge"])
    mosaics = (("at birth", mosaic(born)), ("at the end", mosaic(grown)))
    limit = max(float(np.nanmax(np.abs(image))) for _, image in mosaics)
    images = []
    for axes, (title, image) in zip(panels, mosaics, strict=True):
        images.append(axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit))
        axes.set_title(title)
        axes.axis("off")
    bar = figure.colorbar(images[-1], ax=list(panels), shrink=0.7)
    bar.set_label("ON minus OFF weight")
    return figure


def mosaic(weights: np.ndarray) -> np.ndarray:
    """The fields of all cells side by side, not a number between them.

    Args:
        weights: [n_cells, 2 side^2], those of the ON inputs first.
    """
    n_cells, n_inputs = weights.shape
    side = math.isqrt(n_inputs // 2)
    on, off = np.split(weights, 2, axis=1)
    fields = (on - off).reshape(n_cells, side, side)
    n_columns = math.ceil(math.sqrt(n_cells))
    n_rows = math.ceil(n_cells / n_columns)
    pitch = side + GAP
    image = np.full((n_rows * pitch - GAP, n_columns * pitch - GAP), np.nan)
    for cell, field in enumerate(fields):
        top = cell // n_columns * pitch
        left = cell % n_columns * pitch
        image[top : top + side, left : left + side] = field
    return image
