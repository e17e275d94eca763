"""What is published is what the runs gave: digests move with config and code, the page is the JSONs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reproduce, results_page, stress
from metaplast.launch.config import Sources

ROOT = Path(__file__).resolve().parents[1]
ROW = {
    "mean": 0.9,
    "ci95": [0.88, 0.92],
    "n": 2048,
    "not_finite": 0,
    "per_seed": [0.89, 0.91],
    "reach": "synapse",
}
TOLD: dict[str, Any] = {
    "experiment": "oja",
    "verb": "train",
    "seeds": [0, 1],
    "metric": "accuracy",
    "rows": {
        "discovered": {**ROW, "minus_discovered": {"mean": 0.0, "ci95": [0.0, 0.0]}},
        "other": {
            **ROW,
            "minus_discovered": {"mean": -0.02, "ci95": [-0.03, -0.01]},
            "verdict": {"state": "not trained"},
        },
    },
    "wall_s": 12.3,
    "versions": {"metaplast": "0.1", "jax": "0.10", "python": "3.11"},
    "processor": "some processor, with AVX-512",
    "date": "2026-11-28",
}


def test_every_shipped_experiment_has_its_verb_and_seeds():
    told = reproduce.published()
    shipped = set(Sources().names("experiment")) - {"fit"}  # a base of the fits, no experiment of its own
    assert set(told) == shipped
    assert all(plan["verb"] in ("train", "fit") and plan["seeds"] for plan in told.values())


def test_the_page_is_what_the_results_give():
    written = (ROOT / "docs" / "results.md").read_text()
    assert written == results_page.page(list(reproduce.published()), reproduce.RESULTS)


def test_a_page_shows_what_was_run_and_names_what_was_not(tmp_path):
    (tmp_path / "oja.json").write_text(json.dumps(TOLD))
    page = results_page.page(["oja", "chaos"], tmp_path)
    assert "seeds 0, 1; 12 s of wall time a seed" in page
    assert "| other | 0.900 | 0.880 to 0.920 | -0.020 | -0.030 to -0.010 | synapse |" in page
    assert "0.890 0.910 | not trained |" in page
    assert "## Not run with this version\n\n`chaos`" in page


def test_results_are_stale_where_config_code_or_seeds_moved(tmp_path, monkeypatch):
    assert reproduce.why_stale("oja", tmp_path) == "not run with this version"
    digests = {"config_digest": reproduce.config_digest("oja"), "code_digest": reproduce.code_digest()}
    told = {**TOLD, "seeds": [0], **digests}
    (tmp_path / "oja.json").write_text(json.dumps(told))
    assert reproduce.why_stale("oja", tmp_path) == ""
    monkeypatch.setattr(reproduce, "code_digest", lambda: "another")
    assert reproduce.why_stale("oja", tmp_path) == "the code changed"
    monkeypatch.setattr(reproduce, "config_digest", lambda name: "another")
    assert reproduce.why_stale("oja", tmp_path) == "its config changed"


def test_the_digest_of_an_experiment_is_of_what_it_says():
    names = ("oja", "categories", "categories_full")
    assert len({reproduce.config_digest(name) for name in names}) == 3


def _lives(start: float, end: float) -> dict[str, Any]:
    """64 lives about a mean, those of all rows with the same ups and downs."""
    course = [0.01 * (-1) ** i for i in range(64)]
    return {"metric": "accuracy", "start": [start + c for c in course], "end": [end + c for c in course]}


def test_a_row_is_lost_below_its_start_or_clearly_below_what_it_contains():
    lives = {
        "small": _lives(0.5, 0.9),
        "wide": _lives(0.5, 0.3),
        "near": _lives(0.5, 0.895),
        "worse": _lives(0.5, 0.4),
    }
    contained = {"wide": ["small"], "near": ["small"]}
    below = {name: row["below"] for name, row in stress.judged(lives, contained).items()}
    assert below == {"small": [], "wide": ["start", "small"], "near": [], "worse": ["start"]}


def test_a_loss_is_worse_where_it_is_larger():
    lives = {"a": {**_lives(1.0, 2.0), "metric": "loss"}, "b": {**_lives(2.0, 1.0), "metric": "loss"}}
    below = {name: row["below"] for name, row in stress.judged(lives, {"a": ["b"]}).items()}
    assert below == {"a": ["start", "b"], "b": []}


def test_a_report_counts_the_jobs_that_all_folders_hold(tmp_path):
    lost = {"start": 0.2, "end": 0.3, "below": ["y"]}
    sound = {"start": 0.2, "end": 0.9, "below": []}
    for name, x in (("before", lost), ("after", {**lost, "below": []})):
        (tmp_path / name).mkdir()
        told = json.dumps({"rows": {"x": x, "y": sound}})
        (tmp_path / name / "digits-0-wide.json").write_text(told)
    (tmp_path / "before" / "digits-1-wide.json").write_text(json.dumps({"rows": {"x": lost}}))
    lines = stress.report([tmp_path / "before", tmp_path / "after"]).splitlines()
    assert lines[2].startswith("| before | 1 | 2 | 1 (50.0 %) | digits-0-wide x 0.300, below y")
    assert lines[3].startswith("| after | 1 | 2 | 0 (0.0 %) | - ")


@pytest.mark.system
def test_an_experiment_is_reproduced(tmp_path):
    words = ["--quick", "--only", "oja", "--runs", str(tmp_path / "runs"), "--results", str(tmp_path)]
    program = [sys.executable, "-m", "benchmarks.reproduce", *words]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "oja.json").read_text())
    assert "discovered" in told["rows"]
    assert told["code_digest"] == reproduce.code_digest()
