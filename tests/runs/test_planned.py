"""plan.json: what a run is made of."""

from pathlib import Path

import pytest

from metaplast.runs import planned
from metaplast.runs.planned import Planned

PLAN = Planned({"discovered": 4, "nearest_prototype": 0}, ("seed-0", "seed-1"))


def test_a_plan_is_read_back_and_an_equal_one_is_not_written_again(tmp_path: Path) -> None:
    assert planned.read(tmp_path) is None
    planned.record(tmp_path, PLAN)
    assert planned.read(tmp_path) == PLAN
    before = (tmp_path / planned.FILE).stat()
    planned.record(tmp_path, PLAN)
    assert (tmp_path / planned.FILE).stat() == before
    planned.record(tmp_path, Planned({"discovered": 5}))
    assert planned.read(tmp_path) == ({"discovered": 5}, ())


@pytest.mark.parametrize("text", ["", "[1]", '{"rows": [], "runs": []}', '{"rows": {"a": "x"}}'])
def test_a_damaged_plan_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / planned.FILE).write_text(text)
    assert planned.read(tmp_path) is None
