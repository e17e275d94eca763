"""Every shipped experiment trains, is judged and can be shown."""

import json
from pathlib import Path

import pytest

from metaplast.launch.config import Sources, compose, to_yaml
from metaplast.launch.job import parse
from tests.system._commands import TINY, metaplast

pytestmark = pytest.mark.system


MOST_ROWS = 3  # every row is validated; so many beside the main one train too
FITS = 1  # of a fit: two gradients and the path to them compile in every row


@pytest.mark.parametrize("name", Sources().names("experiment"))
def test_experiment_runs(name: str, tmp_path: Path) -> None:
    run, config = tmp_path / "run", tmp_path / "config.yaml"
    plain = compose([f"experiment={name}"], Sources())
    parse(plain)
    rows = plain.get("rows", {})
    most = FITS if plain["outer"]["name"] == "lbfgs" else MOST_ROWS
    config.write_text(to_yaml({**plain, "rows": dict(list(rows.items())[-most:])}))
    done = metaplast("train", *TINY, "--config", str(config), "--run-dir", str(run), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert summary["schema"] == "metaplast.summary/1"
    assert summary["outer_steps"] == 2
    assert {entry["split"] for entry in summary["scores"]} == {"heldout"}
    assert summary["rule"]["formula"].splitlines()[0] in done.stdout
    for path in [run / "rule.safetensors", *(run / "figures").glob("*.png")]:
        assert str(path) in done.stdout
    shown = metaplast("show", str(run / "rule.safetensors"), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert summary["rule"]["formula"].splitlines()[0] in shown.stdout


@pytest.mark.parametrize("name", Sources().names("rule"))
def test_rule_file_trains(name: str, tmp_path: Path) -> None:
    words = [
        "task=prototypes",
        f"rule={name}",
        "rule.learn=true" if name == "covariance" else "rule.learn=coefficients",
        "rows={}",
        "evaluation.prototype=false",
        *TINY,
    ]
    done = metaplast("train", *words, "--run-dir", str(tmp_path / "run"), "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
