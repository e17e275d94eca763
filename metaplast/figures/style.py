"""The style that all figures share: colours, dashes, saving.

A figure is drawn for a light page. A page shows every colour of `IN_THE_DARK` as its partner where
the reader wants a dark page. Other colours stay as they are.

No figure goes through pyplot: the backend, the style and the open figures of a user's notebook stay
as they are.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation, MaxNLocator

OURS = "#1b6ca8"  # the searched rule
OTHERS = "#9aa5b1"
FAINT = "#c9ced6"
INK = "#262626"
TRUE = "#d55e00"  # the true value, where it is known
PALETTE = (
    *("#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"),
    *("#7a5195", "#8c564b", "#4d4d4d", "#b3b300", "#003f5c"),
)
DASHES = ("-", "--", ":", "-.")
PLASTIC = "#f3ecd8"  # the time in which plasticity is on
ON_MAP = "#101010"  # lines and words on a coloured map, which is the same in the dark
ON_DEEP_MAP = "#fefefe"  # words on the deep colours of a map

IN_THE_DARK = {
    "#ffffff": "#14171b",
    "#000000": "#e3e6ea",
    INK: "#d3d8de",
    "#555555": "#a8aeb6",
    "#666666": "#9aa0a8",
    "#b0b0b0": "#5a626c",
    "#cccccc": "#4a525c",
    OURS: "#4aa3f0",
    OTHERS: "#87919d",
    FAINT: "#48515b",
    PLASTIC: "#2d2a20",
    "#e69f00": "#f0b12e",
    "#009e73": "#2cc295",
    "#d55e00": "#f5893d",
    "#cc79a7": "#e29cc4",
    "#56b4e9": "#a9dcff",
    "#7a5195": "#b592d6",
    "#8c564b": "#c4907f",
    "#4d4d4d": "#b4b9c0",
    "#b3b300": "#d8d84a",
    "#003f5c": "#7fa9c6",
}
"""{colour on a light page: colour on a dark page}"""

_RAISED = str.maketrans(
    "-0123456789",
    "\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT ZERO}\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}"
    "\N{SUPERSCRIPT THREE}\N{SUPERSCRIPT FOUR}\N{SUPERSCRIPT FIVE}\N{SUPERSCRIPT SIX}"
    "\N{SUPERSCRIPT SEVEN}\N{SUPERSCRIPT EIGHT}\N{SUPERSCRIPT NINE}",
)
_SVG: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "metaplast"}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_DPI = 130
_EDGE_INCHES = 0.09
_kept: ContextVar[dict[str, "Picture"] | None] = ContextVar("kept", default=None)


class Picture(Figure):
    """A figure of matplotlib that a notebook shows by itself."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        self.savefig(image, format="png", dpi=_DPI)
        return image.getvalue()


def subplots(n_rows: int = 1, n_columns: int = 1, *, figsize: Any = None, **grid: Any) -> Any:
    """A new figure with its axes, as `pyplot.subplots` gives them.

    Args:
        n_rows: lines of axes.
        n_columns: columns of axes.
        figsize: width and height in inches; None: matplotlib's own.
        grid: as in `Figure.subplots`, and `layout` of the figure.

    Returns: the figure and its axes.
    """
    figure = Picture(figsize=figsize, layout=grid.pop("layout", None))
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(h_pad=_EDGE_INCHES)  # a browser's letters are taller than those measured here
    FigureCanvasAgg(figure)
    return figure, figure.subplots(n_rows, n_columns, **grid)


@contextmanager
def kept() -> Iterator[dict[str, Picture]]:
    """Keep the figures that a block draws, in place of files.

    Returns: {name of the file without its ending: figure}, filled when the block ends.
    """
    figures: dict[str, Picture] = {}
    token = _kept.set(figures)
    try:
        yield figures
    finally:
        _kept.reset(token)


@contextmanager
def of_pages() -> Iterator[None]:
    """Draw as the command line does, whatever the style of this notebook is."""
    settings: dict[Any, Any] = dict(matplotlib.rcParamsOrig)
    settings.pop("backend", None)
    with matplotlib.rc_context(settings):
        yield


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


def count_in_wholes(axes: Any) -> None:
    """Set the ticks of a horizontal axis that counts steps at whole numbers."""
    round_steps = (1, 2, 5, 10)
    axes.xaxis.set_major_locator(MaxNLocator(steps=round_steps, integer=True, min_n_ticks=1))


def hide(axes: Iterable[Any]) -> None:
    """Hide the panels of a grid that nothing is drawn in."""
    for panel in axes:
        panel.set_axis_off()


def save(figure: Any, path: Path) -> None:
    """Write the figure in the format that the name of the file says.

    The words of an SVG file are text, and the same figure gives the same file. Missing folders are
    created. In a block of `kept`, the figure goes to the block and no file is written.
    """
    tidied(figure)
    keep = _kept.get()
    if keep is not None:
        keep[path.stem] = figure
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".svg":
        figure.dpi = _DPI
        with matplotlib.rc_context(_SVG):
            # Figure.savefig draws twice where there is a layout engine: 0.3 s a run.
            FigureCanvasSVG(figure).print_svg(str(path), metadata=_NO_METADATA)
    else:
        figure.savefig(path, dpi=_DPI)


def tidied(figure: Any) -> Any:
    """The figure as a page shows it: without frames, its words as they stand."""
    for axes in figure.axes:
        _tidy(axes)
    for words in figure.findobj(Text):
        words.set_parse_math(False)  # a $ in a user's word is a $
    return figure


class _Powers(LogFormatterSciNotation):
    """The ticks of a logarithmic axis, also of both signs, as plain words.

    matplotlib's own need typesetting.
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The words of a tick; "" for one that has none."""
        if not super().__call__(x, pos):
            return ""
        if x == 0.0 or 0.01 <= abs(x) < 1e4:
            return f"{x:g}"
        factor, exponent = f"{x:e}".split("e")
        power = "10" + str(int(exponent)).translate(_RAISED)
        if float(factor) == 1.0:
            return power
        if float(factor) == -1.0:
            return f"-{power}"
        return f"{float(factor):g}\N{MULTIPLICATION SIGN}{power}"


def _tidy(axes: Any) -> None:
    """Leave out the frame where no map fills it, and write powers of ten as plain words."""
    for axis in (axes.xaxis, axes.yaxis):
        scale = axis.get_scale()
        if scale in ("log", "symlog") and axis.get_transform().base == 10:
            axis.set_major_formatter(_Powers())
            if scale == "log":
                axis.set_minor_formatter(_Powers())
    is_map = bool(axes.images) or any(isinstance(each, QuadMesh) for each in axes.collections)
    if not is_map:
        for side in ("top", "right"):
            if side in axes.spines:
                axes.spines[side].set_visible(False)
