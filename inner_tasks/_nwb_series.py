"""Time series and spike times of an .nwb file, and their values at the times of the rows."""

from typing import Any

import numpy as np

from inner_tasks._notes import ReadingNotes, counted
from inner_tasks._nwb_trials import within
from metaplast.registry import BadInput

UNITS = "units"
REACH = 0.75  # steps of a series between a row and its nearest sample; times jitter, so above 0.5
UNEVEN = 0.1  # of the median step: a step that is further off counts as uneven
MANY_TIMES = 100  # beyond this ratio two recordings of one session are in different units of time
MOST = 0.9  # of the rows: more of them without a sample hint at another clock
A_DAY = 86_400.0  # seconds
SECTIONS = ("acquisition", "stimulus", "processing", "analysis", "scratch")


def series(found: Any, name: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """The times [n] in seconds and the values [n, channels] of one time series.

    name: its name, or the end of its path
    field: the config word that asks for it, for error messages

    Raises: BadInput where there is none of that name or several, for values that are no numbers,
        and for times that do not rise.
    """
    mine = _one(found, name, field)
    data = np.asarray(within(name, mine.data))
    if data.dtype.kind not in "fiub" or data.ndim not in (1, 2) or not data.size:
        what = f"time series {name!r}: {data.dtype} {list(data.shape)}"
        raise BadInput(what, "numbers [n] or [n, channels]", "choose another series")
    values = data.reshape(len(data), -1).astype(np.float64) * mine.conversion + mine.offset
    if mine.timestamps is not None:
        time = np.asarray(within(name, mine.timestamps), np.float64)
    else:
        time = (mine.starting_time or 0.0) + np.arange(len(data)) / (mine.rate or np.nan)
    _check_times(name, time, len(data))
    return time, values


def _check_times(name: str, time: np.ndarray, n: int) -> None:
    if time.shape != (n,):
        given, fix = f"{time.size} times of {n} samples", "write a time for every sample"
    elif not np.isfinite(time).all():
        given, fix = (
            f"no time in {counted(np.sum(~np.isfinite(time)), n, 'samples')}",
            "give it a rate or timestamps",
        )
    elif not np.all(np.diff(time) > 0):
        given = f"not rising at {counted(np.sum(np.diff(time) <= 0), n, 'samples')}"
        fix = "sort the samples by time and leave out those that are there twice"
    else:
        return
    raise BadInput(f"time series {name!r}: its times: {given}", "one per sample, rising", fix)


def named(found: Any, name: str) -> bool:
    """Whether there is a time series of that name."""
    return any(_ends(path, name) for path in _paths(found))


def _one(found: Any, name: str, field: str) -> Any:
    every = {path: one for path, one in _paths(found).items() if _ends(path, name)}
    if len(every) == 1:
        return next(iter(every.values()))
    first = min(every, default="").removeprefix("processing/")
    fix = f"say which by its path: {field}={first}" if every else f"correct {field}"
    raise BadInput(f"{len(every)} time series {name!r}", f"one of {known_series(found)}", fix)


def known_series(found: Any) -> str:
    """The names of all time series, with their paths where a name is there twice."""
    paths = list(_paths(found))
    names = [path.rpartition("/")[2] for path in paths]
    shown = (
        path if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)
    )
    return ", ".join(sorted(map(repr, shown))) or "none"


def _paths(found: Any) -> dict[str, Any]:
    """Every time series of a file by its path, as in `processing/ophys/DfOverF/cells`."""
    from pynwb import TimeSeries

    return {_path(found, one): one for one in found.objects.values() if isinstance(one, TimeSeries)}


def _path(found: Any, one: Any) -> str:
    parts, top = [one.name], one
    while top.parent is not None and top.parent is not found:
        top = top.parent
        parts.insert(0, top.name)
    held = (
        name
        for name in SECTIONS
        if any(inside is top for inside in dict(getattr(found, name) or {}).values())
    )
    return "/".join([*held, *parts])


def _ends(path: str, name: str) -> bool:
    wanted, parts = name.strip("/").split("/"), path.split("/")
    return parts[-len(wanted) :] == wanted


def step_of(name: str, time: np.ndarray, notes: ReadingNotes) -> float:
    """The median step in seconds; infinite for one sample."""
    steps = np.diff(time)
    if not len(steps):
        return np.inf
    median = float(np.median(steps))
    if time[-1] - time[0] > A_DAY:
        hours = (time[-1] - time[0]) / 3600
        condition = f"if its {len(time)} times are in seconds"
        notes.warn(f"time series {name!r}: lasts {hours:.3g} hours, {condition}")
    uneven = int(np.sum(np.abs(steps - median) > UNEVEN * median))
    if uneven:
        notes.warn(
            f"time series {name!r}: {counted(uneven, len(steps), 'steps')} "
            f"are more than a tenth off the median of {median:.6g} s, "
            f"the longest {steps.max():.6g} s; rows count as even"
        )
    return median


