"""Fits side by side over a setting that some configs state and others leave at its default."""

import pytest

from metaplast.api.run import Run
from metaplast.figures import against_setting
from metaplast.fitting.compare import compare
from metaplast.fitting.result import FitScore, write_result
from metaplast.registry import BadInput
from metaplast.runs.config import to_yaml
from metaplast.tasks import SPLITS
from metaplast.training.plot import plot
from tests.fitting._results import fit_result, row_result, share

R2 = {"a": (0.5, 0.25), "b": (1.0, 0.5), "c": (1.0, 0.75)}  # recorded share, R2 of values


@pytest.fixture
def runs(tmp_path):
    for name, (recorded, r2) in R2.items():
        task = {"name": "taught", "data_seed": ord(name)}
        if recorded != 1.0:
            task["recorded_share"] = recorded
        config = {
            "experiment": "fit",
            "seed": 0,
            "task": task,
            "outer": {"name": "lbfgs"},
            "genome": {"name": "given"},
        }
        row = row_result({}, splits={split: FitScore(1.0, r2) for split in SPLITS})
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(to_yaml(config))
        (folder / "fit_request.json").write_text("{}")
        write_result(folder, fit_result(row))
    return [tmp_path / name for name in R2]


def test_a_default_is_a_value_like_any_other(runs, monkeypatch, tmp_path):
    drawn = {}
    monkeypatch.setattr(
        against_setting, "draw", lambda points, key, path: drawn.update({key: points})
    )
    table = compare(runs, out=tmp_path / "r2.png")
    assert drawn == {"task.recorded_share": {"R2 values": [(0.5, 0.25), (1.0, 0.5), (1.0, 0.75)]}}
    assert "task.recorded_share=1.0" in table
    assert "None" not in table


def test_the_figure_holds_both_ways_to_see_an_r2(tmp_path):
    points = {"R2 values": [(0.5, 0.25), (1.0, 0.5)], "R2 dw": [(0.5, 1.0), (1.0, 0.999)]}
    against_setting.draw(points, "task.noise", tmp_path / "r2.png")
    assert (tmp_path / "r2.png").read_bytes().startswith(b"\x89PNG")


def test_one_fit_alone_has_its_own_intervals(runs):
    """Student's t over one fit is nothing; the fit has an interval over its held-out subjects."""
    write_result(runs[0], fit_result(row_result({"mean": share(0.5, 0.4, 0.6)})))
    (line,) = [line for line in compare(runs[:1]).splitlines() if line.startswith("-  ")]
    assert "0.5000 [0.4000, 0.6000]" in line


def test_a_plot_of_a_fit_names_the_figures_that_it_has(runs, tmp_path):
    (runs[0] / "figures").mkdir()
    (runs[0] / "figures" / "session.svg").touch()
    with pytest.raises(BadInput, match=r"one of the fits, which keep .* lie in .*figures: session"):
        plot(runs[:1], "loss", "discovered", tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"figures: session; show one: run.pictures"):
        Run(runs[0]).plot.curves()
