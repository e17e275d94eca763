"""The protocol of a run, on a kind of run that only counts."""

import json
import logging
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import pytest

from metaplast.native import library
from metaplast.registry import BadInput
from metaplast.runs import folder, lifecycle
from metaplast.runs.config import Sources, compose
from metaplast.runs.counted import Counted
from metaplast.runs.environment import environment, warn_of_other_versions
from metaplast.runs.folder import Busy, fresh_path
from metaplast.runs.lifecycle import CompareOptions, Means, Request, RunKind
from metaplast.runs.processes import Place
from metaplast.runs.stopping import Interrupted, Stop
from metaplast.runs.workers import Joined
from metaplast.settings.names import MARK_OF_INTERRUPTED
from metaplast.training.kind import KIND as TRAINING

ONE = {"processes": 1, "devices": 1}


class CountingPlan(NamedTuple):
    folder: Path
    up_to: int


class Counting(RunKind[CountingPlan]):
    """A run that writes one file for each number. It halts at 3 in its first attempt."""

    marker = "counting_request.json"
    noun = "counts"
    counted = Counted("numbers")
    halts = True
    stops = False

    def check(self, request: Request, path: Path | None, means: Means) -> CountingPlan:
        if request.plain["up_to"] < 1:
            raise BadInput("up_to", "at least 1", "raise it")
        return CountingPlan(path or fresh_path("counting", 0), request.plain["up_to"])

    def begin(self, plan: CountingPlan, means: Means) -> None:
        means.say("begins")

    def execute(self, plan: CountingPlan, means: Means) -> None:
        for number in range(1, plan.up_to + 1):
            if number == 3 and self.halts:
                raise RuntimeError("halted")
            (plan.folder / f"{number}.txt").touch()
            means.progress("numbers", number, plan.up_to)
            if self.stops:
                _wait_for_a_signal(means.stop)
            means.stop.check()

    def finished(self, path: Path) -> bool:
        up_to = json.loads((path / self.marker).read_text())["up_to"]
        return (path / f"{up_to}.txt").is_file()

    def render(self, path: Path, as_json: bool = False) -> str:
        return "counted"

    def compare(self, paths: Sequence[Path], how: CompareOptions) -> str:
        return " ".join(path.name for path in paths)


def _wait_for_a_signal(stop: Stop) -> None:
    """The thread that reads signals may be late."""
    for _ in range(1000):
        if stop.numbers:
            return
        time.sleep(0.01)


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    known = lifecycle.kinds()
    monkeypatch.setattr(lifecycle, "kinds", lambda: [*known, counting])
    return counting


def request(up_to: int) -> Request:
    return Request({"up_to": up_to}, {"up_to": up_to})


def begun(kind: Counting, path: Path, up_to: int = 4) -> Path:
    with pytest.raises(RuntimeError, match="halted"):
        lifecycle.start(kind, request(up_to), path, Means())
    return path


