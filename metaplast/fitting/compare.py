"""Several fits side by side: what each explains and recovers, over seeds and over a setting that
varies.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures import against_setting
from metaplast.registry import BadInput
from metaplast.results.statistics import student
from metaplast.results.table import aligned
from metaplast.runs.config import read_file
from metaplast.runs.job import parse
from metaplast.runs.same_setting import group_by_setting
from metaplast.settings.names import DISCOVERED
from metaplast.spec import encode

Plain = dict[str, Any]
SEEDS = ("task.data_seed",)  # a seed of simulated data is a seed


def compare(runs: Sequence[Path], row: str = DISCOVERED, out: Path | None = None) -> str:
    """One line per setting: means over its seeds with Student's 95 % interval over seeds, of
    deviance explained against every null, R2 of held-out values, R2 of the change of weights where
    the truth is known, and how many of the true terms were found and of the found ones are true.
    out: a PNG of the R2 over the one numeric setting that varies.

    Raises: BadInput for a folder that holds no finished fit, or an unknown row.
    """
    told = {run: _told(run, row) for run in runs}
    configs = {run: _resolved(run) for run in runs}
    groups = group_by_setting(list(configs.items()), SEEDS)
    names = list(dict.fromkeys(name for found in told.values() for name in _values(found, row)))
    lines: list[tuple[str, ...]] = [("setting", "fits", *names)]
    for label, members in groups.items():
        values = [_values(told[run], row) for run in members]
        lines.append(
            (
                label or "-",
                str(len(members)),
                *(_cell([v.get(n, math.nan) for v in values]) for n in names),
            )
        )
    if out is not None:
        _draw(groups, configs[runs[0]], {run: _values(told[run], row) for run in runs}, out)
    words = (
        f"Row {row}; mean over fits of one setting, 95 % interval of Student's t over them. true "
        f"found: share of the "
        "true terms that were kept; found true: share of the kept terms that are true."
    )
    return f"{aligned(lines)}\n\n{words}"


def _draw(
    groups: dict[str, list[Path]], first: Plain, values: dict[Path, dict[str, float]], out: Path
) -> None:
    """first: the config of the first fit, whose value stands in no label."""
    keys = {label.partition("=")[0] for label in groups if label}
    if len(keys) != 1 or " " in "".join(groups):
        raise BadInput(
            f"--out with settings {', '.join(sorted(keys)) or 'all alike'}",
            "one that varies",
            "leave out --out",
        )
    (key,) = keys
    own: Any = first
    for part in key.split("."):
        own = own[part]
    points: dict[str, list[tuple[float, float]]] = {}
    for label, runs in groups.items():
        try:
            at = float(label.partition("=")[2] if label else own)
        except ValueError:
            raise BadInput(f"--out with setting {label}", "a number", "leave out --out") from None
        for run in runs:
            for name, value in values[run].items():
                if name.startswith("R2") and np.isfinite(value):
                    points.setdefault(name, []).append((at, value))
    against_setting.draw(points, key, out)


def _resolved(run: Path) -> Plain:
    """Its whole config, defaults and all: what one fit leaves out another may state."""
    plain = read_file(run / "config.yaml")
    return {**encode(parse(plain, check=False).main), "rows": plain.get("rows")}


def _told(run: Path, row: str) -> Plain:
    if not (run / "fit.json").is_file():
        raise BadInput(
            f"{run}", "a finished fit, with a fit.json", "give folders that metaplast fit printed"
        )
    told = json.loads((run / "fit.json").read_text())
    if row not in told["rows"]:
        raise BadInput(f"row {row!r}", f"one of {', '.join(told['rows'])}", "correct the name")
    return told


def _values(told: Plain, row: str) -> dict[str, float]:
    found = told["rows"][row]
    values = {f"explained vs {null}": _float(v["mean"]) for null, v in found["explained"].items()}
    parts = found.get("parts", {})
    for part, own in parts.items():
        values |= {
            f"{part}: explained vs {null}": _float(v["mean"])
            for null, v in own["explained"].items()
        }
    values[f"R2 {next(iter(parts), 'values')}"] = _float(found["splits"]["heldout"]["r2"])
    for edge, weights in found["weights"].items():
        values[f"R2 w {edge}"] = _float(weights["r2"])
        values[f"R2 dw {edge}"] = _float(weights["r2_change"])
    if row == DISCOVERED and "truth" in told:
        verdicts = [entry["verdict"] for entry in told["truth"]]
        kept = [v for v in verdicts if v in ("recovered", "off")]
        true, n_kept = len(kept) + verdicts.count("missed"), len(kept) + verdicts.count("false")
        values["true found"] = len(kept) / true if true else math.nan
        values["found true"] = len(kept) / n_kept if n_kept else math.nan
        off = [
            abs(e["fitted"] - e["true"])
            for e in told["truth"]
            if e["true"] and e["fitted"] is not None
        ]
        values["largest error of a true term"] = max(off, default=math.nan)
    return values


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _cell(values: list[float]) -> str:
    finite = [v for v in values if np.isfinite(v)]
    if not finite:
        return "-"
    if len(finite) == 1:
        return f"{finite[0]:.4f}"
    found = student(finite)
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"
