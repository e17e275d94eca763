"""The table of trials of an .nwb file: in the order of time, its columns as inputs, choice and
reward.
"""

from typing import Any

import numpy as np

from inner_tasks._coding import Option, coded
from inner_tasks._npz import MAX_BYTES, Arrays
from inner_tasks._said import MANY, Said, counted, listed, tally
from metaplast.registry import BadInput

TIMES = ("start_time", "stop_time")
ENDS = {  # what is taken up to stop_time -> (what follows where there is none, and where trials overlap)
    "samples": ("; these last until the next one begins", ", and end there"),
    "spikes": ("; their spikes are missing", "; spikes there count in both"),
    "nothing": ("", ""),
}


def trials(found: Any, until: str, said: Said) -> Arrays:
    """The columns with one entry per trial, sorted by start_time; empty without a table. until: a
    key of ENDS.

    Raises: BadInput for a start_time that is not a number.
    """
    if found.trials is None or not len(found.trials):
        return {}
    columns = {name: found.trials[name] for name in found.trials.colnames}
    whole = {
        name: column.data for name, column in columns.items() if not hasattr(column, "target")
    }  # not a ragged one
    table = {name: _text(np.asarray(within(name, data))) for name, data in whole.items()}
    start = numbers("start_time", table)
    if not np.isfinite(start).all():
        given = f"trials: start_time is missing in {counted((~np.isfinite(start)).sum(), len(start), 'trials')}"
        raise BadInput(
            given,
            "a time for every trial, in seconds",
            "fill in the table of trials, or leave them out",
        )
    order = np.argsort(start, kind="stable")
    moved = int(np.sum(order != np.arange(len(order))))
    if moved:
        words = "not in the order of start_time, and sorted by it"
        said.warnings.append(f"trials: {counted(moved, len(order), 'trials')} {words}")
    table = {name: value[order] for name, value in table.items()}
    said.warnings.extend(_odd(table, *ENDS[until]))
    return table


def _odd(table: Arrays, without: str, over: str) -> list[str]:
    """What is doubtful of the times, sorted, and what becomes of it."""
    start, stop = (
        numbers("start_time", table),
        numbers("stop_time", table) if "stop_time" in table else None,
    )
    n, words = len(start), []
    if same := int(np.sum(np.diff(start) == 0)):
        words.append(
            f"trials: {counted(same, n, 'trials')} begin when the one before begins; taken in the table's order"
        )
    if stop is None:
        return words
    if none := int(np.isnan(stop).sum()):
        words.append(f"trials: no stop_time in {counted(none, n, 'trials')}{without}")
    if late := int(np.sum(stop[:-1] > start[1:])):
        words.append(f"trials: {counted(late, n, 'trials')} stop after the next one begins{over}")
    if early := int(np.sum(stop < start)):
        words.append(f"trials: stop_time before start_time in {counted(early, n, 'trials')}")
    return words


def inputs(names: tuple[str, ...], table: Arrays, said: Said) -> np.ndarray:
    """[n_trials, n_in]: a column of numbers is one input, a vector column one per entry, text one
    per distinct word.

    Raises: BadInput for a column that is not there, or is none of these.
    """
    return np.concatenate([_input(name, table, said) for name in names], axis=1)


def _input(name: str, table: Arrays, said: Said) -> np.ndarray:
    value = _named(name, table, "task.nwb_stimulus")
    if value.dtype.kind == "U" and value.ndim == 1:
        return _one_hot(name, value, said)
    if value.dtype.kind not in "fiub" or value.ndim not in (1, 2) or not value.size:
        expected = "one number per trial, a vector, or text"
        raise BadInput(
            f"column {name!r} of trials: {_kind(value)}", expected, "choose another column"
        )
    given = value.reshape(len(value), -1).astype(np.float64)
    if not np.isfinite(given).all():
        missing = counted(np.sum(~np.isfinite(given)), given.size, "values")
        fix = "fill them in in the file (0, where nothing was shown), or leave those trials out"
        raise BadInput(
            f"column {name!r} of trials: {missing} are no finite number", "what was shown", fix
        )
    words = "1 input" if given.shape[1] == 1 else f"a vector, {given.shape[1]} inputs"
    said.columns.append(f"column {name!r} of trials: {words}")
    return given


