"""The table of trials of an .nwb file, sorted by time: columns as inputs, choices and rewards."""

from typing import Any

import numpy as np

from inner_tasks._coding import Option, coded
from inner_tasks._notes import MANY, ReadingNotes, counted, listed, tally
from inner_tasks._npz import MAX_BYTES, Arrays
from metaplast.registry import BadInput

TIMES = ("start_time", "stop_time")
# Data that are taken up to stop_time -> (the end of a warning where it is missing, and where trials
# overlap).
ENDS = {
    "samples": ("; these last until the next one begins", ", and end there"),
    "spikes": ("; their spikes are missing", "; spikes there count in both"),
    "nothing": ("", ""),
}


def trials(file: Any, until: str, notes: ReadingNotes) -> Arrays:
    """The columns with one entry per trial, sorted by start_time; empty without a table.

    Args:
        file: the open file.
        until: a key of ENDS.
        notes: takes the warnings.
    Raises: BadInput for a start_time that is not a number.
    """
    if file.trials is None or not len(file.trials):
        return {}
    columns = {name: file.trials[name] for name in file.trials.colnames}
    table = {}
    for name, column in columns.items():
        ragged = hasattr(column, "target")
        if not ragged:
            table[name] = _text(np.asarray(within(name, column.data)))
    start = numbers("start_time", table)
    if not np.isfinite(start).all():
        missing = counted((~np.isfinite(start)).sum(), len(start), "trials")
        what = f"trials: start_time is missing in {missing}"
        fix = "fill in the table of trials, or leave them out"
        raise BadInput(what, "a time for every trial, in seconds", fix)
    order = np.argsort(start, kind="stable")
    moved = int(np.sum(order != np.arange(len(order))))
    if moved:
        words = "not in the order of start_time, and sorted by it"
        notes.warn(f"trials: {counted(moved, len(order), 'trials')} {words}")
    table = {name: value[order] for name, value in table.items()}
    notes.warnings.extend(_odd_times(table, *ENDS[until]))
    return table


def _odd_times(table: Arrays, without: str, over: str) -> list[str]:
    """Warnings for times of a sorted table that may be wrong.

    Args:
        table: the columns.
        without: the fate of a trial without stop_time, in words.
        over: the fate of a trial that stops after the next one begins, in words.
    """
    start = numbers("start_time", table)
    n = len(start)
    warnings = []
    same = int(np.sum(np.diff(start) == 0))
    if same:
        trials = counted(same, n, "trials")
        warnings.append(
            f"trials: {trials} begin when the one before begins; taken in the table's order"
        )
    if "stop_time" not in table:
        return warnings
    stop = numbers("stop_time", table)
    endless = int(np.isnan(stop).sum())
    if endless:
        trials = counted(endless, n, "trials")
        warnings.append(f"trials: no stop_time in {trials}{without}")
    late = int(np.sum(stop[:-1] > start[1:]))
    if late:
        trials = counted(late, n, "trials")
        warnings.append(f"trials: {trials} stop after the next one begins{over}")
    early = int(np.sum(stop < start))
    if early:
        trials = counted(early, n, "trials")
        warnings.append(f"trials: stop_time before start_time in {trials}")
    return warnings


def inputs(names: tuple[str, ...], table: Arrays, notes: ReadingNotes) -> np.ndarray:
    """The inputs [n_trials, n_in] of some columns.

    A column of numbers is one input, a column of vectors one input per entry, and a column of text
    one input per distinct word.

    Raises: BadInput for a column that is not there, or is none of these.
    """
    columns = [_input(name, table, notes) for name in names]
    return np.concatenate(columns, axis=1)


def _input(name: str, table: Arrays, notes: ReadingNotes) -> np.ndarray:
    """The inputs [n_trials, n] of one column."""
    value = _named(name, table, "task.nwb_stimulus")
    column = f"column {name!r} of trials"
    if value.dtype.kind == "U" and value.ndim == 1:
        return _one_hot(name, value, notes)
    if value.dtype.kind not in "fiub" or value.ndim not in (1, 2) or not value.size:
        expected = "one number per trial, a vector, or text"
        raise BadInput(f"{column}: {_kind(value)}", expected, "choose another column")
    columns = value.reshape(len(value), -1).astype(np.float64)
    if not np.isfinite(columns).all():
        missing = counted(np.sum(~np.isfinite(columns)), columns.size, "values")
        fix = "fill them in in the file (0, where nothing was shown), or leave those trials out"
        raise BadInput(f"{column}: {missing} are no finite number", "the shown number", fix)
    words = "1 input" if columns.shape[1] == 1 else f"a vector, {columns.shape[1]} inputs"
    notes.add_column(column, words)
    return columns


