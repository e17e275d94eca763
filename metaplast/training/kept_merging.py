"""The part of a page on merged rules, from the merge.json that the folder of a run keeps."""

from collections.abc import Sequence
from pathlib import Path

from metaplast.figures.merging import TITLE, part
from metaplast.figures.section import PagePart, unmade
from metaplast.registry import BadInput
from metaplast.results.merging import from_json
from metaplast.runs import folder

RESULT = "merge.json"


def merging_part(runs: Sequence[Path], seeds: Sequence[int], pictures: Path) -> PagePart | None:
    """The part of the page of some runs on merged rules; None where none of them was merged.

    Args:
        runs: the folders of the runs. The first that was merged is shown.
        seeds: of the runs.
        pictures: the folder of the pictures.
    """
    for run, seed in zip(runs, seeds, strict=True):
        file = run / RESULT
        if not file.is_file():
            continue
        of_seed = ""
        if len(runs) > 1:
            of_seed = f"The rule of seed {seed}."
        try:
            return part(from_json(folder.read_json(file), str(file)), of_seed, pictures)
        except BadInput as error:
            return PagePart(unmade(TITLE, error), {"failed": str(error)})
    return None
