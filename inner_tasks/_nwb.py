"""Recordings in one .nwb file (Neurodata Without Borders 2), as the same arrays as an .npz file (_npz.py).

A file is one session of one subject (`subject.subject_id`). What stands in its table of trials under `choice` and
`reward` is taken as such (NaN in `choice`: none was made). Two ways:

- without `nwb_stimulus_series`, one row per trial: the stimulus is the columns named in `nwb_stimulus`. Each row is
  then a trial of its own, without a reset, as in an .npz file without `trial`;
- with it, rows are the samples of that time series; of `nwb_activity_series` the nearest sample in time is taken (the
  earlier of two as near). A trial begins at the first sample at or after its start_time and lasts until the next one
  begins; samples before the first trial are one more. Choice and reward stand on its last sample up to stop_time.

Series are found by name anywhere in the file; their values are data * conversion + offset.
"""

from typing import Any, NamedTuple

import numpy as np

from inner_tasks._npz import MAX_BYTES, Arrays, stamp
from metaplast.registry import BadInput


class Wanted(NamedTuple):
    """What to take: columns of the table of trials, or time series, by name."""

    columns: tuple[str, ...] = ()
    stimulus: str = ""
    activity: str = ""


def read(path: str, wanted: Wanted) -> Arrays:
    """The arrays of an .nwb file, by the names of the schema.

    Raises: BadInput for a file that pynwb cannot read, or that lacks what is wanted.
    """
    if bool(wanted.columns) == bool(wanted.stimulus) or (wanted.activity and not wanted.stimulus):
        expected = "either task.nwb_stimulus (one row per trial) or task.nwb_stimulus_series (one row per sample)"
        fix = "set one of them; task.nwb_activity_series goes with the second"
        raise BadInput(f"recordings {path!r}: what is the stimulus?", expected, fix)
    stamp(path)
    try:
        from pynwb import NWBHDF5IO  # an extra; it takes a second to import
    except ImportError:
        fix = 'pip install "metaplast[nwb]"'
        raise BadInput(f"recordings {path!r}", "the package pynwb, which reads .nwb files", fix) from None
    try:
        open_file: Any = NWBHDF5IO  # its signature is hidden from type checkers
        with open_file(path, "r", load_namespaces=True) as io:
            return _arrays(io.read(), wanted)
    except BadInput:
        raise
    except Exception as error:  # HDF5 and the NWB schema raise nearly anything on a damaged file
        what = f"recordings {path!r}: {type(error).__name__}"
        raise BadInput(what, "an .nwb file that pynwb can read", "check it with nwbinspector") from None


def _arrays(found: Any, wanted: Wanted) -> Arrays:
    trials = _trials(found)
    if wanted.stimulus:
        arrays = _samples(found, wanted, trials)
    else:
        missing = [name for name in wanted.columns if name not in trials]
        if missing:
            known = ", ".join(repr(name) for name in trials) or "none"
            raise BadInput(f"column {missing[0]!r} of trials", f"one of {known}", "correct task.nwb_stimulus")
        arrays = {"stimulus": np.stack([_column(name, trials) for name in wanted.columns], axis=1)}
        arrays |= {name: _column(name, trials) for name in ("choice", "reward") if name in trials}
    if "choice" in arrays:
        arrays["choice"] = np.nan_to_num(arrays["choice"], nan=-1.0, posinf=np.inf, neginf=-np.inf)
    subject = getattr(found.subject, "subject_id", None)
    if subject:
        arrays["subject"] = np.full(len(arrays["stimulus"]), str(subject))
    return arrays


