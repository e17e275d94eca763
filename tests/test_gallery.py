"""The words of the gallery: every experiment, every row of a figure, no number typed by hand."""

import re
from functools import lru_cache
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.gallery import (
    ends,
    facts,
    figures,
    intervals,
    rates,
    slide,
    terms,
    trajectory,
    words,
    worlds,
)
from benchmarks.gallery.__main__ import write
from benchmarks.gallery.finished import Lived
from benchmarks.gallery.tables import job_of, table_of
from benchmarks.reproduce import ROOT, published, shipped
from metaplast.figures.style import subplots
from metaplast.registry import BadInput
from metaplast.results.changed_world import Lived as Lives
from metaplast.results.numbers import Bounds
from metaplast.runs.config import Sources
from metaplast.settings.names import DISCOVERED
from metaplast.training.kept_transfer import keep

GALLERY = words.read()
EXPERIMENTS = sorted(GALLERY.experiments)
TEXTS = ("title", "line", "question", "method", "result", "control", "missing", "metric")
OF_ROWS = {"score", "than"}
"""Facts of one row each."""
FACTS = ("n", "chosen", "score", "than", "term", "heldout", "explained", "number", "doubts")
PAGES = ROOT / "docs" / "gallery"
FIGURES = sorted(PAGES.glob("*.svg"))
SEVERAL_SEEDS = [name for name, known in published().items() if len(known["seeds"]) > 1]
SIZES = re.compile(r"font(?:-size)?: (\d+\.?\d*)px")
WORDS = re.compile(r"<text[^>]*>([^<]*)</text>")
LARGEST = 120_000  # bytes of a figure
LINK = re.compile(r"\]\(([^)#]+)")


def _texts(name: str) -> list[str]:
    entry = GALLERY.experiments[name]
    return [getattr(entry, field) for field in TEXTS] + list(entry.rows.values())


@lru_cache
def _config(name: str) -> dict[str, Any]:
    return shipped(name)


def _rows(name: str) -> set[str]:
    """The rows of an experiment, as its config has them."""
    plain = _config(name)
    references = plain.get("evaluation", {}).get("references", {})
    return {DISCOVERED, *plain.get("rows", {}), *references}


def test_every_shipped_experiment_has_words() -> None:
    assert sorted(Sources().names("experiment")) == EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_number_is_typed_by_hand(name: str) -> None:
    for text in _texts(name):
        typed = "".join(literal for literal, *_ in Formatter().parse(text))
        assert not re.search(r"\d", typed), text


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_row_of_a_figure_has_words_and_is_a_row(name: str) -> None:
    entry = GALLERY.experiments[name]
    rows = _rows(name)
    assert set(entry.rows) <= rows
    assert set(entry.shown) <= set(entry.rows)
    for row in entry.rows.values():
        assert "_" not in row


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_text_names_rows_that_have_words(name: str) -> None:
    entry = GALLERY.experiments[name]
    rows = _rows(name)
    for text in _texts(name):
        for _, field, *_ in Formatter().parse(text):
            fact, _, row = (field or "").rstrip("]").partition("[")
            if fact in OF_ROWS:
                assert row in rows, text
            if fact == "than":
                assert row in entry.rows, text


class _Anything:
    """Every fact of a run that is not in its config."""

    def __getitem__(self, key: str) -> str:
        return key

    def __format__(self, form: str) -> str:
        return "measured"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_text_can_be_filled_from_the_shipped_config(name: str) -> None:
    entry = GALLERY.experiments[name]
    known = facts.parts_of(job_of(name).main)
    measured = dict.fromkeys(FACTS, _Anything())
    for text in _texts(name):
        assert "{" not in entry.filled({**measured, **known}, text)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_kind_group_and_links_exist(name: str) -> None:
    entry = GALLERY.experiments[name]
    assert entry.kind in figures.KINDS
    assert entry.group in GALLERY.groups
    for text in (entry.more, entry.control, entry.missing):
        for link in LINK.findall(text):
            page = (ROOT / "docs" / "gallery" / link).resolve()
            assert page.is_file() and page.parent.name != "gallery", link


