"""The table, the figure, the page and results.csv of a sweep whose members trained here."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from metaplast.registry import BadInput
from metaplast.runs import folder, lifecycle
from metaplast.runs.config import Sources
from metaplast.runs.lifecycle import CompareOptions, Means, Request
from metaplast.settings.names import SWEEP
from metaplast.sweeping.axes import words_of
from metaplast.sweeping.kind import KIND
from metaplast.sweeping.members import Origin
from metaplast.sweeping.outcome import MemberOutcome, MembersFailed, SweepResult
from metaplast.sweeping.request import Sweep, read_sweep, request_of
from metaplast.sweeping.result import conclude, table_of
from metaplast.training import table_run
from metaplast.training.kind import KIND as TRAINING

CONFIG = """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: []}
feedback: {name: none}
rule: {name: polynomial, terms: [post*pre, post^2*weight]}
outer: {name: bptt, steps: 2}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 1}
"""
# Programs are the same for all values of checkpoint_every.
WORDS = ("checkpoint_every=1,2", "evaluation.heldout=4,5", "seed=0,1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a sweep whose four members are trained, without an end."""
    path = tmp_path_factory.mktemp("sweeps") / "sweep"
    config = path.parent / "tiny.yaml"
    config.write_text(CONFIG)
    request = request_of(words_of(WORDS), Origin(Sources(), config))
    lifecycle.lay_out(KIND, request, path, Means())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            table_run, "inspect_runs", lambda paths, *_, **__: (paths[0] / "report.html").touch()
        )
        for member in read_sweep(path).members:
            run = path / member.name
            with lifecycle.opened(TRAINING, Request(member.config), run):
                pass
            lifecycle.resume(run, Means(jobs=1))
    yield path


@pytest.fixture
def sweep(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(trained, tmp_path / "sweep"))


def _narrow(path: Path, n_members: int) -> Sweep:
    """Leave the first members of a sweep alone in it."""
    whole = read_sweep(path)
    members = whole.members[::2][:n_members]
    narrow = Sweep(["checkpoint_every", "seed"], members)
    folder.write_json(path / SWEEP, asdict(narrow))
    return narrow


def _done(sweep: Sweep) -> SweepResult:
    return SweepResult([MemberOutcome(member.name, 0) for member in sweep.members], 1.0)


