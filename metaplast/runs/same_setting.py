"""Finished runs grouped by their setting: seeds of one setting stand together."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaplast.registry import BadInput
from metaplast.runs.config import read_file

FREE = ("seed", "checkpoint_every", "logging", "compare", "note")
"""The keys of a config in which runs of one setting may differ."""
LONGEST = 40  # characters of a value in a label
Plain = dict[str, Any]


def by_setting(runs: Sequence[Path]) -> dict[str, list[Path]]:
    """Finished runs by their setting: {difference to the first run: the runs that share it}.

    A difference is text such as `task.shots=5`, and empty for the first run and its seeds.

    Raises: BadInput for a folder that holds no finished run.
    """
    return configs_by_setting([(run, finished(run)) for run in runs])


def configs_by_setting(
    configs: Sequence[tuple[Path, Plain]], free: Sequence[str] = ()
) -> dict[str, list[Path]]:
    """The same of configs at hand.

    Args:
        configs: (folder, config) of every run.
        free: dotted names that may differ too.
    """
    groups: dict[str, list[Path]] = {}
    labels: dict[str, str] = {}  # the whole difference -> its short form
    first: Plain = {}
    for run, plain in configs:
        flat = {key: value for key, value in _flat(plain).items() if key not in free}
        first = first or flat
        different = [key for key in sorted({*first, *flat}) if first.get(key) != flat.get(key)]
        whole = json.dumps([(key, flat.get(key)) for key in different], default=str)
        label = " ".join(f"{key}={_short(flat.get(key))}" for key in different)
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
    """{dotted name: value} of everything that makes a setting."""
    flat: Plain = {}
    for key, value in plain.items():
        if not above and key in FREE:
            continue
        name = f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def _short(value: Any) -> str:
    text = str(value).replace(" ", "")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
