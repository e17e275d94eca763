"""A group of runs and a sweep that are watched from outside."""

import json
from pathlib import Path

from metaplast.runs import folder, planned
from metaplast.runs.planned import Planned
from metaplast.settings.names import DISCOVERED, MARK_OF_INTERRUPTED
from metaplast.training.diverged import MAX_SKIPPED
from metaplast.watching.folder_watch import FolderWatch
from metaplast.watching.seen import (
    DIVERGED,
    DONE,
    INTERRUPTED,
    RUNNING,
    TRAINING,
    UNKNOWN,
    WAITING,
)
from tests.system._commands import here
from tests.watching._folders import CONFIG, begun, finish, line, write_lines

ONE = {DISCOVERED: 10}


def group(path: Path) -> Path:
    begun(path, rows=None, config={**CONFIG, "seeds": 2})
    for name in ("seed-3", "seed-4"):
        begun(path / name, rows=ONE)
    planned.record(path, Planned(ONE, ("seed-3", "seed-4")))
    return path


def sweep(path: Path, *names: str) -> Path:
    path.mkdir()
    members = [{"name": name, "words": ["outer=es"]} for name in names]
    folder.write_json(path / "sweep.json", {"members": members})
    return path


def test_the_rows_of_a_group_are_those_of_its_runs_together(tmp_path: Path) -> None:
    path = group(tmp_path / "group")
    write_lines(path / "seed-3", DISCOVERED, [line(1, loss=1.0), line(2, loss=0.5)])
    write_lines(path / "seed-4", DISCOVERED, [line(1, loss=3.0), line(2, "nan", diverged=2)])
    with folder.locked(path):
        seen = FolderWatch(path).look()
    assert (seen.kind, seen.state, seen.facts.seeds) == ("group", RUNNING, "3-4")
    (row,) = seen.rows
    assert (row.state, row.done, row.total) == (TRAINING, 4, 20)
    assert row.losses == [2.0, 0.5]
    # the runs share the time of a step equally
    assert seen.left_s == 16 * 0.5
    assert seen.all_faults == ["seed-4: discovered: 2 of 16 lives were not finite"]


def test_a_group_of_an_earlier_version_has_the_folders_that_it_has(tmp_path: Path) -> None:
    path = group(tmp_path / "group")
    (path / planned.FILE).unlink()
    assert [part.path.name for part in FolderWatch(path).look().parts] == ["seed-3", "seed-4"]


def test_a_group_that_a_signal_stopped_is_interrupted_with_its_runs(tmp_path: Path) -> None:
    path = group(tmp_path / "group")
    write_lines(path / "seed-3", DISCOVERED, [line(1), line(2)])
    assert FolderWatch(path).look().state == UNKNOWN
    (path / MARK_OF_INTERRUPTED).touch()
    seen = FolderWatch(path).look()
    assert [seen.state, *(part.state for part in seen.parts)] == 3 * [INTERRUPTED]


