"""The table of one run or of several: every row on the same lives, differences paired."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metaplast.results.numbers import interval, json_estimate, number, table_form
from metaplast.results.statistics import estimate

Plain = dict[str, Any]
WIDTH, WIDE, GAP = 80, 40, "  "  # of a table as text, and of a column that is wrapped
INTERVAL = "95 % interval"


def scores(rows: Mapping[str, Sequence[np.ndarray]], metric: str, reference: str) -> list[Plain]:
    """One entry per row: mean, 95 % interval, n, and the paired difference row - reference.

    Intervals are bootstrapped over the lives of one split; they are Student's over the means of
    several splits (`statistics.estimate`). Lives with a value that is not finite are counted in
    `not_finite`; they make the mean not finite: null.

    Args:
        rows: {row: per-life values, one array per split}; the same lives, in the same order, in
            every row.
        metric: the name of the values.
        reference: the row to which differences are taken.
    """
    entries = []
    for name, groups in rows.items():
        mean = json_estimate(estimate(groups))
        entry = {"name": name, "split": "heldout", "metric": metric, **mean}
        entry["not_finite"] = int(sum((~np.isfinite(group)).sum() for group in groups))
        paired = [mine - other for mine, other in zip(groups, rows[reference], strict=True)]
        difference = json_estimate(estimate(paired))
        entry[f"minus_{reference}"] = {"mean": difference["mean"], "ci95": difference["ci95"]}
        entries.append(entry)
    return entries


def gap_closed(
    rows: Mapping[str, Sequence[np.ndarray]], low: str, high: Sequence[str], mine: str, metric: str
) -> Plain:
    """The share of a gap that a row closes: (mine - low) / (best of high - low).

    Args:
        rows: {row: per-life values, one array per split}.
        low: the row at the lower end of the gap.
        high: the rows of which the best is the upper end.
        mine: the row that is judged.
        metric: the name of the values.

    Returns: {from, to, share}; share is None where `low` is not worse than the best of `high`.
    """
    means = {}
    for name, groups in rows.items():
        means[name] = float(np.mean([np.mean(group) for group in groups]))
    top = best({name: means[name] for name in high}, metric)
    no_gap = best({low: means[low], top: means[top]}, metric) == low  # a tie goes to the first
    share = None if no_gap else round((means[mine] - means[low]) / (means[top] - means[low]), 4)
    return {"from": low, "to": top, "share": share}


def best(means: Mapping[str, float], metric: str) -> str:
    """The row that is best: accuracy is better when large, any other metric when small."""
    return (max if metric == "accuracy" else min)(means, key=lambda name: means[name])


def failed(verdict: Plain | None) -> bool:
    """Whether the verdict on a row is other than `trained`.

    None, where nothing is known or nothing was searched, is no failure.
    """
    return bool(verdict) and verdict["state"] != "trained"


def marked(name: str, fact: Plain) -> str:
    """The name of a row, with its verdict where its search failed, and where dt is too long."""
    verdict = fact.get("verdict")
    words = [verdict["state"]] if verdict and failed(verdict) else []
    words += ["dt too long"] if fact.get("too_long") else []
    return f"{name} ({', '.join(words)})" if words else name


def ahead(entries: Sequence[Plain], facts: Mapping[str, Plain], reference: str) -> list[str]:
    """A line for every row from outside whose mean is better than that of the row `reference`.

    The line claims `better` only where the interval of the difference leaves 0 out.

    Args:
        entries: as `scores` gives them.
        facts: {row: facts}; `kind` is `reference` for a row from outside.
        reference: the row to which differences were taken.
    """
    form = f"+{_form(entries)}"
    lines = []
    for entry in entries:
        difference = entry[f"minus_{reference}"]
        metric = entry["metric"]
        if facts.get(entry["name"], {}).get("kind") != "reference" or difference["mean"] is None:
            continue
        gain = difference["mean"] if metric == "accuracy" else -difference["mean"]
        if gain > 0:
            by = f"{number(difference['mean'], form)} {interval(difference['ci95'], form)}"
            low, high = difference["ci95"]
            apart = low is not None and low * high > 0
            claim = "is better than" if apart else "is not told apart from"
            lines.append(f"{entry['name']}, a reference, {claim} {reference}: {metric} {by}.")
    return lines


def render(entries: Sequence[Plain], facts: Mapping[str, Plain], reference: str) -> str:
    """The table as text; the arguments are those of `cells`."""
    return aligned(cells(entries, facts, reference))


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """Lines of cells as text: columns of equal width, the head underlined.

    Columns that do not fit into 80 characters stand in further tables below, each with the first
    column again. An interval stays beside its mean. The words of a wide column are wrapped.
    """
    widths = [max(1, *(len(line[i]) for line in lines)) for i in range(len(lines[0]))]
    groups: list[list[int]] = []
    for column in range(1, len(widths)):
        if lines[0][column] == INTERVAL and groups:
            groups[-1].append(column)
        else:
            groups.append([column])
    parts: list[list[int]] = [[0]]
    for group in groups:
        parts = _placed(group, parts, widths)
    return "\n\n".join(_part([tuple(line[i] for i in part) for line in lines]) for part in parts)


def _placed(group: list[int], parts: list[list[int]], widths: Sequence[int]) -> list[list[int]]:
    """The tables with the columns of `group` added.

    They stand behind the columns of the first table that has room for them, else in a new table.
    """
    wide = max(widths[i] for i in group) > WIDE
    needed = _across([widths[i] for i in group])
    for index, part in enumerate(parts):
        room = WIDTH - _across([*(widths[i] for i in part), 0])
        wraps = wide and room >= WIDE // 2
        if needed <= room or wraps or part == [0]:
            return [*parts[:index], [*part, *group], *parts[index + 1 :]]
    return [*parts, [0, *group]]


def _across(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _part(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(1, *(len(line[i]) for line in lines)) for i in range(len(lines[0]))]
    if _across(widths) > WIDTH:
        widths[-1] = max(len(lines[0][-1]), WIDTH - _across([*widths[:-1], 0]))
    rows = []
    for line in lines:
        *others, last = line
        wrapped = textwrap.wrap(last, widths[-1], break_long_words=False, break_on_hyphens=False)
        words = wrapped or [""]
        cells = [cell.ljust(width) for cell, width in zip(others, widths, strict=False)]
        blank = [" " * width for width in widths[:-1]]
        rows.append(GAP.join([*cells, words[0]]).rstrip())
        rows += [GAP.join([*blank, more]) for more in words[1:]]
    return "\n".join([rows[0], "-" * min(WIDTH, max(len(row) for row in rows)), *rows[1:]])


def cells(
    entries: Sequence[Plain], facts: Mapping[str, Plain], reference: str
) -> list[tuple[str, ...]]:
    """The table cell by cell, its head first.

    Args:
        entries: as `scores` gives them.
        facts: {row: facts}: `reach`, `learned` (number of learned numbers), verdict, `too_long`.
        reference: the row to which differences were taken.
    """
    metric = entries[0]["metric"]
    head = ("row", metric, INTERVAL, f"minus {reference}", INTERVAL, "reach", "learned", "n")
    lines: list[tuple[str, ...]] = [head]
    form = _form(entries)
    for entry in entries:
        fact = facts.get(entry["name"], {})
        difference = entry[f"minus_{reference}"]
        same = entry["name"] == reference
        lines.append(
            (
                marked(entry["name"], fact),
                number(entry["mean"], form),
                interval(entry["ci95"], form),
                "" if same else number(difference["mean"], f"+{form}"),
                "" if same else interval(difference["ci95"], f"+{form}"),
                str(fact.get("reach", "-")),
                str(fact.get("learned", "-")),
                str(entry["n"]),
            )
        )
    return lines


def _form(entries: Sequence[Plain]) -> str:
    return table_form([entry["mean"] for entry in entries])
