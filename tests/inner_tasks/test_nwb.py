"""Recordings read from an .nwb file that pynwb wrote, against the same numbers by hand."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.file import Subject

from inner_tasks import _nwb_trials
from inner_tasks.recordings import Recordings
from metaplast.fitting.request import request_of
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.registry import BadInput
from metaplast.runs.config import Sources

START = [1.0, 2.0, 3.5]
STOP = [1.8, 3.0, 4.5]
CHOICE = [1.0, np.nan, 0.0]
REWARD = [0.5, 0.0, 1.0]
CUE = [0.1, 0.2, 0.3]
STIMULUS = np.arange(22.0).reshape(11, 2)
ACTIVITY = np.arange(30.0)[:, None] * [1.0, -1.0, 2.0]


def _write(path, trials=True, subject=True, stop=STOP) -> str:
    began = datetime(2024, 1, 1, tzinfo=UTC)
    file: Any = NWBFile(session_description="test", identifier="test", session_start_time=began)
    if subject:
        file.subject = Subject(subject_id="mouse 7", species="Mus musculus", age="P90D", sex="U")
    if trials:
        for name in ("choice", "reward", "cue", "word"):
            file.add_trial_column(name, "test")
        file.add_trial_column("spikes", "test", index=True)
        for i in range(3):
            values = {
                "choice": CHOICE[i],
                "reward": REWARD[i],
                "cue": CUE[i],
                "word": "x",
                "spikes": [1.0] * i,
            }
            file.add_trial(start_time=START[i], stop_time=stop[i], **values)
    seen = TimeSeries(
        name="image",
        data=STIMULUS,
        unit="a",
        rate=2.0,
        starting_time=0.0,
        conversion=2.0,
        offset=1.0,
    )
    file.add_acquisition(seen)
    times = 0.05 + 0.2 * np.arange(30)
    cells = TimeSeries(name="cells", data=ACTIVITY, unit="a", timestamps=times)
    file.create_processing_module("ophys", "test").add(cells)
    file.add_acquisition(TimeSeries(name="flat", data=np.ones(11), unit="a", rate=2.0))
    file.add_acquisition(
        TimeSeries(name="sparse", data=np.ones(2), unit="a", timestamps=[1.0, 4.0])
    )
    file.add_acquisition(
        TimeSeries(name="stuck", data=np.ones(3), unit="a", timestamps=[1.0, 1.0, 4.0])
    )
    file.add_acquisition(TimeSeries(name="movie", data=np.ones((11, 2, 2)), unit="a", rate=2.0))
    writer: Any = NWBHDF5IO
    with writer(str(path), "w") as io:
        io.write(file)
    return str(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> str:
    return _write(tmp_path_factory.mktemp("nwb") / "a.nwb")


def test_one_row_per_trial(path):
    family = Recordings(path=path, nwb_stimulus=("cue", "reward"), likelihood=Bernoulli())
    recorded = family.recorded()
    s = recorded.sessions
    np.testing.assert_allclose(s.stimulus[0], np.stack([CUE, REWARD], axis=1), rtol=1e-6)
    np.testing.assert_array_equal(s.target[0, :, 0], [1, 0, 0])
    np.testing.assert_array_equal(s.observed[0, :, 0], [1, 0, 1])
    np.testing.assert_array_equal(s.modulators["reward"], [REWARD])
    np.testing.assert_allclose(s.modulators["advantage"], [[0.5, -0.5, 0.75]])
    np.testing.assert_array_equal(s.reset, np.zeros((1, 3)))
    assert recorded.names == ("mouse 7",)
    assert "choices: 2, in 66.7 % of the rows; 0: 1 (50.0 %), 1: 1 (50.0 %)" in family.describe()


def test_one_row_per_sample(path):
    family = Recordings(
        path=path, nwb_stimulus_series="image", nwb_activity_series="cells", target="activity"
    )
    recorded = family.recorded()
    s = recorded.sessions
    np.testing.assert_array_equal(s.stimulus[0], 2.0 * STIMULUS + 1.0)
    for row in range(11):  # at 0, 0.5 ... 5 s; the nearest of 0.05, 0.25 ...
        nearest = min(range(30), key=lambda k: abs(0.05 + 0.2 * k - 0.5 * row))
        np.testing.assert_array_equal(s.target[0, row], ACTIVITY[nearest])
    np.testing.assert_array_equal(recorded.trial[0], [0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 3])
    np.testing.assert_array_equal(np.flatnonzero(s.reset[0]), [1, 3, 6])
    expected = np.zeros(11)
    expected[[3, 6, 9]] = REWARD  # the last samples up to 1.8, 3.0 and 4.5 s
    np.testing.assert_array_equal(s.modulators["reward"][0], expected)
    assert "dt 0.5 s" in family.describe()
    choices = (
        Recordings(path=path, nwb_stimulus_series="flat", likelihood=Bernoulli())
        .recorded()
        .sessions
    )
    np.testing.assert_array_equal(np.flatnonzero(choices.observed[0, :, 0]), [3, 9])
    assert choices.stimulus.shape == (1, 11, 1)


def test_a_file_without_trials_and_subject_is_one_session(tmp_path):
    path = _write(tmp_path / "a.nwb", trials=False, subject=False)
    recorded = Recordings(
        path=path, nwb_stimulus_series="image", nwb_activity_series="cells"
    ).recorded()
    assert recorded.names == ("session 0",)
    np.testing.assert_array_equal(recorded.trial[0], np.arange(11))
    with pytest.raises(BadInput, match="column 'cue' of trials - expected one of none"):
        Recordings(path=path, nwb_stimulus=("cue",)).recorded()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "without one stimulus"),
        ({"nwb_stimulus": ("cue",), "nwb_stimulus_series": "image"}, "set one of them"),
        ({"nwb_stimulus": ("cue",), "nwb_activity_series": "cells"}, "goes with the second"),
        ({"nwb_stimulus": ("cu",)}, "column 'cu' of trials - expected one of .*'cue'"),
        ({"nwb_stimulus": ("word",)}, "column 'word' of trials.*one number per trial"),
        ({"nwb_stimulus": ("spikes",)}, "column 'spikes' of trials"),
        (
            {"nwb_stimulus_series": "imag"},
            "0 time series 'imag' - expected one of 'cells', 'flat', 'image', ",
        ),
        ({"nwb_stimulus_series": "movie"}, r"time series 'movie'.*\[n\] or \[n, channels\]"),
        ({"nwb_stimulus": ("cue",)}, "task.likelihood=bernoulli"),
    ],
)
def test_what_an_nwb_file_lacks_is_named(path, fields, words):
    with pytest.raises(BadInput, match=words):
        Recordings(path=path, **fields).recorded()


def test_broken_nwb_files_and_a_missing_package_are_named(path, tmp_path, monkeypatch):
    broken = tmp_path / "b.nwb"
    whole = Path(path).read_bytes()
    for data in (b"", b"hello", whole[: len(whole) // 2]):
        broken.write_bytes(data)
        with pytest.raises(BadInput, match=r"an \.nwb file that pynwb can read"):
            Recordings(path=str(broken), nwb_stimulus=("cue",)).recorded()
    with pytest.raises(BadInput, match=r"correct task\.path"):
        Recordings(path=str(tmp_path / "none.nwb"), nwb_stimulus=("cue",)).recorded()
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(BadInput, match=r'pip install "metaplast\[nwb\]"'):
        Recordings(path=str(broken), nwb_stimulus=("cue",)).recorded()


def test_trials_that_cannot_be_placed_and_sizes_are_named(path, tmp_path, monkeypatch):
    wrong = _write(tmp_path / "a.nwb", stop=[0.5, 3.0, 4.5])
    with pytest.raises(
        BadInput,
        match=r"1 of 3 trials .33.3 %. stop before they start.* - expected start_time rising",
    ):
        Recordings(path=wrong, nwb_stimulus_series="flat", likelihood=Bernoulli()).recorded()
    with pytest.raises(
        BadInput,
        match=(
            r"trial 1: no sample of 'sparse' in it, nor in 1 of 3.* - expected one for its "
            r"choice"
        ),
    ):
        Recordings(path=path, nwb_stimulus_series="sparse", likelihood=Bernoulli()).recorded()
    with pytest.raises(
        BadInput,
        match=(
            r"time series 'stuck': its times: not rising at 1 of 3 samples .* - expected "
            r"one per sample"
        ),
    ):
        Recordings(path=path, nwb_stimulus_series="stuck", likelihood=Bernoulli()).recorded()
    monkeypatch.setattr(_nwb_trials, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="'image': 176 bytes unpacked - expected at most 100 bytes"):
        Recordings(
            path=path, nwb_stimulus_series="image", nwb_activity_series="flat", target="activity"
        ).recorded()


def test_what_a_file_implies_is_read_with_the_options_that_it_needs(tmp_path):
    path = _write(tmp_path / "a.nwb")
    plain, _ = request_of([path, "task.nwb_stimulus=[cue]"], (), Sources())
    assert plain["task"]["likelihood"] == {"name": "bernoulli"}
    assert plain["experiment"] == "rewarded_recordings"
