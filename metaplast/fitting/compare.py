"""Several fits side by side, over seeds and over a setting that varies."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metaplast.figures import against_setting
from metaplast.fitting.result import FILE, FitResult, RowResult, TrueNumber, read_result
from metaplast.fitting.tables import share_text
from metaplast.registry import BadInput
from metaplast.results.statistics import student
from metaplast.results.table import aligned
from metaplast.runs.config import Plain, read_file
from metaplast.runs.job import parse
from metaplast.runs.lifecycle import CONFIG
from metaplast.runs.same_setting import group_by_setting
from metaplast.settings.names import DISCOVERED
from metaplast.spec import encode

SEEDS = ("task.data_seed",)  # a seed of simulated data is a seed
Values = dict[str, float]  # name of a column -> value of one fit


def compare(runs: Sequence[Path], row: str = DISCOVERED, out: Path | None = None) -> str:
    """A table with one line per setting: means over its seeds, with Student's 95 % interval.

    Its columns are the deviance explained against every null, R2 of held-out values, and where the
    truth is known R2 of weights and of their change, the share of true terms that were found, and
    the share of found terms that are true.

    Args:
        runs: folders of finished fits.
        row: the row that is compared.
        out: a PNG of the R2 over the one numeric setting that varies.

    Raises: BadInput for a folder that holds no finished fit, or an unknown row.
    """
    values = {}
    shares_of_run = {}
    names = {}  # in the order of the columns
    for run in runs:
        result = _read(run, row)
        values[run] = _values(result, row)
        shares_of_run[run] = _own_shares(result.rows[row])
        names |= dict.fromkeys(values[run])
    configs = {run: _whole_config(run) for run in runs}
    groups = group_by_setting(list(configs.items()), SEEDS)
    lines: list[tuple[str, ...]] = [("setting", "fits", *names)]
    for label, members in groups.items():
        cells = []
        for name in names:
            cell = _cell([values[run].get(name, math.nan) for run in members])
            if len(members) == 1:
                cell = shares_of_run[members[0]].get(name, cell)
            cells.append(cell)
        lines.append((label or "-", str(len(members)), *cells))
    if out is not None:
        _draw(groups, configs[runs[0]], values, out)
    words = (
        f"Row {row}; mean over fits of one setting, 95 % interval of Student's t over them; of one "
        "fit alone, its own intervals over what it held out. "
        "true found: share of the true terms that were kept; found true: share of the kept terms "
        "that are true."
    )
    return f"{aligned(lines)}\n\n{words}"


def _draw(
    groups: dict[str, list[Path]], first: Plain, values: dict[Path, Values], out: Path
) -> None:
    """Draw the R2 over the setting that varies.

    first: the config of the first fit, whose value stands in no label.
    """
    keys = set()
    for label in groups:
        if label:
            keys.add(label.partition("=")[0])
    if len(keys) != 1 or " " in "".join(groups):
        raise BadInput(
            f"--out with settings {', '.join(sorted(keys)) or 'all alike'}",
            "one that varies",
            "leave out --out",
        )
    (key,) = keys
    setting: Any = first
    for part in key.split("."):
        setting = setting[part]
    points: dict[str, list[tuple[float, float]]] = {}
    for label, runs in groups.items():
        try:
            at = float(label.partition("=")[2] if label else setting)
        except ValueError:
            raise BadInput(f"--out with setting {label}", "a number", "leave out --out") from None
        for run in runs:
            for name, value in values[run].items():
                if name.startswith("R2") and np.isfinite(value):
                    points.setdefault(name, []).append((at, value))
    against_setting.draw(points, key, out)


def _whole_config(run: Path) -> Plain:
    """The config with all defaults: one fit may state a setting that another leaves out."""
    plain = read_file(run / CONFIG)
    return {**encode(parse(plain, check=False).main), "rows": plain.get("rows")}


def _read(run: Path, row: str) -> FitResult:
    """The result of a finished fit that has the row. Raises: BadInput."""
    if not (run / FILE).is_file():
        raise BadInput(
            f"{run}", "a finished fit, with a fit.json", "give folders that metaplast fit printed"
        )
    result = read_result(run)
    if row not in result.rows:
        raise BadInput(f"row {row!r}", f"one of {', '.join(result.rows)}", "correct the name")
    return result


def _values(result: FitResult, name: str) -> Values:
    """The columns of one fit."""
    row = result.rows[name]
    parts = row.comparison.parts
    values = {}
    for null, share in row.explained.items():
        values[f"explained vs {null}"] = _float(share.mean)
    for part, comparison in parts.items():
        for null, share in comparison.explained.items():
            values[f"{part}: explained vs {null}"] = _float(share.mean)
    values[f"R2 {next(iter(parts), 'values')}"] = _float(row.splits["heldout"].r2)
    for edge, score in row.weights.items():
        values[f"R2 w {edge}"] = _float(score.r2)
        values[f"R2 dw {edge}"] = _float(score.r2_change)
    if name == DISCOVERED and result.truth is not None:
        values |= _truth_values(result.truth)
    return values


def _own_shares(row: RowResult) -> dict[str, str]:
    """The columns of explained deviance of one fit, with its own intervals."""
    cells = {}
    for null, share in row.explained.items():
        cells[f"explained vs {null}"] = share_text(share)
    for part, comparison in row.comparison.parts.items():
        for null, share in comparison.explained.items():
            cells[f"{part}: explained vs {null}"] = share_text(share)
    return cells


def _truth_values(truth: list[TrueNumber]) -> Values:
    """Columns of the comparison with the true numbers."""
    verdicts = [number.verdict for number in truth]
    n_right = verdicts.count("recovered") + verdicts.count("off")
    n_true = n_right + verdicts.count("missed")
    n_kept = n_right + verdicts.count("false")
    errors = []
    for number in truth:
        if number.true and number.fitted is not None:
            errors.append(abs(number.fitted - number.true))
    return {
        "true found": n_right / n_true if n_true else math.nan,
        "found true": n_right / n_kept if n_kept else math.nan,
        "largest error of a true term": max(errors, default=math.nan),
    }


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _cell(values: list[float]) -> str:
    """The mean of one column over the fits of a setting, with its interval where there are two."""
    finite = []
    for value in values:
        if np.isfinite(value):
            finite.append(value)
    if not finite:
        return "-"
    if len(finite) == 1:
        return f"{finite[0]:.4f}"
    mean = student(finite)
    return f"{mean.mean:.4f} [{mean.low:.4f}, {mean.high:.4f}]"
