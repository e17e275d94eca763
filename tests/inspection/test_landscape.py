"""Landscapes of rules on drawn signals, against the rules by hand."""

from pathlib import Path

import numpy as np
import pytest

from metaplast.figures import landscape as figure
from metaplast.inspection.landscape import N_CELLS, Landscape, landscape
from metaplast.inspection.visited import Visited
from metaplast.reuse.load import load_rule


def visits(**signals: np.ndarray) -> Visited:
    """Signals [n] as those of one life of one synapse."""
    fields = {name.replace("__", "."): values[None, :, None] for name, values in signals.items()}
    one = next(iter(fields.values()))
    return Visited(fields, np.ones_like(one), np.zeros_like(one), np.zeros((1, 1), int))


@pytest.fixture(scope="module")
def of_oja() -> Landscape:
    random = np.random.default_rng(0)
    seen = visits(
        pre__activity=random.uniform(-2.0, 2.0, 4000),
        post__activity=random.uniform(0.0, 0.5, 4000),
        weight=random.uniform(0.4, 0.6, 4000),
    )
    found = landscape(load_rule("oja"), [seen])
    assert found is not None
    return found


def test_the_axes_are_the_signals_that_matter_most(of_oja: Landscape) -> None:
    assert (of_oja.x, of_oja.y, of_oja.third) == ("pre", "post", "weight")
    assert list(of_oja.effects) == ["pre", "post", "weight"]
    # f = y x - y^2 w with independent signals: Sobol's total indices by Monte Carlo integration.
    random = np.random.default_rng(1)
    x, y, w = random.uniform((-2.0, 0.0, 0.4), (2.0, 0.5, 0.6), (400_000, 3)).T
    change = y * x - y**2 * w
    of_pre = np.mean(y**2) * np.var(x) / np.var(change)
    assert of_oja.effects["pre"] == pytest.approx(of_pre, rel=0.05)
    of_weight = np.mean(y**4) * np.var(w) / np.var(change)
    assert of_oja.effects["weight"] == pytest.approx(of_weight, rel=0.1)


def test_every_panel_is_the_rule_at_its_weight(of_oja: Landscape) -> None:
    assert [panel.third for panel in of_oja.panels] == pytest.approx([0.42, 0.5, 0.58], abs=0.01)
    x, y = np.meshgrid(of_oja.x_values, of_oja.y_values)
    assert of_oja.x_values[[0, -1]] == pytest.approx([-1.98, 1.98], abs=0.02)
    for panel in of_oja.panels:
        wanted = y * x - y**2 * panel.third
        ratio = panel.delta_w / wanted
        assert ratio == pytest.approx(np.full_like(ratio, np.median(ratio)), rel=1e-4)


def test_cells_that_no_life_visits_are_empty() -> None:
    random = np.random.default_rng(0)
    pre = random.uniform(-1.0, 1.0, 4000)
    seen = visits(pre__activity=pre, post__activity=pre, weight=random.uniform(0, 1, 4000))
    found = landscape(load_rule("oja"), [seen])
    assert found is not None
    assert found.visited.shape == (N_CELLS, N_CELLS)
    assert found.visited.sum() == pytest.approx(1.0, abs=0.02)
    off_diagonal = ~np.eye(N_CELLS, dtype=bool)
    assert not found.visited[off_diagonal].any()


def test_the_visits_of_a_panel_are_those_with_its_third_signal() -> None:
    """Where the weight is low the input is low: no visit joins a high weight and a low input."""
    random = np.random.default_rng(0)
    weight = random.uniform(0.0, 1.0, 8000)
    pre = 4.0 * weight + random.uniform(0.0, 0.1, 8000)
    post = random.uniform(-1.0, 1.0, 8000)
    seen = visits(pre__activity=pre, post__activity=post, weight=weight)
    found = landscape(load_rule("oja"), [seen])
    assert found is not None and found.third == "weight"
    first, last = found.x_values[0], found.x_values[-1]
    centres = np.linspace(first, last, N_CELLS + 1)[:-1] + 0.1
    for panel, low, high in zip(found.panels, (0.0, 0.4, 0.8), (0.2, 0.6, 1.0), strict=True):
        assert panel.n_visits == pytest.approx(0.2 * 8000, rel=0.1)
        visited = centres[panel.visited.sum(axis=0) > 0]
        assert 4.0 * low - 0.4 < visited.min() and visited.max() < 4.0 * high + 0.5
        assert panel.visited.sum() <= 1.0
    assert (found.visited.sum(axis=0) > 0).all()


def test_signals_that_stand_still_give_no_landscape() -> None:
    still = np.zeros(50)
    moving = np.linspace(0.0, 1.0, 50)
    seen = visits(pre__activity=moving, post__activity=still, weight=still)
    assert landscape(load_rule("oja"), [seen]) is None
    part = figure.part({"rule": None}, "", Path("nowhere"))
    assert "no landscape" in part.section.paragraphs[0]


def test_the_part_says_what_is_drawn(of_oja: Landscape, tmp_path: Path) -> None:
    drawn = of_oja._replace(held={"error": 0.25})
    part = figure.part({"rule": drawn}, "The rule of seed 3 is drawn.", tmp_path)
    words = " ".join(part.section.paragraphs)
    assert "The rule of seed 3 is drawn." in words
    assert "error = 0.25" in words
    assert part.section.figures[0].path.is_file()
    assert part.numbers["rule"]["third"] == "weight"
    assert len(part.numbers["rule"]["panels"]) == 3
    first = part.numbers["rule"]["panels"][0]
    assert first["visits"] == of_oja.panels[0].n_visits
    assert "within 10 percentiles" in part.section.figures[0].caption
