"""Recordings in one .nwb file (Neurodata Without Borders 2), as the same arrays as an .npz file
(_npz.py).

A file is one session of one subject (`subject.subject_id`). Of its table of trials, sorted by
start_time, the columns `nwb_choice` (else `choice`) and `nwb_reward` (else `reward`; of several the
sum) are taken as such;
NaN: no choice, no outcome. Two ways:

- without `nwb_stimulus_series`, one row per trial: the stimulus is the columns named in
`nwb_stimulus`, of numbers,
  vectors or text (an input of 0 and 1 per word). Each row is then a trial of its own, without a
  reset, as in an .npz file without `trial`. `nwb_activity_series=units`: the spikes of every unit
  from start_time to stop_time;
- with it, rows are the samples of that time series; of `nwb_activity_series` the nearest sample in
time is taken (the
  earlier of two as near), and none where none lies within 3/4 of a step.
  `nwb_activity_series=units`: the spikes of every unit from a sample to the next. A trial begins at
  the first sample at or after its start_time and lasts until the next one begins; samples before
  the first trial are one more. Choice and reward stand on its last sample up to stop_time.

Series are found by name, or by the end of their path (`plane0/cells`), anywhere in the file; their
values are data * conversion + offset. What is left out, repeated or sorted is counted in a warning.
"""

from typing import Any, NamedTuple

import numpy as np

from inner_tasks._coding import Option
from inner_tasks._file import looks, stamp
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
from inner_tasks._said import Said, counted
from metaplast.registry import BadInput

LONGEST = 1.5  # steps: so much is a row, where the next one is late


class Wanted(NamedTuple):
    """What to take: columns of the table of trials, or time series, by name; options: what choices
    stand for.
    """

    columns: tuple[str, ...] = ()
    stimulus: str = ""
    activity: str = ""
    choice: str = ""
    reward: tuple[str, ...] = ()


def read(path: str, wanted: Wanted, options: tuple[Option, ...] | None, said: Said) -> Arrays:
    """The arrays of an .nwb file, by the names of the schema; choices as `_coding.coded` has them,
    none where options is None.

    Raises: BadInput for a file that pynwb cannot read, or that lacks what is wanted.
    """
    stamp(path)
    try:
        from pynwb import NWBHDF5IO  # an extra; it takes a second to import
    except ImportError:
        fix = 'pip install "metaplast[nwb]"'
        raise BadInput(
            f"recordings {path!r}", "the package pynwb, which reads .nwb files", fix
        ) from None
    try:
        open_file: Any = NWBHDF5IO  # its signature is hidden from type checkers
        with open_file(path, "r", load_namespaces=True) as io:
            return _arrays(io.read(), wanted, options, said)
    except BadInput:
        raise
    except Exception as error:  # HDF5 and the NWB schema raise nearly anything on a damaged file
        seems, fix = looks(path)
        what = f"recordings {path!r}: {type(error).__name__}" + (
            f", it is {seems}" if seems else ""
        )
        other = fix and "HDF5" not in seems
        raise BadInput(
            what, "an .nwb file that pynwb can read", fix if other else "check it with nwbinspector"
        ) from None


def _arrays(found: Any, wanted: Wanted, options: tuple[Option, ...] | None, said: Said) -> Arrays:
    by_spikes = "spikes" if wanted.activity == UNITS else "nothing"
    table = trials(found, "samples" if wanted.stimulus else by_spikes, said)
    _demand_stimulus(found, wanted, table)
    if table:
        said.columns.append(f"columns of trials: {columns_of(table)}")
    shown = inputs(wanted.columns, table, said) if wanted.columns else None
    reward = rewards(wanted.reward, table, said)
    choice = None if options is None else choices(wanted.choice, options, table, reward, said)
    if options is None:
        said.columns.append("choices: not read, as task.target=activity")
    if choice is None and not wanted.activity:
        demand_choice(table)
    told = {
        name: value for name, value in (("choice", choice), ("reward", reward)) if value is not None
    }
    arrays = (
        _samples(found, wanted, (table, told), said)
        if shown is None
        else {"stimulus": shown, **told}
    )
    if shown is not None and wanted.activity:
        arrays["activity"] = spike_counts(
            found, numbers("start_time", table), numbers("stop_time", table), said
        )
    subject = getattr(found.subject, "subject_id", None)
    if subject:
        arrays["subject"] = np.full(len(arrays["stimulus"]), str(subject))
    return arrays