def _numbers(path: Path) -> list[dict[str, str]]:
    with (path / "results.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_sweep_is_finished_when_all_members_are(sweep: Path) -> None:
    assert not KIND.finished(sweep)
    lifecycle.resume(sweep, Means())  # no member is left, so no process starts
    assert KIND.finished(sweep)
    KIND.demand_whole(sweep)
    assert lifecycle.kind_of(sweep) is KIND


def test_every_number_of_every_run_stands_in_the_file(sweep: Path) -> None:
    whole = read_sweep(sweep)
    conclude(sweep, whole, _done(whole))
    lines = _numbers(sweep)
    metrics = set(load_file(sweep / whole.members[0].runs[0].folder / "lives.safetensors"))
    assert len(lines) == 2 * 2 * 2 * len(metrics)
    for line in lines:
        values = load_file(sweep / line["run"] / "lives.safetensors")[line["metric"]]
        assert line["member"] == line["run"].split("/")[0]
        assert line["run"].endswith(f"seed-{line['seed']}")
        assert f"checkpoint_every-{line['checkpoint_every']}-" in line["member"]
        assert int(line["n"]) == int(line["evaluation.heldout"]) == len(values)
        assert float(line["mean"]) == pytest.approx(np.mean(values, dtype=float), rel=1e-5)
        assert float(line["ci95_low"]) <= float(line["mean"]) <= float(line["ci95_high"])
        assert (line["row"], line["diverged"], line["code"]) == ("discovered", "0", "0")


def test_settings_of_one_world_have_one_table_one_figure_and_one_page(sweep: Path) -> None:
    narrow = _narrow(sweep, 2)
    conclude(sweep, narrow, _done(narrow))
    said = KIND.render(sweep)
    assert said.startswith("Of 2 variants, checkpoint_every=")
    assert KIND.compare([sweep], CompareOptions("discovered")) == table_of(sweep)
    lives = [load_file(sweep / run.folder / "lives.safetensors") for run in narrow.members[0].runs]
    mean = np.mean([values["loss"] for values in lives])
    line = next(line for line in said.splitlines() if line.startswith("checkpoint_every=1 "))
    assert float(line.split()[3]) == pytest.approx(mean, rel=5e-3)
    assert "minus the best" in said
    assert (sweep / "figures" / "variants.svg").is_file()
    page = (sweep / "report.html").read_text()
    assert "The variants differ in checkpoint_every, seed" in page
    assert f"{narrow.members[0].runs[0].folder}/report.html" in page
    told = json.loads(KIND.render(sweep, as_json=True))
    assert [setting["differs"] for setting in told["settings"]] == [
        "checkpoint_every=1 evaluation.heldout=4",
        "checkpoint_every=2 evaluation.heldout=4",
    ]
    assert told["settings"][0]["runs"] == [run.folder for run in narrow.members[0].runs]


def test_settings_of_two_worlds_are_compared_within_each(sweep: Path) -> None:
    whole = read_sweep(sweep)
    conclude(sweep, whole, _done(whole))
    said = table_of(sweep)
    assert said.count("Of 2 variants") == 2
    for run in whole.members[0].runs:
        assert f"checkpoint_every=1 evaluation.heldout={run.settings['evaluation.heldout']}" in said
    assert (sweep / "figures" / "variants.svg").is_file()
    assert not (sweep / "report.html").exists()


def test_seeds_alone_are_pooled(sweep: Path) -> None:
    narrow = _narrow(sweep, 1)
    conclude(sweep, narrow, _done(narrow))
    assert "95 % t intervals over 2 splits" in table_of(sweep)
    assert (sweep / "figures" / "variants.svg").is_file()
    assert (sweep / "report.html").is_file()


def test_the_only_setting_with_a_finished_run_is_named(sweep: Path) -> None:
    narrow = _narrow(sweep, 2)
    for run in narrow.members[0].runs:
        (sweep / run.folder / "summary.json").unlink()
    said = table_of(sweep)
    label = "checkpoint_every=2 evaluation.heldout=4"
    assert said.startswith(f"Of all settings, {label} alone has a finished run.")
    assert f"Without scores: {narrow.members[0].runs[0].folder}" in said


def test_runs_without_scores_are_named(sweep: Path) -> None:
    narrow = _narrow(sweep, 2)
    lost = narrow.members[0].runs[1].folder
    (sweep / lost / "summary.json").unlink()
    ends = [MemberOutcome(narrow.members[0].name, 6, "no luck"), _done(narrow).members[1]]
    conclude(sweep, narrow, SweepResult(ends, 1.0))
    said = KIND.render(sweep)
    assert f"Without scores: {lost}." in said
    assert f"{narrow.members[0].name} failed with exit code 6: no luck" in said
    assert not KIND.finished(sweep)
    with pytest.raises(MembersFailed) as caught:
        KIND.demand_whole(sweep)
    assert caught.value.code == 6
    (line,) = [line for line in _numbers(sweep) if line["run"] == lost]
    assert (line["metric"], line["n"], line["code"], line["seed"]) == ("", "0", "6", "1")


def test_a_sweep_without_a_result_is_refused(sweep: Path) -> None:
    for file in sweep.rglob("summary.json"):
        file.unlink()
    with pytest.raises(BadInput, match="no run is finished"):
        table_of(sweep)
    with pytest.raises(BadInput, match=r"a sweep with a sweep_result\.json"):
        KIND.render(sweep)
    narrow = read_sweep(sweep)
    failed = SweepResult([MemberOutcome(each.name, 2, "x") for each in narrow.members], 1.0)
    conclude(sweep, narrow, failed)
    assert KIND.render(sweep).count("failed with exit code 2: x") == 4