@pytest.mark.parametrize("file", FIGURES, ids=lambda file: file.stem)
def test_a_shipped_figure_is_small_and_legible_and_in_words(file: Any) -> None:
    svg = file.read_text()
    assert len(svg) < LARGEST
    assert min(float(size) for size in SIZES.findall(svg)) >= slide.LETTERS
    for text in WORDS.findall(svg):
        assert not re.search(r"[_*^]|e-\d", text), text


def test_every_experiment_has_a_page_and_a_figure_and_stands_in_the_index() -> None:
    index = (PAGES / "index.md").read_text()
    assert [file.stem for file in FIGURES] == EXPERIMENTS
    for name in EXPERIMENTS:
        assert f"]({name}.svg)" in (PAGES / f"{name}.md").read_text()
        assert f"]({name}.md)" in index


@pytest.mark.parametrize("name", SEVERAL_SEEDS)
def test_numbers_over_several_seeds_are_those_of_the_published_table(name: str) -> None:
    table = table_of(name)
    assert table is not None and table.n_seeds == len(published()[name]["seeds"])
    entry = GALLERY.experiments[name]
    known = facts.facts_of(table, entry)
    text = (PAGES / f"{name}.md").read_text()
    assert f"over {table.n_seeds} seeds" in text
    for written in (entry.result, entry.control, entry.missing):
        assert entry.filled(known, written) in text


def test_gains_over_several_seeds_need_no_run(tmp_path: Path) -> None:
    assert write(tmp_path / "no runs", tmp_path, ["readout", "oja"]) == ["readout"]
    assert "Figure and numbers are means over" in (tmp_path / "readout.md").read_text()
    shown = set(WORDS.findall((tmp_path / "readout.svg").read_text()))
    assert shown == set(WORDS.findall((PAGES / "readout.svg").read_text()))


def test_every_kind_has_an_experiment() -> None:
    assert {entry.kind for entry in GALLERY.experiments.values()} == set(figures.KINDS)


@pytest.mark.parametrize(
    "gain, low, high, said",
    [
        (0.366, 0.357, 0.375, "better than *X* by 0.366 (0.357 to 0.375)"),
        (-0.0073, -0.0104, -0.0046, "worse than *X* by 0.0073 (0.0046 to 0.0104)"),
        (-0.0007, -0.0021, 0.0007, "not told apart from *X* (gain -0.00070, -0.00210 to 0.00070)"),
        (None, None, None, "not compared with *X*, of which lives are not finite"),
    ],
)
def test_a_claim_follows_the_interval(gain: Any, low: Any, high: Any, said: str) -> None:
    assert facts.claim(gain, Bounds(low, high), "X") == said


def test_terms_and_formulas_are_written_as_mathematics() -> None:
    assert (
        terms.in_words("post^2*weight") == "post\N{SUPERSCRIPT TWO} \N{MULTIPLICATION SIGN} weight"
    )
    written = terms.formula("delta_w = 0.1 * (pre*modulator.reward - 1)")
    times = "\N{MULTIPLICATION SIGN}"
    assert written == (
        f"\N{GREEK CAPITAL LETTER DELTA}w = 0.1 {times} (pre {times} reward \N{MINUS SIGN} 1)"
    )


def test_a_formula_of_two_equations_has_a_line_for_each() -> None:
    written = terms.formula("delta_w = eligibility; eligibility <- exp(-dt/0.1) eligibility + pre")
    assert written == (
        "\N{GREEK CAPITAL LETTER DELTA}w = eligibility\n"
        "eligibility \N{LEFTWARDS ARROW} exp(\N{MINUS SIGN}dt/0.1) eligibility + pre"
    )


@pytest.mark.parametrize(
    "value, written",
    [
        (-0.25, "\N{MINUS SIGN}0.25"),
        (1.66e-15, "1.66\N{MULTIPLICATION SIGN}10\N{SUPERSCRIPT MINUS}\u00b9\u2075"),
        (2e-7, "2\N{MULTIPLICATION SIGN}10\N{SUPERSCRIPT MINUS}\u2077"),
    ],
)
def test_a_number_of_a_figure_has_no_exponent_of_programs(value: float, written: str) -> None:
    assert terms.number(value, ".3g") == written


