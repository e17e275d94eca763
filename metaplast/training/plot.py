"""The meta-training curves of several runs in one picture."""

from collections.abc import Sequence
from pathlib import Path

from metaplast.figures import training_loss
from metaplast.registry import BadInput
from metaplast.runs import folder
from metaplast.runs.folder import row_folder
from metaplast.runs.metrics import read


def plot(runs: Sequence[Path], metric: str, row: str, out: Path) -> Path:
    """Draw `metric` of one row of every run, finished or not, against the outer step; the path of
    the picture.

    Values that are not finite are gaps. Raises: BadInput for a folder without metrics, a metric
    that a run does not have, or runs of one name.
    """
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
        raise BadInput(
            f"runs {', '.join(names)}", "folders of distinct names", "name every run once"
        )
    found = {name: _values(run, metric, row) for name, run in zip(names, runs, strict=True)}
    with folder.named(out):
        training_loss.draw(found, out, names[:1], f"{metric}, {row} (running median)")
    return out


def _values(run: Path, metric: str, row: str) -> list[float]:
    lines = read(row_folder(run, row) / "metrics.jsonl")
    if not lines:
        raise BadInput(
            f"{run}",
            f"a run whose row {row} has a metrics.jsonl",
            "give the folder that train printed",
        )
    known = [
        name
        for name, value in lines[0].items()
        if not isinstance(value, list) and name != "outer_step"
    ]
    if metric not in known:
        raise BadInput(f"--metric {metric}", f"one of {', '.join(known)}", "choose one of them")
    return [float(line[metric]) for line in lines]
