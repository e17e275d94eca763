"""Finished runs by their setting: runs of one setting differ in their seed alone."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaplast.registry import BadInput, Plain
from metaplast.results import summary
from metaplast.runs.config import read_file
from metaplast.settings.names import CONFIG

FREE = ("seed", "checkpoint_every", "logging", "compare", "note")
"""Fields in which runs of one setting may differ."""


def runs_by_setting(runs: Sequence[Path]) -> dict[str, list[Path]]:
    """{label: the finished runs of one setting}.

    The label says how the setting differs from the setting of the first run, such as
    `task.shots=5`. The label of the first setting is empty.

    Raises: BadInput for a folder that holds no finished run.
    """
    configs = []
    for run in runs:
        configs.append((run, config_of_finished(run)))
    return group_by_setting(configs)


def group_by_setting(
    configs: Sequence[tuple[Path, Plain]], free: Sequence[str] = ()
) -> dict[str, list[Path]]:
    """{label: the runs of one setting}, with labels as in `runs_by_setting`.

    Args:
        configs: (folder of the run, its config).
        free: dotted names in which runs of one setting may differ, beside FREE.
    """
    groups: dict[str, list[Path]] = {}
    labels: dict[str, str] = {}  # all differences in full -> label
    first: Plain = {}
    for run, plain in configs:
        flat = {}
        for key, value in _flat(plain).items():
            if key not in free:
                flat[key] = value
        first = first or flat
        different = []
        for key in sorted({*first, *flat}):
            if first.get(key) != flat.get(key):
                different.append(key)
        differences = json.dumps([(key, flat.get(key)) for key in different], default=str)
        if differences not in labels:
            label = " ".join(f"{key}={_short(flat.get(key))}" for key in different)
            # Two settings may differ in the end of a long value, which a label leaves out.
            if label in groups:
                label = f"{label} ({len(groups)})"
            labels[differences] = label
        groups.setdefault(labels[differences], []).append(run)
    return groups


def config_of_finished(run: Path) -> Plain:
    """The config of a finished run. Raises: BadInput for any other folder."""
    file = run / CONFIG
    if not file.is_file():
        raise BadInput(
            f"{run}", "a run folder, with a config.yaml", "give the folder that train printed"
        )
    plain = read_file(file)
    if "seeds" in plain or "vary" in plain:
        raise BadInput(
            f"{run}, a group of runs",
            "a run folder",
            f"give folders of its runs, such as {run}/seed-*",
        )
    if not (run / summary.FILE).is_file():
        raise BadInput(f"{run}", "a finished run, with a summary.json", f"metaplast resume {run}")
    return plain


def _flat(plain: Mapping[str, Any], above: str = "") -> Plain:
    """{dotted name: value} of all fields that make a setting."""
    flat: Plain = {}
    for key, value in plain.items():
        if not above and key in FREE:
            continue
        name = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value
    return flat


def _short(value: Any) -> str:
    text = str(value).replace(" ", "")
    return text if len(text) <= 40 else f"{text[:37]}..."