def test_words_at_the_ends_of_curves_do_not_overlap() -> None:
    _, axes = subplots()
    last = {"low": 0.1, "twin": 0.101, "other twin": 0.1011, "high": 0.99}
    lines = [axes.plot([0, 1], [0.5, y], label=name)[0] for name, y in last.items()]
    axes.set_ylim(0.0, 1.0)
    ends.label(axes, lines)
    heights = {text.get_text(): text.xyann[1] for text in axes.texts}
    in_order = [heights[name] for name in last]
    assert min(np.diff(in_order)) >= ends.APART - 1e-9
    assert heights["high"] == pytest.approx(0.99)
    assert np.mean(in_order[:3]) == pytest.approx(np.mean([0.1, 0.101, 0.1011]))


def test_a_line_that_leaves_the_axis_has_an_arrow_and_its_number() -> None:
    _, axes = subplots()
    lines = [
        intervals.Estimate("inside", 0.5, Bounds(0.4, 0.6), True),
        intervals.Estimate("outside", -3.0, Bounds(-5.0, 2.0), False),
    ]
    intervals.draw(axes, lines, ".2f", (-1.0, 1.0))
    markers = [(line.get_marker(), *line.get_xydata()[0]) for line in axes.lines]
    assert {each for each in markers if each[0] in ("<", ">")} == {("<", -1, 0), (">", 1, 0)}
    assert [each for each in markers if each[0] == "o"] == [("o", 0.5, 1)]
    assert [text.get_text() for text in axes.texts] == ["\N{MINUS SIGN}3.00", "0.50"]


def test_a_panel_of_a_world_shows_the_cosines_that_were_kept_there(tmp_path: Path) -> None:
    entry = GALLERY.experiments["crossing"]
    losses = {}
    for shift, (title, changes) in enumerate(entry.options["worlds"].items()):
        rows = {row: [0.1 * shift, 0.1 * shift + 0.2] for row in entry.shown}
        keep(tmp_path, Lives(changes=sorted(changes), seed=0, metric="loss", rows=rows))
        losses[title] = np.mean(rows[DISCOVERED])
    run: Any = SimpleNamespace(folder=tmp_path)
    for axes in worlds.draw(run, entry).axes:
        marks = [line for line in axes.lines if line.get_marker() == "o"]
        drawn = [np.asarray(line.get_xdata()).item() for line in marks]
        assert drawn == pytest.approx([1.0 - losses[axes.get_title()]] * len(entry.shown))


def test_a_world_in_which_no_row_was_judged_is_refused(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(folder=tmp_path)
    with pytest.raises(BadInput, match="metaplast eval"):
        worlds.draw(run, GALLERY.experiments["crossing"])


def test_the_rates_of_cells_are_spikes_a_second() -> None:
    spikes = np.zeros((3, 400, 5))  # lives, steps of a millisecond, cells
    spikes[:, ::50] = 1.0
    main = SimpleNamespace(meta_problem=lambda: SimpleNamespace(lifetime=SimpleNamespace(dt=1e-3)))
    run: Any = SimpleNamespace(
        task=SimpleNamespace(window=200, target=10.0),
        job=SimpleNamespace(main=main),
        lived=lambda row, n: Lived(None, {"e": spikes}),
    )
    entry = GALLERY.experiments["inhibition"]
    (axes,) = rates.draw(run, entry).axes
    middles = [np.asarray(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.concatenate(middles), np.full(len(entry.shown), 20.0), rtol=1e-9)


def test_the_way_of_a_point_mass_is_target_minus_input(monkeypatch: pytest.MonkeyPatch) -> None:
    place = np.linspace([0.0, 0.0], [0.5, -0.5], 8)
    targets = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    seen = np.zeros((1, 8, 4))
    seen[0, :, :2] = np.repeat(targets[0], 4, axis=0) - place
    tasks = SimpleNamespace(targets=targets, signs=-np.ones((1, 2)))
    run: Any = SimpleNamespace(
        folder=ROOT,
        task=SimpleNamespace(trial_steps=4, n_trials=2),
        lived=lambda row, n: Lived(tasks, {"input": seen}),
    )
    monkeypatch.setattr(trajectory, "read_arrays", lambda file: {"loss": np.ones(1)})
    monkeypatch.setattr(trajectory, "bands_of", lambda *_: {})
    left = trajectory.draw(run, GALLERY.experiments["pointmass"]).axes[0]
    first, _, second, *_ = left.lines
    np.testing.assert_allclose(np.asarray(first.get_xydata()), place[:5])
    np.testing.assert_allclose(np.asarray(second.get_xydata()), place[4:])
