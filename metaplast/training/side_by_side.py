"""Several settings side by side: the score of every row, and the gap of one row to a reference."""

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np

from metaplast.feedback.symmetric import Symmetric
from metaplast.registry import BadInput
from metaplast.results import table
from metaplast.results.statistics import estimate
from metaplast.runs.job import read_job
from metaplast.runs.same_setting import runs_by_setting
from metaplast.settings.names import DISCOVERED
from metaplast.training import summary, summary_text
from metaplast.training.group import in_runs
from metaplast.training.pool import Pool, pool

Line = tuple[str, ...]


def compare(runs: Sequence[Path], row: str = DISCOVERED, against: Sequence[str] = ()) -> str:
    """The comparison of finished runs as text.

    Runs of one setting give the table over their seeds. Runs of several settings give two tables,
    one of means and one of differences.

    The reference of a setting is the best row of `against` by its mean on held-out lives. It is
    judged on the same lives, which favours it. No reference is named where the search of `row` or
    of a row of `against` failed. Differences are paired on the same lives. Intervals are Student's
    over the means of runs. They are bootstrapped over lives where a setting has one run.

    Args:
        runs: the folders of the runs, or of groups of them.
        row: the row whose differences are shown.
        against: the rows among which the reference is chosen. Without any: the rows whose credit
            signal is the gradient itself.

    Raises: BadInput for a folder without a finished run, for settings with other rows or another
        metric, and for an unknown row.
    """
    runs = in_runs(runs)
    groups = runs_by_setting(runs)
    if len(groups) == 1 and row == DISCOVERED and not against:
        return summary_text.pooled(list(runs))
    if len(groups) > len(ascii_uppercase):
        raise BadInput(
            f"{len(groups)} settings", f"at most {len(ascii_uppercase)}", "compare fewer at a time"
        )
    settings = []
    for key, (label, folders) in zip(ascii_uppercase, groups.items(), strict=False):
        settings.append(_Setting(key, label, folders, pool(folders)))
    first = settings[0].pool
    for setting in settings:
        if setting.pool.metric != first.metric or set(setting.pool.means) != set(first.means):
            raise BadInput(
                f"{len(groups)} settings",
                "the same rows and metric in each",
                "compare them one by one",
            )
    against = against or _exact(runs[0], row)
    for name in (row, *against):
        if name not in first.means:
            raise BadInput(f"row {name!r}", f"one of {', '.join(first.means)}", "correct the name")
    parts = []
    if row == DISCOVERED:
        found = []
        for setting in settings:
            judged = summary_text.judged(setting.runs, setting.pool)
            found.append(f"{setting.key}: {judged.found}")
        parts.append("\n".join(found))
    parts += ["\n".join(_legend(settings)), table.aligned(_means(settings))]
    if against:
        parts.append(table.aligned(_gaps(settings, row, against)))
    for setting in settings:
        parts += [f"{setting.key}: {words}" for words in setting.pool.dt]
    return "\n\n".join(parts)


class _Setting(NamedTuple):
    """The runs of one setting.

    key: the letter of the setting.
    label: its difference to the first setting.
    runs: folders of the runs.
    pool: the pool of the runs.
    """

    key: str
    label: str
    runs: list[Path]
    pool: Pool


def _legend(settings: Sequence[_Setting]) -> list[str]:
    """One line for every setting."""
    lines = []
    for setting in settings:
        label = setting.label or "the setting of the first run"
        lines.append(f"{setting.key}  {label}; {len(setting.runs)} runs")
    return lines


def _means(settings: Sequence[_Setting]) -> list[Line]:
    """The table of means: one line for every row, with one column for every setting."""
    first = settings[0].pool
    keys = [setting.key for setting in settings]
    lines: list[Line] = [(f"mean {first.metric}", *keys, "reach", "feedback", "learned")]
    for name in first.means:
        label = name
        for setting in reversed(settings):
            if _is_marked(setting.pool, name):
                label = table.marked(name, setting.pool.facts[name])
        means = []
        for setting in settings:
            means.append(f"{np.mean(setting.pool.means[name]):.3f}")
        columns = ["-", "-", "-"]
        if name in first.facts:
            facts = first.facts[name].row
            columns = [facts.reach, facts.feedback, str(facts.learned)]
        lines.append((label, *means, *columns))
    return lines


def _gaps(settings: Sequence[_Setting], row: str, against: Sequence[str]) -> list[Line]:
    """The table of differences: one line for every setting."""
    metric = settings[0].pool.metric
    head = (
        "setting",
        row,
        "best of the references",
        metric,
        f"minus {row}",
        table.INTERVAL,
        "n",
        "each run",
    )
    lines: list[Line] = [head]
    for setting in settings:
        lines.append(_gap(setting, row, against))
    return lines


def _gap(setting: _Setting, row: str, against: Sequence[str]) -> Line:
    """The difference of the best reference to a row, in one setting."""
    pool = setting.pool
    means = {}
    for name in (row, *against):
        means[name] = float(np.mean(pool.means[name]))
    mean = f"{means[row]:.3f}"
    failed = []
    for name in means:
        if _failed(pool, name):
            failed.append(table.marked(name, pool.facts[name]))
    if failed:
        return setting.key, mean, f"not named: {', '.join(failed)}", "", "", "", "", ""
    of_references = {}
    for name in against:
        of_references[name] = means[name]
    best = table.best(of_references, pool.metric)
    values = summary.lives(setting.runs, [row, best]).rows
    differences = []
    each_run = []
    for a, b in zip(values[best], values[row], strict=True):
        differences.append(a - b)
        each_run.append(f"{(a - b).mean():+.3f}")
    difference = estimate(differences)
    return (
        setting.key,
        mean,
        best,
        f"{means[best]:.3f}",
        f"{difference.mean:+.3f}",
        f"[{difference.low:+.3f}, {difference.high:+.3f}]",
        str(difference.n),
        " ".join(each_run),
    )


def _failed(pool: Pool, name: str) -> bool:
    """Whether the search of a row failed."""
    return name in pool.facts and pool.facts[name].failed


def _is_marked(pool: Pool, name: str) -> bool:
    """Whether a table marks a row, because its search failed or dt is too long for it."""
    return name in pool.facts and pool.facts[name].is_marked


def _exact(run: Path, row: str) -> list[str]:
    """The rows whose credit signal is the gradient itself; all other rows where there are none."""
    others = []
    exact = []
    for name, config in read_job(run).rows:
        if name == row:
            continue
        others.append(name)
        if isinstance(config.feedback, Symmetric):
            exact.append(name)
    return exact or others
