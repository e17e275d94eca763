"""Figures show what they are about: axes are cut, nothing is empty, steps are whole."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import LogNorm, SymLogNorm
from scipy.ndimage import label

from metaplast import Lifetime
from metaplast.figures import (
    changed_worlds,
    coefficient_paths,
    coefficients,
    cut,
    explained,
    fit_session,
    gains,
    landscape,
    learning_curves,
    leaves,
    loop_curves,
    scores,
    surface_spread,
    surfaces,
)
from metaplast.figures.style import kept, save, subplots
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.lif import Lif
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.neurons.tanh import Tanh
from metaplast.results import curves
from metaplast.results.changed_world import Cell
from metaplast.results.numbers import Bounds, RoundedEstimate
from metaplast.results.summary import Difference, RowScore
from metaplast.results.surfaces import never_below_zero
from metaplast.results.surfaces import surfaces as surfaces_of
from metaplast.reuse.load import load_rule
from tests.results._loops import compared

HERE = Path("unused.svg")


def _drawn(draw: Any, *given: Any) -> Any:
    with kept() as figures:
        draw(*given, HERE)
    return figures["unused"]


def _score(name: str, mean: float, half: float) -> RowScore:
    return RowScore(
        name=name,
        split="heldout",
        metric="loss",
        mean=mean,
        ci95=Bounds(mean - half, mean + half),
        n=8,
        difference=Difference(None, Bounds(None, None)),
    )


def test_one_far_value_does_not_set_the_axis() -> None:
    assert cut.reach(np.array([1.0, 2.0, 3.0, 100.0])) == pytest.approx(3.3)
    assert cut.reach(np.array([0.5, 100.0])) == pytest.approx(0.55)
    assert cut.reach(np.array([0.4, 0.5, 0.8])) == pytest.approx(0.88)
    assert cut.reach(np.array([np.nan])) == 1.0
    assert cut.reach(np.array([0.0])) == 1.0


def test_a_tie_is_seen_beside_rows_that_are_far() -> None:
    assert cut.reach(np.array([0.002, 0.4, 0.8])) == pytest.approx(0.0022)


def test_a_row_far_away_is_an_arrow_and_the_intervals_of_others_are_seen() -> None:
    rows = [_score("discovered", 1.0, 0.1), _score("a", 1.5, 0.1), _score("far", 900.0, 5.0)]
    with kept() as figures:
        scores.draw(rows, HERE, ["discovered"])
    (axes,) = figures["unused"].axes
    low, high = axes.get_xlim()
    assert low < 0.9 and 1.6 < high < 2.0
    assert [label.get_text() for label in axes.get_yticklabels()] == ["far  900", "a", "discovered"]
    assert [line.get_marker() for line in axes.lines].count(">") == 1


def test_a_share_far_below_zero_is_cut() -> None:
    good = RoundedEstimate(0.5, Bounds(0.4, 0.6), 5)
    bad = RoundedEstimate(-30.0, Bounds(-90.0, 1.0), 5)
    rows = {"discovered": {"mean": good}, "other": {"mean": bad}}
    figure = _drawn(lambda rows, path: explained.draw(rows, path, "discovered", "values"), rows)
    (axes,) = figure.axes
    assert axes.get_xlim()[0] == explained.LEAST
    assert [text.get_text() for text in axes.texts] == ["-30.00"]


def _share(mean: float, low: float, high: float) -> RoundedEstimate:
    return RoundedEstimate(mean, Bounds(low, high), 2)


def test_the_visible_part_of_every_interval_is_drawn_on_one_axis() -> None:
    rows = {
        "discovered": {"mean": _share(0.1, -0.9, 1.7), "glm": _share(0.2, 0.1, 0.3)},
        "other": {"mean": _share(-0.3, -4.0, 3.8), "glm": _share(0.0, -0.1, 0.1)},
    }
    figure = _drawn(lambda rows, path: explained.draw(rows, path, "discovered", "values"), rows)
    wide, narrow = figure.axes
    assert wide.get_xlim() == narrow.get_xlim() == (explained.LEAST, explained.MOST)
    bars = [line for line in wide.lines if line.get_linewidth() == 3]
    assert [tuple(bar.get_xdata()) for bar in bars] == [(explained.LEAST, explained.MOST)] * 2
    markers = [line.get_marker() for line in wide.lines]
    assert markers.count("<") == markers.count(">") == 2
    (text,) = wide.texts
    assert text.get_text() == "-0.30"
    zero = next(line for line in wide.lines if tuple(line.get_xdata()) == (0.0, 0.0))
    assert text.get_bbox_patch() is not None and text.get_zorder() > zero.get_zorder()


def test_an_axis_ends_with_what_is_drawn() -> None:
    rows = {"discovered": {"mean": _share(0.2, 0.1, 0.4)}}
    figure = _drawn(lambda rows, path: explained.draw(rows, path, "discovered", "values"), rows)
    low, high = figure.axes[0].get_xlim()
    assert -0.05 < low < 0.0 and 0.4 < high < 0.45


def test_one_held_out_subject_gives_a_share_without_an_interval() -> None:
    alone = RoundedEstimate(0.3, Bounds(None, None), 1)
    rows = {"discovered": {"mean": alone}}
    figure = _drawn(lambda rows, path: explained.draw(rows, path, "discovered", "values"), rows)
    (axes,) = figure.axes
    assert [float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "o"] == [0.3]


def test_choices_are_drawn_as_running_means() -> None:
    rng = np.random.default_rng(0)
    choices = rng.integers(0, 2, (200, 1)).astype(float)
    expected = rng.random((200, 1))
    given = (choices, np.ones_like(choices), {"discovered": expected}, {0: "P(lick)"}, "mouse 3")
    (axes,) = _drawn(fit_session.draw, *given).axes
    assert (axes.get_title(), axes.get_ylabel()) == ("mouse 3", "P(lick)")
    assert axes.get_xlabel() == "row of the session"
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    assert np.ptp(lines["discovered"]) < 0.7 * np.ptp(expected)
    middle = choices[95:105, 0].mean()
    assert middle in [pytest.approx(value) for value in lines["recorded, running mean"][99:102]]
    measured = (expected, np.ones_like(choices), {"discovered": expected}, {0: "unit 0"}, "m")
    (axes,) = _drawn(fit_session.draw, *measured).axes
    raw = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_array_equal(raw["discovered"], expected[:, 0])


def test_many_values_of_activity_are_drawn_as_running_means_too() -> None:
    values = np.random.default_rng(0).normal(size=(fit_session.MANY + 50, 1))
    given = (values, np.ones_like(values), {"discovered": values}, {0: "recorded activity"}, "m")
    (axes,) = _drawn(fit_session.draw, *given).axes
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}
    assert np.ptp(lines["recorded, running mean"]) < 0.5 * np.ptp(values)
    np.testing.assert_array_equal(lines["discovered"], lines["recorded, running mean"])


def test_the_start_page_shows_a_picture_as_it_is_drawn_today() -> None:
    picture = Path(__file__).parents[2] / "docs" / "img" / "start_session.svg"
    shown = re.findall(r">([^<>]+)</text>", picture.read_text())
    choices = np.arange(40.0)[:, None] % 2
    rows = {"discovered": choices, "no_plasticity": choices}
    given = (choices, np.ones_like(choices), rows, {0: "P(choice 1)"}, "subject 3")
    (axes,) = _drawn(fit_session.draw, *given).axes
    for words in axes.get_legend().get_texts():
        assert words.get_text() in shown
    assert {axes.get_xlabel(), axes.get_ylabel()} <= set(shown)
    assert "subject 3, to which nothing was fitted" in shown


def test_running_means_are_means_of_what_is_there() -> None:
    values = np.array([1.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(fit_session._running_mean(values, 3), [0.5, 1 / 3, 1 / 3, 0.5])


def test_few_numbers_have_no_histogram(tmp_path: Path) -> None:
    few = {"rate": np.ones(()), "w": np.zeros(4)}
    assert leaves.part(few, tmp_path).section.figures == []
    many = {**few, "deep": np.arange(20.0)}
    with kept() as figures:
        part = leaves.part(many, tmp_path)
    assert len(part.section.figures) == 1
    assert [axes.get_title() for axes in figures["numbers"].axes if axes.axison] == ["deep [20]"]
    assert len(part.section.tables[0].rows) == 3


def test_one_coefficient_is_a_table_and_no_map(tmp_path: Path) -> None:
    part = coefficients.part([{"rule": {"post*pre": 0.5}}], [{"rule": {}}], tmp_path)
    assert part.section.figures == [] and len(part.section.tables) == 1
    two = coefficients.part([{"rule": {"post*pre": 0.5, "pre": 1.0}}], [{"rule": {}}], tmp_path)
    assert len(two.section.figures) == 1


@pytest.mark.parametrize("n", [2, 5, 9])
def test_outer_steps_are_whole(n: int) -> None:
    panels = {"rule": [{"post*pre": list(np.linspace(0, 1, n))}]}
    (axes,) = _drawn(lambda panels, path: coefficient_paths.draw(panels, "c", path), panels).axes
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_map_of_nothing_is_words(tmp_path: Path) -> None:
    (surface,) = surfaces_of(load_rule("oja"))
    still = surface._replace(delta_w=np.zeros_like(surface.delta_w))
    part = surfaces.part({"still": [still]}, "", tmp_path)
    assert part.section.figures == ()
    assert part.section.paragraphs == ["No weight of still changes over pre and post."]
    both = surfaces.part({"rule": [surface], "still": [still]}, "", tmp_path)
    assert both.section.paragraphs[-1] == "No weight of still changes over pre and post."
    assert set(both.numbers) == {"rule"}


def test_spikes_have_no_side_below_zero() -> None:
    (surface,) = surfaces_of(load_rule("oja"), above_zero=("post",))
    assert (surface.x_values[0], surface.y_values[0]) == (-1.0, 0.0)


@pytest.mark.parametrize(
    ("neuron", "names"), [(Lif(), ["post"]), (Sigmoid(), ["post"]), (Tanh(), [])]
)
def test_activities_that_are_never_below_zero_are_known(neuron: Any, names: list[str]) -> None:
    lifetime = Lifetime()
    network = Feedforward(hidden=(3,), neuron=neuron)
    lifetime = replace(lifetime, network=network)
    edge = next(name for name in lifetime.plastic() if name.startswith("input"))
    assert never_below_zero(lifetime, edge) == names


def test_a_signal_that_makes_no_difference_is_no_axis() -> None:
    x, y = np.linspace(0, 1, 5), np.linspace(-1, 1, 4)
    change = np.tile(2 * x, (4, 1))
    half = np.tile(0.1 * x, (4, 1))

    def draw(grid: Any, change: np.ndarray, half: np.ndarray, path: Path) -> None:
        surface_spread.draw(grid, change, half, ("pre", "post"), path)

    (axes,) = _drawn(draw, (x, y), change, half).axes
    assert axes.get_xlabel() == "pre"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), 2 * x)
    by_post = _drawn(draw, (x, y), np.tile(y[:, None], (1, 5)), np.zeros((4, 5)))
    assert by_post.axes[0].get_xlabel() == "post"
    assert len(_drawn(draw, (x, y), np.outer(y, x), half).axes) == 4  # two maps, two bars


def test_a_loop_that_made_no_step_says_so() -> None:
    figure = _drawn(loop_curves.draw, compared([1.0, 2.0], [3.0, 4.0], steps=(5, 0)))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["first", "second (no step)"]


def _splits(n: int) -> curves.Band:
    """The curve of n splits of a squared loss, apart by 0.5."""
    each = []
    for split in range(n):
        each.append(curves.Steps(np.full((12, 6), 0.1 + 0.5 * split), np.ones((12, 6))))
    return curves.band(each, ((6, True),), 0)


@pytest.mark.parametrize(("n", "n_lines", "n_bands"), [(1, 1, 1), (2, 3, 0), (3, 4, 0), (4, 1, 1)])
def test_a_curve_of_few_seeds_has_a_line_for_each_and_no_band(
    n: int, n_lines: int, n_bands: int
) -> None:
    facts = learning_curves.Facts(n_lives=12, n_runs=n, width=3, not_finite={})
    bands = {"loss": {"discovered": _splits(n)}}
    with kept() as figures:
        part = learning_curves.part(bands, ((6, True),), facts, HERE.parent, ["discovered"])
    (axes,) = figures["curves_loss"].axes
    assert (len(axes.lines), len(axes.collections)) == (n_lines, n_bands)
    assert axes.get_ylabel() == "loss, moving mean of 3 steps"
    assert "12 held-out lives" in axes.get_xlabel()
    said = part.section.figures[0].caption
    assert ("pointwise 95 % band" in said) == (n_bands == 1)
    assert (f"thin: each of {n} runs" in said) == (n_bands == 0)


def test_the_band_of_a_loss_is_not_drawn_below_zero() -> None:
    band = _splits(4)
    assert band.low.min() < 0.0 and band.lowest.min() == 0.0


@pytest.mark.parametrize("scale", ["log", "symlog"])
def test_no_tick_of_a_picture_is_raw_typesetting(scale: str, tmp_path: Path) -> None:
    figure, (left, right) = subplots(1, 2)
    low = 1e-6 if scale == "log" else -1e6
    for axes in (left, right):
        axes.plot([low, 1e6], [low, 1e6])
        axes.set_xscale(scale)
        axes.set_yscale(scale)
    norm = LogNorm(1e-6, 1e6) if scale == "log" else SymLogNorm(1.0, vmin=-1e6, vmax=1e6)
    figure.colorbar(right.pcolormesh(np.ones((2, 2)), norm=norm))
    save(figure, tmp_path / "ticks.svg")
    text = (tmp_path / "ticks.svg").read_text()
    assert "mathdefault" not in text and "$" not in text
    assert "10\N{SUPERSCRIPT SIX}" in text
    assert ("-10\N{SUPERSCRIPT SIX}" in text) == (scale == "symlog")


def _world(name: str, gain: float) -> Cell:
    by = Difference(gain, Bounds(0.9 * gain, 1.1 * gain))
    scores_of = [_score("discovered", 1.0, 0.1)]
    return Cell(
        changes=[name],
        seeds=[0],
        n=8,
        metric="loss",
        scores=scores_of,
        baseline="delta",
        better_by=by,
    )


def test_one_far_world_does_not_flatten_the_others() -> None:
    worlds = [_world("near", 0.01), _world("other", 0.02), _world("far", -2490.0)]
    (axes,) = _drawn(changed_worlds.draw, worlds).axes
    assert axes.get_xlim()[1] < 0.1
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert any("-2.49e+03" in text for text in labels if text.startswith("far"))
    assert not any("e+03" in text for text in labels if not text.startswith("far"))


def test_the_axis_of_gains_has_one_direction() -> None:
    ends = {"delta": np.array([0.1, 0.05, 0.15])}
    figure = _drawn(gains.draw, ends, {}, "loss")
    assert figure.get_supxlabel() == "rule better than the row by, in loss"


def _islands(visited: np.ndarray) -> int:
    """The separate regions inside the dotted line."""
    found: Any = label(visited >= landscape._level_of_most(visited))
    return int(found[1])


def test_few_visits_make_one_island() -> None:
    y, x = np.mgrid[-3:3:14j, -3:3:14j]
    islands = []
    for seed in range(10):
        counts = np.random.default_rng(seed).poisson(3.0 * np.exp(-(x**2 + y**2) / 4.0))
        visited = counts / counts.sum()
        smooth = landscape.smoothed(visited)
        assert smooth.sum() == pytest.approx(1.0)
        islands.append([_islands(visited), _islands(smooth)])
    raw, after = np.mean(islands, axis=0)
    assert raw > 5 and after < 1.5
