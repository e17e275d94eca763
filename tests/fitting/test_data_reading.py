"""The reading of data that a fit tells before it begins.

It is about the step of time, sessions, trials, and files that hold no recording.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inner_tasks.recordings import Recordings
from metaplast.fitting.checks import check_values
from metaplast.fitting.data_reading import no_bias, paragraphs, reading_of, section, warn
from metaplast.fitting.request import request_of
from metaplast.fitting.result import DataReading
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.registry import BadInput, find
from metaplast.runs.config import Sources
from metaplast.runs.job import Config, Job
from metaplast.tasks import SPLITS
from tests._runs import fit_job

N = 40
STDP = (
    "task.clamp=true",
    "network=clamped",
    "objective=final_weights",
    "rule=stdp",
    "rule.learn=true",
)


def _file(path: Path, **more: Any) -> str:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "stimulus": rng.normal(size=(N, 2)),
        "activity": rng.normal(size=(N, 2)),
        "session": np.arange(N) // 10,
    }
    for name, value in more.items():
        arrays[name.replace("__", ".")] = value
    np.savez(path, **arrays)
    return str(path)


def _spikes(path: Path, **more: Any) -> str:
    rng = np.random.default_rng(1)
    spikes = {name: (rng.random((N, 2)) < 0.2).astype(float) for name in ("stimulus", "activity")}
    weights = rng.random((4, 2, 2))
    edges = {f"{kind}__input_to_recorded": weights for kind in ("weights", "final_weights")}
    return _file(path, **spikes, **edges, **more)


def _job(*words: str) -> Job:
    return fit_job(request_of([*words, "rows={}"], (), Sources()).config)


def _warnings(*words: str) -> list[str]:
    """The warnings of a fit, which also stand in the description of its data."""
    reading = reading_of(_job(*words))
    for line in reading.warnings:
        assert f"warning: {line}" in reading.description
    return reading.warnings


def _lines(warnings: list[str], words: str) -> list[str]:
    """The warnings that hold these words."""
    return [line for line in warnings if words in line]


@pytest.mark.parametrize("dt", [0.01, np.float32(0.01), np.asarray([0.01])])
def test_a_fit_runs_with_the_dt_of_its_data(tmp_path, dt):
    words = (_spikes(tmp_path / "a.npz", dt=dt), *STDP)
    assert _job(*words).main.dt == 0.01
    assert _lines(_warnings(*words), "per row") == []


def test_another_dt_is_the_users_and_is_counted(tmp_path):
    words = (_spikes(tmp_path / "a.npz", dt=0.01), *STDP, "dt=0.001")
    assert _job(*words).main.dt == 0.001
    (line,) = _lines(_warnings(*words), "per row")
    assert "the data say 0.01 s per row, the fit runs with dt=0.001 s" in line
    assert "off by the factor 0.1" in line


def test_a_dt_that_was_meant_in_milliseconds_resolves_no_time_constant(tmp_path):
    job = _job(_spikes(tmp_path / "a.npz", dt=10.0), *STDP)
    description = reading_of(job).description
    assert _lines(description, "tau_pre=0.02 s is not resolved by dt=10 s")


def test_a_time_constant_longer_than_every_session_was_not_meant_in_seconds(tmp_path):
    words = (_spikes(tmp_path / "a.npz", dt=0.01), *STDP)  # sessions of 10 rows
    (line,) = _lines(_warnings(*words, "rule.tau_pre=20"), "longer")
    assert line.endswith("tau_pre=20 s is longer than every session (0.1 s): times are in seconds")
    assert _lines(_warnings(*words, "rule.tau_pre=0.1"), "longer") == []
    unknown = (_spikes(tmp_path / "b.npz"), *STDP, "rule.tau_pre=20")  # the length of a row is not
    assert _lines(_warnings(*unknown), "longer") == []


def test_time_constants_without_a_dt_are_named(tmp_path):
    timed = (_spikes(tmp_path / "a.npz"), *STDP)
    line = "the data do not say how long a row is, and the fit takes dt=0.001 s: say dt=SECONDS"
    assert line in _warnings(*timed)
    for words in ((*timed, "dt=0.002"), (_file(tmp_path / "b.npz"),)):
        assert _lines(_warnings(*words), "how long a row is") == []


def test_sessions_of_one_subject_may_be_days(tmp_path):
    subject = np.repeat(["a", "a", "b", "c"], 10)
    warnings = _warnings(_file(tmp_path / "a.npz", subject=subject))
    (line,) = _lines(warnings, "weights begin anew")
    words = "2 of 4 sessions (50.0 %) are of subjects with more than one (a); if they are days"
    assert words in line
    days = np.repeat([0, 0, 1, 2], 10)
    warnings = _warnings(_file(tmp_path / "b.npz", subject=subject, session=days))
    assert _lines(warnings, "anew") == []


def test_numbers_of_trials_that_fall_are_counted(tmp_path):
    trial = np.tile([0, 0, 1, 1, 3, 3, 2, 2, 4, 4], 4)
    (line,) = _lines(_warnings(_file(tmp_path / "a.npz", trial=trial)), "'trial'")
    assert "falls at 4 of 16 changes of trial inside a session (25.0 %)" in line
    rising = np.tile(np.repeat(np.arange(5), 2), 4)  # from 4 to 0 where the next session begins
    assert _lines(_warnings(_file(tmp_path / "b.npz", trial=rising)), "'trial'") == []


def test_every_array_is_explained_whether_it_is_there_or_not(tmp_path):
    more = {
        "reward": np.where(np.arange(N) % 4, np.nan, 1.0),
        "modulator__pupil": np.arange(N),
        "dt": 0.1,
    }
    activity = np.ones((N, 2)) * np.arange(N)[:, None]
    activity[:10, 0] = np.nan
    mask = {
        "recorded": np.asarray([True, False]),
        "plastic": np.arange(N) % 2,
        "activity": activity,
    }
    description = reading_of(_job(_file(tmp_path / "a.npz", **more, **mask))).description
    for line in (
        "  array 'activity': 40 rows, 2 units, from 0 to 39; missing: 10 of 80 values (12.5 %)",
        "  array 'recorded': not counted: 1 of 2 units (50.0 %)",
        "  array 'reward': an outcome in 10 of 40 rows (25.0 %), from 1 to 1; in the others none "
        "was shown, where rules read 0",
        "  array 'modulator.pupil': a signal for rules, from 0 to 39",
        "  array 'plastic': the gate of plasticity, from 0 to 1; 0 in 20 of 40 rows (50.0 %)",
        "  array 'session': 4 sessions; weights begin anew in each",
        "  array 'dt': 0.1 s per row",
        "  no array 'trial': neurons are never at rest, every row is a trial where trials are held "
        "out",
        "  no array 'subject': every session is a subject of its own",
    ):
        assert line in description


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"stimulus,choice\n1,2\n", r"text, such as a CSV file.*docs/guides/fit\.md"),
        ("a.npz", b"", "an empty file"),
        ("a.npz", b"\x89HDF\r\n\x1a\n" + bytes(100), r"an HDF5 file.*name it \.nwb"),
        ("a.npy", b"\x93NUMPY" + bytes(100), r"one array \(\.npy\).*all arrays in one file"),
        ("a.mat", b"MATLAB 5.0 MAT-file" + bytes(100), "a MATLAB file.*scipy"),
        ("a.nwb", b"PK\x03\x04" + bytes(100), r"a zip archive.*name it \.npz"),
        ("a.NWB", b"a,b\n1,2\n", "text, such as a CSV file"),
        ("a.nwb", b"", "an empty file"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    more = ["task.nwb_stimulus=[a]"] if name.lower().endswith(".nwb") else []
    with pytest.raises(BadInput, match=words):
        request_of([str(path), *more], (), Sources())


def test_a_folder_is_named_with_the_files_in_it(tmp_path):
    _file(tmp_path / "b.npz")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(
        BadInput, match=r"a folder - expected one \.npz or \.nwb file .* it holds \S*b\.npz$"
    ):
        request_of([str(tmp_path)], (), Sources())


def test_warnings_are_one_paragraph():
    assert paragraphs(DataReading([], [])) == []
    assert paragraphs(DataReading([], ["a", "b"])) == ["Of the data:\n- a\n- b"]


def test_a_training_on_recordings_says_the_same_and_other_tasks_nothing(tmp_path, caplog):
    choice = np.where(np.arange(N) % 4, np.arange(N) % 2, -1)
    path = _file(tmp_path / "a.npz", choice=choice, dt=0.1)
    warn(_job(path, "task.target=choice", "dt=0.001"))
    assert _lines(caplog.messages, "no choice made in 10 of 40 rows (25.0 %)")
    assert _lines(caplog.messages, "the data say 0.1 s per row, the fit runs with dt=0.001 s")
    caplog.clear()
    other = Config(task=find("task", "teacher_student")(), outer=find("outer", "bptt")())
    warn(Job((("discovered", other),)))
    assert caplog.messages == []


def test_recorded_weights_that_a_fit_does_not_begin_at_are_named(tmp_path):
    path = _file(tmp_path / "a.npz", weights__input_to_output=np.zeros((2, 2)))
    assert _lines(_warnings(path), "not used") == []
    (line,) = _lines(_warnings(path, "genome=direct"), "not used")
    words = "weights.input_to_output: not used, as genome=direct finds the first weights"
    assert line.startswith(words)


def test_a_description_of_the_whole_is_no_row_of_a_table():
    told = section(DataReading(["24 sessions of 24 subjects"], []))
    assert told.tables == []
    assert told.paragraphs[0] == "24 sessions of 24 subjects."
    arrays = section(DataReading(["2 sessions", "  array 'choice': 0 or 1"], ["a doubt"]))
    assert arrays.tables[0].rows == [("array 'choice'", "0 or 1")]
    assert arrays.paragraphs == ["2 sessions.", "a doubt"]


def test_choices_that_are_all_alike_are_refused_before_the_fit(tmp_path):
    alike = {"stimulus": np.ones((N, 1)), "choice": np.ones(N), "session": np.arange(N) // 5}
    np.savez(tmp_path / "a.npz", **alike)
    with pytest.raises(BadInput, match=r"choices are all 1 in the 24 rows.*task.choice_values"):
        check_values(Recordings(path=str(tmp_path / "a.npz"), likelihood=Bernoulli()))
    np.savez(tmp_path / "b.npz", **{**alike, "choice": np.where(np.arange(N) % 2, 1, -1)})
    three = Recordings(
        path=str(tmp_path / "b.npz"), choice_values=(0, 1, 2), likelihood=Categorical()
    )
    with pytest.raises(BadInput, match=r"choices are all 1 in the"):
        check_values(three)
    np.savez(tmp_path / "c.npz", **{**alike, "choice": np.arange(N) % 2})
    check_values(Recordings(path=str(tmp_path / "c.npz"), likelihood=Bernoulli()))


def test_activity_about_a_mean_asks_for_a_bias(tmp_path):
    plain = Feedforward(hidden=())

    def lines(network: Feedforward, **arrays: Any) -> list[str]:
        family = Recordings(path=_file(tmp_path / "a.npz", **arrays))
        job: Any = SimpleNamespace(main=SimpleNamespace(network=network, task=family))
        return list(no_bias(job, family))

    high = np.random.default_rng(2).normal(3.0, 0.5, (N, 2))
    (line,) = lines(plain, activity=high)
    assert "has a mean of 3" in line and line.endswith("say network.bias=true")
    assert lines(replace(plain, bias=True), activity=high) == []
    assert lines(replace(plain, output=Sigmoid()), activity=high) == []
    assert lines(plain, activity=high, stimulus=np.ones((N, 1))) == []
    assert lines(plain) == []


def test_the_split_of_a_fit_to_last_weights_is_counted_in_sessions(tmp_path):
    job = _job(_spikes(tmp_path / "a.npz", subject=np.arange(N) // 10), *STDP)
    lines = _lines(reading_of(job).description, "split ")
    told = []
    for split in SPLITS:
        (weights,) = job.main.task.whole(split).final.values()
        n = int(np.isfinite(weights).all(axis=(1, 2)).sum())  # the fit sees no others
        told.append(f"split {split}: {n} sessions, by their last weights")
    assert lines == told
    values = _lines(reading_of(_job(_file(tmp_path / "b.npz"))).description, "split train")
    assert "trials" in values[0]
