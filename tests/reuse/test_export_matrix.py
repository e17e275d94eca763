"""docs/guides/export.md has the grades of today, and numbers that are measured again."""

import pytest

from metaplast.reuse.export.exported import TARGETS
from tests.reuse.make_export_matrix import cells, measured, rows, written

ROWS = {row.name: row for row in rows()}
SHIPPED = [name for name in ROWS if not name.startswith("form ")]
AGAIN = 100.0
"""How many times the written rounding error another machine may have."""


def number(cell: str) -> float:
    return float(cell.split()[1])


def test_the_table_has_every_rule() -> None:
    assert list(written()) == list(ROWS)
    assert len(SHIPPED) >= 30


@pytest.mark.parametrize("name", ROWS)
def test_the_table_has_the_grades_of_today(name: str) -> None:
    made = "run `python -m tests.reuse.make_export_matrix`"
    for target, today, cell in zip(TARGETS, cells(ROWS[name]), written()[name], strict=True):
        assert cell.split()[0] == today.split()[0], f"{target}: {made}"
        if today.startswith("approximate"):
            # Another build of NumPy may draw other roundings of the chip.
            assert number(cell) == pytest.approx(number(today), abs=3.0), f"{target}: {made}"


@pytest.mark.system
@pytest.mark.parametrize("target", ["python", "brian2"])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_rule_has_the_number_of_the_table(name: str, target: str) -> None:
    cell = written()[name][list(TARGETS).index(target)]
    again = measured(ROWS[name], cell.split()[0], target)
    if cell != "unsupported":
        assert number(again) <= AGAIN * max(number(cell), 1e-16)
        assert number(again) < 1e-6
