"""The notebooks run as scripts in a small form, and whole in a real kernel in the golden lane."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples" / "notebooks").glob("*.py"))
SMALL = {"STEPS": "2", "SECONDS_OF_SPIKES": "0.2"}
WHERE = {"PYTHONPATH": str(ROOT), "CHOICES": str(ROOT / "docs" / "guides" / "fit" / "choices.csv")}


@pytest.mark.system
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_a_small_form(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, **WHERE, **SMALL},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def _cells(text: str) -> list[tuple[str, str]]:
    """(kind, source) of the cells of a script in the percent format."""
    cells = []
    for part in text.split("# %%")[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.splitlines()]
            cells.append(("markdown", "\n".join(lines).strip()))
        else:
            cells.append(("code", body.strip()))
    return cells


def test_every_cell_is_told_apart() -> None:
    assert len(SCRIPTS) == 3
    for script in SCRIPTS:
        cells = _cells(script.read_text())
        assert cells[0][0] == "markdown"
        assert cells[0][1].startswith("# ")
        assert sum(kind == "code" for kind, _ in cells) >= 3


@pytest.mark.golden
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_whole_in_a_kernel(script: Path, tmp_path: Path) -> None:
    """It needs nbclient and ipykernel, which no extra brings."""
    client = pytest.importorskip("nbclient")
    form = pytest.importorskip("nbformat").v4
    notebook = form.new_notebook()
    for kind, source in _cells(script.read_text()):
        make = form.new_markdown_cell if kind == "markdown" else form.new_code_cell
        notebook.cells.append(make(source))
    environment = dict(os.environ)
    os.environ.update(WHERE)
    try:
        client.NotebookClient(notebook, timeout=3000, cwd=str(tmp_path)).execute(cwd=str(tmp_path))
    finally:
        os.environ.clear()
        os.environ.update(environment)
    printed = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(printed) >= 2
