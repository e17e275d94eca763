"""The cosine of every row in the world of its search and in others, as `metaplast eval` kept them.

Option `worlds`: {title of a panel: the words of its change}. The scores are 1 minus a cosine.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.gallery import intervals, slide
from benchmarks.gallery.finished import Finished
from benchmarks.gallery.words import Entry
from metaplast.figures.style import Picture
from metaplast.registry import BadInput
from metaplast.results.changed_world import Cell, cell
from metaplast.results.numbers import Bounds
from metaplast.results.summary import RowScore
from metaplast.settings.names import DISCOVERED
from metaplast.training.kept_transfer import kept


def draw(run: Finished, entry: Entry) -> Picture:
    """One panel for every world, one line for every row.

    Raises: BadInput for a world in which the run was not judged.
    """
    worlds = entry.options["worlds"]
    cells = [_world(run.folder, changes) for changes in worlds.values()]
    figure, panels = slide.panels(len(worlds), sharex=True, sharey=True)
    for axes, title, world in zip(panels, worlds, cells, strict=True):
        intervals.draw(axes, _lines(world, entry), ".3f")
        axes.set_title(title)
        axes.margins(x=0.2)
    words = f"{entry.metric}, {cells[0].n} held-out lives"
    figure.supxlabel(words, fontsize=slide.LETTERS)
    return figure


def _world(folder: Path, changes: Sequence[str]) -> Cell:
    """The scores of a run in a changed world. Raises: BadInput where it was not judged there."""
    for lived in kept(folder):
        if lived.changes == sorted(changes):
            return cell([lived], {}, DISCOVERED)
    what = f"{folder} in {' '.join(changes)}"
    raise BadInput(what, "a run that was judged there", "judge it with metaplast eval")


def _lines(world: Cell, entry: Entry) -> list[intervals.Estimate]:
    """The lines of a panel, from top to bottom."""
    scores = {score.name: score for score in world.scores}
    lines = []
    for row in entry.shown:
        mean, ci95 = _cosine(scores[row])
        lines.append(intervals.Estimate(entry.rows[row], mean, ci95, row == DISCOVERED))
    return lines


def _cosine(score: RowScore) -> tuple[float | None, Bounds]:
    """A cosine and its interval; None where a life is not finite."""
    low, high = score.ci95
    if score.mean is None or low is None or high is None:
        return None, Bounds(None, None)
    mean = round(1.0 - score.mean, 3) + 0.0  # no minus before a zero
    return mean, Bounds(1.0 - high, 1.0 - low)