def _one_hot(name: str, value: np.ndarray, notes: ReadingNotes) -> np.ndarray:
    """One input for every word of a column of text."""
    words = np.unique(value)
    column = f"column {name!r} of trials"
    if not 1 < len(words) <= MANY:
        expected = f"one number per trial, or text of 2 to {MANY} words"
        raise BadInput(f"{column}: text of {len(words)}", expected, "choose another column")
    notes.add_column(column, f"text, {len(words)} inputs: {listed(map(str, words))}")
    reading = f"read as an input of 0 and 1 for each of {tally(value)}"
    notes.warn(f"{column}: text in all {len(value)} rows, {reading}")
    return (value[:, None] == words).astype(np.float64)


def rewards(names: tuple[str, ...], table: Arrays, notes: ReadingNotes) -> np.ndarray | None:
    """The rewards [n_trials]: the column, or the sum of several columns where one has a value.

    NaN stands for no outcome. None where there is no such column.
    """
    if not names and "reward" not in table:
        return None
    names = names or ("reward",)
    columns = []
    for name in names:
        _named(name, table, "task.nwb_reward")
        columns.append(numbers(name, table))
    every = np.stack(columns, axis=1)
    known = ~np.isnan(every)
    part = int(np.sum(known.any(axis=1) & ~known.all(axis=1)))
    if part:
        some = f"only some of {listed(names)} have a value, and their sum is taken"
        notes.warn(f"reward: in {counted(part, len(every), 'trials')} {some}")
    columns_added = " + ".join(f"column {name!r}" for name in names)
    notes.add_column("reward", f"{columns_added} of trials")
    return np.where(known.any(axis=1), np.where(known, every, 0.0).sum(axis=1), np.nan)


def choices(
    name: str,
    options: tuple[Option, ...],
    table: Arrays,
    reward: np.ndarray | None,
    notes: ReadingNotes,
) -> np.ndarray | None:
    """The choices [n_trials], coded as by `_coding.coded`.

    None where there is no such column and none was asked for.
    """
    if not name and "choice" not in table:
        return None
    name = name or "choice"
    value = _named(name, table, "task.nwb_choice")
    if value.ndim != 1 or value.dtype.kind not in "fiubU":
        what = f"column {name!r} of trials: {_kind(value)}"
        raise BadInput(what, "one choice per trial", "choose another column")
    return coded(f"column {name!r} of trials", value, options, reward, notes)


def demand_choice(table: Arrays) -> None:
    """Raises: BadInput, since there is no column `choice` and no activity to fit."""
    expected = f"the column of choices, of {columns_of(table)}"
    fix = "set task.nwb_choice=COLUMN, or record activity: task.nwb_activity_series"
    raise BadInput("trials: no column 'choice'", expected, fix)


def columns_of(table: Arrays) -> str:
    """The names of the columns, without the times."""
    names = [repr(name) for name in table if name not in TIMES]
    return listed(names) or "none"


def _named(name: str, table: Arrays, field: str) -> np.ndarray:
    if name not in table:
        known = ", ".join(map(repr, table)) or "none"
        raise BadInput(f"column {name!r} of trials", f"one of {known}", f"correct {field}")
    return table[name]


def numbers(name: str, table: Arrays) -> np.ndarray:
    """One column [n_trials] in double precision. Raises: BadInput for anything but numbers."""
    value = table[name]
    if value.dtype.kind not in "fiub" or value.ndim != 1:
        fix = "choose another column, or write it as numbers"
        raise BadInput(f"column {name!r} of trials: {_kind(value)}", "one number per trial", fix)
    return value.astype(np.float64)


def _kind(value: np.ndarray) -> str:
    kind = "text" if value.dtype.kind == "U" else str(value.dtype)
    if value.ndim > 1:
        kind += f", {list(value.shape[1:])} per trial"
    return kind


def _text(value: np.ndarray) -> np.ndarray:
    """Text as str, however HDF5 gives it."""
    if value.dtype.kind == "S":
        return np.char.decode(value, "utf-8", "replace")
    if value.dtype.kind != "O" or not all(isinstance(x, str | bytes) for x in value.flat):
        return value
    words = []
    for word in value.flat:
        if isinstance(word, bytes):
            word = word.decode("utf-8", "replace")
        words.append(word)
    return np.asarray(words)


def within(name: str, data: Any) -> Any:
    """The data, read from HDF5 after their declared size was checked.

    Raises: BadInput for more than MAX_BYTES.
    """
    if not hasattr(data, "shape"):
        return data
    size = np.prod(data.shape, dtype=np.float64) * data.dtype.itemsize
    if size > MAX_BYTES:
        what = f"{name!r}: {size:.0f} bytes unpacked"
        raise BadInput(what, f"at most {MAX_BYTES} bytes", "fit a part of it")
    return data[:]