def _demand_stimulus(found: Any, wanted: Wanted, table: Arrays) -> None:
    needs_rows = wanted.activity not in ("", UNITS) and not wanted.stimulus
    if bool(wanted.columns) == bool(wanted.stimulus) or needs_rows:
        expected = "either task.nwb_stimulus (one row per trial) or task.nwb_stimulus_series (one row per sample)"
        has = f"the file has columns {columns_of(table)} of trials and time series {known_series(found)}"
        fix = f"set one of them; task.nwb_activity_series goes with the second; {has}"
        raise BadInput("an .nwb file: what is the stimulus?", expected, fix)


def _samples(found: Any, wanted: Wanted, trial: tuple[Arrays, Arrays], said: Said) -> Arrays:
    """One row per sample of the stimulus. trial: the table of trials; the choice and reward of
    each.
    """
    time, stimulus = series(found, wanted.stimulus, "task.nwb_stimulus_series")
    arrays, step = {"stimulus": stimulus}, step_of(wanted.stimulus, time, said)
    said.columns.append(
        f"time series {wanted.stimulus!r}: {stimulus.shape[1]} inputs, a row per sample, every {step:g} s"
    )
    if stimulus.shape[1] > len(stimulus):
        shape = f"{len(stimulus)} samples of {stimulus.shape[1]} channels"
        said.warnings.append(f"time series {wanted.stimulus!r}: {shape}; is it transposed?")
    if np.isfinite(step):
        arrays["dt"] = np.asarray(step)
    if wanted.activity:
        arrays["activity"] = _activity(found, wanted, time, step, said)
    if not trial[0]:
        return arrays
    return arrays | _placed(time, trial, wanted.stimulus, said)


def _activity(found: Any, wanted: Wanted, time: np.ndarray, step: float, said: Said) -> np.ndarray:
    if wanted.activity == UNITS and not named(found, UNITS):
        after = np.minimum(np.append(time[1:], np.inf), time + LONGEST * step)
        return spike_counts(found, time, after, said)
    at, values = series(found, wanted.activity, "task.nwb_activity_series")
    said.columns.append(
        f"time series {wanted.activity!r}: {values.shape[1]} units, the nearest sample of every row"
    )
    return nearest((wanted.stimulus, wanted.activity), time, at, values, said)


def _placed(time: np.ndarray, trial: tuple[Arrays, Arrays], name: str, said: Said) -> Arrays:
    """The trial of every sample; the choice and reward of a trial on its last sample up to
    stop_time.

    Raises: BadInput for trials that have no length or begin together, and for choices without a
    sample.
    """
    table, told = trial
    start, stop = numbers("start_time", table), numbers("stop_time", table)
    n = len(start)
    wrong = (stop < start) | (np.diff(start, prepend=-np.inf) <= 0)
    if wrong.any():
        given = f"trials: {counted(wrong.sum(), n, 'trials')} stop before they start, or start with another"
        raise BadInput(
            given, "start_time rising, and stop_time after it", "correct the table of trials"
        )
    mine = np.searchsorted(start, time, side="right")
    end = np.fmin(stop, np.append(start[1:], np.inf))
    last = np.searchsorted(time, end, side="right") - 1
    last = np.where(mine[last] > np.arange(1, n + 1), last - 1, last)
    off = np.flatnonzero((last < 0) | (mine[last] != np.arange(1, n + 1)))
    if off.size and told:
        what = (
            f"trial {off[0]}: no sample of {name!r} in it, nor in {counted(off.size, n, 'trials')}"
        )
        raise BadInput(
            what,
            f"one for its {next(iter(told))}",
            "choose a series that covers the trials, in seconds",
        )
    if off.size:
        said.warnings.append(
            f"trials: no sample of {name!r} in {counted(off.size, n, 'trials')}, which are left out"
        )
    arrays: Arrays = {"trial": mine}
    for kind, value in told.items():
        arrays[kind] = np.full(len(time), -1 if kind == "choice" else np.nan, value.dtype)
        arrays[kind][last] = value
    return arrays
