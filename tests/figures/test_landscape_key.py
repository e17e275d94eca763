"""A map of changes has a key for its lines and for the cells that no life visits."""

from pathlib import Path

import numpy as np

from metaplast.figures import landscape
from metaplast.figures.style import kept
from metaplast.inspection.landscape import Landscape, Panel


def test_a_map_has_a_key_for_its_lines_and_its_grey() -> None:
    values = np.linspace(-1.0, 1.0, 5)
    changes = np.outer(values, values)
    visited = np.diag([0.0, 0.0, 1.0, 0.0, 0.0])
    each = Landscape(
        x="pre",
        y="post",
        third="",
        x_values=values,
        y_values=values,
        panels=(Panel(None, changes, visited, 10),),
        visited=visited,
        held={},
        effects={"pre": 0.5, "post": 0.4},
        stateful=False,
        averaged=False,
        dt=1e-3,
    )
    with kept() as figures:
        landscape.draw({"inhibition": each}, Path("landscape.svg"))
    (legend,) = figures["landscape"].legends
    shown = [words.get_text() for words in legend.get_texts()]
    assert shown == ["no change", "inside: 90 % of the visits", "no visit"]
