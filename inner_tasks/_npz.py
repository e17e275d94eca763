"""A user's recordings in one .npz file (numpy.savez): its arrays, their checks and errors.

Rows are time steps; N of them, one session after the other, each in time order. Numbers of any
NumPy type; text as str.

    stimulus [N, n_in]
        the inputs; required, finite
    activity [N, n_units]
        the recorded activity; NaN: missing. `activity` or `choice` is required; with both,
        `task.target` says which is fitted
    choice [N]
        0, 1, 2 ...; negative or NaN: no choice was made. Other values, text too, where
        `task.choice_values` names the options (_coding.py)
    recorded [n_units] or [N, n_units]
        which units of `activity` (and when) count: true/false, default all
    reward [N]
        the reward; NaN: nothing was said. Gives two modulators, 0 where it is NaN: `reward`, and
        `advantage` = reward - the mean of the last `task.reward_window` rewards before it in its
        session (of as many as there are; 0 before the first)
    modulator.<name> [N]
        further channels, finite; name: a-z, 0-9, _
    plastic [N]
        whether plasticity is on, 0 to 1; default 1
    session [N]
        whole numbers; default: one session. Weights begin anew in each: days through which an
        animal goes on learning are one session
    trial [N]
        whole numbers. Each change begins a new trial, and neurons are then at rest (`reset` on the
        last row before it). Without it no neuron is ever reset, and every row is a trial of its own
        where trials are held out
    subject [N]
        whole numbers or text, one per session; default: every session is its own subject
    weights.<edge> [post, pre] or [n_sessions, post, pre]
        the first weights, finite
    final_weights.<edge>
        likewise, the last weights; NaN: not measured
    dt
        seconds per row; `metaplast fit` runs with it unless told another dt

Nothing in a file becomes code: no pickle, no object arrays. Every function here raises BadInput
that names the array.
"""

import difflib
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from inner_tasks._file import looks, stamp
from inner_tasks._notes import ColumnNote, plain, tally
from inner_tasks._shapes import demand_upright, fix_of_shape
from metaplast.registry import BadInput
from metaplast.signals import FEEDBACK_FIELDS

MAX_BYTES, MAX_MEMBERS = 2 * 10**9, 1000
PLAIN = (
    "stimulus",
    "activity",
    "choice",
    "recorded",
    "reward",
    "plastic",
    "session",
    "trial",
    "subject",
    "dt",
)
NAMED = {
    "modulator": r"[a-z_][a-z0-9_]{0,63}",
    "weights": r"\w[\w-]{0,63}",
    "final_weights": r"\w[\w-]{0,63}",
}
NUMBER = "number them 0, 1, 2 ...: numpy.unique(array, return_inverse=True)[1]"
NO_NAME = (
    "",
    "nan",
    "none",
    "null",
)  # what is written where a subject is missing, in small letters
AGAIN = "write the file again with numpy.savez(path, stimulus=..., activity=...)"
Arrays = dict[str, np.ndarray]


class Rows(NamedTuple):
    """One checked file, row by row. None stands for an array that is not there.

    shown [], [n_units] or [N, n_units]: which values of `activity` count
    session [N]: counted from 0
    starts [n_sessions]: the first row of each session
    trial [N]: as in the file
    subject [n_sessions]: index into `names`
    weights, final: {edge: [n_sessions, post, pre]}
    dt: seconds per row
    options: the values that the choices 0, 1 ... stand for, where they were named
    columns, warnings: as in _notes.ReadingNotes
    """

    stimulus: np.ndarray
    activity: np.ndarray | None
    choice: np.ndarray | None
    shown: np.ndarray
    reward: np.ndarray | None
    modulators: Arrays
    plastic: np.ndarray
    session: np.ndarray
    starts: np.ndarray
    trial: np.ndarray | None
    subject: np.ndarray
    names: tuple[str, ...]
    weights: Arrays
    final: Arrays
    dt: float | None
    options: tuple[str, ...] = ()
    columns: tuple[ColumnNote, ...] = ()
    warnings: tuple[str, ...] = ()


