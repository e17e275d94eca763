"""Data of three learners, made by plain NumPy, fitted as an experimentalist would.

The rule is found, or what is missing is said, and the next fit, which follows the advice, finds it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.system._commands import metaplast

pytestmark = pytest.mark.golden


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def _save(path: Path, rows: dict[str, list[Any]]) -> Path:
    np.savez(path, **{name: np.asarray(values) for name, values in rows.items()})
    return path


def _fit(folder: Path, data: Path, *words: str) -> dict[str, Any]:
    """fit.json, and that the terminal begins with its verdict."""
    done = metaplast("fit", str(data), *words, "--quiet", "--run-dir", "fit", cwd=folder)
    assert done.returncode == 0, done.stderr
    told = json.loads((folder / "fit" / "fit.json").read_text())
    assert done.stdout.startswith(told["verdict"][0])
    return told


def _interval_holds(told: dict[str, Any], true: dict[str, float]) -> None:
    for name, value in true.items():
        low, high = told["bootstrap"]["ci95"][name]
        assert low <= value <= high, name


def _covariance(path: Path) -> Path:
    """w += .15 (y - 1/2)(x - 1/2) - .01 w, with y = sigmoid(w x - 1/2).

    The noise is .02, and every rat has first weights of its own.
    """
    rng = np.random.default_rng(1)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("stimulus", "activity", "session", "subject")
    }
    for rat in range(8):
        w = rng.normal(0, 0.8, (3, 5))
        for _ in range(150):
            x = rng.random(5)
            y = _sigmoid(w @ x - 0.5)
            seen = y + rng.normal(0, 0.02, 3)
            for name, value in zip(rows, (x, seen, rat, f"rat {rat}"), strict=True):
                rows[name].append(value)
            w = w + 0.15 * np.outer(y - 0.5, x - 0.5) - 0.01 * w
    return _save(path, rows)


def test_a_covariance_rule_with_a_bias_bounded_rates_and_first_weights_of_every_animal(tmp_path):
    """The first fit says which of the three is missing; with all of them the five numbers come
    back.
    """
    data = _covariance(tmp_path / "covariance.npz")
    (tmp_path / "first").mkdir()
    first = _fit(tmp_path / "first", data, "fit.bootstrap=0")
    assert first["verdict"][0].startswith("Not found: the rule is no better than")
    advised = " ".join(one["words"] for one in first["advice"])
    for words in (
        "network.bias=true",
        "genome=per_subject",
        "network.output=sigmoid",
        "task.held.subjects=0",
    ):
        assert words in advised
    rule = (
        "rule=null",
        "rows=null",
        "rules.main.edges=input_to_output",
        "rules.main.rule.name=polynomial",
    )
    rule += ("rules.main.rule.rate=0.1", "rules.main.rule.scale=0.01")
    rule += (
        'rules.main.rule.terms=[post*pre,pre,post,"1",weight]',
        "outer.steps=2000",
        "fit.bootstrap=0",
    )
    network = (
        "network.bias=true",
        "genome=per_subject",
        "network.output=sigmoid",
        "task.held.subjects=0",
    )
    (tmp_path / "second").mkdir()
    second = _fit(tmp_path / "second", data, *network, *rule)
    assert second["verdict"][0].startswith("Found")
    assert second["advice"] == []
    true = {"post*pre": 0.15, "pre": -0.075, "post": -0.075, "1": 0.0375, "weight": -0.01}
    for name, value in true.items():
        assert second["rows"]["discovered"]["numbers"][name] == pytest.approx(value, rel=0.1), name


def _rewarded(path: Path) -> Path:
    """w += .3 R (c - p) x;   c drawn with p = sigmoid(w x)."""
    rng = np.random.default_rng(2)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("stimulus", "choice", "reward", "session", "subject")
    }
    for mouse in range(10):
        w = np.array([0.2, -0.2, 0.1])
        for _ in range(250):
            x = (rng.random(3) < 0.5) * 1.0
            p = _sigmoid(w @ x)
            c = int(rng.random() < p)
            reward = float(rng.random() < (0.8 if (x[0] > 0) == (c == 1) else 0.2))
            for name, value in zip(rows, (x, c, reward, mouse, f"mouse {mouse}"), strict=True):
                rows[name].append(value)
            w = w + 0.3 * reward * (c - p) * x
    return _save(path, rows)


def test_a_rewarded_rule_that_reads_how_likely_the_choice_was(tmp_path):
    data = _rewarded(tmp_path / "rewarded.npz")
    terms = "rule.terms=[modulator.reward*error*pre,pre,weight]"
    words = (
        "task.tell_choice=true",
        "feedback=symmetric",
        "rows=null",
        "rule.name=polynomial",
        terms,
    )
    words += ("task.held.subjects=0.4",)
    told = _fit(tmp_path, data, *words)
    assert told["verdict"][0].startswith("Found")
    _interval_holds(told, {"error*modulator.reward*pre": -0.3, "pre": 0.0, "weight": 0.0})


def _two_step(path: Path) -> Path:
    """Q_c += .3 (R - Q_c) of the option that was taken, P = softmax(3 Q); rare transitions, drift,
    8 % misses.
    """
    rng = np.random.default_rng(3)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("stimulus", "choice", "reward", "session", "subject")
    }
    for human in range(12):
        q, likely = np.zeros(2), rng.uniform(0.25, 0.75, 2)
        for _ in range(300):
            likely = np.clip(likely + rng.normal(0, 0.03, 2), 0.2, 0.8)
            p = _sigmoid(3 * (q[1] - q[0]))
            missed = rng.random() < 0.08
            c = int(rng.random() < p)
            state = c if rng.random() < 0.7 else 1 - c
            reward = float(rng.random() < likely[state])
            seen = (-1, np.nan) if missed else (c, reward)
            for name, value in zip(rows, ([1.0], *seen, human, f"human {human}"), strict=True):
                rows[name].append(value)
            if not missed:
                q[c] += 0.3 * (reward - q[c])
    return _save(path, rows)


def test_values_of_two_options_with_misses(tmp_path):
    """w = 3 Q: the reward counts .9, and what is forgotten .3."""
    data = _two_step(tmp_path / "two_step.npz")
    terms = "rule.terms=[modulator.reward*target*pre,target*weight]"
    words = (
        "task.tell_choice=true",
        "task.likelihood=categorical",
        "rows=null",
        "rule.name=polynomial",
        terms,
    )
    told = _fit(tmp_path, data, *words)
    assert told["verdict"][0].startswith("Found")
    _interval_holds(told, {"modulator.reward*pre*target": 0.9, "target*weight": -0.3})
