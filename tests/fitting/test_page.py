"""The page of a finished fit: its numbers, the source of their intervals, figures that fail."""

import html
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from metaplast.figures import explained
from metaplast.fitting import page
from metaplast.fitting.page import FinishedFit, interval_source
from metaplast.fitting.result import WeightScore
from metaplast.fitting.run import provenance_of
from metaplast.fitting.tables import number_lines
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.results.numbers import Bounds
from metaplast.reuse.card import card
from metaplast.reuse.rule_file import read_rule
from metaplast.runs import provenance
from metaplast.settings.names import REPORT
from tests.fitting._results import (
    bootstrap_result,
    fit_result,
    intervals_result,
    row_result,
    share,
)

REFITS = bootstrap_result(refits=20, ci95={"a": Bounds(0.5, 1.5), "b": Bounds(None, None)})
OLD = fit_result(row_result(numbers={"a": 1.0, "b": 0.5, "c": None}), bootstrap=REFITS)
KNOWN = intervals_result()


def test_numbers_without_an_interval_are_not_determined_and_those_nobody_asked_of_have_none():
    assert number_lines(OLD) == [
        ("a", "1", "[0.5, 1.5]"),
        ("b", "0.5", "not determined"),
        ("c", "not finite", "-"),
    ]


def test_the_card_of_a_fitted_rule_has_the_intervals_of_its_numbers():
    file = read_rule("zoo/oja")
    document = {**file.document, "provenance": provenance_of(OLD)}
    text = card(replace(file, document=document), "run")
    assert r"\_ci95: a 1 \[0.5, 1.5\], b 0.5 not determined, c not finite -" in text
    assert "fitted_numbers_ci95" not in provenance_of(replace(OLD, bootstrap=None))


def test_bars_say_where_they_come_from():
    assert interval_source(OLD) == "95 % of 20 refits to data drawn from the fitted rule"
    assert interval_source(replace(OLD, intervals=KNOWN)).endswith("whichever reaches further")
    alone = replace(OLD, intervals=KNOWN, bootstrap=bootstrap_result(refits=0))
    assert interval_source(alone) == "95 %, Student's t over 6 subjects"
    unknown = replace(OLD, intervals=replace(KNOWN, why="too many"))
    assert interval_source(unknown).startswith("95 % of 20 refits")


def _page(folder: Path, result: Any) -> str:
    """The page of a fit of which nothing but the result is left: all that lives a rule fails."""
    nothing: Any = None
    page.write(FinishedFit(folder, nothing, nothing, {}, nothing, result))
    return html.unescape((folder / REPORT).read_text())


def test_one_held_out_subject_has_a_page(tmp_path: Path):
    row = row_result({"mean": share(0.3, None, None, n=1)})
    text = _page(tmp_path, fit_result(row, verdict=["Not judged: one subject."]))
    assert "Not judged: one subject." in text
    assert (tmp_path / "figures" / "explained.svg").is_file()


def test_a_figure_that_fails_costs_no_other_part_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: Any) -> None:
        raise TypeError("no interval")

    monkeypatch.setattr(explained, "draw", fail)
    text = _page(tmp_path, fit_result(verdict=["Found: the rule."]))
    assert "Found: the rule." in text
    assert "The figure could not be drawn: no interval" in text
    assert "explained vs mean" in text
    assert "This part could not be made:" in text.partition("One session")[2]


def test_a_page_is_called_after_the_file_of_its_data(tmp_path: Path):
    assert "<h1>Fit: fit</h1>" in _page(tmp_path, fit_result())
    provenance.record(tmp_path, "metaplast fit odour.npz", {"odour.npz": "1b08fc"})
    assert "<h1>Fit: odour.npz</h1>" in _page(tmp_path, fit_result())


def test_the_caption_of_a_table_names_no_column_that_it_lacks(tmp_path: Path):
    assert "R2 dw" not in _page(tmp_path, fit_result())
    known = row_result(weights={"input_to_output": WeightScore(1.0, 0.9)})
    text = _page(tmp_path, fit_result(known))
    assert "R2 dw input_to_output" in text and "R2 dw: of the change of weight" in text
    assert "numbers: all that a row learned, first weights among them" in text


@pytest.mark.parametrize(
    ("n", "likelihood", "named", "words"),
    [
        (1, Bernoulli(), (), "P(choice 1)"),
        (1, Bernoulli(), ("no lick", "lick"), "P(lick)"),
        (3, Categorical(), (), "P(choice 2)"),
        (1, Gaussian(), (), "recorded activity"),
        (3, Gaussian(), (), "recorded activity\nof unit 2"),
    ],
)
def test_the_axis_of_a_session_says_what_was_recorded(
    n: int, likelihood: Any, named: tuple[str, ...], words: str
):
    family: Any = SimpleNamespace(choice_values=named)
    (part,) = likelihood.parts(n)
    assert page._axis_of_session(family, part, n - 1) == words
