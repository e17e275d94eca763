"""A sample of bad input as real commands: one line, exit 2, nothing on disk, no traceback."""

from pathlib import Path

import pytest

from tests.cli._cases import CASES
from tests.system._commands import metaplast

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    ("words", "part"), CASES[::12], ids=[str(i) for i in range(0, len(CASES), 12)]
)
def test_one_line_exit_2(words: list[str], part: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    done = metaplast(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert part in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
