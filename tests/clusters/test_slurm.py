"""Runs and sweeps on a small SLURM that preempts, cancels, times out and loses nodes.

Every run ends done, or is named.
"""

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from metaplast.clusters.resources import Resources
from metaplast.clusters.script import AFTER
from tests.clusters._cluster import Cluster, carry_out, n_steps, prepare, wait
from tests.clusters._metaplast import STEPS
from tests.clusters._slurm import Scheduler
from tests.system._commands import here

pytestmark = pytest.mark.system


def once(kind: str, after: int = 3):
    """It happens to the first life of a job, after some steps."""
    return lambda index, life: (kind, after) if life == 0 else None


def assert_whole(run: Path) -> None:
    """Every outer step stands once in the log of a finished run."""
    assert (run / "metrics.jsonl").read_text().split() == list(map(str, range(1, STEPS + 1)))
    assert (run / "summary.json").exists()


@pytest.mark.parametrize("kind", ["timeout", "preempt", "node"])
def test_a_job_is_requeued_and_keeps_its_number(kind: str, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    ended = carry_out(Cluster(tmp_path, monkeypatch), run, once(kind))
    assert ended.events == [(0, kind)]
    assert_whole(run)
    assert ended.jobs[1]["restarts"] == 1
    assert len(ended.jobs) == 2 and not ended.named()


@pytest.mark.parametrize("kind", ["timeout", "cancel", "lost"])
def test_a_job_that_cannot_be_requeued_is_submitted_again(kind, tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    ended = carry_out(Cluster(tmp_path, monkeypatch, may_requeue=False), run, once(kind))
    assert ended.events == [(0, kind)]
    assert_whole(run)
    assert [job["restarts"] for job in ended.jobs.values()] == [
        0
    ] * 4  # twice a job and its follower
    assert not ended.named()


def test_a_run_that_hears_no_signal_goes_on_from_its_checkpoint(tmp_path, monkeypatch) -> None:
    cluster, run = Cluster(tmp_path, monkeypatch), tmp_path / "run"
    cluster.fates({"run": {"deaf": True}})
    ended = carry_out(cluster, run, once("timeout", 5))
    assert ended.jobs[1]["state"] == "TIMEOUT"
    assert ended.lives() == 2
    assert_whole(run)


def test_the_job_after_a_run_also_begins_it_by_hand(tmp_path, monkeypatch) -> None:
    cluster, run = Cluster(tmp_path, monkeypatch), tmp_path / "run"
    launch = prepare(cluster, run)
    said = []
    for _ in range(2):
        command = ["bash", str(launch.side / AFTER)]
        said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert "1 of 1 submitted: job 1" in said[0]
    assert said[1] == "job 1 is still there\n"
    ended = wait(cluster, launch)
    assert_whole(run)
    assert len(ended.jobs) == 2 and not ended.named()


def test_a_job_that_somebody_cancels_stays_cancelled(tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    ended = carry_out(Cluster(tmp_path, monkeypatch), run, once("scancel"))
    assert ended.lives() == 1
    assert ended.named() == ["run: its job was cancelled"]


@pytest.mark.parametrize("damage", ["checkpoint", "unbegun"])
def test_a_folder_that_cannot_go_on_is_kept_aside(damage: str, tmp_path, monkeypatch) -> None:
    cluster, run = Cluster(tmp_path, monkeypatch), tmp_path / "run"
    run.mkdir()
    if damage == "checkpoint":
        (run / "config.yaml").write_text("steps: 12\n")
        (run / "checkpoint").write_text("damaged")
    else:
        (run / ".lock").touch()  # the program was killed before it wrote a file
    ended = carry_out(cluster, run)
    assert_whole(run)
    assert not ended.named()
    kept = {path.name.partition("-")[0] for path in ended.side.iterdir() if path.is_dir()}
    assert kept == {{"checkpoint": "run.damaged", "unbegun": "run.unbegun"}[damage]}


def test_every_member_of_a_sweep_ends_done_or_is_named(tmp_path, monkeypatch) -> None:
    """Ten members meet faults drawn at random, two diverge and one never gets further."""
    cluster, sweep = Cluster(tmp_path, monkeypatch), tmp_path / "sweep"
    names = [f"seed-{index}" for index in range(10)]
    cluster.fates(
        {"seed-2": {"code": 6, "at": 5}, "seed-7": {"code": 6, "at": 0}, "seed-4": {"stuck": True}}
    )
    chance = random.Random(3)
    kinds = ["timeout", "preempt", "cancel", "node", "lost"]
    drawn = {
        (index, life): (chance.choice(kinds), chance.randint(1, 6))
        for index in range(10)
        for life in range(2)
    }
    ended = carry_out(cluster, sweep, lambda index, life: drawn.get((index, life)), members=names)
    assert {kind for _, kind in ended.events} == set(kinds)
    assert sorted(ended.named()) == [
        "seed-2: ended with exit code 6",
        "seed-4: 10 jobs in a row got no further",
        "seed-7: ended with exit code 6",
    ]
    for name in set(names) - {"seed-2", "seed-4", "seed-7"}:
        assert_whole(sweep / name)
    assert not (sweep / "table.csv").exists()
    assert "the table of" in (ended.side / "after.out").read_text()


def test_a_sweep_without_faults_writes_its_table(tmp_path, monkeypatch) -> None:
    sweep = tmp_path / "sweep"
    ended = carry_out(Cluster(tmp_path, monkeypatch), sweep, members=("a", "b"))
    assert ended.lives() == 2 and not ended.named()
    assert (sweep / "table.csv").exists()


def test_several_processes_of_a_run_save_and_go_on_together(tmp_path, monkeypatch) -> None:
    run = tmp_path / "run"
    ended = carry_out(
        Cluster(tmp_path, monkeypatch),
        run,
        once("timeout"),
        resources=Resources(nodes=2, tasks_per_node=2, cpus=3),
    )
    assert_whole(run)
    assert ended.jobs[1]["restarts"] == 1 and len(ended.jobs) == 2
    assert "ended with 0" in (ended.side / "1.out").read_text()


def test_the_real_program_saves_itself_and_goes_on(tmp_path, monkeypatch) -> None:
    cluster = Cluster(tmp_path, monkeypatch)
    words = ("experiment=oja", "rows={}", "outer.steps=400", "evaluation.heldout=4")
    code, _, error = here("launch", "slurm", *words, "--run-dir", "run", cwd=tmp_path)
    assert code == 0, error
    run = tmp_path / "run"
    scheduler = Scheduler(cluster.folder, dict(os.environ), once("timeout"), grace=400)
    jobs = scheduler.run(lambda index: n_steps(run))
    log = (run.with_name("run.slurm") / "1.out").read_text()
    assert scheduler.events == [(0, "timeout")], log
    assert jobs[1]["restarts"] == 1 and jobs[1]["state"] == "COMPLETED", log
    assert "saved - go on with: metaplast resume" in log and "ended with 138" in log
    assert (run / "summary.json").exists()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["outer_step"] for line in lines]
    assert steps == [*range(1, 401)]
