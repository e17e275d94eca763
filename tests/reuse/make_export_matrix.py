"""The table of docs/guides/export.md: every rule and target, with its grade and a measured number.

    python -m tests.reuse.make_export_matrix        writes it

Its tests compute it again (test_export_matrix.py).
"""

from pathlib import Path
from typing import Any, NamedTuple

from metaplast.registry import BadInput
from metaplast.reuse import shelf
from metaplast.reuse.document import entries
from metaplast.reuse.export.exported import TARGETS, Subject, export
from metaplast.reuse.export.source import subject_of
from metaplast.reuse.known import known_rules
from metaplast.reuse.load import load_rule
from metaplast.reuse.rule_file import read_rule
from tests.reuse._exports import forms, largest_difference, moved_theta, subject

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "export.md"
BEGIN = "<!-- made by tests/reuse/make_export_matrix.py -->\n"
END = "<!-- end -->\n"
N_STEPS = 50


class Row(NamedTuple):
    """A rule of the table.

    name: its name.
    spec: its form.
    theta: its numbers.
    made: its subject.
    """

    name: str
    spec: Any
    theta: Any
    made: Subject


def rows() -> list[Row]:
    """Every rule of the zoo, every other known rule, and every form of rule with drawn numbers."""
    found = []
    for name in shelf.names():
        path = f"{shelf.PREFIX}{name}"
        by_key = entries(read_rule(path).document)
        for entry in by_key.values():
            edge = entry.edges[0] if len(by_key) > 1 else None
            rule = load_rule(path, edge)
            shown = path if edge is None else f"{path}, {edge}"
            found.append(Row(shown, rule.spec, rule.theta, subject_of(path, edge)))
    for name in known_rules():
        if name in shelf.names():
            continue
        try:
            rule = load_rule(name)
        except BadInput:
            continue  # a space to search: the table has its form
        found.append(Row(name, rule.spec, rule.theta, subject_of(name)))
    for name, spec in forms().items():
        theta = moved_theta(spec)
        found.append(Row(f"form `{name}`", spec, theta, subject(spec, theta)))
    return found


def cells(row: Row) -> list[str]:
    """The cells of a rule without the measured differences of Python and Brian2."""
    shown = []
    for target in TARGETS:
        if target == "json" and not row.made.document:
            shown.append("faithful")  # the text of any rule file; see test_export_text.py
            continue
        result = export(row.made, target)
        cell: str = result.grade
        if result.grade == "approximate":
            cell = f"approximate {100 * result.error:.0f} %"
        shown.append(cell)
    return shown


def measured(row: Row, cell: str, target: str) -> str:
    """The cell with the largest difference, for a target that is run."""
    if cell != "faithful":
        return cell
    if target == "python":
        return f"faithful {_short(largest_difference(row.spec, row.theta, N_STEPS))}"
    if target == "brian2":
        from tests.agreement.test_brian2_export import difference_of

        return f"faithful {_short(difference_of(row.spec, row.theta))}"
    return cell


def _short(value: float) -> str:
    return f"{value:.0e}" if value else "0"


def table() -> str:
    """The whole table."""
    lines = [f"| rule | {' | '.join(TARGETS)} |", f"|{' --- |' * (len(TARGETS) + 1)}"]
    for row in rows():
        shown = []
        for target, cell in zip(TARGETS, cells(row), strict=True):
            shown.append(measured(row, cell, target))
        lines.append(f"| {row.name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def written() -> dict[str, list[str]]:
    """{rule: cells} of the table on the page."""
    text = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    by_name = {}
    for line in text.strip().splitlines()[2:]:
        name, *shown = [cell.strip() for cell in line.strip("|").split("|")]
        by_name[name] = shown
    return by_name


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")


if __name__ == "__main__":
    main()
