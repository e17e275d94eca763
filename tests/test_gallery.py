"""The words of the gallery: every experiment, every row of a figure, no number typed by hand."""

import re
from functools import lru_cache
from string import Formatter
from typing import Any

import pytest

from benchmarks.gallery import facts, figures, words
from benchmarks.reproduce import ROOT, shipped
from metaplast.runs.config import Sources
from metaplast.runs.job import parse
from metaplast.settings.names import DISCOVERED

GALLERY = words.read()
EXPERIMENTS = sorted(GALLERY.experiments)
TEXTS = ("title", "line", "question", "method", "result", "control", "missing", "metric")
OF_ROWS = {"score", "than"}
"""Facts of one row each."""
FACTS = ("n", "score", "than", "term", "heldout", "explained", "number", "doubts")
LINK = re.compile(r"\]\(([^)#]+)")


def _texts(name: str) -> list[str]:
    entry = GALLERY.experiments[name]
    return [getattr(entry, field) for field in TEXTS] + list(entry.rows.values())


@lru_cache
def _rows(name: str) -> set[str]:
    """The rows of an experiment, as its config has them."""
    plain: dict[str, Any] = shipped(name)
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
    known = facts.parts_of(parse(shipped(name), check=False).main)
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


def test_every_kind_has_an_experiment() -> None:
    assert {entry.kind for entry in GALLERY.experiments.values()} == set(figures.KINDS)
