"""The part of a page on the rules that a search ends with, where it keeps more than one."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaplast.figures.section import PagePart, Section, Table
from metaplast.inspection.front import is_on_front
from metaplast.results.numbers import number

TITLE = "The front of rules"


def part(by_seed: Mapping[int, Sequence[Mapping[str, Any]]]) -> PagePart:
    """The rules of the searches of several seeds, each as a table.

    Args:
        by_seed: {seed: {`rule`: text, other names: numbers} of every rule}; none is empty.
    """
    tables = []
    numbers = {}
    for seed, rows in by_seed.items():
        on_front = is_on_front(rows)
        names = [name for name in rows[0] if name != "rule"]
        order = sorted(range(len(rows)), key=lambda i: [rows[i][name] for name in names])
        lines = []
        for i in order:
            values = [number(rows[i][name], ".3g") for name in names]
            lines.append((rows[i]["rule"], *values, "yes" if on_front[i] else ""))
        caption = f"The {len(rows)} rules of seed {seed}; {on_front.sum()} are on the front."
        tables.append(Table(caption, ("rule", *names, "on the front"), lines))
        numbers[str(seed)] = [
            {**row, "on_front": bool(kept)} for row, kept in zip(rows, on_front, strict=True)
        ]
    words = [
        "The search kept the best rule of every kind. A rule is on the front where no other one is "
        "as good in every column and better in one. The losses are those of training lives."
    ]
    return PagePart(Section(TITLE, words, tables=tables), {"rules": numbers})
