"""metaplast export: the file, what is printed, and a run folder in place of a file."""

import shutil
from pathlib import Path

import pytest

from metaplast.registry import BadInput
from metaplast.reuse.load import load_rule
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


def test_an_existing_file_is_replaced_by_force_alone(tmp_path: Path) -> None:
    words = ("export", "oja", "--to", "json", "--out", "oja.json")
    (tmp_path / "oja.json").write_text("mine")
    code, _, error = here(*words, cwd=tmp_path)
    assert code == 2
    assert "out 'oja.json': the file exists" in error
    assert "--force" in error
    assert (tmp_path / "oja.json").read_text() == "mine"
    assert here(*words, "--force", cwd=tmp_path)[0] == 0
    assert (tmp_path / "oja.json").read_text() != "mine"


def test_a_file_in_no_folder_is_bad_input(tmp_path: Path) -> None:
    code, _, error = here("export", "oja", "--to", "json", "--out", "nodir/x.json", cwd=tmp_path)
    assert code == 2
    assert "the folder 'nodir' does not exist" in error
    assert "resume" not in error


def test_a_folder_is_a_rule_everywhere(files: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("seed: 0")
    for verb in (["show"], ["card"], ["export", "--to", "json"]):
        code, _, error = here(verb[0], "run", *verb[1:], cwd=tmp_path)
        assert code == 2
        assert "rule 'run': the run has not ended" in error
    with pytest.raises(BadInput, match="the run has not ended"):
        load_rule(run)
    shutil.copy(files["shared"], run / "rule.safetensors")
    assert load_rule(run).formula == load_rule(files["shared"]).formula


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("code.py", "a text and not a rule file"), ("stpd", "did you mean 'zoo/stdp'?")],
)
def test_what_is_no_rule_says_so(rule: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("import numpy as np\n")
    assert expected in here("export", rule, "--to", "python", cwd=tmp_path)[2]
