"""The table of a run or of several: every row on the same lives, differences paired."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metaplast.results.statistics import Estimate, estimate

Plain = dict[str, Any]
WIDTH, WIDE, GAP = 80, 40, "  "  # of a table as text, and of a column that is wrapped
INTERVAL = "95 % interval"


def scores(rows: Mapping[str, Sequence[np.ndarray]], metric: str, reference: str) -> list[Plain]:
    """One entry per row: mean, 95 % interval, n, and the paired difference row - reference.

    rows: name -> per-life values, one array per split (the same lives, in the same order, in every
    row). Intervals are bootstrapped over the lives of one split, and Student's over the means of
    several (`statistics.estimate`). Lives with a value that is not finite are counted in
    `not_finite`; they
    make the mean not finite: null.
    """
    entries = []
    for name, groups in rows.items():
        entry = {"name": name, "split": "heldout", "metric": metric, **_plain(estimate(groups))}
        entry["not_finite"] = int(sum((~np.isfinite(g)).sum() for g in groups))
        paired = [mine - theirs for mine, theirs in zip(groups, rows[reference], strict=True)]
        difference = _plain(estimate(paired))
        entry[f"minus_{reference}"] = {"mean": difference["mean"], "ci95": difference["ci95"]}
        entries.append(entry)
    return entries


def gap_closed(
    rows: Mapping[str, Sequence[np.ndarray]], low: str, high: Sequence[str], mine: str, metric: str
) -> Plain:
    """(mine - low) / (best of high - low): the share of a gap that a row closes."""
    means = {name: float(np.mean([np.mean(g) for g in groups])) for name, groups in rows.items()}
    top = best({name: means[name] for name in high}, metric)
    no_gap = best({low: means[low], top: means[top]}, metric) == low  # a tie goes to the first
    share = None if no_gap else round((means[mine] - means[low]) / (means[top] - means[low]), 4)
    return {"from": low, "to": top, "share": share}


def best(means: Mapping[str, float], metric: str) -> str:
    """The row that is best: accuracy is better when large, any other metric when small."""
    return (max if metric == "accuracy" else min)(means, key=lambda name: means[name])


def failed(verdict: Plain | None) -> bool:
    """Whether the verdict on a row is other than `trained` (none: nothing is known, or nothing was
    searched).
    """
    return bool(verdict) and verdict["state"] != "trained"


def marked(name: str, fact: Plain) -> str:
    """The name of a row, with the verdict where its search failed, and whether its dt is too long
    (`too_long`).
    """
    verdict = fact.get("verdict")
    words = [verdict["state"]] if verdict and failed(verdict) else []
    words += ["dt too long"] if fact.get("too_long") else []
    return f"{name} ({', '.join(words)})" if words else name


def ahead(entries: Sequence[Plain], facts: Mapping[str, Plain], reference: str) -> list[str]:
    """A line for every row from outside (facts: `kind` reference) whose mean is better than that of
    the row
    `reference`: better where the interval of the difference leaves 0 out."""
    lines = []
    for entry in entries:
        difference, metric = entry[f"minus_{reference}"], entry["metric"]
        if facts.get(entry["name"], {}).get("kind") != "reference" or difference["mean"] is None:
            continue
        gain = difference["mean"] if metric == "accuracy" else -difference["mean"]
        if gain > 0:
            digits = f"+{_digits(entries)}"
            by = f"{_number(difference['mean'], digits)} {_interval(difference['ci95'], digits)}"
            low, high = difference["ci95"]
            apart = low is not None and low * high > 0
            claim = (
                f"is better than {reference}" if apart else f"is not told apart from {reference}"
            )
            lines.append(f"{entry['name']}, a reference, {claim}: {metric} {by}.")
    return lines


def render(entries: Sequence[Plain], facts: Mapping[str, Plain], reference: str) -> str:
    """The table as text. facts: per row, reach and number of learned numbers."""
    return aligned(cells(entries, facts, reference))


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """Columns of equal width, the head underlined. Columns that do not fit into 80 characters stand
    in further tables below, each with the first column again; an interval stays beside what it
    belongs to, and the words of a wide column go on below each other."""
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
    """The columns of `group` behind those of the first table that has room for them; else in one of
    their own.
    """
    wide = max(widths[i] for i in group) > WIDE
    for index, part in enumerate(parts):
        room = WIDTH - _across([*(widths[i] for i in part), 0])
        if (
            _across([widths[i] for i in group]) <= room
            or (wide and room >= WIDE // 2)
            or part == [0]
        ):
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
        words = textwrap.wrap(last, widths[-1], break_long_words=False, break_on_hyphens=False) or [
            ""
        ]
        cells = [cell.ljust(width) for cell, width in zip(others, widths, strict=False)]
        blank = [" " * width for width in widths[:-1]]
        rows.append(GAP.join([*cells, words[0]]).rstrip())
        rows += [GAP.join([*blank, more]) for more in words[1:]]
    return "\n".join([rows[0], "-" * min(WIDTH, max(len(row) for row in rows)), *rows[1:]])


def cells(
    entries: Sequence[Plain], facts: Mapping[str, Plain], reference: str
) -> list[tuple[str, ...]]:
    """The table cell by cell, its head first."""
    metric = entries[0]["metric"]
    head = ("row", metric, INTERVAL, f"minus {reference}", INTERVAL, "reach", "learned", "n")
    lines: list[tuple[str, ...]] = [head]
    digits = _digits(entries)
    for entry in entries:
        fact, difference = facts.get(entry["name"], {}), entry[f"minus_{reference}"]
        same = entry["name"] == reference
        lines.append(
            (
                marked(entry["name"], fact),
                _number(entry["mean"], digits),
                _interval(entry["ci95"], digits),
                "" if same else _number(difference["mean"], f"+{digits}"),
                "" if same else _interval(difference["ci95"], f"+{digits}"),
                str(fact.get("reach", "-")),
                str(fact.get("learned", "-")),
                str(entry["n"]),
            )
        )
    return lines


def _digits(entries: Sequence[Plain]) -> str:
    """Three decimals, or three significant digits where those would show nothing."""
    largest = max(
        (abs(entry["mean"]) for entry in entries if entry["mean"] is not None), default=1.0
    )
    return ".3f" if 0.05 <= largest < 1e3 else ".3g"


def _plain(estimate: Estimate) -> Plain:
    def value(x: float) -> float | None:
        return float(f"{x:.6g}") if np.isfinite(x) else None

    return {
        "mean": value(estimate.mean),
        "ci95": [value(estimate.low), value(estimate.high)],
        "n": estimate.n,
    }


def _number(value: float | None, digits: str) -> str:
    return "not finite" if value is None else format(value, digits)


def _interval(pair: Sequence[float | None], digits: str) -> str:
    return f"[{_number(pair[0], digits)}, {_number(pair[1], digits)}]"