def _samples(found: Any, wanted: Wanted, trials: Arrays) -> Arrays:
    time, stimulus = _series(found, wanted.stimulus)
    arrays = {"stimulus": stimulus}
    step = np.diff(time)
    if len(step):
        arrays["dt"] = np.asarray(np.median(step))
    if wanted.activity:
        at, activity = _series(found, wanted.activity)
        right = np.clip(np.searchsorted(at, time), 1, max(len(at) - 1, 1))
        nearest = np.where(time - at[right - 1] <= at[np.minimum(right, len(at) - 1)] - time, right - 1, right)
        arrays["activity"] = activity[np.minimum(nearest, len(at) - 1)]
    if not trials:
        return arrays
    start, stop = _column("start_time", trials), _column("stop_time", trials)
    if not (np.all(np.diff(start) > 0) and np.all(stop >= start)):
        raise BadInput("trials", "start_time rising, and stop_time after it", "sort the table of trials")
    arrays["trial"] = np.searchsorted(start, time, side="right")
    last = np.searchsorted(time, np.minimum(stop, np.append(start[1:], np.inf)), side="right") - 1
    last = np.where(arrays["trial"][last] > np.arange(1, len(start) + 1), last - 1, last)
    for name in ("choice", "reward"):
        if name in trials:
            off = np.flatnonzero((last < 0) | (arrays["trial"][last] != np.arange(1, len(start) + 1)))
            if off.size:
                what = f"trial {off[0]}: no sample of {wanted.stimulus!r} in it"
                raise BadInput(what, f"one for its {name}", "choose a series that covers the trials")
            arrays[name] = np.full(len(time), np.nan)
            arrays[name][last] = _column(name, trials)
    return arrays


def _trials(found: Any) -> Arrays:
    """The columns of the table of trials with one entry per trial; empty without a table."""
    if found.trials is None or not len(found.trials):
        return {}
    columns = {name: found.trials[name] for name in found.trials.colnames}
    plain = {name: column.data for name, column in columns.items() if not hasattr(column, "target")}  # not a ragged one
    return {name: np.asarray(_within(name, data)) for name, data in plain.items()}


def _column(name: str, trials: Arrays) -> np.ndarray:
    value = trials[name]
    if value.dtype.kind not in "fiub" or value.ndim != 1:
        raise BadInput(f"column {name!r} of trials: {value.dtype}", "one number per trial", "choose another column")
    return value.astype(np.float64)


def _series(found: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(times [n] in seconds, values [n, channels]) of the one time series of that name."""
    from pynwb import TimeSeries

    every: list[Any] = [x for x in found.objects.values() if isinstance(x, TimeSeries)]
    mine = [x for x in every if x.name == name]
    if len(mine) != 1:
        known = ", ".join(sorted({repr(x.name) for x in every})) or "none"
        raise BadInput(f"{len(mine)} time series {name!r}", f"one of {known}", "correct task.nwb_..._series")
    data = np.asarray(_within(name, mine[0].data))
    if data.dtype.kind not in "fiub" or data.ndim not in (1, 2) or not data.size:
        what = f"time series {name!r}: {data.dtype} {list(data.shape)}"
        raise BadInput(what, "numbers [n] or [n, channels]", "choose another series")
    values = data.reshape(len(data), -1).astype(np.float64) * mine[0].conversion + mine[0].offset
    if mine[0].timestamps is not None:
        time = np.asarray(_within(name, mine[0].timestamps), np.float64)
    else:
        time = (mine[0].starting_time or 0.0) + np.arange(len(data)) / (mine[0].rate or np.nan)
    if time.shape != (len(data),) or not np.isfinite(time).all() or not np.all(np.diff(time) > 0):
        raise BadInput(f"time series {name!r}: its times", "one per sample, rising", "give it a rate or timestamps")
    return time, values


def _within(name: str, data: Any) -> Any:
    """What HDF5 declares, before it is read."""
    size = np.prod(data.shape, dtype=np.float64) * data.dtype.itemsize if hasattr(data, "shape") else 0
    if size > MAX_BYTES:
        raise BadInput(f"{name!r}: {size:.0f} bytes unpacked", f"at most {MAX_BYTES} bytes", "fit a part of it")
    return data[:] if hasattr(data, "shape") else data
