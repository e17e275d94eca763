"""A search that failed is named in every text, and no sentence rests on its score."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from metaplast import search_loop
from metaplast.results.summary import Verdict
from metaplast.runs import provenance, row_files
from metaplast.runs.config import Sources, compose, read_yaml
from metaplast.runs.folder import row_folder
from metaplast.runs.job import parse
from metaplast.runs.metrics import MetricsFile
from metaplast.training import judge as verdict
from metaplast.training import page as report
from metaplast.training import summary, summary_text, table_run
from metaplast.training.side_by_side import compare
from tests.report.test_report import check_page

CONFIG = """
task: {name: prototypes, n_in: 3, n_classes: 2, shots: 1, queries: 2}
network: {name: feedforward, hidden: [3]}
rule: {name: polynomial, learn: both, terms: [error*pre, weight, post], initial: [-1, 0, 0]}
shared: false
outer: {name: bptt, steps: 3}
evaluation: {heldout: 64, validation: 64, candidates: 1}
rows:
  feedback_alignment:
    rule: &sgd {name: polynomial, learn: both, terms: [error*pre, weight], initial: [-1, 0]}
  backprop_sgd: {feedback: {name: symmetric}, rule: *sgd}
  backprop_with_terms: {feedback: {name: symmetric}}
  no_plasticity: {rule: null}
