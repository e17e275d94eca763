"""Every shipped experiment trains, is judged and can be shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import stats

from metaplast.runs.config import Sources, compose, to_yaml
from metaplast.runs.folder import row_folder
from metaplast.runs.job import parse
from tests._segments import needs_river
from tests.system._commands import TINY, here, metaplast

pytestmark = pytest.mark.system


MOST_ROWS = 3  # every row is validated; so many beside the main one train too
FEW = 10  # lives: over fewer an interval is Student's t, over more it is bootstrapped
FITS = 1  # of a fit: two gradients and the path to them compile in every row


NEEDS = {"categories_segments": needs_river}
EXPERIMENTS = [
    pytest.param(name, marks=NEEDS.get(name, ())) for name in Sources().names("experiment")
]


def _demand_scores(run: Path, summary: dict[str, Any], rows: set[str]) -> None:
    """Every row is scored on the same lives, by a number that is theirs: the mean over its file of
    lives.
    """
    scores = {entry["name"]: entry for entry in summary["scores"]}
    assert rows <= set(scores)
    assert len({(entry["split"], entry["metric"], entry["n"]) for entry in scores.values()}) == 1
    assert summary["scores"][0]["split"] == "heldout"
    lowest, highest = {"accuracy": (0.0, 1.0)}.get(
        summary["scores"][0]["metric"], (-np.inf, np.inf)
    )
    means = {}
    for name, entry in scores.items():
        lives = load_file(row_folder(run, name) / "lives.safetensors")[entry["metric"]].astype(
            float
        )
        assert len(lives) == entry["n"] > 0
        assert np.isfinite(lives).all() and entry["not_finite"] == 0, f"{name}: {lives}"
        assert lowest <= lives.min() <= lives.max() <= highest
        means[name] = lives.mean()
        assert entry["mean"] == pytest.approx(means[name], rel=1e-4, abs=1e-9)
        low, high = entry["ci95"]
        rounding = 1e-5 * np.abs(lives).max()  # a summary holds six digits
        if len(lives) < FEW:
            half = stats.t.ppf(0.975, len(lives) - 1) * stats.sem(lives)
            expected = [means[name] - half, means[name] + half]
            np.testing.assert_allclose([low, high], expected, rtol=1e-4, atol=rounding)
        else:
            assert lives.min() - rounding <= low <= entry["mean"] <= high <= lives.max() + rounding
        gap = entry["minus_discovered"]["mean"]
        scale = abs(means[name]) + abs(means["discovered"])
        assert gap == pytest.approx(means[name] - means["discovered"], rel=1e-3, abs=1e-5 * scale)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_runs(name: str, tmp_path: Path) -> None:
    run, config = tmp_path / "run", tmp_path / "config.yaml"
    plain = compose([f"experiment={name}"], Sources())
    parse(plain)
    rows = plain.get("rows", {})
    most = FITS if plain["outer"]["name"] == "lbfgs" else MOST_ROWS
    config.write_text(to_yaml({**plain, "rows": dict(list(rows.items())[-most:])}))
    done = metaplast(
        "train", *TINY, "--config", str(config), "--run-dir", str(run), "--quiet", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert summary["schema"] == "metaplast.summary/1"
    assert summary["outer_steps"] == 2
    _demand_scores(run, summary, {"discovered", *list(rows)[-most:]})
    for path in (run / "figures").glob("*.svg"):
        assert str(path) in done.stdout
    if plain.get("rule", "the default") is None and not plain.get(
        "rules"
    ):  # weights of birth alone are searched
        assert "rule" not in summary
        assert not (run / "rule.safetensors").exists()
        return
    assert summary["rule"]["formula"].splitlines()[0] in done.stdout
    assert str(run / "rule.safetensors") in done.stdout
    code, shown, error = here("show", str(run / "rule.safetensors"), cwd=tmp_path)
    assert code == 0, error
    assert summary["rule"]["formula"].splitlines()[0] in shown


def test_every_rule_file_trains(tmp_path: Path) -> None:
    """Each as a row of one run, with the rule that `rule=NAME rule.learn=...` says; a wrapper
    learns unasked.
    """
    run, config, task = tmp_path / "run", tmp_path / "config.yaml", "task=prototypes"
    small = "network.hidden=[8]"  # layers are compiled, not rules
    plain, rows = compose([task, small, "evaluation.references={}", *TINY], Sources()), {}
    for name in Sources().names("rule"):
        form = compose([task, f"rule={name}"], Sources())["rule"]["name"]
        learn = "coefficients" if form in ("polynomial", "trace_taylor") else "true"
        words = [task, f"rule={name}", *([] if form == "three_factor" else [f"rule.learn={learn}"])]
        rows[name] = {"rule": compose(words, Sources())["rule"]}
    rows["policy_gradient"]["network"] = {
        "hidden": [],
        "output": {"name": "stochastic"},
    }  # units that have a score
    config.write_text(to_yaml({**plain, "rule": None, "rows": rows}))
    done = metaplast(
        "train", "--config", str(config), "--run-dir", str(run), "--quiet", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    scored = json.loads((run / "summary.json").read_text())["rows"]
    assert len(rows) >= 9 and set(rows) < set(scored)
    for name in rows:
        assert len((run / "rows" / name / "metrics.jsonl").read_text().splitlines()) == 2, name
