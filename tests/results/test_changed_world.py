"""Rows in a changed world: the best tuned baseline there, paired differences, and files."""

import json
from pathlib import Path

import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.results.changed_world import (
    Cell,
    Lived,
    cell,
    cell_to_json,
    lived_from_json,
    lived_to_json,
)
from metaplast.results.summary import ReferenceRow, TrainedRow
from metaplast.results.table import RowFacts
from metaplast.training.kept_transfer import FOLDER, cells, keep, kept
from metaplast.training.transfer import Judged, judged, keep_all, text_of

FACTS = {
    "discovered": RowFacts(TrainedRow(reach="synapse", feedback="none", reads=[], learned=44)),
    "tuned": RowFacts(TrainedRow(reach="synapse", feedback="none", reads=[], learned=1)),
    "other": RowFacts(TrainedRow(reach="synapse", feedback="none", reads=[], learned=2)),
    "still": RowFacts(TrainedRow(reach="-", feedback="none", reads=[], learned=0)),
    "nearest": RowFacts(ReferenceRow()),
}
GAINS = {"discovered": 0.0, "tuned": -0.01, "other": 0.02, "still": 0.3, "nearest": 0.2}


def lived(seed: int = 0, metric: str = "accuracy", n: int = 40, changes: str = "a=1") -> Lived:
    """Rows whose every life is `GAINS` better than the life of the rule."""
    generator = np.random.default_rng(seed)
    own = generator.uniform(0.2, 0.6, n)
    sign = 1.0 if metric == "accuracy" else -1.0
    rows = {name: (own + sign * gain).tolist() for name, gain in GAINS.items()}
    return Lived(changes=changes.split(), seed=seed, metric=metric, rows=rows)


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_best_tuned_row_is_the_baseline_in_any_metric(metric: str) -> None:
    """A row that learns nothing and a reference are better, and are no tuned baseline."""
    one = cell([lived(metric=metric)], FACTS, "discovered")
    assert (one.baseline, one.n, one.seeds) == ("other", 40, [0])
    assert one.better_by is not None
    assert [one.better_by.mean, *one.better_by.ci95] == pytest.approx([-0.02] * 3)


def test_differences_are_paired_and_over_runs() -> None:
    """Lives differ by up to 0.4, and their differences are constant: so is every interval."""
    one = cell([lived(0), lived(1), lived(2)], FACTS, "discovered")
    assert (one.seeds, one.n) == ([0, 1, 2], 120)
    for score in one.scores:
        assert score.difference.mean == pytest.approx(GAINS[score.name], abs=1e-6)
        assert score.difference.ci95 == pytest.approx([GAINS[score.name]] * 2, abs=1e-6)
    own = one.scores[0]
    means = [np.mean(lived(seed).rows["discovered"]) for seed in (0, 1, 2)]
    half = 4.302653 * np.std(means, ddof=1) / np.sqrt(3)  # t of 2 degrees of freedom
    assert own.ci95 == pytest.approx([np.mean(means) - half, np.mean(means) + half], abs=1e-5)


def test_a_life_that_is_not_finite_is_counted() -> None:
    broken = lived()
    broken.rows["discovered"][3] = float("nan")
    stored = json.loads(json.dumps(lived_to_json(broken), allow_nan=False))
    one = cell([lived_from_json(stored, "here")], FACTS, "discovered")
    assert one.scores[0].mean is None and one.scores[0].not_finite == 1
    assert one.baseline is None and one.better_by is None
    json.dumps(cell_to_json(one), allow_nan=False)


def test_a_run_keeps_one_file_per_world(tmp_path: Path) -> None:
    assert kept(tmp_path) == []
    first = keep(tmp_path, lived(changes="network.hidden=[80, 80] task.shots=40"))
    assert first.parent == tmp_path / FOLDER
    keep(tmp_path, lived(changes="a=1"))
    again = keep(tmp_path, lived(n=12, changes="a=1"))
    assert len(list((tmp_path / FOLDER).iterdir())) == 2
    assert [len(each.rows["tuned"]) for each in kept(tmp_path)] == [12, 40]
    # A row that is judged alone joins those on the same lives.
    alone = lived(n=12, changes="a=1")
    rows = {"discovered": alone.rows["discovered"], "late": alone.rows["tuned"]}
    keep(tmp_path, Lived(changes=["a=1"], seed=0, metric="accuracy", rows=rows))
    assert set(kept(tmp_path)[0].rows) == {*GAINS, "late"}
    again.write_text('{"rows": {"discovered": [1]')
    with pytest.raises(BadInput, match="damaged"):
        kept(tmp_path)


@pytest.mark.parametrize("change", ["../../x=1", "a=" + "long" * 200, "a=<b>'\n", "é=1", "."])
def test_no_word_leaves_the_folder(tmp_path: Path, change: str) -> None:
    rows = {"discovered": [1.0]}
    path = keep(tmp_path, Lived(changes=[change], seed=0, metric="loss", rows=rows))
    assert path.resolve().parent == (tmp_path / FOLDER).resolve()
    assert kept(tmp_path)[0].changes == [change]


def test_worlds_of_several_runs_are_taken_together(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / f"{seed}").mkdir()
        keep(tmp_path / f"{seed}", lived(seed, changes="a=1"))
    keep(tmp_path / "1", lived(1, changes="b=1"))
    found: list[Cell] = cells([tmp_path / "0", tmp_path / "1"], FACTS)
    assert [(each.changes, each.seeds) for each in found] == [(["a=1"], [0, 1]), (["b=1"], [1])]


def test_rows_of_other_lives_are_refused(tmp_path: Path) -> None:
    path = keep(tmp_path, lived())
    plain = json.loads(path.read_text())
    plain["rows"]["tuned"].pop()
    path.write_text(json.dumps(plain))
    with pytest.raises(BadInput, match="on the same lives"):
        kept(tmp_path)


def test_a_folder_that_cannot_be_written_costs_a_line_and_not_the_table(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("in the way")
    judged = Judged([tmp_path], [lived()], FACTS, is_changed=True, outer_steps=3)
    (line,) = keep_all(judged)
    assert line.startswith("not kept for metaplast inspect: ") and FOLDER in line
    assert "in: a=1" in text_of(judged)


@pytest.mark.parametrize("word", ["outer.steps=3", "outer=es", "checkpoint_every=2"])
def test_a_word_that_changes_no_life_makes_no_world(tmp_path: Path, word: str) -> None:
    with pytest.raises(BadInput, match="expected a word that changes a life"):
        judged([tmp_path], [word], 4)
    with pytest.raises(BadInput, match=r"config\.yaml"):
        judged([tmp_path], ["task.shots=2"], 4)
