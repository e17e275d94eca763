"""`python -m benchmarks.gallery` on one tiny run: its page, its figure, the index."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import metaplast as mp
from benchmarks.gallery import figures, slide, words
from benchmarks.gallery.__main__ import write
from benchmarks.gallery.finished import Finished, finished
from metaplast.figures.style import save
from metaplast.results.numbers import Bounds
from metaplast.results.summary import Difference

SIZES = re.compile(r"font(?:-size)?: (\d+\.?\d*)px")
WORDS = re.compile(r"<text[^>]*>([^<]*)</text>")
KINDS = ["paths", "learning", "scores", "expression", "gains", "descent"]
OPTIONS = {"x": "step", "y": "error", "metric": "loss", "left": "loss", "right": "gradient"}


@pytest.fixture
def runs(run: mp.Run, tmp_path: Path) -> Path:
    """A folder of runs that holds the tiny one, and one that is not finished."""
    folder = tmp_path / "runs"
    (folder / "chaos").mkdir(parents=True)
    (folder / "oja").symlink_to(run.folder)
    return folder


def test_a_page_holds_the_numbers_of_its_run(runs: Path, run: mp.Run, tmp_path: Path) -> None:
    out = tmp_path / "gallery"
    assert write(runs, out, ["oja", "chaos"]) == ["oja"]
    text = (out / "oja.md").read_text()
    score = run.scores["discovered"]
    (terms,) = run.result["rule"]["terms"].values()
    assert f"{score.n} held-out lives" in text
    assert f"post × pre is {terms['post*pre']:.4g}" in text
    assert "metaplast train experiment=oja" in text
    assert "{" not in text


def test_pages_of_other_experiments_stay_and_the_index_has_them(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "gallery"
    out.mkdir()
    (out / "chaos.md").write_text("kept")
    write(runs, out, ["oja", "chaos"])
    assert (out / "chaos.md").read_text() == "kept"
    index = (out / "index.md").read_text()
    for name in words.read().experiments:
        is_card = f"]({name}.md)" in index
        assert is_card == (name in ("oja", "chaos"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_can_be_read_from_afar(runs: Path, tmp_path: Path, kind: str) -> None:
    entry = words.read().experiments["oja"]
    rows = {**entry.rows, "hebb": "Hebb's rule"}
    shown = ("hebb",) if kind == "gains" else ("discovered",)
    options = {**entry.options, **OPTIONS}
    entry = replace(entry, kind=kind, rows=rows, show=shown, options=options)
    run = finished(runs / "oja")
    assert run is not None
    file = tmp_path / "figure.svg"
    save(figures.draw(_with_a_rival(run), entry), file)
    svg = file.read_text()
    sizes = [float(size) for size in SIZES.findall(svg)]
    assert sizes and min(sizes) >= slide.LETTERS
    shown = WORDS.findall(svg)
    assert shown and not [text for text in shown if "_" in text or "*" in text]


def _with_a_rival(run: Finished) -> Finished:
    """The same run, in which another row is worse by a tenth."""
    summary = run.training
    (score,) = summary.scores
    worse = replace(score, name="hebb", difference=Difference(0.1, Bounds(0.05, 0.15)))
    rows = {**summary.rows, "hebb": summary.rows["discovered"]}
    return run._replace(summary=replace(summary, rows=rows, scores=[score, worse]))
