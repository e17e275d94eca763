"""What the files of a folder say of its run, beside its metrics. None of them need be there."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metaplast.registry import BadInput, Plain
from metaplast.reuse.text import printable
from metaplast.runs import environment, provenance
from metaplast.runs.files import reader_of
from metaplast.runs.folder import LOG
from metaplast.runs.planned import Planned
from metaplast.settings.names import (
    COMPARE_REQUEST,
    CONFIG,
    DISCOVERED,
    FIT_REQUEST,
    SWEEP,
    SWEEP_RESULT,
)
from metaplast.watching.seen import Facts

LOG_BYTES = 65_536
"""The end of log.txt that is read."""
LOUD = ("WARNING", "ERROR", "CRITICAL")


def check(path: Path) -> None:
    """Check that a folder can be watched. Raises: BadInput where it is none of a training."""
    if not path.is_dir():
        fix = reader_of(str(path)) or "give the folder that train or sweep printed"
        raise BadInput(f"{path}", "the folder of a run or of a sweep", fix)
    names = os.listdir(path)
    for marker in (FIT_REQUEST, COMPARE_REQUEST):
        if marker in names:
            raise BadInput(
                f"{path}, which keeps no metrics", "a training run or a sweep", "see its log.txt"
            )
    is_new = all(name.startswith(".") for name in names)
    if not is_new and CONFIG not in names and SWEEP not in names:
        raise BadInput(
            f"{path}", f"a run folder, with a {CONFIG}", "give the folder that train printed"
        )


def facts_of(path: Path, config: Plain) -> Facts:
    """The facts of a run or of a group.

    Args:
        path: its folder.
        config: the content of its config.yaml.
    """
    problem = config.get("problem")
    n_devices = problem.get("n_devices", 1) if isinstance(problem, dict) else 1
    recorded = environment.recorded(path)
    n_devices = recorded.get("devices", n_devices)  # of all processes of a job
    device = recorded.get("device", "")
    first = config.get("seed", 0)
    n_seeds = config.get("seeds", 1)
    seeds = f"{first}"
    if isinstance(first, int) and isinstance(n_seeds, int) and n_seeds > 1:
        seeds = f"{first}-{first + n_seeds - 1}"
    return Facts(
        experiment=printable(f"{config.get('experiment', '')}"),
        seeds=printable(seeds),
        begun=begun_of(path),
        devices=printable(f"{n_devices} x {device}") if device else "",
    )


def rows_of(plan: Planned | None, config: Plain) -> Mapping[str, int | None]:
    """{row: its outer steps, or None where they are not known}, in the order of the table.

    A run of an earlier version has no plan: its config names its rows, and often their steps.
    """
    if plan is not None:
        return {name: steps for name, steps in plan.rows.items() if _is_name(name)}
    outer = config.get("outer")
    steps = outer.get("steps") if isinstance(outer, dict) else None
    rows = config.get("rows")
    names = [DISCOVERED, *(rows if isinstance(rows, dict) else ())]
    return {name: steps if isinstance(steps, int) else None for name in names if _is_name(name)}


def runs_of(path: Path, plan: Planned | None, config: Plain) -> list[str]:
    """The names of the folders of the runs of a group; empty for one run.

    A group of an earlier version has no plan: each of its folders with a config is a run.
    """
    if plan is not None:
        return list(filter(_is_name, plan.runs))
    if config.get("seeds", 1) == 1 and not config.get("vary"):
        return []
    try:
        names = sorted(os.listdir(path))
    except OSError:  # a file server that is away comes back
        return []
    return [name for name in names if os.path.isfile(path / name / CONFIG)]


class Members(NamedTuple):
    """The members of a sweep.

    names: of their folders, in their order.
    faults: of the file that names them, in words.
    """

    names: list[str]
    faults: list[str]


def members_of(path: Path) -> Members:
    """The members of the sweep in a folder."""
    try:
        plain = json.loads((path / SWEEP).read_bytes())
        given = [member["name"] for member in plain["members"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Members([], [f"{SWEEP} cannot be read"])
    names = list(filter(_is_name, given))
    faults = []
    if len(names) < len(given):
        faults.append(f"{SWEEP}: {len(given) - len(names)} members without the name of a folder")
    return Members(names, faults)


class Failure(NamedTuple):
    """The end of a member of a sweep that failed.

    code: its exit code.
    error: the line of its error.
    """

    code: int
    error: str


def failures_of(path: Path) -> dict[str, Failure]:
    """{name: its end} of the members that failed when a sweep was last worked on."""
    failures = {}
    try:
        plain = json.loads((path / SWEEP_RESULT).read_bytes())
        for member in plain["members"]:
            if member["code"]:
                error = printable(str(member["error"]))
                failures[member["name"]] = Failure(int(member["code"]), error)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}  # it has no end yet
    return failures


def begun_of(path: Path) -> str:
    """The moment at which a run or a sweep began, in UTC; "" where it is not on record."""
    origin = provenance.read(path)
    return printable(origin.begun) if origin else ""


def warnings_of(path: Path, n: int) -> list[str]:
    """The last n warnings of the log of a run, without their date."""
    if not os.path.isfile(path / LOG):
        return []
    try:
        with (path / LOG).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    warnings = []
    for line in lines:
        # 2026-01-31 12:00:00,123 WARNING words
        words = line.split(" ", 3)
        if len(words) == 4 and words[2] in LOUD:
            warnings.append(printable(words[3]))
    return warnings[-n:]


def _is_name(name: Any) -> bool:
    """Whether a name that stands in a file is one of a folder beside the file."""
    if not isinstance(name, str) or not name.isprintable():
        return False
    return name not in ("", "..") and Path(name).name == name
