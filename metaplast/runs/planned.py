"""The file plan.json: the rows of a run and their outer steps, for those who watch it.

They follow from config.yaml, but by the defaults of plug-ins, which import JAX.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from metaplast.runs import folder

FILE = "plan.json"
SCHEMA = "metaplast.plan/1"


class Planned(NamedTuple):
    """The parts of the work on a folder.

    rows: {row: its outer steps}, in the order of the table; 0 for a reference.
    runs: names of the folders of the runs of a group, in their order; empty for one run.
    """

    rows: Mapping[str, int]
    runs: Sequence[str] = ()


def record(path: Path, planned: Planned) -> None:
    """Write plan.json into the folder of a run or of a group. An equal one is left as it is."""
    if read(path) != planned:
        plain = {"schema": SCHEMA, "rows": dict(planned.rows), "runs": list(planned.runs)}
        folder.write_json(path / FILE, plain)


def read(path: Path) -> Planned | None:
    """The parts that a folder records; None where it records none, or the record is damaged."""
    try:
        plain = json.loads((path / FILE).read_bytes())
        rows = {str(name): int(steps) for name, steps in plain["rows"].items()}
        return Planned(rows, tuple(map(str, plain["runs"])))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
