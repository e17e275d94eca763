"""The table of one run or of several: every row on the same lives, differences paired."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from metaplast.results.numbers import interval, number, rounded, table_form
from metaplast.results.statistics import estimate
from metaplast.results.summary import (
    Difference,
    GapClosed,
    ReferenceRow,
    Row,
    RowScore,
    TrainedRow,
    Verdict,
)

WIDTH = 80  # characters of a table as text
WIDE = 40  # characters from which on a column is wrapped
GAP = "  "  # between columns
INTERVAL = "95 % interval"


@dataclass(frozen=True)
class RowFacts:
    """The facts about a row that a table shows beside its score, over one or several runs.

    row: as in the summary of the first run, with the worst verdict of all runs.
    too_long: what half of dt changes in the row in any of them, as `loss` or `spikes_e`.
    dead: the silent populations, where their silence leaves nothing of the row to judge.
    silent: the same, where other populations of the row are heard.

    A population is silent where its units spike and none does, in any held-out life of any run.
    """

    row: Row
    too_long: Sequence[str] = ()
    dead: Sequence[str] = ()
    silent: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on its search; None for a reference, or where none is known."""
        if isinstance(self.row, TrainedRow):
            return self.row.verdict
        return None

    @property
    def failed(self) -> bool:
        """Whether its search did not do its work."""
        return failed(self.verdict)

    @property
    def is_marked(self) -> bool:
        """Whether `marked` adds words to its name."""
        return self.failed or bool(self.too_long) or bool(self.dead)


def scores(rows: Mapping[str, Sequence[np.ndarray]], metric: str, reference: str) -> list[RowScore]:
    """One score per row: mean, 95 % interval, n, and the paired difference row - reference.

    Intervals are bootstrapped over the lives of one split; they are Student's over the means of
    several splits (`statistics.estimate`). Lives with a value that is not finite are counted in
    `not_finite`; they make the mean not finite: None.

    Args:
        rows: {row: per-life values, one array per split}; the same lives, in the same order, in
            every row.
        metric: the name of the values.
        reference: the row to which differences are taken.
    """
    row_scores = []
    for name, groups in rows.items():
        mean = rounded(estimate(groups))
        differences = []
        not_finite = 0
        for values, others in zip(groups, rows[reference], strict=True):
            differences.append(values - others)
            not_finite += int((~np.isfinite(values)).sum())
        difference = rounded(estimate(differences))
        row_scores.append(
            RowScore(
                name=name,
                split="heldout",
                metric=metric,
                mean=mean.mean,
                ci95=mean.ci95,
                n=mean.n,
                not_finite=not_finite,
                difference=Difference(difference.mean, difference.ci95),
            )
        )
    return row_scores


def gap_closed(
    rows: Mapping[str, Sequence[np.ndarray]],
    low: str,
    high: Sequence[str],
    judged: str,
    metric: str,
) -> GapClosed:
    """The share of a gap that a row closes: (judged - low) / (best of high - low).

    Args:
        rows: {row: per-life values, one array per split}.
        low: the row at the lower end of the gap.
        high: the rows of which the best is the upper end.
        judged: the row that closes it.
        metric: the name of the values.
    """
    means = {}
    for name, groups in rows.items():
        means[name] = float(np.mean([np.mean(group) for group in groups]))
    top = best({name: means[name] for name in high}, metric)
    no_gap = best({low: means[low], top: means[top]}, metric) == low  # a tie goes to the first
    share = None
    if not no_gap:
        share = round((means[judged] - means[low]) / (means[top] - means[low]), 4)
    return GapClosed(low, top, share)


def best(means: Mapping[str, float], metric: str) -> str:
    """The row that is best: accuracy is better when large, any other metric when small."""
    if metric == "accuracy":
        return max(means, key=lambda name: means[name])
    return min(means, key=lambda name: means[name])


def failed(verdict: Verdict | None) -> bool:
    """Whether the verdict on a row is other than `trained`.

    None, where nothing is known or nothing was searched, is no failure.
    """
    return verdict is not None and verdict.state != "trained"


def marked(name: str, facts: RowFacts | None) -> str:
    """The name of a row, and in brackets why its score says less than it seems."""
    words = []
    if facts is not None and facts.dead:
        words.append("dead")
    if facts is not None and facts.verdict is not None and facts.failed:
        words.append(facts.verdict.state)
    if facts is not None and facts.too_long:
        words.append("dt too long")
    if words:
        return f"{name} ({', '.join(words)})"
    return name


