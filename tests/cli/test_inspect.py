"""Bad input to `metaplast inspect`: one line, exit code 2, no file."""

from pathlib import Path

import pytest

from metaplast.cli.main import main

CASES = [
    (["inspect", "missing"], ["missing", "run folder"]),
    (["inspect", "unfinished"], ["unfinished", "finished run", "metaplast resume unfinished"]),
    (["inspect", "note.txt"], ["note.txt", "safetensors"]),
    (["inspect", "unfinished", "--out", "note.txt"], ["--out note.txt", "a folder"]),
    (["inspect", "unfinished", "--lives", "1"], ["--lives", "1"]),
    (["inspect"], ["RUN_DIR"]),
    (["inspect", "task.n=3"], ["task.n=3", "RUN_DIR or RULE"]),
    (["inspect", "unfinished", "task.n=3"], ["task.n=3", "a rule file before words"]),
]


@pytest.mark.parametrize(("words", "expected"), CASES, ids=[" ".join(words) for words, _ in CASES])
def test_one_line_exit_2_nothing_on_disk(words, expected, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    Path("note.txt").write_text("no rule")
    Path("unfinished").mkdir()
    Path("unfinished/config.yaml").write_text(
        "seed: 0\ntask: {name: teacher_student}\nouter: {name: bptt}\n"
    )
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("error: ") and error.count("\n") == 1 and " - expected " in error
    for text in expected:
        assert text in error, error
    assert sorted(tmp_path.rglob("*")) == before
