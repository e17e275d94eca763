"""The page in a real browser: at a laptop, on a phone, in the dark, in print, and under attack."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from metaplast.figures.section import Figure, Folded, Section, Table
from metaplast.figures.style import OURS, save, subplots
from metaplast.report.page import Page, html
from tests._browser import Browser

pytestmark = pytest.mark.golden

LAPTOP, PHONE = (1280, 800), (390, 844)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src='http://example.org/x' onerror=alert(1)>",
    "</svg><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
)
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as long and as wide as that of the main job; every name on it is hostile."""
    folder = tmp_path_factory.mktemp("page")
    figures = []
    for number, name in enumerate(HOSTILE):
        figure, axes = subplots(figsize=(4.8, 3), layout="constrained")
        axes.plot([0.0, 1.0], color=OURS, lw=3, label=name)
        axes.set_title(name)
        axes.set_xlabel("words below")
        axes.legend()
        path = folder / f"{number}.svg"
        save(figure, path)
        figures.append(Figure(path, name, name))
    wide = Table(
        HOSTILE[1], [f"a long column {i}" for i in range(14)], [["0.123 [0.1, 0.2]"] * 14] * 9
    )
    sections = []
    for name, figure in zip(HOSTILE, figures, strict=True):
        fold = Folded(name, [name], ["folded " * 60])
        sections.append(
            Section(
                name, [name] * 3, [name], [figure], [wide], summary=name, folded=[fold], id=name
            )
        )
    verdict = [
        "In accuracy on 1024 held-out lives the rule is worse than a tuned baseline, backprop, by "
        "0.007, 95 % interval [0.004, 0.010].",
        f"How sure: one seed. {HOSTILE[0]} " * 2,
        f"What it does not do: {HOSTILE[1]} " * 3,
    ]
    command = "metaplast train --config run/config.yaml seed=1 seeds=4"
    written = html(
        Page(HOSTILE[0], [(HOSTILE[1], HOSTILE[1])], sections, verdict, command, figures[0])
    )
    path = folder / "report.html"
    path.write_text(written, encoding="utf-8")
    return path


def box(browser: Browser, selector: str) -> dict[str, float]:
    """The box of the first element: top, bottom, left, right, height."""
    return browser.ask(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")


def test_nothing_runs_and_nothing_is_asked_for(browser: Browser, page: Path) -> None:
    browser.events.clear()
    browser.show(page, *LAPTOP)
    assert browser.ask("document.scripts.length") == 0
    assert browser.ask("document.querySelectorAll('img, iframe, object, link, b').length") == 0
    assert set(browser.requests()) == {page.as_uri()}
    assert browser.complaints() == []
    text = browser.ask("document.body.textContent")
    for name in HOSTILE:
        assert text.count(name) >= 6, name
    assert browser.ask("document.querySelectorAll('figure svg').length") == 6
    drawn = browser.ask("[...document.querySelectorAll('figure svg text')].map(t => t.textContent)")
    assert set(HOSTILE) <= set(drawn)


def test_a_laptop_shows_verdict_next_command_and_key_figure_at_once(
    browser: Browser, page: Path
) -> None:
    browser.show(page, *LAPTOP)
    assert browser.ask(WIDTH) == LAPTOP[0]
    for selector in (".verdict", ".next + pre", ".head figure svg"):
        assert 0 < box(browser, selector)["top"] < box(browser, selector)["bottom"] < LAPTOP[1]
    assert box(browser, "nav")["right"] < box(browser, "main")["left"]
    browser.ask("window.scrollTo(0, 2000)")
    assert box(browser, "nav")["top"] == 0
    browser.ask("document.querySelectorAll('nav a')[2].click()")
    section = "document.querySelectorAll('section')[1].getBoundingClientRect().top"
    assert 0 <= browser.ask(section) < 100


def test_a_phone_scrolls_wide_tables_but_not_the_page(browser: Browser, page: Path) -> None:
    browser.show(page, *PHONE)
    assert browser.ask(WIDTH) == PHONE[0]
    assert box(browser, "nav")["bottom"] <= box(browser, "h1")["top"] < 150
    assert box(browser, ".verdict p")["bottom"] < PHONE[1]
    scrolls = (
        "[...document.querySelectorAll('section .wide')].filter(w => w.querySelector('table'))"
    )
    assert browser.ask(f"{scrolls}.every(w => w.scrollWidth > w.clientWidth)")
    assert box(browser, ".head figure svg")["right"] <= PHONE[0]


def test_the_dark_page_has_light_words_and_axes(browser: Browser, page: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        browser.show(page, *LAPTOP, scheme)
        style = "getComputedStyle(document.querySelector('.head figure svg {}')).{}"
        words = browser.ask(style.format("text", "fill"))
        axis = browser.ask(style.format("use", "stroke"))
        where = box(browser, ".head figure svg")
        rows = slice(int(where["top"]), int(where["bottom"]))
        columns = slice(int(where["left"]), int(where["right"]))
        seen[scheme] = (words, axis, browser.picture()[rows, columns])
    assert seen["light"][0] == seen["light"][1] == "rgb(0, 0, 0)"
    assert seen["dark"][0] == seen["dark"][1] == "rgb(227, 230, 234)"
    light, dark = seen["light"][2], seen["dark"][2]
    assert np.median(light) > 0.95 and np.median(dark) < 0.15
    assert light.min() < 0.2 and dark.max() > 0.8  # words are seen in both


def test_print_opens_the_folds_on_white_paper(browser: Browser, page: Path) -> None:
    browser.show(page, *LAPTOP)
    closed = box(browser, "details")["height"]
    browser.show(page, *LAPTOP, "dark", media="print")
    assert box(browser, "details")["height"] > closed + 80
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_a_wide_key_figure_is_not_shrunk_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    figure, axes = subplots(figsize=(11, 3), layout="constrained")
    axes.plot([0.0, 1.0])
    save(figure, tmp_path / "wide.svg")
    key = Figure(tmp_path / "wide.svg", "wide", "wide")
    path = tmp_path / "report.html"
    path.write_text(html(Page("wide", [], [], ["Found."], "metaplast", key)), encoding="utf-8")
    browser.show(path, *PHONE)
    assert browser.ask(WIDTH) == PHONE[0]
    assert box(browser, ".head figure svg")["width"] > 1.3 * PHONE[0]
