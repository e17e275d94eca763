"""Recordings in one .nwb file (Neurodata Without Borders 2), read as the arrays of _npz.py.

A file is one session of one subject (`subject.subject_id`). Its table of trials is sorted by
start_time. The choice is its column `nwb_choice`, else `choice`. The reward is its column
`nwb_reward`, else `reward`; of several columns, it is their sum. NaN stands for no choice and for
no outcome. There are two ways to make rows:

- Without `nwb_stimulus_series`, every trial is one row. The stimulus is the columns named in
  `nwb_stimulus`: numbers, vectors or text (an input of 0 and 1 per word). Each row is then a trial
  of its own, without a reset, as in an .npz file without `trial`. With `nwb_activity_series=units`,
  the activity is the spikes of every unit from start_time to stop_time.
- With `nwb_stimulus_series`, every sample of that time series is one row. The activity is the
  sample of `nwb_activity_series` that is nearest in time. Of two samples as near, it is the
  earlier one. It is missing where none lies within 3/4 of a step. With `nwb_activity_series=units`,
  the activity is the spikes of every unit from a sample to the next. A trial begins at the first
  sample at or after its start_time and lasts until the next one begins. The samples before the
  first trial are one more trial. Choice and reward stand on the last sample of a trial up to its
  stop_time.

A series is found by its name, or by the end of its path (`plane0/cells`), anywhere in the file. Its
values are data * conversion + offset. A warning counts everything that is left out, repeated or
sorted.
"""

from typing import Any, NamedTuple

import numpy as np

from inner_tasks._coding import Option
from inner_tasks._file import HDF5, UNKNOWN, looks, stamp
from inner_tasks._notes import ReadingNotes, counted
from inner_tasks._npz import Arrays
from inner_tasks._nwb_series import (
    UNITS,
    known_series,
    named,
    nearest,
    series,
    spike_counts,
    step_of,
)
from inner_tasks._nwb_trials import (
    choices,
    columns_of,
    demand_choice,
    inputs,
    numbers,
    rewards,
    trials,
)
from metaplast.registry import BadInput, NotInstalled

LONGEST = 1.5  # steps: the longest that a row lasts, where the next one is late


class Wanted(NamedTuple):
    """The parts of a file that are asked for, by name; empty where none is.

    columns: columns of the table of trials that are the stimulus.
    stimulus, activity: time series.
    choice, reward: columns of the table of trials.
    """

    columns: tuple[str, ...] = ()
    stimulus: str = ""
    activity: str = ""
    choice: str = ""
    reward: tuple[str, ...] = ()


class TrialTable(NamedTuple):
    """The trials of a file.

    columns: the table of trials.
    outcomes: the arrays `choice` and `reward` [n_trials], where there are any.
    """

    columns: Arrays
    outcomes: Arrays


def read(
    path: str, wanted: Wanted, options: tuple[Option, ...] | None, notes: ReadingNotes
) -> Arrays:
    """The arrays of an .nwb file, by the names of the schema in _npz.py.

    Args:
        path: the file.
        wanted: the parts of it that are asked for.
        options: the values that stand for the choices 0, 1 ..., as for `_coding.coded`; None
            where choices are not read.
        notes: takes a note for every column, and the warnings.
    Raises: BadInput for a file that pynwb cannot read, or that lacks a wanted part; NotInstalled
        without pynwb.
    """
    stamp(path)
    try:
        from pynwb import NWBHDF5IO  # an extra; it takes a second to import
    except ImportError:
        expected = "the package pynwb, which reads .nwb files"
        fix = 'pip install "metaplast[nwb]"'
        raise NotInstalled(f"recordings {path!r}", expected, fix) from None
    try:
        open_file: Any = NWBHDF5IO  # its signature is hidden from type checkers
        with open_file(path, "r", load_namespaces=True) as io:
            return _arrays(io.read(), wanted, options, notes)
    except BadInput:
        raise
    except Exception as error:  # HDF5 and the NWB schema raise nearly anything on a damaged file
        kind = looks(path)
        guess = f", it is {kind.name}" if kind.name else ""
        what = f"recordings {path!r}: {type(error).__name__}{guess}"
        fix = "check it with nwbinspector" if kind in (UNKNOWN, HDF5) else kind.fix
        raise BadInput(what, "an .nwb file that pynwb can read", fix) from error


def _arrays(
    file: Any, wanted: Wanted, options: tuple[Option, ...] | None, notes: ReadingNotes
) -> Arrays:
    """The arrays of an open file."""
    until = "spikes" if wanted.activity == UNITS else "nothing"
    if wanted.stimulus:
        until = "samples"
    table = trials(file, until, notes)
    _demand_stimulus(file, wanted, table)
    if table:
        notes.add_column("columns of trials", columns_of(table))
    shown = inputs(wanted.columns, table, notes) if wanted.columns else None
    reward = rewards(wanted.reward, table, notes)
    choice = None if options is None else choices(wanted.choice, options, table, reward, notes)
    if options is None:
        notes.add_column("choices", "not read, as task.target=activity")
    if choice is None and not wanted.activity:
        demand_choice(table)
    outcomes: Arrays = {}
    if choice is not None:
        outcomes["choice"] = choice
    if reward is not None:
        outcomes["reward"] = reward
    if shown is None:
        arrays = _samples(file, wanted, TrialTable(table, outcomes), notes)
    else:
        arrays = {"stimulus": shown, **outcomes}
        if wanted.activity:
            start = numbers("start_time", table)
            stop = numbers("stop_time", table)
            arrays["activity"] = spike_counts(file, start, stop, notes)
    subject = getattr(file.subject, "subject_id", None)
    if subject:
        arrays["subject"] = np.full(len(arrays["stimulus"]), str(subject))
    return arrays


