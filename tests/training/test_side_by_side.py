"""Tables of finished runs: seeds are pooled, and settings stand side by side."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from metaplast.registry import BadInput
from metaplast.results import table
from metaplast.runs.config import read_yaml
from metaplast.runs.job import parse
from metaplast.runs.same_setting import runs_by_setting
from metaplast.training.side_by_side import compare
from metaplast.training.summary import summarise
from metaplast.training.summary_text import render
from tests._runs import start_run

CONFIG = """
task: {name: prototypes, n_in: 3, n_classes: 2, shots: 1, queries: 2}
network: {name: feedforward, hidden: []}
feedback: {name: none}
rule: {name: polynomial, terms: [post*pre], initial: [0.1], learn: none}
outer: {name: bptt, steps: 1}
evaluation: {heldout: 8}
rows:
  sgd:
    feedback: {name: symmetric}
    rule: {name: polynomial, terms: [error*pre], initial: [-1], learn: none}
  slow:
    feedback: {name: symmetric}
    rule: {name: polynomial, terms: [error*pre], initial: [-1], rate: 0.01, learn: none}
"""


def _copy(source: Path, target: Path, seed: int, **scores: float) -> Path:
    """A copy of a finished run with another seed and a constant accuracy for each row.

    `shots` in its name gives its setting.
    """
    plain = read_yaml((source / "config.yaml").read_text(), "test")
    plain["seed"], plain["task"]["shots"] = seed, int(target.name.split("-")[0])
    target.mkdir()
    (target / "config.yaml").write_text(json.dumps(plain))
    summary = json.loads((source / "summary.json").read_text()) | {"seed": seed}
    (target / "summary.json").write_text(json.dumps(summary))
    for row, name in (("discovered", ""), ("sgd", "rows/sgd"), ("slow", "rows/slow")):
        folder = target / name
        folder.mkdir(parents=True, exist_ok=True)
        lives = load_file(source / name / "lives.safetensors")
        save_file(
            {**lives, "accuracy": np.full(8, scores[row], np.float32)}, folder / "lives.safetensors"
        )
    return target


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "JAX_DISABLE_MOST_OPTIMIZATIONS", "true"
        )  # the rows compile in a process of their own
        one = start_run(read_yaml(CONFIG, "test"), folder / "run", 1)
    return [
        _copy(one, folder / "1-a", 0, discovered=0.5, sgd=0.7, slow=0.6),
        _copy(one, folder / "1-b", 1, discovered=0.7, sgd=0.9, slow=0.6),
        _copy(one, folder / "5-a", 0, discovered=0.75, sgd=0.5, slow=0.625),
    ]


def test_settings_stand_side_by_side(runs):
    found, legend, means, gaps, apart = compare(runs).split("\n\n")
    assert [line[:33] for line in found.splitlines()] == [
        "A: Nothing is shown: no tuned bas",
        "B: Nothing is shown: no tuned bas",
    ]
    assert legend.splitlines() == [
        "A  the setting of the first run; 2 runs",
        "B  task.shots=5; 1 runs",
    ]
    lines = {line.split()[0]: line.split()[1:] for line in means.splitlines()[2:]}
    assert lines["discovered"][:2] == ["0.600", "0.750"]
    assert lines["sgd"] == ["0.800", "0.500", "synapse", "symmetric", "0"]
    assert [line.split() for line in gaps.splitlines()[2:]] == [
        ["A", "0.600", "sgd", "0.800", "16", "+0.200", "+0.200"],
        ["B", "0.750", "slow", "0.625", "8", "-0.125"],
    ]
    assert [line.split() for line in apart.splitlines()[2:]] == [
        ["A", "+0.200", "[+0.200,", "+0.200]"],
        ["B", "-0.125", "[-0.125,", "-0.125]"],
    ]
    assert max(len(line) for line in (means + "\n" + gaps + "\n" + apart).splitlines()) <= 80


def test_the_reference_and_the_row_may_be_named(runs):
    gaps = compare(runs, "sgd", ["discovered"]).split("\n\n")[2].splitlines()
    assert gaps[2].split()[:5] == ["A", "0.800", "discovered", "0.600", "-0.200"]


def test_seeds_of_one_setting_are_pooled(runs):
    assert "95 % t intervals over 2 splits. Per seed" in compare(runs[:2])


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    for given, row, words in [
        ([runs[0], runs[0]], "discovered", "distinct seeds"),
        ([runs[0], tmp_path], "discovered", "a run folder"),
        (runs, "hebb", "row 'hebb' - expected one of discovered, sgd, slow"),
    ]:
        with pytest.raises(BadInput, match=words):
            compare(given, row)


def test_settings_whose_difference_is_long_are_told_apart(runs, tmp_path):
    copies = []
    for name in "ab":
        copies.append(_copy(runs[0], tmp_path / f"1-{name}", 0, discovered=0.5, sgd=0.5, slow=0.5))
        plain = read_yaml((copies[-1] / "config.yaml").read_text(), "test")
        plain["rule"]["terms"] = ["post*pre", *["weight"] * 8, name]
        (copies[-1] / "config.yaml").write_text(json.dumps(plain))
    assert [len(group) for group in runs_by_setting([runs[0], *copies]).values()] == [1, 1, 1]


def test_the_best_row_is_the_largest_accuracy_and_the_smallest_loss():
    assert table.best({"a": 0.1, "b": 0.3}, "accuracy") == "b"
    assert table.best({"a": 0.1, "b": 0.3}, "loss") == "a"


def test_faults_of_lives_are_counted_and_named_at_the_end_of_a_run(runs):
    """Of the discovered rule's eight lives, three count as dead and one as runaway."""
    finished = runs[0].parent / "run"
    stored = load_file(finished / "lives.safetensors")
    assert all(np.all(stored[name] == 0) for name in ("dead", "runaway", "clipped"))
    wrong = {"dead": np.arange(8) < 3, "runaway": np.arange(8) == 7}
    save_file(
        {**stored, **{k: v.astype(np.float32) for k, v in wrong.items()}},
        finished / "lives.safetensors",
    )
    try:
        job = parse(read_yaml((finished / "config.yaml").read_text(), "test"))
        counts = summarise(finished, job, 1.0).trained_rows["discovered"].faults
        assert counts == {"dead": 3, "saturated": 0, "runaway": 1, "clipped": 0}
        line = (
            "discovered: of its 8 lives, 3 dead (a population silent throughout), 1 runaway (a "
            "population above 100 Hz"
        )
        assert line in render(finished) and "sgd: of its" not in render(finished)
    finally:
        save_file(stored, finished / "lives.safetensors")