def test_a_run_is_checked_before_anything_is_written(kind: Counting, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="up_to"):
        lifecycle.start(kind, request(0), tmp_path / "run", Means())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_empty_is_not_touched(kind: Counting, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(Busy):
        lifecycle.start(kind, request(2), tmp_path, Means())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_run_says_what_it_is_and_where_it_ran(kind: Counting, tmp_path: Path) -> None:
    lines: list[str] = []
    seen: list[tuple[str, float, float]] = []
    means = Means(progress=lambda *stage: seen.append(stage), say=lines.append)
    run = lifecycle.start(kind, request(2), tmp_path / "run", means)
    assert lines == ["begins"]
    assert seen == [("numbers", 1, 2), ("numbers", 2, 2)]
    assert (run / "config.yaml").read_text() == "up_to: 2\n"
    assert json.loads((run / "environment.json").read_text()) == {**environment(), **ONE}
    assert json.loads((run / kind.marker).read_text())["up_to"] == 2
    assert lifecycle.kind_of(run) is kind


def test_a_run_goes_on_where_it_was_stopped(kind: Counting, tmp_path: Path) -> None:
    run = begun(kind, tmp_path / "run")
    assert not kind.finished(run)
    kind.halts = False
    lines: list[str] = []
    assert lifecycle.resume(run, Means(say=lines.append)) == run
    assert kind.finished(run)
    assert lines == []  # it begins once


def test_a_finished_run_is_left_as_it_is(kind: Counting, tmp_path: Path) -> None:
    run = lifecycle.start(kind, request(2), tmp_path / "run", Means())
    (run / "1.txt").unlink()
    lifecycle.resume(run, Means())
    assert not (run / "1.txt").exists()


def test_a_config_that_was_changed_is_refused(kind: Counting, tmp_path: Path) -> None:
    run = begun(kind, tmp_path / "run")
    (run / "config.yaml").write_text("up_to: 9\n")
    with pytest.raises(BadInput, match=r"config\.yaml, changed - expected the config it began"):
        lifecycle.resume(run, Means())


def test_a_request_of_before_that_knows_no_digest_goes_on(kind: Counting, tmp_path: Path) -> None:
    run = begun(kind, tmp_path / "run")
    (run / kind.marker).write_text(json.dumps({"up_to": 4}))
    kind.halts = False
    lifecycle.resume(run, Means())
    assert kind.finished(run)


def test_other_versions_are_named(
    kind: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = begun(kind, tmp_path / "run")
    (run / "environment.json").write_text(json.dumps({**environment(), "jax": "0.1"}))
    kind.halts = False
    with caplog.at_level(logging.WARNING):
        lifecycle.resume(run, Means())
    assert "jax 0.1 -> " in caplog.text


def test_a_run_that_goes_on_with_other_devices_says_so_and_records_them(
    kind: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = begun(kind, tmp_path / "run")
    began = {**environment(), "jax": "0.1", "processes": 2, "devices": 4}
    (run / "environment.json").write_text(json.dumps(began))
    kind.halts = False
    lifecycle.resume(run, Means())
    (line,) = (record.getMessage() for record in caplog.records)
    assert "processes 2 -> 1, devices 4 -> 1: the last bits may differ" in line
    assert line in (run / "log.txt").read_text()
    # the versions stay those of the start
    assert json.loads((run / "environment.json").read_text()) == {**began, **ONE}
    (run / "environment.json").write_text(json.dumps(began))
    lifecycle.resume(run, Means())  # it is finished
    assert json.loads((run / "environment.json").read_text()) == began


def test_a_run_of_several_processes_records_the_device_of_the_process_that_works(
    kind: Counting, tmp_path: Path
) -> None:
    kind.halts = False
    pool = ProcessPoolExecutor(1)  # it starts no process before it has work
    joined = Joined(pool, Place(0, 2, 8), {**environment(), "device": "NVIDIA H200"})
    lifecycle.start(kind, request(1), tmp_path / "run", Means(joined=joined))
    recorded = json.loads((tmp_path / "run" / "environment.json").read_text())
    expected = {"device": "NVIDIA H200", "processes": 2, "devices": 8}
    assert {name: recorded[name] for name in expected} == expected


def test_a_training_asks_for_the_devices_of_its_config() -> None:
    plain = compose(["experiment=oja", "rows={}", "problem.n_devices=4"], Sources())
    assert TRAINING.n_devices(Request(plain)) == 4
    here = lifecycle.n_devices(TRAINING, Request(plain), Means())
    assert here == {"processes": 1, "devices": jax.local_device_count()}


@pytest.mark.parametrize(
    ("device", "words"), [("NVIDIA H200", "device NVIDIA H200 -> "), (None, "")]
)
def test_another_kind_of_device_is_named_where_the_first_one_is_known(
    device: str | None, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorded: dict[str, str | None] = {**environment(), "device": device}
    if device is None:  # a run of an earlier version
        del recorded["device"]
    (tmp_path / "environment.json").write_text(json.dumps(recorded))
    with caplog.at_level(logging.WARNING):
        warn_of_other_versions(tmp_path)
    assert words in caplog.text
    assert len(caplog.records) == bool(words)


@pytest.mark.parametrize("neuron", ["tanh", "lif"])
def test_another_step_of_spikes_is_named_where_there_are_spikes(
    neuron: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["experiment=oja", "rows={}", f"network.output={neuron}"]
    has_spikes = TRAINING.has_spikes(Request(compose(words, Sources())))
    assert has_spikes == (neuron == "lif")
    (tmp_path / "environment.json").write_text(json.dumps({**environment(), "step": "jax"}))
    monkeypatch.setattr(library, "name", lambda: "native 0123")
    with caplog.at_level(logging.WARNING):
        warn_of_other_versions(tmp_path, has_spikes)
    assert ("METAPLAST_NATIVE=0 keeps the step of before" in caplog.text) == has_spikes


def test_a_kind_learns_of_signals_by_its_means(kind: Counting, tmp_path: Path) -> None:
    def interrupt(*stage: object) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    kind.stops = True
    with pytest.raises(
        Interrupted, match="run, whose finished steps are saved - go on with: metaplast resume"
    ):
        lifecycle.start(kind, request(2), tmp_path / "run", Means(progress=interrupt))
    assert not (tmp_path / "run" / "2.txt").exists()
    assert (tmp_path / "run" / MARK_OF_INTERRUPTED).exists()
    kind.stops = False
    assert lifecycle.resume(tmp_path / "run", Means()) == tmp_path / "run"
    assert (tmp_path / "run" / "2.txt").exists()
    assert not (tmp_path / "run" / MARK_OF_INTERRUPTED).exists()


def test_a_block_saves_in_its_own_way(tmp_path: Path) -> None:
    calls: list[str] = []
    stop = Stop(tmp_path, lambda: calls.append("run"))
    stop.save()
    with stop.saving(lambda: calls.append("block")):
        stop.save()
    stop.save()
    assert calls == ["run", "block", "run"]


def test_a_run_of_a_group_has_the_files_of_a_run(kind: Counting, tmp_path: Path) -> None:
    run = tmp_path / "member"
    with lifecycle.opened(kind, request(2), run), pytest.raises(Busy), folder.locked(run):
        pass
    assert (run / "config.yaml").read_text() == "up_to: 2\n"
    assert json.loads((run / "environment.json").read_text()) == {**environment(), **ONE}
    (run / "config.yaml").write_text("up_to: 7\n")
    with lifecycle.opened(kind, request(2), run):
        assert (run / "config.yaml").read_text() == "up_to: 7\n"  # it has begun before


def test_a_folder_without_a_marker_is_a_training(kind: Counting, tmp_path: Path) -> None:
    names = {type(one).__name__ for one in lifecycle.kinds()}
    assert names == {"Training", "Fitting", "Comparing", "Sweeping", "Counting"}
    assert type(lifecycle.kind_of(tmp_path)).__name__ == "Training"
    assert len({one.marker for one in lifecycle.kinds()}) == len(names)