def nearest(
    names: tuple[str, str],
    time: np.ndarray,
    at: np.ndarray,
    values: np.ndarray,
    notes: ReadingNotes,
) -> np.ndarray:
    """The values [n, channels] of the nearest sample at the time of every row.

    Of two samples as near, the earlier is taken. NaN where none lies within 3/4 of a step.

    Args:
        names: the name of the series that makes the rows, and the name of the series of `values`.
        time: the times [n] of the rows, in seconds.
        at: the times [n_samples] of the samples, in seconds.
        values: the samples [n_samples, channels].
        notes: takes the counts of rows without a sample, repeated and unused samples.
    Raises: BadInput where the times of the two series cannot be in one unit, or no sample is near.
    """
    rows, mine = names
    right = np.clip(np.searchsorted(at, time), 1, max(len(at) - 1, 1))
    later = np.minimum(right, len(at) - 1)
    index = np.where(time - at[right - 1] <= at[later] - time, right - 1, later)
    step = 1.0
    if len(at) > 1:
        step = float(np.median(np.diff(at)))
    elif len(time) > 1:
        step = float(np.median(np.diff(time)))
    near = np.abs(at[index] - time) <= REACH * step
    again = near & np.append(False, near[:-1]) & (np.diff(index, prepend=-1) == 0)
    _demand_one_clock(names, time, at, (near, again))
    n = len(time)
    unused = len(at) - len(np.unique(index[near]))
    if not near.all():
        notes.warn(
            f"time series {mine!r}: no sample near {counted(np.sum(~near), n)}, missing there; "
            f"it lasts from {at[0]:.6g} to {at[-1]:.6g} s, "
            f"{rows!r} from {time[0]:.6g} to {time[-1]:.6g} s"
        )
    if again.any():
        notes.warn(
            f"time series {mine!r}: {counted(again.sum(), n)} repeat the sample of the row before"
        )
    if unused:
        left = counted(unused, len(at), "samples")
        notes.warn(f"time series {mine!r}: {left} are not used, as others are nearer to the rows")
    return np.where(near[:, None], values[index], np.nan)


def _demand_one_clock(
    names: tuple[str, str], time: np.ndarray, at: np.ndarray, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    near, again = rows
    spans = sorted([time[-1] - time[0], at[-1] - at[0]])
    apart = (
        spans[0] > 0
        and spans[1] > MANY_TIMES * spans[0]
        and max(np.mean(~near), np.mean(again)) > MOST
    )
    if apart or not near.any():
        theirs = f"{names[0]!r} from {time[0]:.6g} to {time[-1]:.6g}"
        given = f"time series {names[1]!r} from {at[0]:.6g} to {at[-1]:.6g}, {theirs}"
        raise BadInput(
            given, "times of one session, both in seconds", "write timestamps (or rate) in seconds"
        )


def spike_counts(found: Any, begin: np.ndarray, end: np.ndarray, notes: ReadingNotes) -> np.ndarray:
    """The number of spikes of every unit in begin <= t < end of each row: [n, n_units].

    NaN where a unit was not recorded: outside its obs_intervals (without these, before the first
    and after the last spike of all units), and in rows without an end.

    Args:
        found: the open file.
        begin: the beginning [n] of every row, in seconds.
        end: its end [n].
        notes: takes the counts of missing values and of spikes outside all rows.
    Raises: BadInput where there are no units, or none has a spike in a row.
    """
    trains = [np.sort(train) for train in _ragged(found.units, "spike_times")]
    n_spikes = sum(len(train) for train in trains)
    whole = np.isfinite(begin) & np.isfinite(end)
    first = np.where(whole, begin, 0.0)
    last = np.where(whole, end, 0.0)
    per_unit = [np.searchsorted(t, last) - np.searchsorted(t, first) for t in trains]
    counts = np.stack(per_unit, axis=1).astype(np.float64)
    inside = int(counts.sum())
    every = np.concatenate(trains) if n_spikes else np.zeros(1)
    rows = last.max() - first[whole].min() if whole.any() else 0.0
    apart = (
        np.nanmax(every) - np.nanmin(every) > MANY_TIMES * rows and inside < (1.0 - MOST) * n_spikes
    )
    if apart or not inside:
        span = (
            f"spikes from {np.nanmin(every):.6g} to {np.nanmax(every):.6g}, rows over {rows:.6g} s"
        )
        given = f"units: {counted(inside, n_spikes, 'spikes')} lie in rows: {span}"
        raise BadInput(given, "spike_times in seconds, of the same clock", "correct spike_times")
    seen = whole[:, None] & _observed(found.units, trains, begin, end)
    lost = int(np.sum(~seen))
    notes.add_column("units", f"spikes of {len(trains)} units, counted in every row")
    if lost:
        notes.warn(f"units: not recorded in {counted(lost, seen.size, 'values')}, missing there")
    outside = n_spikes - int(counts[seen].sum())
    if outside:
        notes.warn(f"units: {counted(outside, n_spikes, 'spikes')} lie in no row, and are left out")
    return np.where(seen, counts, np.nan)


def _ragged(units: Any, name: str) -> list[np.ndarray]:
    if units is None or name not in units.colnames or not len(units):
        raise BadInput(
            f"no units with {name}", "spike times of units in the file", "choose a time series"
        )
    within(name, units[name].target.data)
    return [np.asarray(value, np.float64) for value in units[name][:]]


def _observed(
    units: Any, trains: list[np.ndarray], begin: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Whether a row lies wholly in the time in which a unit was recorded: [n, n_units]."""
    if "obs_intervals" in units.colnames:
        intervals = [value.reshape(-1, 2) for value in _ragged(units, "obs_intervals")]
        seen = []
        for each in intervals:
            inside = (each[:, 0] <= begin[:, None]) & (end[:, None] <= each[:, 1])
            seen.append(inside.any(axis=1))
        return np.stack(seen, axis=1)
    every = np.concatenate(trains)
    every = every[np.isfinite(every)]
    alive = (end > every.min()) & (begin <= every.max())
    return np.repeat(alive[:, None], len(trains), axis=1)
