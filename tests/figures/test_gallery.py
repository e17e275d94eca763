"""A figure is one file and one line: a new one appears on the page and in its numbers."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast import figures, search_loop
from metaplast.figures.gallery import OF_RULES
from metaplast.figures.style import save, subplots
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.report.rule import inspect_rule
from metaplast.reuse.describe import describe_rule
from metaplast.reuse.rule_file import save_rule
from metaplast.rules.polynomial import Polynomial

NEW_FILE = '''"""The figure of rates: one bar per rule."""

from metaplast.figures.section import Figure, PagePart, Section
from metaplast.figures.style import OURS, subplots, save


def of_rules(shown):
    """The rate of every rule of the page."""
    rates = {entry: rule.spec.rate for entry, rule in shown.rules.items()}
    figure, axes = subplots()
    axes.bar(list(rates), list(rates.values()), color=OURS)
    path = shown.folder / "rates.png"
    save(figure, path)
    picture = Figure(path, "Bars of the rates.", "The rate of every rule.")
    return PagePart(Section("Rates", figures=[picture]), {"rates": rates})
'''


@pytest.fixture
def rule_file(tmp_path: Path) -> Path:
    rule = Polynomial(terms=("post*pre",), initial=(0.5,), rate=0.05)
    task = TeacherStudent(n_in=2, n_out=1, n_steps=3)
    lifetime = Lifetime(task=task, network=Feedforward(hidden=()), slots=(Slot(rule=rule),))
    theta = lifetime.init(search_loop.stream(0, "theta"))
    document, tensors = describe_rule(lifetime, theta)
    path = tmp_path / "rule.safetensors"
    save_rule(path, document, tensors)
    return path


def test_a_figure_is_one_file_and_one_line(
    rule_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "rates.py"
    source.write_text(NEW_FILE)
    spec = importlib.util.spec_from_file_location(f"{figures.__name__}.rates", source)
    assert spec is not None and spec.loader is not None
    rates = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, rates)
    spec.loader.exec_module(rates)
    monkeypatch.setitem(OF_RULES, "rates", rates.of_rules)  # the one line

    written = inspect_rule(rule_file, tmp_path / "page")

    page = (tmp_path / "page" / "report.html").read_text()
    numbers = json.loads((tmp_path / "page" / "inspect.json").read_text())
    assert tmp_path / "page" / "figures" / "rates.png" in written
    assert "<h2>Rates</h2>" in page and "The rate of every rule." in page
    assert list(numbers["rates"]["rates"].values()) == [0.05]


def test_every_figure_has_a_file_of_its_own() -> None:
    files = {Path(sys.modules[figure.__module__].__file__ or "") for figure in OF_RULES.values()}
    assert len(files) == len(OF_RULES)
    assert all(file.parent == Path(figures.__file__).parent for file in files)


def test_a_dollar_in_a_word_is_a_dollar(tmp_path: Path) -> None:
    """As a sign of mathematics it would end the page of a world called `note=$\\foo$`."""
    figure, axes = subplots()
    axes.set_title("note=$\\foo$")
    save(figure, tmp_path / "a.svg")
    assert "note=$\\foo$" in (tmp_path / "a.svg").read_text()
