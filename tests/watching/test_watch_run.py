"""A run that is watched from outside: running, done, diverged, damaged, torn, stale, not begun."""

import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from metaplast.runs import folder
from metaplast.settings.names import DISCOVERED, MARK_OF_INTERRUPTED
from metaplast.training.diverged import MAX_SKIPPED
from metaplast.watching.folder_watch import FolderWatch
from metaplast.watching.seen import (
    DAMAGED,
    DIVERGED,
    DONE,
    INTERRUPTED,
    JUDGING,
    RUNNING,
    TRAINING,
    UNKNOWN,
    WAITING,
)
from tests.system._commands import here
from tests.watching._folders import begun, finish, finish_row, line, write_lines


def aged(run: Path, seconds: float) -> None:
    """Move the times of all files of a run into the past, or into the future."""
    moment = time.time() - seconds
    for path in run.rglob("*"):
        os.utime(path, (moment, moment))


def test_a_running_run_has_rows_a_pace_and_a_forecast(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(step, loss=1.0 / step) for step in range(1, 5)])
    with folder.locked(run):
        seen = FolderWatch(run).look()
    assert (seen.state, seen.process) == (RUNNING, os.getpid())
    assert seen.facts.experiment == "oja"
    assert (seen.facts.seeds, seen.facts.devices) == ("3", "1 x cpu")
    rows = {row.name: row for row in seen.rows}
    discovered = rows[DISCOVERED]
    assert (discovered.state, discovered.done, discovered.total) == (TRAINING, 4, 10)
    assert discovered.losses == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert discovered.steps_per_s == 2.0
    assert rows["hebb"].state == rows["nearest_prototype"].state == WAITING
    # 6 steps of the row under way, and 10 of hebb at the same pace; a reference takes none
    assert seen.left_s == pytest.approx(16 * 0.5)
    assert (seen.done, seen.total, seen.all_faults) == (4, 20, [])


def test_a_lock_is_seen_and_not_taken(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    assert folder.holder(run) is None
    with folder.locked(run):
        assert folder.holder(run) == os.getpid()
    assert folder.holder(run) is None
    assert folder.holder(tmp_path) is None


def test_without_a_process_of_this_host_it_is_unknown_who_works(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1), line(2)])
    seen = FolderWatch(run).look()
    assert (seen.state, seen.process) == (UNKNOWN, None)
    assert here("watch", str(run), cwd=tmp_path)[0] == 0


def test_a_run_that_a_signal_stopped_is_interrupted_until_it_goes_on(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1), line(2)])
    watch = FolderWatch(run)
    watch.look()
    write_lines(run, DISCOVERED, [line(1), line(2), line(3)])
    assert watch.look().state == RUNNING  # its lines grow
    (run / MARK_OF_INTERRUPTED).touch()
    with folder.locked(run):
        assert watch.look().state == RUNNING  # it still saves
    seen = watch.look()
    assert (seen.state, seen.left_s) == (INTERRUPTED, None)
    aged(run, 1e6)
    assert FolderWatch(run).look().all_faults == []  # it is not stale
    for option in ("--once", "--json"):
        code, out, error = here("watch", "run", option, cwd=tmp_path)
        assert (code, error) == (0, "")
        assert "interrupted" in out
    assert "go on with: metaplast resume run" in here("watch", "run", cwd=tmp_path)[1]
    finish(run)
    assert FolderWatch(run).look().state == DONE  # the signal came at its very end


def test_rows_are_judged_and_done(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    for name in (DISCOVERED, "hebb"):
        write_lines(run, name, [line(step) for step in range(1, 11)])
    finish_row(run, DISCOVERED)
    states = [row.state for row in FolderWatch(run).look().rows]
    assert states == [DONE, JUDGING, WAITING]


def test_a_finished_run_is_done(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    finish(run)
    seen = FolderWatch(run).look()
    assert (seen.state, seen.left_s, seen.done, seen.total) == (DONE, None, 20, 20)
    aged(run, 1e6)
    assert FolderWatch(run).look().all_faults == []  # it is not stale


def test_a_row_that_learns_nothing_is_done_without_a_step(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1), line(2)])
    finish_row(run, "hebb")
    seen = FolderWatch(run).look()
    assert (seen.done, seen.total, seen.left_s) == (2, 10, 8 * 0.5)


