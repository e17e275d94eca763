"""Fits side by side over a setting that some configs state and others leave at its default."""

import pytest

from metaplast.figures import against_setting
from metaplast.fitting.compare import compare
from metaplast.fitting.result import FitScore, write_result
from metaplast.runs.config import to_yaml
from metaplast.tasks import SPLITS
from tests.fitting._results import fit_result, row_result

R2 = {"a": (0.5, 0.25), "b": (1.0, 0.5), "c": (1.0, 0.75)}  # recorded share, R2 of values


@pytest.fixture
def runs(tmp_path):
    for name, (share, r2) in R2.items():
        task = {"name": "taught", "data_seed": ord(name)}
        if share != 1.0:
            task["recorded_share"] = share
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