def read(path: str) -> Arrays:
    """The arrays of an .npz file, unchecked but for their kinds."""
    stamp(path)
    try:
        with open(path, "rb") as file:
            keys = _contents(file, path)
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                return dict(_load(found, keys))
    except BadInput:
        raise
    except Exception as error:  # damaged bytes make the parsers raise nearly anything
        why = getattr(error, "strerror", None) or type(error).__name__
        seems, fix = ("", "") if isinstance(error, OSError) else looks(path)
        guess = f", it is {seems}" if seems else ""
        what = f"recordings {path!r}: {why}{guess}"
        raise BadInput(what, "an .npz file that can be read", fix or AGAIN) from None


def _contents(file: BinaryIO, path: str) -> list[str]:
    """The names of the arrays, after a check of their sizes.

    Sizes are those that the archive declares, before anything is unpacked; zipfile holds to them.
    """
    with zipfile.ZipFile(file) as found:
        members = found.infolist()
    keys = [member.filename.removesuffix(".npy") for member in members]
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES or len(members) > MAX_MEMBERS:
        given = f"recordings {path!r}: {len(members)} arrays, {total} bytes unpacked"
        raise BadInput(
            given,
            f"at most {MAX_MEMBERS} arrays and {MAX_BYTES} bytes",
            "fit a part of the sessions",
        )
    for key, member in zip(keys, members, strict=True):
        if keys.count(key) > 1:
            raise BadInput(f"array {key!r}: there twice", "every array once", AGAIN)
        # Other kinds of compression unpack without a bound.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(f"array {key!r}: an unusual compression", "none, or deflate", AGAIN)
    return keys