def test_a_member_that_a_signal_stopped_is_interrupted_and_no_failure(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", "a", "b")
    write_lines(begun(path / "a", rows=ONE), DISCOVERED, [line(1), line(2)])
    for stopped in (path, path / "a"):
        (stopped / MARK_OF_INTERRUPTED).touch()
    seen = FolderWatch(path).look()
    assert (seen.state, [part.state for part in seen.parts]) == (
        INTERRUPTED,
        [INTERRUPTED, WAITING],
    )
    code, out, _ = here("watch", "sweep", cwd=tmp_path)
    assert code == 0
    assert "interrupted  1 interrupted  1 waiting" in out
    end = {"name": "a", "code": 143, "error": "interrupted"}
    folder.write_json(path / "sweep_result.json", {"members": [end]})
    begun(path / "b", rows=ONE)
    finish(path / "b")
    for option in ("--once", "--json"):  # the sweep ended without it
        assert here("watch", "sweep", option, cwd=tmp_path)[0] == 143


def test_a_run_of_a_group_that_diverged_has_no_more_steps_to_do(tmp_path: Path) -> None:
    path = group(tmp_path / "group")
    steps = {DISCOVERED: 100}
    for name in ("seed-3", "seed-4"):
        planned.record(path / name, Planned(steps))
    write_lines(path / "seed-3", DISCOVERED, [line(1), line(2)])
    bad = [line(step, loss="nan") for step in range(1, 1 + MAX_SKIPPED)]
    write_lines(path / "seed-4", DISCOVERED, bad)
    seen = FolderWatch(path).look()
    assert (seen.rows[0].state, seen.done, seen.total) == (TRAINING, 22, 120)
    assert seen.left_s == 98 * 0.5


def test_a_group_ends_badly_where_one_run_diverged(tmp_path: Path) -> None:
    path = group(tmp_path / "group")
    finish(path / "seed-3")
    bad = [line(step, loss="nan") for step in range(1, 1 + MAX_SKIPPED)]
    write_lines(path / "seed-4", DISCOVERED, bad)
    watch = FolderWatch(path)
    assert watch.look().state == UNKNOWN  # the other runs of a group go on
    (path / "group.json").write_text("{}")
    assert watch.look().state == DIVERGED
    code, out, error = here("watch", "group", cwd=tmp_path)
    assert (code, error) == (6, "")
    assert "seed-4: discovered: diverged" in out
    finish(path / "seed-4")
    assert watch.look().state == DONE


def test_the_runs_of_a_group_are_stale_together(tmp_path: Path) -> None:
    path = group(tmp_path / "group")
    late = FolderWatch(path, clock=lambda: path.stat().st_mtime + 900.0)
    assert late.look().all_faults == ["stale: nothing was written for 15 min"]


def test_a_sweep_shows_its_members_and_a_forecast_of_all(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", "a", "b", "c")
    assert FolderWatch(path).look().state == WAITING
    finish(begun(path / "a", rows=ONE))
    write_lines(begun(path / "b", rows=ONE), DISCOVERED, [line(1), line(2)])
    with folder.locked(path / "b"):
        seen = FolderWatch(path).look()
        out = here("watch", "sweep", cwd=tmp_path)[1]
    assert (seen.kind, seen.state) == ("sweep", RUNNING)
    assert [part.state for part in seen.parts] == [DONE, RUNNING, WAITING]
    assert seen.total is None  # the last member has not told its steps
    assert seen.left_s == (8 + 10) * 0.5
    assert "1 done  1 running  1 waiting" in out
    assert "forecast: at most about 9 s" in out
    assert FolderWatch(path).look().state == UNKNOWN


def test_a_sweep_ends_as_its_worst_member(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", "a", "b")
    for name in "ab":
        finish(begun(path / name, rows=ONE))
    assert FolderWatch(path).look().state == DONE
    assert here("watch", "sweep", cwd=tmp_path)[0] == 0
    (path / "b" / "summary.json").unlink()
    (path / "b" / "row.json").unlink()
    bad = [line(step, loss="inf") for step in range(1, 1 + MAX_SKIPPED)]
    write_lines(path / "b", DISCOVERED, bad)
    code, out, error = here("watch", "sweep", cwd=tmp_path)
    assert (code, error) == (6, "")
    assert "b: discovered: diverged" in out


def test_members_that_failed_are_named_and_the_exit_code_is_that_of_the_sweep(
    tmp_path: Path,
) -> None:
    path = sweep(tmp_path / "sweep", "a", "b", "c")
    finish(begun(path / "a", rows=ONE))
    write_lines(begun(path / "b", rows=ONE), DISCOVERED, [line(1), line(2)])
    ends = [
        {"name": "a", "code": 0, "error": ""},
        {"name": "b", "code": 5, "error": "\x1b disk"},
        {"name": "c", "code": 5, "error": "disk"},
    ]
    folder.write_json(path / "sweep_result.json", {"members": ends})
    late = FolderWatch(path, clock=lambda: path.stat().st_mtime + 900.0)
    assert late.look().all_faults == [
        "b: failed with exit code 5: \\x1b disk",
        "c: failed with exit code 5: disk",
    ]
    code, out, _ = here("watch", "sweep", cwd=tmp_path)
    assert code == 5
    assert "1 done  2 failed" in out
    ends[2]["code"] = 2
    folder.write_json(path / "sweep_result.json", {"members": ends})
    for option in ("--once", "--json"):
        assert here("watch", "sweep", option, cwd=tmp_path)[0] == 1
    with folder.locked(path):
        seen = FolderWatch(path).look()  # it is resumed
    assert (seen.state, seen.all_faults) == (RUNNING, [])
    for name in ("b", "c"):
        finish(path / name if name == "b" else begun(path / name, rows=ONE))
    assert FolderWatch(path).look().state == DONE


def test_a_member_may_be_a_group(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", "a")
    write_lines(group(path / "a") / "seed-3", DISCOVERED, [line(1), line(2)])
    (member,) = FolderWatch(path).look().parts
    assert (member.kind, member.done, member.total) == ("group", 2, 20)
    plain = json.loads(here("watch", "sweep", "--json", cwd=tmp_path)[1])
    assert plain["parts"][0]["parts"][0]["rows"][0]["outer_steps"] == 2


def test_names_that_lead_out_of_the_folder_are_faults(tmp_path: Path) -> None:
    begun(tmp_path / "outside")
    path = sweep(tmp_path / "sweep", "../outside", "..", "", "/", "a\x1b", "good")
    seen = FolderWatch(path).look()
    assert [part.path.name for part in seen.parts] == ["good"]
    assert seen.all_faults == ["sweep.json: 5 members without the name of a folder"]


def test_a_sweep_of_many_members_fits_a_terminal(tmp_path: Path) -> None:
    names = [f"member-{i}" for i in range(200)]
    path = sweep(tmp_path / "sweep", *names)
    write_lines(begun(path / "member-7", rows=ONE), DISCOVERED, [line(1), line(2)])
    out = here("watch", "sweep", cwd=tmp_path)[1]
    assert "sweep of 200" in out and "199 waiting" in out
    assert "member-7 " in out and "member-8" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_damaged_list_of_members_is_a_fault(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", "a")
    for text in ('{"members": [', "[]", '{"members": [1]}', '{"members": [{"words": []}]}'):
        (path / "sweep.json").write_text(text)
        seen = FolderWatch(path).look()
        assert (seen.state, seen.all_faults) == (UNKNOWN, ["sweep.json cannot be read"])
