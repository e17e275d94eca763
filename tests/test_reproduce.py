"""Published numbers come from runs: digests move with config and code, the page is the JSONs."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import reproduce, results_page, stress
from metaplast.runs.config import Sources
from metaplast.runs.environment import environment

ROOT = Path(__file__).resolve().parents[1]
ROW = {
    "mean": 0.9,
    "ci95": [0.88, 0.92],
    "n": 2048,
    "not_finite": 0,
    "per_seed": [0.89, 0.91],
    "reach": "synapse",
}
RESULT: dict[str, Any] = {
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
    plans = reproduce.published()
    # a base of the fits, no experiment of its own
    shipped = set(Sources().names("experiment")) - {"fit"}
    assert set(plans) == shipped
    assert all(plan["verb"] in ("train", "fit") and plan["seeds"] for plan in plans.values())


def test_the_page_is_what_the_results_give():
    written = (ROOT / "docs" / "results.md").read_text()
    assert written == results_page.page(list(reproduce.published()), reproduce.RESULTS)


def test_a_page_shows_what_was_run_and_names_what_was_not(tmp_path):
    (tmp_path / "oja.json").write_text(json.dumps(RESULT))
    page = results_page.page(["oja", "chaos"], tmp_path)
    assert "seeds 0, 1; 12 s of wall time a seed" in page
    assert "| other | 0.900 | 0.880 to 0.920 | -0.020 | -0.030 to -0.010 | synapse |" in page
    assert "0.890 0.910 | not trained |" in page
    assert "## Not run with this version\n\n`chaos`" in page


def test_results_are_stale_where_config_code_or_seeds_moved(tmp_path, monkeypatch):
    assert reproduce.why_stale("oja", tmp_path) == "not run with this version"
    config = reproduce.config_digest(reproduce.shipped("oja"))
    result = {
        **RESULT,
        "seeds": [0],
        "config_digest": config,
        "code_digest": reproduce.code_digest(),
    }
    result["versions"] = environment()
    (tmp_path / "oja.json").write_text(json.dumps(result))
    assert reproduce.why_stale("oja", tmp_path) == ""
    monkeypatch.setattr(
        reproduce, "environment", lambda: {**result["versions"], "numpy": "another"}
    )
    assert reproduce.why_stale("oja", tmp_path) == "other versions of numpy"
    monkeypatch.setattr(reproduce, "code_digest", lambda: "another")
    assert reproduce.why_stale("oja", tmp_path) == "the code changed"
    monkeypatch.setattr(reproduce, "config_digest", lambda plain: "another")
    assert reproduce.why_stale("oja", tmp_path) == "its config changed"


def _stale_by_code(folder: Path, **changed: Any) -> argparse.Namespace:
    """Options of the command over a folder whose JSON of `oja` was made by other code."""
    result = {
        **RESULT,
        "seeds": [0],
        "config_digest": reproduce.config_digest(reproduce.shipped("oja")),
        "code_digest": "another",
        "versions": environment(),
        "processor": reproduce.processor(),
        "probe": "equal",
        **changed,
    }
    (folder / "oja.json").write_text(json.dumps(result))
    return argparse.Namespace(results=folder, runs=folder, same_as=folder, changed=True)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({}, True),
        ({"probe": "moved"}, False),
        ({"processor": "another"}, False),
        ({"config_digest": "another"}, False),
    ],
)
def test_a_result_is_kept_where_its_first_steps_have_the_same_bits(
    changed, kept, tmp_path, monkeypatch
):
    monkeypatch.setattr(reproduce, "probe", lambda *_: reproduce.Probe("equal", {}))
    arguments = _stale_by_code(tmp_path, **changed)
    assert reproduce.why_stale("oja", tmp_path)
    assert reproduce._has_the_same_bits("oja", arguments) is kept
    assert (reproduce.why_stale("oja", tmp_path) == "") is kept


def test_a_result_without_a_probe_is_not_kept(tmp_path):
    arguments = _stale_by_code(tmp_path)
    file = tmp_path / "oja.json"
    result = json.loads(file.read_text())
    del result["probe"]
    file.write_text(json.dumps(result))
    assert not reproduce._has_the_same_bits("oja", arguments)


@pytest.mark.parametrize("here", ["equal", "moved"])
def test_the_checkout_that_made_a_result_is_compared_with_this_one(
    here, tmp_path, monkeypatch, capsys
):
    """A changed config is named, and the checkout that made the JSON decides about its bits."""
    arguments = _stale_by_code(tmp_path, config_digest="another", code_digest="of the checkout")
    real = reproduce.code_digest
    of_tree = lambda tree=reproduce.ROOT: "of the checkout" if tree == tmp_path else real()
    monkeypatch.setattr(reproduce, "code_digest", of_tree)

    def probed(name, runs, seed, tree=reproduce.ROOT):
        if tree == tmp_path:
            return reproduce.Probe("equal", {"a": {"b": 1}})
        return reproduce.Probe(here, {"a": {"b": 2}})

    monkeypatch.setattr(reproduce, "probe", probed)
    reproduce._compared("oja", arguments)
    assert "oja: a.b: 1 -> 2" in capsys.readouterr().out
    assert (reproduce.why_stale("oja", tmp_path) == "") is (here == "equal")


def test_the_digest_of_an_experiment_is_of_what_it_says():
    names = ("oja", "categories", "categories_full")
    assert len({reproduce.config_digest(reproduce.shipped(name)) for name in names}) == 3
    plain = reproduce.shipped("oja")
    digest = reproduce.config_digest(plain)
    assert reproduce.config_digest({**plain, "seed": 7}) == digest
    assert reproduce.config_digest({**plain, "outer": {**plain["outer"], "steps": 7}}) != digest


def test_the_digest_of_code_is_of_every_file_by_name_and_content(tmp_path):
    for package in reproduce.CODE:
        (tmp_path / package).mkdir()
    file = tmp_path / "metaplast" / "a.py"
    file.write_text("x = 1")
    first = reproduce.code_digest(tmp_path)
    file.write_text("x = 2")
    second = reproduce.code_digest(tmp_path)
    file.rename(file.with_name("b.py"))
    assert len({first, second, reproduce.code_digest(tmp_path)}) == 3


def test_runs_of_another_config_are_not_published_as_this_one(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "environment.json").write_text("{}")
        (tmp_path / name / "config.yaml").write_text(f"experiment: oja\ndt: {len(name)}\n")
    monkeypatch.setattr(reproduce, "_trained", lambda folders: {})
    result = reproduce.result_of("oja", [tmp_path / "one"])
    assert result["config_digest"] != reproduce.config_digest(reproduce.shipped("oja"))
    with pytest.raises(ValueError, match="experiment=chaos"):
        reproduce.result_of("chaos", [tmp_path / "one"])
    (tmp_path / "two" / "config.yaml").write_text("experiment: oja\ndt: 7\n")
    with pytest.raises(ValueError, match="one config"):
        reproduce.result_of("oja", [tmp_path / "one", tmp_path / "two"])


def test_a_failed_run_is_said_and_a_trial_is_never_published(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        reproduce, "run", lambda *_: (_ for _ in ()).throw(RuntimeError("oja, seed 0: killed"))
    )
    monkeypatch.setattr(sys, "argv", ["reproduce", "--only", "oja", "--results", str(tmp_path)])
    with pytest.raises(SystemExit, match="oja, seed 0: killed"):
        reproduce.main()
    monkeypatch.setattr(sys, "argv", ["reproduce", "--only", "oja", "--quick"])
    with pytest.raises(SystemExit):
        reproduce.main()
    assert "no published numbers" in capsys.readouterr().err


def _lives(start: float, end: float) -> dict[str, Any]:
    """64 lives about a mean, those of all rows with the same ups and downs."""
    course = [0.01 * (-1) ** i for i in range(64)]
    return {
        "metric": "accuracy",
        "start": [start + c for c in course],
        "end": [end + c for c in course],
    }


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
    lives = {
        "a": {**_lives(1.0, 2.0), "metric": "loss"},
        "b": {**_lives(2.0, 1.0), "metric": "loss"},
    }
    below = {name: row["below"] for name, row in stress.judged(lives, {"a": ["b"]}).items()}
    assert below == {"a": ["start", "b"], "b": []}


def test_what_is_not_finite_is_lost():
    course = _lives(0.5, 0.9)
    lives = {"a": {**course, "end": ["nan", *course["end"][1:]]}, "b": course}
    rows = stress.judged(lives, {"a": ["b"]})
    assert rows["a"]["below"] == ["start", "b"]
    assert rows["a"]["end"] is None


def test_a_job_that_dies_is_written_down_and_not_run_again(tmp_path, monkeypatch):
    started = []

    def dies(tree, job, command):
        started.append(command)
        raise stress.Died(-9, ["killed"])

    monkeypatch.setattr(stress, "_in", dies)
    job = stress.Job("digits", 0, "wide")
    result = stress.run(job, ROOT, tmp_path, ["a"], [])
    assert (result["code"], result["error"], len(started)) == (-9, ["killed"], 1)
    assert stress.run(job, ROOT, tmp_path, ["a"], []) == result
    assert len(started) == 1
    with pytest.raises(SystemExit, match="choose another --out"):
        stress.run(job, ROOT, tmp_path, ["b"], [])


def test_a_report_says_what_became_worse_without_being_lost(tmp_path):
    ends = {"before": (0.9, 0.5), "after": (0.7, 0.6)}
    for name, (x, y) in ends.items():
        (tmp_path / name).mkdir()
        rows = {
            "x": {"metric": "accuracy", "end": x, "below": []},
            "y": {"metric": "loss", "end": y, "below": []},
        }
        (tmp_path / name / "digits-0-wide.json").write_text(json.dumps({"rows": rows}))
    lines = stress.report([tmp_path / "before", tmp_path / "after"]).splitlines()
    assert lines[2].endswith("| - | - |")
    assert lines[3].endswith(
        "| - | digits-0-wide x 0.900 to 0.700; digits-0-wide y 0.500 to 0.600 |"
    )


def test_a_report_counts_the_jobs_that_all_folders_hold(tmp_path):
    lost = {"start": 0.2, "end": 0.3, "below": ["y"]}
    sound = {"start": 0.2, "end": 0.9, "below": []}
    for name, x in (("before", lost), ("after", {**lost, "below": []})):
        (tmp_path / name).mkdir()
        text = json.dumps({"rows": {"x": x, "y": sound}})
        (tmp_path / name / "digits-0-wide.json").write_text(text)
    (tmp_path / "before" / "digits-1-wide.json").write_text(json.dumps({"rows": {"x": lost}}))
    lines = stress.report([tmp_path / "before", tmp_path / "after"]).splitlines()
    assert lines[2].startswith("| before | 1 | 2 | 1 (50.0 %) | digits-0-wide x 0.300, below y")
    assert lines[3].startswith("| after | 1 | 2 | 0 (0.0 %) | - ")


@pytest.mark.system
def test_an_experiment_is_reproduced(tmp_path):
    words = [
        "--quick",
        "--only",
        "oja",
        "--runs",
        str(tmp_path / "runs"),
        "--results",
        str(tmp_path),
    ]
    program = [sys.executable, "-m", "benchmarks.reproduce", *words]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "oja.json").read_text())
    assert "discovered" in result["rows"]
    assert result["code_digest"] == reproduce.code_digest()
    first, second = [reproduce.probe("oja", tmp_path, seed).digest for seed in (0, 1)]
    assert first == reproduce.probe("oja", tmp_path, 0).digest != second