def ahead(
    row_scores: Sequence[RowScore], facts: Mapping[str, RowFacts], reference: str
) -> list[str]:
    """A line for every row from outside whose mean is better than that of the row `reference`.

    The line claims `better` only where the interval of the difference leaves 0 out.

    Args:
        row_scores: as `scores` gives them.
        facts: {row: facts}.
        reference: the row to which differences were taken.
    """
    form = f"+{_form(row_scores)}"
    lines = []
    for score in row_scores:
        difference = score.difference
        is_outside = score.name in facts and isinstance(facts[score.name].row, ReferenceRow)
        if not is_outside or difference.mean is None:
            continue
        gain = difference.mean if score.metric == "accuracy" else -difference.mean
        if gain > 0:
            by = f"{number(difference.mean, form)} {interval(difference.ci95, form)}"
            low, high = difference.ci95
            apart = low is not None and high is not None and low * high > 0
            claim = "is not told apart from"
            if apart:
                claim = "is better than"
            lines.append(f"{score.name}, a reference, {claim} {reference}: {score.metric} {by}.")
    return lines


def render(row_scores: Sequence[RowScore], facts: Mapping[str, RowFacts], reference: str) -> str:
    """The table as text; the arguments are those of `cells`."""
    return aligned(cells(row_scores, facts, reference))


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """Lines of cells as text: columns of equal width, the head underlined.

    Columns that do not fit into 80 characters stand in further tables below, each with the first
    column again. An interval stays beside its mean. The words of a wide column are wrapped.
    """
    widths = _widths(lines)
    groups: list[list[int]] = []
    for column in range(1, len(widths)):
        if lines[0][column] == INTERVAL and groups:
            groups[-1].append(column)
        else:
            groups.append([column])
    parts: list[list[int]] = [[0]]
    for group in groups:
        parts = _placed(group, parts, widths)
    tables = []
    for columns in parts:
        part = []
        for line in lines:
            part.append(tuple(line[i] for i in columns))
        tables.append(_part(part))
    return "\n\n".join(tables)


def _widths(lines: Sequence[tuple[str, ...]]) -> list[int]:
    """The width of every column, at least 1."""
    columns = zip(*lines, strict=False)
    widths = []
    for column in columns:
        widths.append(max(1, *map(len, column)))
    return widths


def _placed(group: list[int], parts: list[list[int]], widths: Sequence[int]) -> list[list[int]]:
    """The tables with the columns of `group` added.

    They stand behind the columns of the first table that has room for them, else in a new table.
    """
    of_group = [widths[i] for i in group]
    is_wide = max(of_group) > WIDE
    for index, part in enumerate(parts):
        of_part = [widths[i] for i in part]
        room = WIDTH - _across([*of_part, 0])
        wraps = is_wide and room >= WIDE // 2
        if _across(of_group) <= room or wraps or part == [0]:
            return [*parts[:index], [*part, *group], *parts[index + 1 :]]
    return [*parts, [0, *group]]


def _across(widths: Sequence[int]) -> int:
    """The width of columns side by side."""
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _part(lines: Sequence[tuple[str, ...]]) -> str:
    """One table as text; its last column is wrapped where the table is too wide."""
    widths = _widths(lines)
    if _across(widths) > WIDTH:
        widths[-1] = max(len(lines[0][-1]), WIDTH - _across([*widths[:-1], 0]))
    rows = []
    for line in lines:
        *others, last = line
        wrapped = textwrap.wrap(last, widths[-1], break_long_words=False, break_on_hyphens=False)
        words = wrapped or [""]
        cells = []
        for cell, width in zip(others, widths, strict=False):
            cells.append(cell.ljust(width))
        blank = [" " * width for width in widths[:-1]]
        rows.append(GAP.join([*cells, words[0]]).rstrip())
        for more in words[1:]:
            rows.append(GAP.join([*blank, more]))
    rule = "-" * min(WIDTH, max(len(row) for row in rows))
    return "\n".join([rows[0], rule, *rows[1:]])


def cells(
    row_scores: Sequence[RowScore], facts: Mapping[str, RowFacts], reference: str
) -> list[tuple[str, ...]]:
    """The table cell by cell, its head first.

    Args:
        row_scores: as `scores` gives them.
        facts: {row: facts}; a row without facts has a dash in their place.
        reference: the row to which differences were taken.
    """
    metric = row_scores[0].metric
    head = ("row", metric, INTERVAL, f"minus {reference}", INTERVAL, "reach", "learned", "n")
    lines: list[tuple[str, ...]] = [head]
    form = _form(row_scores)
    for score in row_scores:
        of_row = facts.get(score.name)
        difference = ""
        difference_interval = ""
        if score.name != reference:
            difference = number(score.difference.mean, f"+{form}")
            difference_interval = interval(score.difference.ci95, f"+{form}")
        reach = "-"
        learned = "-"
        if of_row is not None:
            reach = of_row.row.reach
            learned = str(of_row.row.learned)
        lines.append(
            (
                marked(score.name, of_row),
                number(score.mean, form),
                interval(score.ci95, form),
                difference,
                difference_interval,
                reach,
                learned,
                str(score.n),
            )
        )
    return lines


def _form(row_scores: Sequence[RowScore]) -> str:
    return table_form([score.mean for score in row_scores])
