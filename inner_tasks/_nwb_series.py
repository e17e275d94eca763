"""Time series and spike times of an .nwb file, and their values at the times of the rows."""

from typing import Any, NamedTuple

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


class Samples(NamedTuple):
    """The samples of one time series.

    time [n]: in seconds.
    values [n, channels].
    """

    time: np.ndarray
    values: np.ndarray


def series(file: Any, name: str, field: str) -> Samples:
    """The samples of one time series.

    Args:
        file: the open file.
        name: the name of the series, or the end of its path.
        field: the config word that asks for it, for errors.
    Raises: BadInput where there is none of that name or several, for values that are no numbers,
        and for times that do not rise.
    """
    stored = _one(file, name, field)
    data = np.asarray(within(name, stored.data))
    if data.dtype.kind not in "fiub" or data.ndim not in (1, 2) or not data.size:
        what = f"time series {name!r}: {data.dtype} {list(data.shape)}"
        raise BadInput(what, "numbers [n] or [n, channels]", "choose another series")
    values = data.reshape(len(data), -1).astype(np.float64) * stored.conversion + stored.offset
    if stored.timestamps is not None:
        time = np.asarray(within(name, stored.timestamps), np.float64)
    else:
        time = (stored.starting_time or 0.0) + np.arange(len(data)) / (stored.rate or np.nan)
    _check_times(name, time, len(data))
    return Samples(time, values)


def _check_times(name: str, time: np.ndarray, n: int) -> None:
    """Raises: BadInput for times that are missing or do not rise."""
    if time.shape != (n,):
        fault = f"{time.size} times of {n} samples"
        fix = "write a time for every sample"
    elif not np.isfinite(time).all():
        fault = f"no time in {counted(np.sum(~np.isfinite(time)), n, 'samples')}"
        fix = "give it a rate or timestamps"
    elif not np.all(np.diff(time) > 0):
        fault = f"not rising at {counted(np.sum(np.diff(time) <= 0), n, 'samples')}"
        fix = "sort the samples by time and leave out those that are there twice"
    else:
        return
    raise BadInput(f"time series {name!r}: its times: {fault}", "one per sample, rising", fix)


def named(file: Any, name: str) -> bool:
    """Whether there is a time series of that name."""
    return any(_ends(path, name) for path in _paths(file))


def _one(file: Any, name: str, field: str) -> Any:
    """The only time series of that name."""
    matching = {}
    for path, one in _paths(file).items():
        if _ends(path, name):
            matching[path] = one
    if len(matching) == 1:
        return next(iter(matching.values()))
    first = min(matching, default="").removeprefix("processing/")
    fix = f"say which by its path: {field}={first}" if matching else f"correct {field}"
    raise BadInput(f"{len(matching)} time series {name!r}", f"one of {known_series(file)}", fix)


def known_series(file: Any) -> str:
    """The names of all time series, with their paths where a name is there twice."""
    paths = list(_paths(file))
    names = [path.rpartition("/")[2] for path in paths]
    shown = []
    for path, name in zip(paths, names, strict=True):
        if names.count(name) > 1:
            shown.append(path)
        else:
            shown.append(name)
    return ", ".join(sorted(map(repr, shown))) or "none"


def _paths(file: Any) -> dict[str, Any]:
    """Every time series of a file by its path, as in `processing/ophys/DfOverF/cells`."""
    from pynwb import TimeSeries

    series = {}
    for one in file.objects.values():
        if isinstance(one, TimeSeries):
            series[_path(file, one)] = one
    return series


def _path(file: Any, one: Any) -> str:
    """The path of an object: its section, its containers and its name."""
    parts = [one.name]
    top = one
    while top.parent is not None and top.parent is not file:
        top = top.parent
        parts.insert(0, top.name)
    sections = []
    for name in SECTIONS:
        members = dict(getattr(file, name) or {}).values()
        if any(member is top for member in members):
            sections.append(name)
    return "/".join([*sections, *parts])


