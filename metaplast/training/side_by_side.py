"""Several worlds side by side: what every row is worth in each, and how one row stands to the best
reference.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from metaplast.feedback.symmetric import Symmetric
from metaplast.registry import BadInput
from metaplast.results import table
from metaplast.results.statistics import estimate
from metaplast.runs.job import read_job
from metaplast.runs.same_setting import by_setting
from metaplast.settings.names import DISCOVERED
from metaplast.training import summary, summary_text
from metaplast.training.pool import Pool, pool

Line = tuple[str, ...]


def compare(runs: Sequence[Path], row: str = DISCOVERED, against: Sequence[str] = ()) -> str:
    """One world: the table over its seeds. Several: two tables, of means and of differences.

    against: the rows among which each world has its reference: the best by its mean on the very
    held-out lives it is judged on, which favours the reference; none is named where the search of
    one of them failed.
    Default: the rows whose credit signal is the gradient itself. Differences are paired on the same
    lives; intervals are Student's over the means of runs (bootstrapped over lives where a world has
    one run).
    Raises: BadInput for what is no finished run, worlds whose rows or metrics differ, or an unknown
    row.
    """
    groups = by_setting(runs)
    if len(groups) == 1 and row == DISCOVERED and not against:
        return summary_text.pooled(list(runs))
    if len(groups) > len(ascii_uppercase):
        raise BadInput(
            f"{len(groups)} worlds", f"at most {len(ascii_uppercase)}", "compare fewer at a time"
        )
    pools = {label: pool(group) for label, group in groups.items()}
    first = next(iter(pools.values()))
    if any(
        (each.metric, set(each.means)) != (first.metric, set(first.means))
        for each in pools.values()
    ):
        raise BadInput(
            f"{len(groups)} worlds", "the same rows and metric in each", "compare them one by one"
        )
    against = against or _exact(runs[0], row)
    if unknown := [name for name in (row, *against) if name not in first.means]:
        raise BadInput(
            f"row {unknown[0]!r}", f"one of {', '.join(first.means)}", "correct the name"
        )
    keys = dict(zip(groups, ascii_uppercase, strict=False))
    legend = [
        f"{key}  {label or 'the world of the first run'}; {len(groups[label])} runs"
        for label, key in keys.items()
    ]
    gaps = [
        _gap(key, pools[label], groups[label], (row, against))
        for label, key in keys.items()
        if against
    ]
    head = (
        "world",
        row,
        "best of the references",
        first.metric,
        f"minus {row}",
        table.INTERVAL,
        "n",
        "each run",
    )
    lines = [
        (f"mean {first.metric}", *keys.values(), "reach", "feedback", "learned"),
        *_means(pools),
    ]
    differences = [table.aligned([head, *gaps])] if against else []
    steps = [f"{key}: {said}" for label, key in keys.items() for said in pools[label].dt]
    return "\n\n".join(["\n".join(legend), table.aligned(lines), *differences, *steps])


def _means(pools: Mapping[str, Pool]) -> list[Line]:
    facts = next(iter(pools.values())).facts
    lines = []
    for name in next(iter(pools.values())).means:
        of_row = ("-", "-", "-")
        if name in facts:
            row = facts[name].row
            of_row = (row.reach, row.feedback, str(row.learned))
        labels = [
            table.marked(name, each.facts[name]) for each in pools.values() if _noted(each, name)
        ]
        label = labels[0] if labels else name
        lines.append(
            (label, *(f"{np.mean(each.means[name]):.3f}" for each in pools.values()), *of_row)
        )
    return lines


def _gap(key: str, pool: Pool, runs: list[Path], who: tuple[str, Sequence[str]]) -> Line:
    row, against = who
    means = {name: float(np.mean(pool.means[name])) for name in (row, *against)}
    failed = [table.marked(name, pool.facts[name]) for name in means if _failed(pool, name)]
    if failed:
        return key, f"{means[row]:.3f}", f"not named: {', '.join(failed)}", "", "", "", "", ""
    best = table.best({name: means[name] for name in against}, pool.metric)
    values = summary.lives(runs, [row, best]).rows
    paired = [a - b for a, b in zip(values[best], values[row], strict=True)]
    found = estimate(paired)
    each = " ".join(f"{difference.mean():+.3f}" for difference in paired)
    interval = f"[{found.low:+.3f}, {found.high:+.3f}]"
    return (
        key,
        f"{means[row]:.3f}",
        best,
        f"{means[best]:.3f}",
        f"{found.mean:+.3f}",
        interval,
        str(found.n),
        each,
    )


def _failed(pool: Pool, name: str) -> bool:
    return name in pool.facts and pool.facts[name].failed


def _noted(pool: Pool, name: str) -> bool:
    return name in pool.facts and pool.facts[name].is_marked


def _exact(run: Path, row: str) -> list[str]:
    """The rows whose credit signal is the gradient itself; where there is none, all others."""
    rows = read_job(run).rows
    others = [name for name, _ in rows if name != row]
    return [
        name for name, config in rows if name != row and isinstance(config.feedback, Symmetric)
    ] or others