def _one_hot(name: str, value: np.ndarray, said: Said) -> np.ndarray:
    words = np.unique(value)
    if not 1 < len(words) <= MANY:
        expected = f"one number per trial, or text of 2 to {MANY} words"
        raise BadInput(
            f"column {name!r} of trials: text of {len(words)}", expected, "choose another column"
        )
    said.columns.append(
        f"column {name!r} of trials: text, {len(words)} inputs: {listed(map(str, words))}"
    )
    words_of = (
        f"text in all {len(value)} rows, read as an input of 0 and 1 for each of {tally(value)}"
    )
    said.warnings.append(f"column {name!r} of trials: {words_of}")
    return (value[:, None] == words).astype(np.float64)


def rewards(names: tuple[str, ...], table: Arrays, said: Said) -> np.ndarray | None:
    """[n_trials]: the column, or the sum of several where one has a value; NaN: no outcome. None:
    no column.
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
        said.warnings.append(f"reward: in {counted(part, len(every), 'trials')} {some}")
    said.columns.append(f"reward: {' + '.join(f'column {name!r}' for name in names)} of trials")
    return np.where(known.any(axis=1), np.where(known, every, 0.0).sum(axis=1), np.nan)


def choices(
    name: str, options: tuple[Option, ...], table: Arrays, reward: np.ndarray | None, said: Said
) -> np.ndarray | None:
    """[n_trials] as `_coding.coded` has it; None where there is no such column and none was asked
    for.
    """
    if not name and "choice" not in table:
        return None
    name = name or "choice"
    value = _named(name, table, "task.nwb_choice")
    if value.ndim != 1 or value.dtype.kind not in "fiubU":
        raise BadInput(
            f"column {name!r} of trials: {_kind(value)}",
            "one choice per trial",
            "choose another column",
        )
    return coded(f"column {name!r} of trials", value, options, reward, said)


def demand_choice(table: Arrays) -> None:
    """Raises: BadInput, as there is no column `choice` and no activity to fit."""
    fix = "set task.nwb_choice=COLUMN, or record activity: task.nwb_activity_series"
    raise BadInput(
        "trials: no column 'choice'", f"the column of choices, of {columns_of(table)}", fix
    )


def columns_of(table: Arrays) -> str:
    return listed([repr(name) for name in table if name not in TIMES]) or "none"


def _named(name: str, table: Arrays, field: str) -> np.ndarray:
    if name not in table:
        known = ", ".join(repr(column) for column in table) or "none"
        raise BadInput(f"column {name!r} of trials", f"one of {known}", f"correct {field}")
    return table[name]


def numbers(name: str, table: Arrays) -> np.ndarray:
    value = table[name]
    if value.dtype.kind not in "fiub" or value.ndim != 1:
        fix = "choose another column, or write it as numbers"
        raise BadInput(f"column {name!r} of trials: {_kind(value)}", "one number per trial", fix)
    return value.astype(np.float64)


def _kind(value: np.ndarray) -> str:
    shape = "" if value.ndim == 1 else f", {list(value.shape[1:])} per trial"
    return ("text" if value.dtype.kind == "U" else str(value.dtype)) + shape


def _text(value: np.ndarray) -> np.ndarray:
    """Text as HDF5 gives it, as str."""
    if value.dtype.kind == "S":
        return np.char.decode(value, "utf-8", "replace")
    if value.dtype.kind == "O" and all(isinstance(x, str | bytes) for x in value.flat):
        return np.asarray(
            [x.decode("utf-8", "replace") if isinstance(x, bytes) else x for x in value.flat]
        )
    return value


def within(name: str, data: Any) -> Any:
    """What HDF5 declares, before it is read."""
    size = (
        np.prod(data.shape, dtype=np.float64) * data.dtype.itemsize if hasattr(data, "shape") else 0
    )
    if size > MAX_BYTES:
        raise BadInput(
            f"{name!r}: {size:.0f} bytes unpacked", f"at most {MAX_BYTES} bytes", "fit a part of it"
        )
    return data[:] if hasattr(data, "shape") else data