def test_a_run_without_a_report_is_not_done(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    finish(run)
    (run / "report.html").unlink()
    assert FolderWatch(run).look().state == UNKNOWN


def test_a_diverged_run_ends_with_its_exit_code(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    bad = [line(step, loss="nan", diverged=8) for step in range(2, 2 + MAX_SKIPPED)]
    write_lines(run, DISCOVERED, [line(1), *bad[:-1]])
    watch = FolderWatch(run)
    assert watch.look().state == UNKNOWN
    write_lines(run, DISCOVERED, [line(1), *bad])
    with folder.locked(run):
        assert watch.look().state == RUNNING  # it is resumed
    seen = watch.look()
    assert seen.state == DIVERGED
    assert any("diverged: 20 outer steps in a row" in fault for fault in seen.all_faults)
    code, out, error = here("watch", "run", cwd=tmp_path)
    assert (code, error) == (6, "")
    assert "160 of 168 lives were not finite" in out
    code, out, _ = here("watch", "run", "--json", cwd=tmp_path)
    assert (code, out.count("\n")) == (6, 1)
    assert json.loads(out)["rows"][0]["loss"] == "nan"


def test_a_run_whose_checkpoints_are_all_damaged_ends_with_its_exit_code(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1)])
    checkpoints = run / "checkpoints"
    (checkpoints / "000001").mkdir()
    (checkpoints / "000000").rename(checkpoints / "000000.damaged")
    assert FolderWatch(run).look().state == UNKNOWN
    (checkpoints / "000001").rename(checkpoints / "000001.damaged")
    seen = FolderWatch(run).look()
    assert seen.state == DAMAGED
    assert f"{DISCOVERED}: damaged checkpoints that were set aside: 2" in seen.all_faults
    code, out, error = here("watch", "run", cwd=tmp_path)
    assert (code, error) == (4, "")
    assert "no usable checkpoint is left" in out
    assert here("watch", "run", "--json", cwd=tmp_path)[0] == 4


def test_faults_are_counted(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    lines = [line(1, diverged=3), line(2, diverged=1, skipped=1), line(3, skipped=2, falls=1)]
    write_lines(run, "hebb", [*lines, "no JSON\n", "[1]\n", '{"outer_step": 4}\n'])
    (run / "log.txt").write_text(
        "2026-01-31 12:00:00,123 INFO quiet\n2026-01-31 12:00:00,124 WARNING \x1b[2Jloud\n"
    )
    seen = FolderWatch(run).look()
    assert seen.all_faults == [
        "hebb: 4 of 24 lives were not finite",
        "hebb: skipped outer steps: 2",
        "hebb: the search got lost and was led back: 1x",
        "hebb: lines of metrics.jsonl that cannot be read: 3",
    ]
    assert seen.warnings == ["\\x1b[2Jloud"]
    assert "\x1b" not in here("watch", "run", cwd=tmp_path)[1]


def test_a_torn_line_counts_when_it_is_whole(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    torn = line(3, loss=0.25)
    write_lines(run, DISCOVERED, [line(1), line(2), torn[:20]])
    watch = FolderWatch(run)
    assert watch.look().rows[0].done == 2
    with (run / "metrics.jsonl").open("a") as file:
        file.write(torn[20:])
    row = watch.look().rows[0]
    assert (row.done, row.losses[-1], row.lives, row.unreadable) == (3, 0.25, 24, 0)


def test_a_resumed_run_whose_steps_are_cut_back_is_read_anew(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(step, diverged=1) for step in range(1, 8)])
    watch = FolderWatch(run)
    assert watch.look().rows[0].done == 7
    folder.write_text(run / "metrics.jsonl", line(1) + line(2))
    row = watch.look().rows[0]
    assert (row.done, row.lives, row.diverged_lives, len(row.losses)) == (2, 16, 0, 2)


def test_a_file_that_vanishes_or_cannot_be_read_for_a_while_is_borne(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1), line(2)])
    watch = FolderWatch(run)
    watch.look()

    def away(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))

    with monkeypatch.context() as patch:
        for name in ("open", "stat", "is_file", "read_bytes", "read_text"):
            patch.setattr(Path, name, away)
        assert watch.look().rows[0].done == 2
    (run / "metrics.jsonl").unlink()
    assert watch.look().rows[0].done == 2
    write_lines(run, DISCOVERED, [line(1), line(2), line(3)])
    assert watch.look().rows[0].done == 3