def _demand_stimulus(file: Any, wanted: Wanted, table: Arrays) -> None:
    """Raises: BadInput unless exactly one stimulus is named, and one that suits the activity."""
    needs_rows = wanted.activity not in ("", UNITS) and not wanted.stimulus
    if bool(wanted.columns) == bool(wanted.stimulus) or needs_rows:
        expected = (
            "either task.nwb_stimulus (one row per trial) "
            "or task.nwb_stimulus_series (one row per sample)"
        )
        fix = (
            "set one of them; task.nwb_activity_series goes with the second; the file has columns "
            f"{columns_of(table)} of trials and time series {known_series(file)}"
        )
        raise BadInput("an .nwb file without one stimulus", expected, fix)


def _samples(file: Any, wanted: Wanted, by_trial: TrialTable, notes: ReadingNotes) -> Arrays:
    """The arrays with one row per sample of the stimulus."""
    samples = series(file, wanted.stimulus, "task.nwb_stimulus_series")
    stimulus = samples.values
    arrays = {"stimulus": stimulus}
    step = step_of(wanted.stimulus, samples.time, notes)
    rows = f"{stimulus.shape[1]} inputs, a row per sample, every {step:g} s"
    notes.add_column(f"time series {wanted.stimulus!r}", rows)
    if stimulus.shape[1] > len(stimulus):
        shape = f"{len(stimulus)} samples of {stimulus.shape[1]} channels"
        notes.warn(f"time series {wanted.stimulus!r}: {shape}; is it transposed?")
    if np.isfinite(step):
        arrays["dt"] = np.asarray(step)
    if wanted.activity:
        arrays["activity"] = _activity(file, wanted, samples.time, step, notes)
    if not by_trial.columns:
        return arrays
    return arrays | _placed(samples.time, by_trial, wanted.stimulus, notes)


def _activity(
    file: Any, wanted: Wanted, time: np.ndarray, step: float, notes: ReadingNotes
) -> np.ndarray:
    """The activity [n, n_units] of rows at these times, with a step in seconds between them."""
    if wanted.activity == UNITS and not named(file, UNITS):
        after = np.minimum(np.append(time[1:], np.inf), time + LONGEST * step)
        return spike_counts(file, time, after, notes)
    samples = series(file, wanted.activity, "task.nwb_activity_series")
    units = f"{samples.values.shape[1]} units, the nearest sample of every row"
    notes.add_column(f"time series {wanted.activity!r}", units)
    return nearest(wanted.stimulus, time, wanted.activity, samples, notes)


def _placed(time: np.ndarray, by_trial: TrialTable, name: str, notes: ReadingNotes) -> Arrays:
    """The trial of every sample; choice and reward stand on its last sample up to stop_time.

    Raises: BadInput for trials that have no length or begin together, and for choices without a
    sample.
    """
    start = numbers("start_time", by_trial.columns)
    stop = numbers("stop_time", by_trial.columns)
    n = len(start)
    wrong = (stop < start) | (np.diff(start, prepend=-np.inf) <= 0)
    if wrong.any():
        wrong_trials = counted(wrong.sum(), n, "trials")
        what = f"trials: {wrong_trials} stop before they start, or start with another"
        expected = "start_time rising, and stop_time after it"
        raise BadInput(what, expected, "correct the table of trials")
    trial_of_row = np.searchsorted(start, time, side="right")
    end = np.fmin(stop, np.append(start[1:], np.inf))
    last = np.searchsorted(time, end, side="right") - 1
    last = np.where(trial_of_row[last] > np.arange(1, n + 1), last - 1, last)
    empty = np.flatnonzero((last < 0) | (trial_of_row[last] != np.arange(1, n + 1)))
    empty_trials = counted(empty.size, n, "trials")
    if empty.size and by_trial.outcomes:
        what = f"trial {empty[0]}: no sample of {name!r} in it, nor in {empty_trials}"
        expected = f"one for its {next(iter(by_trial.outcomes))}"
        raise BadInput(what, expected, "choose a series that covers the trials, in seconds")
    if empty.size:
        notes.warn(f"trials: no sample of {name!r} in {empty_trials}, which are left out")
    arrays: Arrays = {"trial": trial_of_row}
    for kind, value in by_trial.outcomes.items():
        missing = -1 if kind == "choice" else np.nan
        arrays[kind] = np.full(len(time), missing, value.dtype)
        arrays[kind][last] = value
    return arrays
