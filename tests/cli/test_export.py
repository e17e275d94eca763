"""metaplast export: the file, what is printed, and a run folder in place of a file."""

import shutil
from pathlib import Path

from tests.reuse._exports import module
from tests.reuse.conftest import files, made
from tests.system._commands import here

__all__ = ["files", "made"]


def test_the_file_is_written_and_graded(tmp_path: Path) -> None:
    code, out, error = here("export", "oja", "--to", "python", "--out", "oja.py", cwd=tmp_path)
    assert code == 0
    assert not out
    assert error.startswith("faithful: ")
    assert hasattr(module((tmp_path / "oja.py").read_text()), "update")


def test_without_a_file_the_text_is_printed(tmp_path: Path) -> None:
    code, out, error = here("export", "confavreux", "--to", "lava", cwd=tmp_path)
    assert code == 0
    assert not error
    assert out.startswith("# delta_w = ")
    assert "Grade: approximate." in out


def test_a_run_folder_stands_for_its_rule(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(files["two_slots"], tmp_path / "run" / "rule.safetensors")
    shown = here("show", "run", cwd=tmp_path)[1]
    assert shown.startswith("delta_w[first] = ")
    code, _, error = here("export", "run", "--to", "json", cwd=tmp_path)
    assert code == 2
    assert "edge=one of" in error
    words = ("--to", "json", "--edge", "hidden_1_to_output")
    assert here("export", "run", *words, cwd=tmp_path)[0] == 0


def test_what_a_target_cannot_say_is_refused_in_one_line(tmp_path: Path) -> None:
    words = ("export", "oja_subspace", "--to", "lava", "--out", "rule.py")
    code, out, error = here(*words, cwd=tmp_path)
    assert code == 2
    assert not out
    assert error.count("\n") == 1
    assert "not at spikes alone" in error
    assert not (tmp_path / "rule.py").exists()