"""
SOUND = {
    "discovered": 0.85,
    "feedback_alignment": 0.8,
    "backprop_sgd": 0.908,
    "backprop_with_terms": 0.92,
    "no_plasticity": 0.5,
}
NOISE = np.random.default_rng(0).normal(0.0, 0.05, 64)


def forge(
    folder: Path,
    heldout: dict[str, float],
    validation: dict[str, float],
    seed: int = 0,
    config: str = CONFIG,
    **search,
) -> Path:
    """A run folder of a finished training, with an accuracy for every row. Nothing is compiled."""
    plain = {**read_yaml(config, "test"), "seed": seed}
    job = parse(plain, check=False)
    folder.mkdir()
    (folder / "config.yaml").write_text(json.dumps(plain))
    for index, (name, of_row) in enumerate(job.rows):
        row = row_folder(folder, name)
        row.mkdir(parents=True, exist_ok=True)
        noise = np.roll(NOISE, index)
        scores = {
            "accuracy": heldout[name] + noise,
            "loss": 1 - heldout[name] - noise,
            "at_bound": 0 * noise,
        }
        known = {"accuracy": validation[name] + noise, "start_accuracy": 0.5 + noise}
        losses = {name.replace("accuracy", "loss"): 1 - values for name, values in known.items()}
        row_files.save_arrays(row / "validation.safetensors", known | losses)
        theta = of_row.meta_problem().init(search_loop.stream(seed, "theta"))
        search_facts = {
            "diverged_lives": 0,
            "falls": 0,
            "fell_at": [],
            "step_scale": 1.0,
            "chosen_step": 3,
        }
        facts = {"search": search_facts | search.get(name, {}) if of_row.slots() else {}}
        log = MetricsFile(row / "metrics.jsonl", 0)
        log.write(1, {"loss": np.asarray(1.0)}, 0.1)
        log.close()
        row_files.publish(
            row, theta, scores, {"name": name, "diverged_lives": 0, "wall_s": 0.1, **facts}
        )
    summary.summarise(folder, job, 1.0)
    return folder


def page(folder: Path) -> str:
    report.inspect_runs([folder], None, n_lives=0)
    return check_page((folder / "report.html").read_text()).text


def verdicts(folder: Path) -> dict[str, Verdict | None]:
    rows = summary.read_summary(folder).trained_rows
    return {name: row.verdict for name, row in rows.items()}


def test_a_row_below_one_that_it_contains_takes_the_sentence_with_it(tmp_path: Path):
    bad = {**SOUND, "backprop_with_terms": 0.264}
    lost = {"falls": 2, "fell_at": [1, 3], "step_scale": 0.25}
    folder = forge(tmp_path / "run", bad, bad, backprop_with_terms=lost)
    found = verdicts(folder)
    assert found["no_plasticity"] is None
    assert {name: each.state for name, each in found.items() if each} == {
        "discovered": "trained",
        "feedback_alignment": "trained",
        "backprop_sgd": "trained",
        "backprop_with_terms": "not trained",
    }
    mine = found["backprop_with_terms"]
    assert mine is not None
    assert (mine.against, mine.split, mine.metric) == (
        "backprop_sgd",
        "validation",
        "accuracy",
    )
    paired = 0.264 - 0.908 + np.roll(NOISE, 3) - np.roll(NOISE, 2)
    half = stats.t.ppf(0.9995, 63) * paired.std(ddof=1) / 8
    assert mine.difference == pytest.approx(paired.mean(), rel=1e-4)
    assert mine.interval == pytest.approx((paired.mean() - half, paired.mean() + half), rel=1e-4)
    do = (
        "more outer.steps, a smaller outer.learning_rate, or rows: {backprop_with_terms: {from: "
        "backprop_sgd}}"
    )
    assert mine.do == do
    words, shown = summary_text.render(folder), page(folder)
    for text in (words, shown, summary_text.pooled([folder])):
        assert "backprop_with_terms (not trained)" in text
        assert (
            "backprop_with_terms is not trained: its accuracy on validation lives is 0.644 below"
            in text
        )
        assert do in text
        assert "closes" not in text and "(best backprop row)" not in text
    for text in (words, shown):
        assert (
            "got lost 2 times (outer steps 1, 3) and was led back; its last steps were 0.25 as "
            "large." in text
        )
    gap = summary.read_summary(folder).gap_closed
    assert gap is not None
    assert (gap.high, gap.share, list(gap.withheld)) == (None, None, ["backprop_with_terms"])


def test_where_every_search_did_its_work_the_sentence_stands(tmp_path: Path):
    folder = forge(tmp_path / "run", SOUND, SOUND)
    assert all(each is None or each.state == "trained" for each in verdicts(folder).values())
    text = summary_text.render(folder)
    assert (
        "closes 42 % of the gap from feedback_alignment to backprop_with_terms (best backprop row)"
        in text
    )
    assert "trained)" not in text and "Not judged" not in text and "got lost" not in text


def test_below_on_held_out_lives_alone_is_overfitted(tmp_path: Path):
    folder = forge(tmp_path / "run", {**SOUND, "backprop_with_terms": 0.8}, SOUND)
    mine = verdicts(folder)["backprop_with_terms"]
    assert mine is not None
    assert (mine.state, mine.against, mine.split) == ("overfitted", "backprop_sgd", "heldout")
    assert "backprop_with_terms (overfitted)" in summary_text.render(folder)
    assert "closes" not in summary_text.render(folder)


def test_below_its_own_start_is_not_trained(tmp_path: Path):
    worse = {**SOUND, "backprop_sgd": 0.4, "no_plasticity": 0.3}
    mine = verdicts(forge(tmp_path / "run", worse, worse))["backprop_sgd"]
    assert mine is not None
    assert (mine.state, mine.against) == ("not trained", "start")
    assert mine.do == "more outer.steps, a smaller outer.learning_rate"


def test_a_row_that_failed_in_one_of_two_runs_is_not_named_as_the_best(tmp_path: Path):
    bad = {**SOUND, "backprop_with_terms": 0.264}
    runs = [forge(tmp_path / "a", SOUND, SOUND), forge(tmp_path / "b", bad, bad, seed=1)]
    text = summary_text.pooled(runs)
    assert (
        "backprop_with_terms (not trained)" in text
        and "(so in 1 of 2 runs)" in text
        and "closes" not in text
    )
    other = json.loads((runs[1] / "config.yaml").read_text())
    (runs[1] / "config.yaml").write_text(json.dumps({**other, "dt": 0.002}))
    found, *_ = compare(runs).split("\n\n")
    assert [line[:2] for line in found.splitlines()] == ["A:", "B:"]
    gaps = compare(runs).split("\n\n")[3].splitlines()
    assert "best" in gaps[0] and "backprop_with_terms" in gaps[2] and "not named" not in gaps[2]
    assert "not named: backprop_with_terms (not trained)" in gaps[3]


def test_a_run_without_scores_on_validation_lives_opens_without_a_verdict(tmp_path: Path):
    folder = forge(tmp_path / "run", SOUND, SOUND)
    for name in SOUND:
        (row_folder(folder, name) / "validation.safetensors").unlink()
    summary.summarise(
        folder, parse(read_yaml((folder / "config.yaml").read_text(), "test"), check=False), 1.0
    )
    assert set(verdicts(folder).values()) == {None}
    text = summary_text.render(folder)
    assert (
        "Not judged" in text
        and "discovered, feedback_alignment, backprop_sgd, backprop_with_terms." in text
    )
    assert "closes 42 %" in text


@pytest.mark.parametrize(
    ("shift", "spread", "n", "state"),
    [
        (-0.02, 0.01, 64, "not trained"),
        (-0.009, 0.0, 64, "trained"),  # within the margin, though certain
        (-0.02, 0.2, 64, "trained"),  # beyond the margin, within the interval
        (+0.3, 0.01, 64, "trained"),
    ],
)
def test_what_is_below_and_what_is_not(shift: float, spread: float, n: int, state: str):
    noise = np.random.default_rng(1).normal(0.0, 1.0, n)
    theirs = verdict.Scores(np.full(n, 0.8), np.full(n, 0.5), np.full(n, 0.8))
    ours = 0.8 + shift + spread * (noise - noise.mean())
    mine = verdict.Scores(ours, np.full(n, 0.5), np.full(n, 0.8))
    config = parse(read_yaml(CONFIG, "test"), check=False).main
    assert verdict._verdict("x", config, "accuracy", mine, {"y": theirs}).state == state


def test_of_a_loss_the_margin_is_a_share_of_what_the_other_search_gained():
    config = parse(read_yaml(CONFIG, "test"), check=False).main
    theirs = verdict.Scores(np.full(9, 2.0), np.full(9, 102.0), np.full(9, 2.0))
    for loss, state in ((2.9, "trained"), (3.1, "not trained")):
        mine = verdict.Scores(np.full(9, loss), np.full(9, 102.0), np.full(9, 2.0))
        assert verdict._verdict("x", config, "loss", mine, {"y": theirs}).state == state


def test_lives_that_are_not_finite_are_no_success():
    config = parse(read_yaml(CONFIG, "test"), check=False).main
    theirs = verdict.Scores(np.full(9, 0.8), np.full(9, 0.5), np.full(9, 0.8))
    mine = theirs._replace(validation=np.where(np.arange(9) == 4, np.nan, 0.9))
    found = verdict._verdict("x", config, "accuracy", mine, {"y": theirs})
    assert (found.state, found.difference, found.interval) == ("not trained", None, None)


def test_text_and_page_begin_with_the_same_verdict_and_next_command(tmp_path: Path):
    bad = {**SOUND, "backprop_with_terms": 0.264}
    folder = forge(tmp_path / "run", bad, bad)
    found, then, *_ = summary_text.render(folder).split("\n\n")
    assert "backprop_with_terms (symmetric feedback, not trained)" in found
    text = page(folder)
    told = json.loads((folder / "inspect.json").read_text())["verdict"]
    assert then == f"Next: {told['next_command']}"
    for sentence in found.splitlines():
        assert text.index(sentence) < text.index("Scores on held-out lives")
    assert [sentence in told.values() for sentence in found.splitlines()].count(True) >= 3


def test_the_origin_of_a_run_stands_at_the_head_of_its_page(tmp_path: Path):
    folder = forge(tmp_path / "run", SOUND, SOUND)
    command = "metaplast train --import my_neurons --run-dir run"
    provenance.record(folder, command, {"a.npz": "0" * 64})
    text = page(folder)
    head = text[: text.index("Scores on held-out lives")]
    for words in (command, "a.npz, SHA-256 0000", "begun", "took"):
        assert words in head
    assert "run/config.yaml" in head
    printed = text + summary_text.render(folder)
    commands = re.findall(r"metaplast (?:train|eval|inspect|compare)\b.*", printed)
    assert {command.split()[1] for command in commands} >= {"train", "eval", "inspect"}
    for command in commands:
        assert command.split()[2:4] == ["--import", "my_neurons"], command


def test_a_damaged_origin_is_named_at_the_head_and_the_page_is_made(tmp_path: Path):
    folder = forge(tmp_path / "run", SOUND, SOUND)
    (folder / provenance.FILE).write_text('{"command": "metaplast tr')
    text = page(folder)
    head = text[: text.index("Scores on held-out lives")]
    assert "damaged" in head and "provenance.json (the command, the data and the begin" in head
    assert "metaplast train --config run/config.yaml (made from config.yaml)" in head


def test_a_group_has_one_page_over_its_seeds(tmp_path: Path, monkeypatch):
    runs = [forge(tmp_path / f"seed-{seed}", SOUND, SOUND, seed=seed) for seed in (0, 1)]
    group = _group(tmp_path, runs)
    table_run._TableRun._write_group_page(group, 1.0)
    text = check_page((tmp_path / "report.html").read_text()).text
    assert "2 seeds" in text and "seed-0" in text and "seed-1" in text
    other = forge(tmp_path / "other", SOUND, SOUND, seed=2)
    alone = tmp_path / "alone"
    alone.mkdir()
    table_run._TableRun._write_group_page(_group(alone, [other]), 1.0)
    assert not (alone / "report.html").exists()


def _group(path: Path, folders: list[Path]):
    """What a group of runs knows of its folders."""
    return SimpleNamespace(path=path, runs=[SimpleNamespace(folder=each) for each in folders])


def test_a_metric_that_is_the_loss_has_no_picture_of_its_own(tmp_path: Path):
    folder = forge(tmp_path / "run", SOUND, SOUND)
    job = parse(json.loads((folder / "config.yaml").read_text()), check=False)
    n = sum(length for length, _ in job.main.task.shape().phases)
    for name, _ in job.rows:
        ones = np.ones((64, n))
        steps = {"loss": ones, "mse": ones, "accuracy": 0 * ones, "weight": ones}
        row_files.save_arrays(row_folder(folder, name) / row_files.STEPS, steps)
    text = page(folder)
    assert "The loss of this task is its mse: one picture shows both." in text
    names = sorted(path.name for path in (folder / "figures").glob("curves_*"))
    assert names == ["curves_accuracy.svg", "curves_loss.svg"]


def test_a_main_rule_under_backprop_closes_no_gap_to_itself():
    """In `credit` the only backprop row of the main network is the main rule."""
    job = parse(compose(["experiment=credit"], Sources()))
    values = SimpleNamespace(rows={name: None for name, _ in job.rows})
    assert "feedback_alignment" in values.rows
    assert summary.gap_closed(job, values, {}) is None
