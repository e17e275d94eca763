"""NWB files of many habits: late, early, in milliseconds, out of order, with names of their own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile, TimeSeries

from inner_tasks.recordings import Recordings
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.registry import BadInput

N = 12
STEP = 0.1
START = 2.0 * np.arange(N)  # 12 trials of 1 s, one every 2 s; 240 samples
RNG = np.random.default_rng(0)
TABLE: dict[str, Any] = {
    "start_time": START,
    "stop_time": START + 1.0,
    "cue": RNG.normal(size=N),
    "choice": RNG.integers(0, 2, N),
    "reward": RNG.integers(0, 2, N).astype(float),
}
TIMES = STEP * np.arange(240)
STIMULUS = RNG.normal(size=(240, 2))
ACTIVITY = RNG.normal(size=(240, 3))


def _series(name, data, times=None) -> TimeSeries:
    when: dict[str, Any] = (
        {"rate": 1 / STEP, "starting_time": 0.0} if times is None else {"timestamps": times}
    )
    return TimeSeries(name=name, data=data, unit="a", **when)


def _write(path: Path, series=(), units=None, planes=(), intervals=None, n=N, **columns) -> str:
    file: Any = NWBFile("test", "test", datetime(2024, 1, 1, tzinfo=UTC))
    table = {name: value for name, value in {**TABLE, **columns}.items() if value is not None}
    for name in table:
        if n and name not in ("start_time", "stop_time"):
            file.add_trial_column(name, "test")
    for i in range(n):
        file.add_trial(**{name: value[i] for name, value in table.items()})
    for one in series:
        file.add_acquisition(one)
    for name, one in planes:
        file.create_processing_module(name, "test").add(one)
    for train in units or ():
        file.add_unit(
            spike_times=train, **({} if intervals is None else {"obs_intervals": intervals})
        )
    writer: Any = NWBHDF5IO
    with writer(str(path / "a.nwb"), "w") as io:
        io.write(file)
    return str(path / "a.nwb")


def _trials(path: str, likelihood: AbstractLikelihood | None = None, **fields) -> Recordings:
    return Recordings(
        path=path, likelihood=likelihood or Bernoulli(), **{"nwb_stimulus": ("cue",), **fields}
    )


def _cells(path: str, activity: str = "cells") -> Recordings:
    likelihood = Gaussian()
    words = {"nwb_stimulus_series": "image", "nwb_activity_series": activity}
    return Recordings(path=path, target="activity", likelihood=likelihood, **words)


def _warned(family: Recordings, *words: str) -> None:
    for part in words:
        assert any(part in line for line in family.warnings()), (part, family.warnings())
        assert any(
            line.startswith("warning: ") and part in line for line in family.describe().splitlines()
        )


# Trials.


@pytest.mark.parametrize("by", ["trials", "samples"])
def test_trials_out_of_order_are_sorted_and_counted(tmp_path, by):
    order = np.random.default_rng(1).permutation(N)
    path = _write(
        tmp_path,
        [_series("image", STIMULUS)],
        **{name: value[order] for name, value in TABLE.items()},
    )
    fields = {} if by == "trials" else {"nwb_stimulus": (), "nwb_stimulus_series": "image"}
    family = _trials(path, **fields)
    s = family.recorded().sessions
    made = s.observed[0, :, 0] > 0
    np.testing.assert_array_equal(s.target[0, made, 0], TABLE["choice"])
    np.testing.assert_array_equal(s.modulators["reward"][0, made], TABLE["reward"])
    moved = int(np.sum(np.argsort(order) != np.arange(N)))
    _warned(
        family,
        f"trials: {moved} of 12 trials ({100 * moved / 12:.1f} %) not in the order of "
        "start_time, and sorted",
    )


def test_odd_times_of_trials_are_counted_or_refused(tmp_path):
    stop = TABLE["stop_time"].copy()
    stop[[3, N - 1]] = np.nan
    path = _write(tmp_path, [_series("image", STIMULUS)], stop_time=stop)
    family = _trials(path, nwb_stimulus=(), nwb_stimulus_series="image")
    last = np.flatnonzero(family.recorded().sessions.observed[0, :, 0])
    # up to 5 s; 8 s excluded; 9 s; the end
    np.testing.assert_array_equal(last[[2, 3, 4, N - 1]], [50, 79, 90, 239])
    _warned(family, "no stop_time in 2 of 12 trials (16.7 %); these last until the next one begins")
    path = _write(tmp_path, stop_time=START + 3.0)
    assert (
        _trials(path)
        .warnings()[0]
        .endswith("11 of 12 trials (91.7 %) stop after the next one begins")
    )
    path = _write(
        tmp_path,
        [_series("image", STIMULUS)],
        stop_time=np.where(np.arange(N) == 3, 0.0, START + 1),
    )
    _warned(_trials(path), "stop_time before start_time in 1 of 12 trials (8.3 %)")
    with pytest.raises(BadInput, match=r"1 of 12 trials .* stop before they start"):
        _trials(path, nwb_stimulus=(), nwb_stimulus_series="image").recorded()
    path = _write(tmp_path, start_time=np.where(np.arange(N) == 3, np.nan, START))
    with pytest.raises(BadInput, match=r"start_time is missing in 1 of 12 trials \(8\.3 %\)"):
        _trials(path).recorded()
    path = _write(
        tmp_path,
        [_series("image", STIMULUS)],
        start_time=1000 * START,
        stop_time=1000 * START + 1000,
    )
    with pytest.raises(BadInput, match=r"nor in 11 of 12 trials .* in seconds"):
        _trials(path, nwb_stimulus=(), nwb_stimulus_series="image").recorded()


def test_columns_of_other_names_kinds_and_shapes(tmp_path):
    side = np.where(TABLE["choice"] == 1, "R", "L")
    tone = np.where(TABLE["reward"] == 1, "low", "high")
    pair = RNG.normal(size=(N, 2))
    left, right = (TABLE["reward"] * (TABLE["choice"] == k) for k in (0, 1))
    more = {
        "side": side,
        "tone": tone,
        "pair": pair,
        "left": left.astype(bool),
        "right": right.astype(bool),
    }
    path = _write(tmp_path, choice=None, reward=None, **more)
    named = {"nwb_choice": "side", "nwb_reward": ("left", "right"), "choice_values": ("L", "R")}
    family = _trials(path, nwb_stimulus=("pair", "tone"), **named)
    s = family.recorded().sessions
    np.testing.assert_array_equal(s.target[0, :, 0], TABLE["choice"])
    np.testing.assert_array_equal(s.modulators["reward"][0], TABLE["reward"])
    np.testing.assert_allclose(s.stimulus[0, :, :2], pair, rtol=1e-6)
    np.testing.assert_array_equal(
        s.stimulus[0, :, 2:], np.stack([tone == "high", tone == "low"], axis=1)
    )
    _warned(
        family,
        "column 'tone' of trials: text in all 12 rows, read as an input of 0 and 1 for "
        "each of high",
    )
    one = _trials(path, **{**named, "nwb_reward": "left"})
    np.testing.assert_array_equal(one.recorded().sessions.modulators["reward"][0], left)
    for fields, words in (
        ({}, r"no column 'choice' - .* of 'cue', 'side', .* - set task\.nwb_choice=COLUMN"),
        ({"nwb_choice": "sid"}, r"column 'sid' of trials - .*'side'.* - correct task\.nwb_choice"),
        (
            {"nwb_choice": "side"},
            r"column 'side' of trials: text: L .* - set 'task\.choice_values=\[L,R\]'",
        ),
        (
            {"nwb_choice": "pair"},
            r"column 'pair' of trials: float64, \[2\] per trial - expected one choice per trial",
        ),
        (
            {**named, "nwb_reward": "tone"},
            r"column 'tone' of trials: text - expected one number per trial",
        ),
        ({**named, "nwb_reward": "pair"}, r"column 'pair' of trials: float64, \[2\] per trial"),
    ):
        with pytest.raises(BadInput, match=words):
            _trials(path, **fields).recorded()


def test_missing_values_of_columns_are_counted_or_refused(tmp_path):
    choice = np.where(np.arange(N) < 3, np.nan, TABLE["choice"])
    left = np.where(np.arange(N) < 6, TABLE["reward"], np.nan)
    right = np.where(np.arange(N) < 4, np.nan, 2.0)
    path = _write(tmp_path, choice=choice, left=left, right=right)
    family = _trials(path, nwb_reward=("left", "right"))
    _warned(
        family,
        "no choice made in 3 of 12 rows (25.0 %): nan (3 rows)",
        "in 10 of 12 trials (83.3 %) only some",
    )
    paid = np.where(np.arange(N) < 4, left, np.where(np.arange(N) < 6, left + 2.0, 2.0))
    np.testing.assert_array_equal(family.recorded().sessions.modulators["reward"][0], paid)
    path = _write(tmp_path, cue=np.where(np.arange(N) < 3, np.nan, 1.0))
    with pytest.raises(
        BadInput, match=r"column 'cue' of trials: 3 of 12 values \(25\.0 %\) are no finite number"
    ):
        _trials(path).recorded()


# Series.


@pytest.mark.parametrize("first", [0, 120])
def test_activity_that_ends_early_or_starts_late_is_missing_there(tmp_path, first):
    here = slice(first, first + 120)
    path = _write(
        tmp_path, [_series("image", STIMULUS), _series("cells", ACTIVITY[here], TIMES[here])]
    )
    family = _cells(path)
    s = family.recorded().sessions
    seen = np.zeros(240)
    seen[here] = 1
    np.testing.assert_array_equal(s.observed[0], np.repeat(seen[:, None], 3, axis=1))
    np.testing.assert_allclose(s.target[0, here], ACTIVITY[here], rtol=1e-6)
    _warned(
        family,
        "time series 'cells': no sample near 120 of 240 rows (50.0 %), missing there; "
        "it lasts from",
    )
    assert not any("repeat" in line for line in family.warnings())
    assert "50.0 % of the values recorded, 50.0 % missing" in family.describe()


def test_rate_and_timestamps_mean_the_same_and_jitter_is_no_gap(tmp_path):
    jitter = TIMES + np.random.default_rng(3).uniform(-0.02, 0.02, 240)
    for times in (None, TIMES, jitter):
        path = _write(tmp_path, [_series("image", STIMULUS), _series("cells", ACTIVITY, times)])
        family = _cells(path)
        np.testing.assert_allclose(family.recorded().sessions.target[0], ACTIVITY, rtol=1e-6)
        assert not [line for line in family.warnings() if "series" in line]
        assert family.seconds() == STEP


def test_slower_and_faster_series_are_counted(tmp_path):
    slow = [_series("image", STIMULUS), _series("cells", ACTIVITY[:24], np.arange(24.0))]
    family = _cells(_write(tmp_path, slow))
    nearest = np.clip(np.ceil(TIMES - 0.5 - 1e-9), 0, 23).astype(int)
    far = np.abs(nearest - TIMES) > 0.75
    expected = np.where(far[:, None], 0.0, ACTIVITY[nearest])
    np.testing.assert_allclose(family.recorded().sessions.target[0], expected, rtol=1e-6)
    again = int(np.sum((np.diff(nearest) == 0) & ~far[1:]))
    _warned(
        family,
        f"time series 'cells': {again} of 240 rows ({100 * again / 240:.1f} %) repeat the sample",
    )
    fast = [
        _series("image", STIMULUS),
        _series("cells", np.repeat(ACTIVITY, 3, axis=0), STEP / 3 * np.arange(720)),
    ]
    _warned(
        _cells(_write(tmp_path, fast)),
        "time series 'cells': 480 of 720 samples (66.7 %) are not used",
    )


@pytest.mark.parametrize(("image", "cells"), [(1.0, 1000.0), (1000.0, 1.0)])
def test_a_series_in_milliseconds_is_refused(tmp_path, image, cells):
    path = _write(
        tmp_path,
        [_series("image", STIMULUS, image * TIMES), _series("cells", ACTIVITY, cells * TIMES)],
    )
    with pytest.raises(BadInput, match="expected times of one session, both in seconds"):
        _cells(path).recorded()


def test_all_in_milliseconds_lasts_too_long(tmp_path):
    image, cells = (
        _series(name, data, 1e6 * TIMES)
        for name, data in (("image", STIMULUS), ("cells", ACTIVITY))
    )
    _warned(
        _cells(_write(tmp_path, [image, cells], n=0)),
        "time series 'image': lasts 6.64e+03 hours, if its 240 times",
    )


def _changed(index, value):
    times = TIMES.copy()
    times[index] = value
    return times


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (_changed(5, TIMES[4]), r"not rising at 1 of 240 samples \(0\.4 %\).*there twice"),
        (_changed([5, 6], TIMES[[6, 5]]), r"not rising at 1 of 240 samples"),
        (_changed(5, np.nan), r"no time in 1 of 240 samples \(0\.4 %\)"),
    ],
)
def test_times_that_do_not_rise_are_refused(tmp_path, times, words):
    path = _write(tmp_path, [_series("image", STIMULUS), _series("cells", ACTIVITY, times)])
    with pytest.raises(BadInput, match=f"time series 'cells': its times: {words}"):
        _cells(path).recorded()


def test_a_break_in_the_rows_is_counted(tmp_path):
    times = TIMES + np.where(np.arange(240) < 120, 0.0, 30.0)
    path = _write(
        tmp_path, [_series("image", STIMULUS, times), _series("cells", ACTIVITY, times)], n=0
    )
    family = _cells(path)
    _warned(
        family,
        "'image': 1 of 239 steps (0.4 %) are more than a tenth off the median of 0.1 "
        "s, the longest 30.1 s",
    )
    both = [_series("image", STIMULUS[:100].T), _series("cells", ACTIVITY)]
    _warned(
        _cells(_write(tmp_path, both, n=0)), "'image': 2 samples of 100 channels; is it transposed?"
    )


def test_series_of_one_name_are_told_apart_by_their_path(tmp_path):
    planes = [("plane0", _series("F", ACTIVITY)), ("plane1", _series("F", 2.0 * ACTIVITY))]
    path = _write(tmp_path, [_series("image", STIMULUS)], planes=planes)
    for name, factor in (
        ("plane0/F", 1.0),
        ("processing/plane1/F", 2.0),
        ("/processing/plane1/F", 2.0),
    ):
        target = _cells(path, name).recorded().sessions.target[0]
        np.testing.assert_allclose(target, factor * ACTIVITY, rtol=1e-6)
    words = (
        r"2 time series 'F' - expected one of 'image', 'processing/plane0/F', "
        r"'processing/plane1/F' - say which"
    )
    with pytest.raises(BadInput, match=f"{words} by its path: task.nwb_activity_series=plane0/F"):
        _cells(path, "F").recorded()
    with pytest.raises(
        BadInput,
        match=r"without one stimulus.* columns 'cue', .* and time series 'image', 'processing",
    ):
        Recordings(path=path).recorded()


# Spikes.


def _count(train, begin, end) -> np.ndarray:
    """The spikes of a train in begin <= t < end of every row."""
    counts = []
    for first, last in zip(begin, end, strict=True):
        counts.append(sum(first <= t < last for t in train))
    return np.asarray(counts)


def test_spikes_of_units_are_counted_in_every_row(tmp_path):
    # one not sorted
    trains = [
        np.sort(RNG.uniform(0.0, 24.0, 300)),
        RNG.permutation(RNG.uniform(0.0, 24.0, 200)),
    ]
    path = _write(tmp_path, [_series("image", STIMULUS)], units=trains)
    family = _cells(path, "units")
    s = family.recorded().sessions
    end = np.append(TIMES[1:], np.inf)
    first = min(t.min() for t in trains)
    last = max(t.max() for t in trains)
    alive = (end > first) & (last >= TIMES)
    for unit, train in enumerate(trains):
        np.testing.assert_array_equal(
            s.target[0, alive, unit], _count(train, TIMES, np.minimum(end, 1e3))[alive]
        )
    per_trial = _trials(path, Gaussian(), nwb_activity_series="units", target="activity")
    for unit, train in enumerate(trains):
        np.testing.assert_array_equal(
            per_trial.recorded().sessions.target[0, :, unit], _count(train, START, START + 1.0)
        )
    outside = 500 - sum(_count(train, START, START + 1.0).sum() for train in trains)
    _warned(
        per_trial,
        f"units: {outside} of 500 spikes ({outside / 5:.1f} %) lie in no row, and are left out",
    )


def test_trials_that_overlap_or_do_not_end_are_told_as_their_spikes_are_counted(tmp_path):
    train = np.sort(RNG.uniform(0.0, 24.0, 300))
    words = {"nwb_activity_series": "units", "target": "activity"}
    stop = START + 3.0
    stop[3] = np.nan
    family = _trials(_write(tmp_path, units=[train], stop_time=stop), Gaussian(), **words)
    s = family.recorded().sessions
    assert not s.observed[0, 3, 0]
    assert s.target[0, 4, 0] == _count(train, START, START + 3.0)[4]
    _warned(family, "no stop_time in 1 of 12 trials (8.3 %); their spikes are missing")
    _warned(
        family,
        "10 of 12 trials (83.3 %) stop after the next one begins; spikes there count in both",
    )


def test_units_that_were_not_recorded_are_missing_and_milliseconds_refused(tmp_path):
    trains = [np.sort(RNG.uniform(0.0, 12.0, 300)) for _ in range(2)]
    half = _cells(_write(tmp_path, [_series("image", STIMULUS)], units=trains), "units")
    assert 0.48 < half.recorded().sessions.observed.mean() <= 0.51
    _warned(half, "units: not recorded in ")
    known = _cells(
        _write(tmp_path, [_series("image", STIMULUS)], units=trains, intervals=[[0.0, 6.0]]),
        "units",
    )
    np.testing.assert_array_equal(
        known.recorded().sessions.observed[0, :, 0], TIMES + STEP < 6.0 + 1e-6
    )
    late = [1000.0 * train for train in trains]
    with pytest.raises(
        BadInput, match=r"of 600 spikes .* lie in rows: .* expected spike_times in seconds"
    ):
        _cells(_write(tmp_path, [_series("image", STIMULUS)], units=late), "units").recorded()
    with pytest.raises(BadInput, match="no units with spike_times"):
        _cells(_write(tmp_path, [_series("image", STIMULUS)]), "units").recorded()
