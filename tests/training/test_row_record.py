"""row.json: its keys, and the files of earlier versions."""

import json
from pathlib import Path

import pytest

from metaplast.registry import BadInput
from metaplast.results.summary import NotHalved, SearchRecord
from metaplast.training.row_record import RowRecord, read_record, to_json

SEARCH = SearchRecord(diverged_lives=1, falls=0, fell_at=[], step_scale=1.0, chosen_step=4)
TRAINED = RowRecord("discovered", 1, 2.5, SEARCH, NotHalved(1.0, "digits"))
BARE = RowRecord("no_plasticity", 0, 0.5)
REFERENCE = RowRecord("nearest_neighbour", 0, 0.5, chosen={})


@pytest.mark.parametrize(
    ("record", "keys"),
    [
        (TRAINED, ["name", "diverged_lives", "search", "wall_s", "halving"]),
        (BARE, ["name", "diverged_lives", "search", "wall_s"]),
        (REFERENCE, ["name", "diverged_lives", "chosen", "wall_s"]),
    ],
)
def test_a_record_keeps_its_keys_and_reads_back(record: RowRecord, keys: list[str], tmp_path: Path):
    plain = to_json(record)
    assert list(plain) == keys
    (tmp_path / "row.json").write_text(json.dumps(plain))
    assert read_record(tmp_path) == record


def test_a_file_of_the_first_version_reads(tmp_path: Path):
    (tmp_path / "row.json").write_text('{"name": "discovered", "diverged_lives": 3, "wall_s": 1}')
    assert read_record(tmp_path) == RowRecord("discovered", 3, 1.0)


def test_a_file_of_another_form_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "row.json").write_text('{"name": "discovered", "diverged_lives": "many"}')
    with pytest.raises(BadInput, match=r"row\.json: diverged_lives - expected") as refused:
        read_record(tmp_path)
    assert "\n" not in str(refused.value)
