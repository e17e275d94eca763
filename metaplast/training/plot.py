"""The meta-training curves of several runs in one picture."""

from collections.abc import Sequence
from pathlib import Path

from metaplast.figures import training_loss
from metaplast.registry import BadInput
from metaplast.runs import folder, lifecycle, metrics
from metaplast.runs.files import figures_in
from metaplast.runs.folder import row_folder
from metaplast.runs.metrics import METRICS
from metaplast.training.group import in_runs


def plot(runs: Sequence[Path], metric: str, row: str, out: Path) -> Path:
    """Draw a metric of one row of several runs against the outer step.

    The runs may be unfinished. A value that is not finite is a gap.

    Args:
        runs: the folders of the runs, or of groups of them.
        metric: a number of metrics.jsonl.
        row: the row.
        out: the file of the picture.

    Returns: the file of the picture.
    Raises: BadInput for a folder without metrics, for a metric that a run does not have, and for
        folders of one name.
    """
    runs = in_runs(runs)
    names = _labels(runs)
    if len(set(names)) < len(names):
        raise BadInput(
            f"runs {', '.join(names)}", "folders of distinct names", "name every run once"
        )
    curves = {}
    for name, run in zip(names, runs, strict=True):
        curves[name] = _values(run, metric, row)
    with folder.naming_errors(out):
        training_loss.draw(curves, out, names[:1], f"{metric}, {row} (running median)")
    return out


def _labels(runs: Sequence[Path]) -> list[str]:
    """The names of the folders; where two are equal, each with that of the folder around it.

    The runs of every group have names such as seed-0.
    """
    names = []
    longer = []
    for run in runs:
        path = run.resolve()
        names.append(path.name)
        longer.append(f"{path.parent.name}/{path.name}")
    return names if len(set(names)) == len(names) else longer


def _values(run: Path, metric: str, row: str) -> list[float]:
    """The values of a metric at all outer steps."""
    file = row_folder(run, row) / METRICS
    lines = metrics.read(file)
    if not lines:
        kind = lifecycle.kind_of(run)
        if kind.marker and (run / kind.marker).is_file():
            fix = figures_in(run) or "give the folder that train printed"
            raise BadInput(
                f"{run}, one of the {kind.noun}, which keep no metrics", "a training run", fix
            )
        raise BadInput(
            f"{run}",
            f"a run whose row {row} has a metrics.jsonl",
            "give the folder that train printed",
        )
    known = []
    for name, value in lines[0].items():
        if not isinstance(value, list) and name != "outer_step":
            known.append(name)
    if metric not in known:
        raise BadInput(f"--metric {metric}", f"one of {', '.join(known)}", "choose one of them")
    return metrics.values(file, metric)
