"""docs/studies/transfer.md has the tables of the kept grids, whose budgets are equal."""

import pytest

from benchmarks.grids import IMAGES, PAGE, TABLE, grid, names, table, written


def test_the_page_has_every_kept_grid_and_its_numbers() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert sorted(TABLE.findall(text)) == names()
    assert written(text) == text, "run `python -m benchmarks.grids`"


@pytest.mark.parametrize("name", names())
def test_a_kept_grid_is_judged_fairly(name: str) -> None:
    about = grid(name).about
    assert about.searched is None or about.budget >= about.searched
    assert about.rule == f"zoo/{name}"
    assert (IMAGES / f"transfer_{name}.svg").is_file()
    assert table(name).count("\n") >= 8
