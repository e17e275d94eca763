"""`metaplast information`: bad input in one line, and the numbers of the Python function."""

import json
from pathlib import Path

import pytest

import metaplast as mp
from metaplast.cli.main import main
from metaplast.registry import BadInput

FEW = ("--lives", "4", "--tasks", "2", "--lives-per-task", "2")
CASES = [
    (["information", "missing"], ["missing", "run folder"]),
    (["information", "note.txt", "experiment=oja"], ["note.txt", "safetensors"]),
    (["information", "zoo/oja"], ["zoo/oja without a task", "experiment=oja"]),
    (["information", "zoo/oja", "zoo/hebb", "experiment=oja"], ["2 rules", "name one"]),
    (["information", "task.n_steps=3"], ["0 rules", "one run folder or rule"]),
    (["information", "unfinished", "task.n_steps=3"], ["a rule file before words"]),
    (["information", "zoo/oja", "experiment=oja", "--tasks", "1"], ["--tasks"]),
]


@pytest.mark.parametrize(("words", "expected"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_one_line_and_exit_2(words, expected, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    Path("note.txt").write_text("no rule")
    Path("unfinished").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(words)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("error: ") and error.count("\n") == 1 and " - expected " in error
    for text in expected:
        assert text in error, error


@pytest.mark.system
def test_the_function_gives_what_the_command_prints(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    words = ("zoo/oja", "experiment=oja", "task.n_steps=6")
    with pytest.raises(SystemExit) as ended:
        main(["information", *words, *FEW, "--json"])
    assert not ended.value.code
    printed = json.loads(capsys.readouterr().out)
    found = mp.information(
        "zoo/oja", "oja", lives=4, tasks=2, lives_per_task=2, task={"n_steps": 6}
    )
    assert found.numbers == printed
    assert printed["learned"]["tasks"] == 2 and printed["learned"]["bits_task"] is None
    assert printed["learned"]["births_tell"] in (True, False)
    assert found.text.startswith("The loss is ")
    with pytest.raises(BadInput, match="at least 2"):
        mp.information("zoo/oja", "oja", tasks=1)
