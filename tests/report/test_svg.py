"""A figure on a page: words stay text, nothing points outside, colours follow the page."""

import re
from pathlib import Path

import numpy as np
import pytest

from metaplast.figures.style import IN_THE_DARK, OURS, save, subplots
from metaplast.registry import BadInput
from metaplast.report.svg import colours_of_pages, inline


def drawn(path: Path, title: str = "a title") -> str:
    """A figure with a line, a band, a map and words."""
    figure, (left, right) = subplots(1, 2, layout="constrained")
    left.plot([0.0, 1.0], [1.0, 2.0], color=OURS, label="ours")
    left.fill_between([0.0, 1.0], [0.5, 1.0], [1.5, 2.5], color=OURS, alpha=0.2)
    left.set_title(title)
    left.legend()
    grid = np.arange(12.0).reshape(3, 4)
    right.pcolormesh(grid, rasterized=True)
    save(figure, path)
    return path.read_text()


def test_the_same_figure_gives_the_same_file(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a.svg") == drawn(tmp_path / "b.svg")


def test_a_picture_says_nothing_of_its_maker_and_points_nowhere(tmp_path: Path) -> None:
    text = inline(drawn(tmp_path / "a.svg"), "f1", "words")
    for word in ("<!DOCTYPE", "rdf", "metadata", "http", "matplotlib", "font-family", "<style"):
        assert word not in text.lower().replace("<!doctype", "<!DOCTYPE")
    assert 'href="data:image/png;base64,' in text
    assert ">a title<" in text and 'aria-label="words"' in text


def test_ids_are_those_of_one_picture(tmp_path: Path) -> None:
    source = drawn(tmp_path / "a.svg")
    first, second = (set(re.findall(r' id="([^"]*)"', inline(source, p, ""))) for p in ("f1", "f2"))
    assert first and not first & second
    text = inline(source, "f1", "")
    referred = set(re.findall(r'href="#([^"]*)"', text)) | set(re.findall(r"url\(#(.*?)\)", text))
    assert referred == first


def test_colours_have_names_that_the_page_gives_a_light_and_a_dark_value(tmp_path: Path) -> None:
    text = inline(drawn(tmp_path / "a.svg"), "f1", "")
    light, dark = colours_of_pages()
    named = set(re.findall(r"var\((--c[0-9a-f]{6})\)", text))
    assert f"--c{OURS[1:]}" in named and "--c000000" in named
    for name in named:
        assert f"{name}:#{name[3:]}" in light
        assert f"{name}:{IN_THE_DARK['#' + name[3:]]}" in dark


def test_words_and_lines_are_told_from_a_dark_page() -> None:
    """The contrast on the page's own colour is that of WCAG: 4.5 for words, 3 for what is drawn."""
    page = IN_THE_DARK["#ffffff"]
    assert contrast(IN_THE_DARK["#000000"], page) > 4.5
    quiet = {"#ffffff", "#c9ced6", "#f3ecd8", "#b0b0b0", "#cccccc"}  # paper, grids, shades
    for colour, partner in IN_THE_DARK.items():
        if colour not in quiet:
            assert contrast(partner, page) > 3, colour


def contrast(one: str, other: str) -> float:
    """The ratio of relative luminances (WCAG 2.2)."""
    values = []
    for colour in (one, other):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        values.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    high, low = max(values), min(values)
    return (high + 0.05) / (low + 0.05)


def test_ticks_of_a_logarithmic_axis_are_plain_words(tmp_path: Path) -> None:
    figure, axes = subplots()
    axes.plot([2e-6, 3.0])
    axes.set_yscale("log")
    save(figure, tmp_path / "wide.svg")
    ticks = set(re.findall(r">([^<>]+)</text>", (tmp_path / "wide.svg").read_text()))
    assert {"10\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT FIVE}", "0.01", "0.1", "1"} <= ticks
    figure, axes = subplots()
    axes.plot([2e-5, 4.5e-5])
    axes.set_yscale("log")
    save(figure, tmp_path / "narrow.svg")
    ticks = set(re.findall(r">([^<>]+)</text>", (tmp_path / "narrow.svg").read_text()))
    power = "10\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT FIVE}"
    assert "3\N{MULTIPLICATION SIGN}" + power in ticks
    assert not [word for word in ticks if "$" in word]


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" viewBox="0 0 9 9" {}>{}</svg>'


@pytest.mark.parametrize(
    "attributes, inside",
    [
        ("", "<script>alert(1)</script>"),
        ('onload="alert(1)"', ""),
        ("", '<a href="javascript:alert(1)"><path d="M0 0"/></a>'),
        ("", '<image href="http://example.org/x.png"/>'),
        ("", '<image href="data:image/svg+xml;base64,AAAA"/>'),
        ("", '<use href="other.svg#x"/>'),
        ("", '<path d="M0 0" style="fill: url(http://example.org/x)"/>'),
        ("", '<path d="M0 0" style="fill: u\\72l(http://example.org/x)"/>'),
        ("", "<style>* { background: url(http://example.org) }</style>"),
        ("", "<foreignObject><b>x</b></foreignObject>"),
        ("", "<set attributeName='href' to='http://example.org'/>"),
        ("", "<!-- alert(1) -->"),
    ],
)
def test_what_does_not_draw_is_dropped(attributes: str, inside: str) -> None:
    text = inline(SVG.format(attributes, inside), "f1", "")
    for word in ("alert", "example", "base64", "other", "foreign", "onload", "set", "style>"):
        assert word not in text
    assert text.startswith("<svg viewBox=")


def test_a_file_that_is_no_svg_is_refused() -> None:
    for text in ("not markup", "<html></html>"):
        with pytest.raises(BadInput, match="an SVG file"):
            inline(text, "f1", "")
