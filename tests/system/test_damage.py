"""Damage to the folder of a run or to its disk.

The run is resumed to the same bits, or refused in one line. No file is damaged further.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from metaplast.cli.main import report
from metaplast.registry import BadInput
from metaplast.reuse.rule_file import read_rule
from metaplast.runs import checkpoint, saver
from metaplast.runs.config import read_yaml
from metaplast.runs.folder import Busy
from metaplast.runs.metrics import MetricsFile
from metaplast.training.train_row import Diverged
from tests._runs import resume_run, start_run
from tests.system._commands import bits

pytestmark = pytest.mark.system

CONFIG = """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: []}
feedback: {name: none}
rule: {name: polynomial, terms: [post*pre, post^2*weight]}
outer: {name: bptt, steps: 12}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4, candidates: 2}
checkpoint_every: 4
"""
NEWEST, OLDER = "000008", "000004"


class Halt(Exception):
    """An error that stops a run as a kill would."""


def _halt_at(step: int) -> Callable[[str, int, int], None]:
    def progress(_: str, done: int, __: int) -> None:
        if done == step:
            raise Halt

    return progress


def _start(path: Path, progress: Callable[[str, int, int], None] = lambda *_: None) -> Path:
    return start_run(read_yaml(CONFIG, "test"), path, 1, progress)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _start(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def halted(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped in step 10, with checkpoints 0, 4 and 8 and ten lines of metrics."""
    folder = tmp_path_factory.mktemp("halted") / "run"
    with pytest.raises(Halt):
        _start(folder, _halt_at(10))
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["000000", OLDER, NEWEST]
    return folder


@pytest.fixture
def damaged(halted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(halted, tmp_path / "run"))


def _resume(path: Path) -> Path:
    return resume_run(path, 1)


def _swap(a: Path, b: Path) -> None:
    middle = a.with_name("middle")
    a.rename(middle)
    b.rename(a)
    middle.rename(b)


