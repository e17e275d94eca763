"""The files of a comparison: compare.json, and one file per finished training."""

from pathlib import Path

from metaplast.registry import BadInput
from metaplast.results.loop_comparison import (
    FILE,
    LoopComparison,
    LoopTraining,
    from_json,
    to_json,
    training_from_json,
    training_to_json,
)
from metaplast.runs import folder


def write_comparison(path: Path, comparison: LoopComparison) -> None:
    """Write compare.json into a run folder."""
    folder.write_json(path / FILE, to_json(comparison))


def read_comparison(path: Path) -> LoopComparison:
    """Read compare.json of a run folder, also one that an earlier version wrote.

    Raises: BadInput for a comparison that is not finished, or a file of another form.
    """
    if not (path / FILE).is_file():
        raise BadInput(f"{path}", "a finished comparison", f"metaplast resume {path}")
    return from_json(folder.read_json(path / FILE), f"{path / FILE}")


def write_training(file: Path, training: LoopTraining) -> None:
    """Write the file of one training."""
    folder.write_json(file, training_to_json(training))


def read_training(file: Path) -> LoopTraining:
    """Read the file of one training. Raises: BadInput for a file of another form."""
    return training_from_json(folder.read_json(file), f"{file}")
