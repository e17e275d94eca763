"""The notebooks run as scripts in a small form, and whole in a real kernel in the golden lane."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import notebooks
from benchmarks.notebooks import ENVIRONMENT, PAGES, SCRIPTS, executed, notebook_of, with_files
from metaplast.api import pictures

SMALL = {"STEPS": "2", "LIVES": "64", "SECONDS_OF_SPIKES": "0.2", "MPLBACKEND": "agg"}


@pytest.mark.system
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_in_a_small_form(script: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, **ENVIRONMENT, **SMALL},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_page_has_the_cells_of_its_notebook_and_their_outputs(script: Path) -> None:
    text = (PAGES / f"{script.stem}.md").read_text(encoding="utf-8")
    end = 0
    kinds = []
    n_outputs = 0
    again = f"run `python -m benchmarks.notebooks {script.stem}`"
    for cell in notebook_of(script).cells:
        source = cell.source.strip()
        start = text.find(source, end)
        assert start >= 0, f"{source}\n{again}"
        between = text[end:start].replace("```python", "").replace("```", "").strip()
        assert not between or kinds[-1] == "code", f"{between}\n{again}"
        n_outputs += bool(between)
        end = start + len(source)
        kinds.append(cell.cell_type)
    n_outputs += bool(text[end:].replace("```", "").strip())
    assert kinds[0] == "markdown" and kinds.count("code") >= 3
    assert text.startswith("# ")
    assert n_outputs >= 2, again
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
        assert (PAGES / picture).is_file()


def test_an_inline_picture_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "PAGES", tmp_path)
    (tmp_path / "some.svg").write_text("<svg/>")
    shown = pictures.SavedPicture(tmp_path / "some.svg")._repr_html_()
    (tmp_path / "page").mkdir()
    assert with_files(f"a\n{shown}\nb", "page") == "a\n![some](page/some.svg)\nb"
    assert (tmp_path / "page" / "some.svg").read_text() == "<svg/>"


@pytest.mark.golden
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_notebook_runs_whole_in_a_kernel(script: Path) -> None:
    """It needs the extra `notebooks`."""
    pytest.importorskip("nbclient")
    notebook = executed(script)
    printed = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(printed) >= 2