def _load(found: Any, keys: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    for key in keys:
        try:
            value = found[key]
        except Exception as error:  # as above
            if str(error).startswith("Object arrays"):
                what, fix = (
                    f"array {key!r}: Python objects, as of a column of text or gaps",
                    "convert it: .astype(float)",
                )
                raise BadInput(
                    what, "numbers or text", f"{fix}, or .astype(str) for text"
                ) from None
            what = f"array {key!r}: cannot be read ({type(error).__name__})"
            raise BadInput(
                what, "an undamaged array of numbers or text, no objects", AGAIN
            ) from None
        kind = value.dtype.kind if isinstance(value, np.ndarray) else "?"
        if kind not in "fiubU":
            given = value.dtype if isinstance(value, np.ndarray) else "no array"
            fix = f"convert it with .astype({'str' if kind == 'S' else 'float'})"
            raise BadInput(f"array {key!r}: {given}", "real numbers or text (str)", fix)
        yield key, value


def check(arrays: Arrays) -> Rows:
    """The rows, after every check of the schema; an array that is missing gets its default."""
    for key in arrays:
        _known(key)
    if "stimulus" not in arrays or not arrays.keys() & {"activity", "choice"}:
        missing = "activity' or 'choice" if "stimulus" in arrays else "stimulus"
        raise BadInput(
            f"no array '{missing}'",
            "stimulus [N, n_in] and activity [N, n_units] or choice [N]",
            "add it",
        )
    stimulus = numbers("stimulus", arrays["stimulus"], (None, None))
    demand_upright(arrays, stimulus)
    n = len(stimulus)
    whole = {k: integers(k, arrays[k], n) for k in ("choice", "session", "trial") if k in arrays}
    session, starts = _sessions(whole.get("session", np.zeros(n, np.int64)))
    subject, names = _subjects(arrays.get("subject"), session, starts)
    activity = (
        numbers("activity", arrays["activity"], (n, None), nan=True)
        if "activity" in arrays
        else None
    )
    channels = _members("modulator", arrays)
    _check_channels(channels, "reward" in arrays)
    weights = _layouts("weights", _members("weights", arrays), len(starts))
    final = _layouts("final_weights", _members("final_weights", arrays), len(starts))
    for edge in weights.keys() & final.keys():
        first_shape = list(weights[edge].shape[1:])
        last_shape = list(final[edge].shape[1:])
        if first_shape != last_shape:
            shapes = f"{last_shape} where 'weights.{edge}' has {first_shape}"
            what = f"array 'final_weights.{edge}': {shapes}"
            raise BadInput(what, "one shape", "correct one of the two")
    return Rows(
        stimulus=stimulus,
        activity=activity,
        choice=whole.get("choice"),
        shown=_shown(arrays.get("recorded"), activity),
        reward=numbers("reward", arrays["reward"], (n,), nan=True) if "reward" in arrays else None,
        modulators={
            name: numbers(f"modulator.{name}", value, (n,)) for name, value in channels.items()
        },
        plastic=within(
            "plastic", numbers("plastic", arrays.get("plastic", np.ones(n)), (n,)), "0 to 1"
        ),
        session=session,
        starts=starts,
        trial=whole.get("trial"),
        subject=subject,
        names=names,
        weights=weights,
        final=final,
        dt=_dt(arrays["dt"]) if "dt" in arrays else None,
    )


def _members(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays `prefix.NAME`, by NAME."""
    members = {}
    for key, value in arrays.items():
        if key.startswith(prefix + "."):
            members[key.partition(".")[2]] = value
    return members


def _known(key: str) -> None:
    """Raises: BadInput for a name that is not in the schema, with the nearest known name."""
    first, dot, rest = key.partition(".")
    if key in PLAIN or (first in NAMED and dot and re.fullmatch(NAMED[first], rest)):
        return
    if first in NAMED and dot:
        letters = "a-z, 0-9 and _" if first == "modulator" else "letters, digits, _ and -"
        raise BadInput(
            f"array {key!r}", f"{first}.NAME, a name of {letters}, at most 64", "rename it"
        )
    near = difflib.get_close_matches(first, [*PLAIN, *NAMED], n=1)
    known = [*PLAIN, *(f"{name}.NAME" for name in NAMED)]
    hint = "remove it"
    if near:
        suggestion = f"{near[0]}.NAME" if near[0] in NAMED else near[0]
        hint = f"did you mean {suggestion!r}?"
    raise BadInput(f"unknown array {key!r}", f"one of {', '.join(known)}", hint)


def numbers(
    name: str, value: np.ndarray, shape: tuple[int | None, ...], nan: bool = False
) -> np.ndarray:
    """An array in single precision. None in `shape` is any length but 0; nan: NaN is allowed."""
    if value.dtype.kind == "U":
        fix = "convert it: .astype(float), or (array == WORD) where it says WORD or not"
        raise BadInput(f"array {name!r}: text", "numbers", fix)
    fits = len(shape) == value.ndim and all(
        b > 0 and a in (None, b) for a, b in zip(shape, value.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        what = f"array {name!r}: shape {list(value.shape)}"
        raise BadInput(
            what, f"[{expected}], none of them 0", fix_of_shape(name, value.shape, shape)
        )
    with np.errstate(over="ignore", invalid="ignore"):
        single = value.astype(np.float32)
    bad = np.isinf(single) if nan else ~np.isfinite(single)
    if bad.any():
        first = np.argwhere(bad)[0].tolist()
        fix = "write NaN where a value is missing" if nan else "leave out or fill in these rows"
        raise BadInput(
            f"array {name!r}: {value[tuple(first)]} at {first}",
            "finite numbers (single precision)",
            fix,
        )
    return single


def integers(name: str, value: np.ndarray, n: int) -> np.ndarray:
    """`value` [n] as int64; floats that are whole numbers pass."""
    if value.dtype.kind == "U" or value.shape != (n,):
        text = value.dtype.kind == "U"
        given, fix = (
            ("text", NUMBER)
            if text
            else (f"shape {list(value.shape)}", fix_of_shape(name, value.shape, (n,)))
        )
        raise BadInput(f"array {name!r}: {given}", f"[{n}] whole numbers", fix)
    real = value.astype(np.float64)
    bad = ~((np.abs(real) < 2.0**53) & (real == np.round(real)))
    if bad.any():
        fix = "write -1 where no choice was made" if name == "choice" else "number them 0, 1, 2 ..."
        raise BadInput(
            f"array {name!r}: {value[bad][0]} in row {np.flatnonzero(bad)[0]}", "whole numbers", fix
        )
    return value.astype(np.int64)


def within(name: str, value: np.ndarray, expected: str) -> np.ndarray:
    bad = (value < 0) | (value > 1)
    if bad.any():
        raise BadInput(f"array {name!r}: {value[bad][0]:g}", expected, "correct these values")
    return value


def _sessions(given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(given)) + 1])
    ids, first = np.unique(given[starts], return_index=True)
    if len(ids) < len(starts):
        row = starts[np.setdiff1d(np.arange(len(starts)), first)[0]]
        what = f"array 'session': {given[row]} comes back in row {row}"
        raise BadInput(
            what, "the rows of a session one after the other", "sort the rows by session"
        )
    return np.repeat(np.arange(len(starts)), np.diff([*starts, len(given)])), starts


def _subjects(
    given: np.ndarray | None, session: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    if given is None:
        return np.arange(len(starts)), tuple(f"session {i}" for i in range(len(starts)))
    if given.shape != session.shape:
        what = f"array 'subject': shape {list(given.shape)}"
        raise BadInput(
            what,
            f"[{len(session)}] whole numbers or text",
            "give one subject per row of 'stimulus'",
        )
    given = given if given.dtype.kind == "U" else integers("subject", given, len(session))
    missing = [name for name in given.tolist() if str(name).strip().lower() in NO_NAME]
    if missing:
        what = f"array 'subject': {tally(np.asarray(missing))} where a name should stand"
        raise BadInput(what, "a subject in every row", "name it, or leave out these rows")
    changed = np.flatnonzero(given != given[starts][session])
    if changed.size:
        what = f"array 'subject': changes inside a session, in row {changed[0]}"
        raise BadInput(
            what,
            "one subject per session",
            "give the sessions of two subjects two numbers in 'session'",
        )
    names = tuple(dict.fromkeys(str(name) for name in given[starts].tolist()))
    place = {name: index for index, name in enumerate(names)}
    return np.asarray([place[str(name)] for name in given[starts].tolist()]), names


def _shown(given: np.ndarray | None, activity: np.ndarray | None) -> np.ndarray:
    if given is None:
        return np.ones((), bool)
    if activity is None:
        raise BadInput(
            "array 'recorded'",
            "it only beside 'activity'",
            "mark rows without a choice by -1 in 'choice'",
        )
    shape = activity.shape if given.ndim == 2 else activity.shape[1:]
    value = numbers("recorded", given, shape)
    if not np.isin(value, (0, 1)).all():
        raise BadInput(
            "array 'recorded': other numbers",
            "true or false",
            "write 1 where a unit counts, 0 elsewhere",
        )
    return value > 0


def _check_channels(channels: Arrays, paid: bool) -> None:
    taken = FEEDBACK_FIELDS | ({"reward", "advantage"} if paid else set())
    for name in sorted(channels.keys() & taken):
        raise BadInput(
            f"array 'modulator.{name}'",
            f"none of the names {', '.join(sorted(taken))}",
            "rename it",
        )


def _layouts(kind: str, given: Arrays, n_sessions: int) -> Arrays:
    found = {}
    for edge, value in given.items():
        name, sizes = f"{kind}.{edge}", (n_sessions, None, None)
        single = numbers(
            name,
            value,
            sizes[3 - value.ndim :] if value.ndim in (2, 3) else sizes,
            kind != "weights",
        )
        found[edge] = np.broadcast_to(single, (n_sessions, *single.shape[-2:]))
    return found


def _dt(given: np.ndarray) -> float:
    value = given.reshape(-1)
    if value.dtype.kind == "U" or value.size != 1 or not np.isfinite(value[0]) or value[0] <= 0:
        told = plain(value.tolist()[0]) if value.size == 1 else f"shape {list(given.shape)}"
        raise BadInput(
            f"array 'dt': {told}",
            "seconds per row, one number more than 0",
            "correct it or leave it out",
        )
    return float(f"{float(value[0]):.6g}")  # single precision in a file is no other dt