def _ends(path: str, name: str) -> bool:
    """Whether a path ends in a name, which may be a part of a path itself."""
    wanted = name.strip("/").split("/")
    parts = path.split("/")
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
    rows: str, time: np.ndarray, name: str, samples: Samples, notes: ReadingNotes
) -> np.ndarray:
    """The values [n, channels] of the nearest sample at the time of every row.

    Of two samples as near, the earlier is taken. NaN where none lies within 3/4 of a step.

    Args:
        rows: the name of the series that makes the rows.
        time: the times [n] of the rows, in seconds.
        name: the name of the series of the samples.
        samples: the samples.
        notes: takes the counts of rows without a sample, repeated and unused samples.
    Raises: BadInput where the times of the two series cannot be in one unit, or no sample is near.
    """
    at, values = samples
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
    spans = sorted([time[-1] - time[0], at[-1] - at[0]])
    far_apart = spans[0] > 0 and spans[1] > MANY_TIMES * spans[0]
    mostly_off = max(np.mean(~near), np.mean(again)) > MOST
    if (far_apart and mostly_off) or not near.any():
        span = f"{rows!r} from {time[0]:.6g} to {time[-1]:.6g}"
        what = f"time series {name!r} from {at[0]:.6g} to {at[-1]:.6g}, {span}"
        expected = "times of one session, both in seconds"
        raise BadInput(what, expected, "write timestamps (or rate) in seconds")
    n = len(time)
    unused = len(at) - len(np.unique(index[near]))
    if not near.all():
        notes.warn(
            f"time series {name!r}: no sample near {counted(np.sum(~near), n)}, missing there; "
            f"it lasts from {at[0]:.6g} to {at[-1]:.6g} s, "
            f"{rows!r} from {time[0]:.6g} to {time[-1]:.6g} s"
        )
    if again.any():
        repeated = counted(again.sum(), n)
        notes.warn(f"time series {name!r}: {repeated} repeat the sample of the row before")
    if unused:
        left = counted(unused, len(at), "samples")
        notes.warn(f"time series {name!r}: {left} are not used, as others are nearer to the rows")
    return np.where(near[:, None], values[index], np.nan)


def spike_counts(file: Any, begin: np.ndarray, end: np.ndarray, notes: ReadingNotes) -> np.ndarray:
    """The number of spikes of every unit in begin <= t < end of each row: [n, n_units].

    It is NaN in rows without an end, and where a unit was not recorded. A unit is recorded in its
    obs_intervals. Without these, it is recorded from the first to the last spike of all units.

    Args:
        file: the open file.
        begin: the beginning [n] of every row, in seconds.
        end: its end [n].
        notes: takes the counts of missing values and of spikes outside all rows.
    Raises: BadInput where there are no units, or none has a spike in a row.
    """
    trains = list(map(np.sort, _ragged(file.units, "spike_times")))
    n_spikes = sum(map(len, trains))
    whole = np.isfinite(begin) & np.isfinite(end)
    first = np.where(whole, begin, 0.0)
    last = np.where(whole, end, 0.0)
    per_unit = []
    for train in trains:
        per_unit.append(np.searchsorted(train, last) - np.searchsorted(train, first))
    counts = np.stack(per_unit, axis=1).astype(np.float64)
    inside = int(counts.sum())
    every = np.concatenate(trains) if n_spikes else np.zeros(1)
    rows = last.max() - first[whole].min() if whole.any() else 0.0
    longer = np.nanmax(every) - np.nanmin(every) > MANY_TIMES * rows
    if (longer and inside < (1.0 - MOST) * n_spikes) or not inside:
        spikes = f"spikes from {np.nanmin(every):.6g} to {np.nanmax(every):.6g}"
        span = f"{spikes}, rows over {rows:.6g} s"
        what = f"units: {counted(inside, n_spikes, 'spikes')} lie in rows: {span}"
        raise BadInput(what, "spike_times in seconds, of the same clock", "correct spike_times")
    recorded = whole[:, None] & _observed(file.units, trains, begin, end)
    lost = int(np.sum(~recorded))
    notes.add_column("units", f"spikes of {len(trains)} units, counted in every row")
    if lost:
        missing = counted(lost, recorded.size, "values")
        notes.warn(f"units: not recorded in {missing}, missing there")
    outside = n_spikes - int(counts[recorded].sum())
    if outside:
        notes.warn(f"units: {counted(outside, n_spikes, 'spikes')} lie in no row, and are left out")
    return np.where(recorded, counts, np.nan)


def _ragged(units: Any, name: str) -> list[np.ndarray]:
    """A column of the table of units, one array for each unit."""
    if units is None or name not in units.colnames or not len(units):
        expected = "spike times of units in the file"
        raise BadInput(f"no units with {name}", expected, "choose a time series")
    within(name, units[name].target.data)
    return [np.asarray(value, np.float64) for value in units[name][:]]


def _observed(
    units: Any, trains: list[np.ndarray], begin: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Whether a row lies wholly in the time in which a unit was recorded: [n, n_units]."""
    if "obs_intervals" in units.colnames:
        by_unit = []
        for intervals in _ragged(units, "obs_intervals"):
            first, last = intervals.reshape(-1, 2).T
            inside = (first <= begin[:, None]) & (end[:, None] <= last)
            by_unit.append(inside.any(axis=1))
        return np.stack(by_unit, axis=1)
    every = np.concatenate(trains)
    every = every[np.isfinite(every)]
    alive = (end > every.min()) & (begin <= every.max())
    return np.repeat(alive[:, None], len(trains), axis=1)