def test_a_run_that_writes_nothing_for_long_is_stale(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1), line(2)])
    aged(run, 250.0)
    assert FolderWatch(run).look().all_faults == []
    aged(run, 900.0)
    with folder.locked(run):
        seen = FolderWatch(run).look()
    assert seen.state == RUNNING
    assert seen.all_faults == ["stale: nothing was written for 15 min"]
    # a step takes ten minutes
    write_lines(run, DISCOVERED, [line(1), line(2, wall_s=600.0)])
    aged(run, 900.0)
    assert FolderWatch(run).look().all_faults == []


def test_lines_that_appear_tell_more_than_the_times_of_files(tmp_path: Path) -> None:
    """The times of a file server may lag behind, or come from a clock that is ahead."""
    run = begun(tmp_path / "run")
    write_lines(run, DISCOVERED, [line(1)])
    aged(run, 900.0)
    watch = FolderWatch(run)
    assert watch.look().state == UNKNOWN
    with (run / "metrics.jsonl").open("a") as file:
        file.write(line(2))
    aged(run, 900.0)
    seen = watch.look()
    assert (seen.state, seen.all_faults) == (RUNNING, [])
    assert seen.quiet_s == pytest.approx(0.0, abs=60.0)
    aged(run, -900.0)
    assert FolderWatch(run).look().quiet_s == 0.0


def test_a_folder_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    watch = FolderWatch(run)
    assert watch.look().state == WAITING
    code, out, error = here("watch", "run", cwd=tmp_path)
    assert (code, error) == (0, "")
    assert "not begun" in out
    run = begun(tmp_path / "other")
    (tmp_path / "run" / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    assert watch.look().state == WAITING  # nothing but its config stands
    write_lines(tmp_path / "run", DISCOVERED, [line(1)])
    assert watch.look().rows[0].done == 1


def test_a_run_of_an_earlier_version_has_rows_by_its_config(tmp_path: Path) -> None:
    config = {"seed": 0, "outer": {"name": "es"}, "rows": {"hebb": {"rule": "hebb"}}}
    run = begun(tmp_path / "run", rows=None, config=config)
    write_lines(run, DISCOVERED, [line(1), line(2), line(3)])
    seen = FolderWatch(run).look()
    assert [(row.name, row.done, row.total) for row in seen.rows] == [
        (DISCOVERED, 3, None),
        ("hebb", 0, None),
    ]
    assert (seen.total, seen.left_s) == (None, None)
    code, out, _ = here("watch", "run", "--json", cwd=tmp_path)
    assert (code, json.loads(out)["of"]) == (0, None)
    assert "3/?" in here("watch", "run", cwd=tmp_path)[1]


def test_a_config_that_is_damaged_is_a_fault(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    (run / "config.yaml").write_text("[")
    seen = FolderWatch(run).look()
    assert seen.state == UNKNOWN
    assert "config.yaml" in seen.all_faults[0]
    (run / "config.yaml").write_text("seed: ${nope}\nrows: 3\nouter: [1]\nproblem: x\n")
    assert FolderWatch(run).look().faults == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "fit_request.json").touch()
    for word, what in (
        (".", "error: . - expected a run folder, with a config.yaml"),
        ("nope", "error: nope - expected the folder of a run or of a sweep"),
        ("mine.txt", "error: mine.txt - expected the folder of a run or of a sweep"),
        ("fit", "error: fit, which keeps no metrics - expected a training run or a sweep"),
    ):
        code, _, error = here("watch", word, cwd=tmp_path)
        assert code == 2
        assert error.startswith(what)
