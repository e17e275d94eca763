"""Which finished runs are seeds of one world, and in what other worlds differ."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaplast.registry import BadInput
from metaplast.runs.config import read_file

FREE = (
    "seed",
    "checkpoint_every",
    "logging",
    "compare",
    "note",
)  # what runs of one world may differ in
Plain = dict[str, Any]


def worlds(runs: Sequence[Path]) -> dict[str, list[Path]]:
    """What is other than in the first run (`task.shots=5`; nothing for its own seeds) -> the runs
    that share it.

    Raises: BadInput for a folder that holds no finished run.
    """
    return alike([(run, finished(run)) for run in runs])


def alike(configs: Sequence[tuple[Path, Plain]], free: Sequence[str] = ()) -> dict[str, list[Path]]:
    """The same of configs at hand; `free`: dotted names that may differ too."""
    groups: dict[str, list[Path]] = {}
    labels: dict[str, str] = {}  # all that differs -> its short form
    first: Plain = {}
    for run, plain in configs:
        flat = {key: value for key, value in _flat(plain).items() if key not in free}
        first = first or flat
        other = [key for key in sorted({*first, *flat}) if first.get(key) != flat.get(key)]
        whole = json.dumps([(key, flat.get(key)) for key in other], default=str)
        label = " ".join(f"{key}={_short(flat.get(key))}" for key in other)
        if whole not in labels:
            labels[whole] = label if label not in groups else f"{label} ({len(groups)})"
        groups.setdefault(labels[whole], []).append(run)
    return groups


def finished(run: Path) -> Plain:
    """The config of a finished run. Raises: BadInput for any other folder."""
    config = run / "config.yaml"
    if not config.is_file():
        raise BadInput(
            f"{run}", "a run folder, with a config.yaml", "give the folder that train printed"
        )
    plain = read_file(config)
    if "seeds" in plain or "vary" in plain:
        raise BadInput(
            f"{run}, a group of runs",
            "a run folder",
            f"give folders of its runs, such as {run}/seed-*",
        )
    if not (run / "summary.json").is_file():
        raise BadInput(f"{run}", "a finished run, with a summary.json", f"metaplast resume {run}")
    return plain


def _flat(plain: Mapping[str, Any], above: str = "") -> Plain:
    """The dotted names of everything that makes a world."""
    flat: Plain = {}
    for key, value in plain.items():
        if not above and key in FREE:
            continue
        name = f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def _short(value: Any) -> str:
    text = str(value).replace(" ", "")
    return text if len(text) <= 40 else f"{text[:37]}..."