def _link(path: Path) -> None:
    elsewhere = (
        path.parent / f".{path.name}.elsewhere" if path.is_file() else path.parents[1] / "elsewhere"
    )
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def _change(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


STATE, MANIFEST = "state.safetensors", "manifest.json"
HARM: dict[str, Callable[[Path, Path], object]] = {  # (newest, older checkpoint)
    "truncated": lambda new, _: _change(new / STATE, lambda b: b[: len(b) // 2]),
    "emptied": lambda new, _: _change(new / STATE, lambda b: b""),
    "a bit flipped": lambda new, _: _change(
        new / STATE, lambda b: b[:-5] + bytes([b[-5] ^ 4]) + b[-4:]
    ),
    "a bit flipped in the header": lambda new, _: _change(
        new / STATE, lambda b: b[:20] + bytes([b[20] ^ 1]) + b[21:]
    ),
    "zeroed": lambda new, _: _change(new / STATE, lambda b: b"\0" * len(b)),
    "longer": lambda new, _: _change(new / STATE, lambda b: b + b"\0"),
    "states swapped": lambda new, old: _swap(new / STATE, old / STATE),
    "state missing": lambda new, _: (new / STATE).unlink(),
    "state a folder": lambda new, _: ((new / STATE).unlink(), (new / STATE).mkdir()),
    "state a link": lambda new, _: _link(new / STATE),
    "checkpoint a link": lambda new, _: _link(new),
    "manifest missing": lambda new, _: (new / MANIFEST).unlink(),
    "manifest truncated": lambda new, _: _change(new / MANIFEST, lambda b: b[:10]),
    "manifest of another step": lambda new, old: shutil.copy(old / MANIFEST, new / MANIFEST),
    "manifest a list": lambda new, _: (new / MANIFEST).write_text("[]"),
    "manifest a number": lambda new, _: (new / MANIFEST).write_text("3"),
    "manifest 100000 levels deep": lambda new, _: (new / MANIFEST).write_text("[" * 100_000),
    "manifest no text": lambda new, _: (new / MANIFEST).write_bytes(b"\xff\xfe\0"),
    "manifest of another config": lambda new, _: _change(
        new / MANIFEST, lambda b: b.replace(b'"config": "', b'"config": "0')
    ),
    "a file in its place": lambda new, _: (shutil.rmtree(new), new.write_text("")),
    "its metrics cut off": lambda new, _: _change(
        new.parents[1] / "metrics.jsonl", lambda b: b"\n".join(b.split(b"\n")[:6]) + b"\n"
    ),
    "its metrics damaged": lambda new, _: _change(
        new.parents[1] / "metrics.jsonl",
        lambda b: b"\n".join(x if i != 5 else b"\xff{" for i, x in enumerate(b.split(b"\n"))),
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_the_newest_whole_checkpoint_is_used_and_the_bad_one_named(harm, damaged, whole, caplog):
    HARM[harm](damaged / "checkpoints" / NEWEST, damaged / "checkpoints" / OLDER)
    with caplog.at_level(logging.WARNING):
        _resume(damaged)
    assert bits(damaged) == bits(whole)
    assert [r.getMessage() for r in caplog.records if f"{NEWEST} rejected" in r.getMessage()]
    assert "rejected" in (damaged / "log.txt").read_text()
    assert os.path.lexists(damaged / "checkpoints" / f"{NEWEST}.damaged")  # set aside, not deleted


@pytest.mark.parametrize(
    "harm", ["missing", "future-dated", "half written", "names swapped", "earlier damage"]
)
def test_what_is_no_harm_or_leaves_no_trace(harm, damaged, whole):
    new, old = damaged / "checkpoints" / NEWEST, damaged / "checkpoints" / OLDER
    if harm == "missing":
        shutil.rmtree(new)
    elif harm == "future-dated":
        os.utime(old, (4e9, 4e9))
        os.utime(new, (0, 0))
    elif harm == "half written":
        shutil.copytree(new, new.with_name(".000009.123"))
        shutil.copytree(new, new.with_name("notes"))
    elif harm == "names swapped":
        _swap(new, old)
    else:
        new.with_name(f"{NEWEST}.damaged").mkdir()
        (new / STATE).write_bytes(b"")
    _resume(damaged)
    assert bits(damaged) == bits(whole)
    assert not list((damaged / "checkpoints").glob(".*"))


@pytest.mark.parametrize("harm", ["all damaged", "all gone", "folder gone"])
def test_none_left_is_refused_and_stays_refused(harm, damaged, capsys):
    root = damaged / "checkpoints"
    for path in list(root.iterdir()):
        if harm == "all damaged":
            (path / STATE).write_bytes(b"")
        else:
            shutil.rmtree(path)
    if harm == "folder gone":
        root.rmdir()
    metrics = (damaged / "metrics.jsonl").read_bytes()
    for _ in range(2):
        with pytest.raises(checkpoint.NoCheckpoint) as caught:
            _resume(damaged)
        assert report(caught.value) == 4
        assert capsys.readouterr().err.count("\n") >= 1
    assert (damaged / "metrics.jsonl").read_bytes() == metrics
    assert not (damaged / "summary.json").exists()


FAULTS = {
    "full": errno.ENOSPC,
    "quota": errno.EDQUOT,
    "read-only": errno.EROFS,
    "descriptors": errno.EMFILE,
    "broken": errno.EIO,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", [3, 8, 14])
def test_a_disk_that_refuses_damages_nothing(fault, call, whole, tmp_path, monkeypatch, capsys):
    """The disk fails at the `call`-th durable write: config, trial save, checkpoint, ..."""
    real, calls = os.fsync, []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) >= call:
            raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]), "state.safetensors")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(FAULTS[fault])) as caught:
        _start(tmp_path / "run")
    monkeypatch.undo()
    assert report(caught.value) == 5
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert os.strerror(FAULTS[fault]) in line
    assert "metaplast resume" in line
    if (tmp_path / "run" / "config.yaml").exists():
        _resume(tmp_path / "run")
    else:
        shutil.rmtree(tmp_path / "run")
        _start(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(whole)


def test_a_run_that_diverges_stops_at_its_last_good_checkpoint(tmp_path, capsys):
    text = CONFIG.replace(
        "terms: [post*pre, post^2*weight]", "terms: [post*pre], rate: 1.0e+30, initial: [1.0]"
    )
    text = text.replace("hidden: []", "hidden: [], bounds: [-1.0e+38, 1.0e+38]")
    plain = read_yaml(
        text.replace("steps: 12", "steps: 60").replace("n_steps: 4", "n_steps: 9"), "test"
    )
    with pytest.raises(Diverged) as caught:
        start_run(plain, tmp_path / "run", 1)
    assert report(caught.value) == 6
    warning, line = capsys.readouterr().err.splitlines()
    assert "2 of 2 lives blew up; see metaplast diagnose" in warning  # of its first step
    assert line.startswith("error: ")
    assert "20 outer steps in a row" in line
    rows = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["skipped"] for row in rows] == [*range(1, 21)]
    assert rows[-1]["loss"] == "nan"
    assert all(row["theta"] == rows[0]["theta"] for row in rows)
    assert (tmp_path / "run" / "checkpoints" / "000020" / STATE).exists()
    with pytest.raises(Diverged):
        _resume(tmp_path / "run")


def test_a_folder_in_use_or_taken_is_refused(halted, whole, capsys):
    from metaplast.runs.folder import Busy, locked

    with locked(halted), pytest.raises(Busy) as caught:
        _resume(halted)
    assert report(caught.value) == 3
    with pytest.raises(Busy, match="empty or new folder") as caught:
        _start(whole)
    assert report(caught.value) == 3
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize("strategy", ["SNES", "CMA_ES", "Open_ES"])
def test_evolution_goes_on_from_before_its_first_checkpoint(strategy, tmp_path, caplog):
    outer = f"outer: {{name: es, strategy: {strategy}, population: 4, steps: 6}}"
    plain = read_yaml(CONFIG.replace("outer: {name: bptt, steps: 12}", outer), "test")
    start_run(plain, tmp_path / "whole", 1)
    with pytest.raises(Halt):
        start_run(plain, tmp_path / "run", 1, _halt_at(2))
    _resume(tmp_path / "run")
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_another_config_sets_nothing_aside(damaged):
    config = damaged / "config.yaml"
    config.write_text(config.read_text().replace("n_tasks: 2", "n_tasks: 3"))
    with pytest.raises(
        BadInput, match=r"config\.yaml other than the one its checkpoints were made with"
    ):
        _resume(damaged)
    assert sorted(p.name for p in (damaged / "checkpoints").iterdir()) == ["000000", OLDER, NEWEST]


def test_a_run_in_double_precision_publishes_its_rule_in_double_precision(tmp_path):
    rows = "precision: float64\nrows: {no_plasticity: {rule: null}}\n"
    start_run(read_yaml(CONFIG + rows, "test"), tmp_path / "run", 1)
    assert (
        read_rule(tmp_path / "run" / "rule.safetensors").tensors["rule.coefficients"].dtype
        == "float64"
    )


def test_one_run_at_a_time_in_a_process(tmp_path):
    first, second = (
        saver.RowFiles(tmp_path, "d", MetricsFile(tmp_path / name, 0))
        for name in ("first.jsonl", "second.jsonl")
    )
    with saver.SAVER.training([first]):
        with pytest.raises(Busy, match="one run at a time"), saver.SAVER.training([second]):
            raise AssertionError("two at a time")
        second.metrics.close()
