"""docs/studies/baldwin.md has the numbers that are kept, and no search is done twice."""

import json

import pytest

from benchmarks import inborn
from benchmarks.inborn import CELLS, KEPT, NUMBERS, PAGE, SEEDS, kept, measured, seeds_of, written


def test_the_page_has_the_kept_numbers() -> None:
    numbers = kept(KEPT)
    assert set(numbers) == {(cell, seed) for cell in CELLS for seed in seeds_of(SEEDS)}
    text = PAGE.read_text(encoding="utf-8")
    means = measured(seeds_of(SEEDS), KEPT)
    assert written(text, means) == text, "run `python -m benchmarks.inborn`"


def test_a_search_is_done_once_and_another_setting_is_refused(tmp_path, monkeypatch) -> None:
    path = tmp_path / "inborn.jsonl"
    done = []

    def judged(cell, seed):
        done.append(seed)
        return dict.fromkeys(NUMBERS, float(seed))

    monkeypatch.setattr(inborn, "CELLS", CELLS[:1])
    monkeypatch.setattr(inborn, "judged", judged)
    monkeypatch.setattr(inborn.search_loop, "forget", lambda: None)
    measured(range(2), path)
    means = measured(range(3), path)
    assert done == [0, 1, 2]
    assert means[CELLS[0]]["share"].mean == 1.0
    line = json.loads(path.read_text().splitlines()[0])
    path.write_text(json.dumps({**line, "setting": 0}))
    with pytest.raises(SystemExit, match="another setting"):
        measured(range(2), path)
