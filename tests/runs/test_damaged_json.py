"""A JSON file of a run that is damaged, or of another form, is refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metaplast.comparing.files import read_comparison
from metaplast.fitting.result import read_result
from metaplast.registry import BadInput
from metaplast.runs import lifecycle
from metaplast.training.group_result import read_group
from metaplast.training.row_record import read_record
from metaplast.training.summary import read_summary

READERS: dict[str, Callable[[Path], Any]] = {
    "compare.json": read_comparison,
    "fit.json": read_result,
    "group.json": read_group,
    "row.json": read_record,
    "summary.json": read_summary,
}

NESTED = "[" * 100_000


@pytest.mark.parametrize("text", ["", "{", "\xff", NESTED], ids=["empty", "cut", "bytes", "deep"])
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInput, match=rf"{name}, damaged - expected JSON as metaplast wrote it"):
        READERS[name](tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", "3", "null"])
@pytest.mark.parametrize("name", READERS)
def test_a_file_of_another_form_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=name):
        READERS[name](tmp_path)


def test_the_marker_of_a_run_is_named_where_it_is_damaged(tmp_path: Path) -> None:
    """The marker holds the options of a fit, which a resume reads first."""
    (tmp_path / "config.yaml").write_text("experiment: x\n")
    kind = next(kind for kind in lifecycle.kinds() if kind.marker)
    (tmp_path / kind.marker).write_text("{")
    with pytest.raises(BadInput, match=f"{kind.marker}, damaged"):
        lifecycle._recorded(kind, tmp_path)
