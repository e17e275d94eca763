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
        the reward; NaN: there was no outcome. It gives two modulators, which are 0 where it is NaN:
        `reward`, and `advantage` = reward - the mean of the last `task.reward_window` rewards
        before it in its session (of as many as there are; 0 before the first)
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
        seconds per row; `metaplast fit` runs with it unless another dt is set

Nothing in a file becomes code: pickles and object arrays are refused. Every function here raises
BadInput that names the array.
"""

import difflib
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from inner_tasks._file import UNKNOWN, looks, stamp
from inner_tasks._notes import ColumnNote, counted, plain, tally
from inner_tasks._shapes import demand_upright, fix_of_shape
from metaplast.registry import BadInput
from metaplast.signals import FEEDBACK_FIELDS

MAX_BYTES = 2 * 10**9
MAX_MEMBERS = 1000
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
NO_NAME = ("", "nan", "none", "null")  # these words, in small letters, stand for no subject
AGAIN = "write the file again with numpy.savez(path, stimulus=..., activity=...)"
Arrays = dict[str, np.ndarray]


class FileRows(NamedTuple):
    """One checked file, row by row. None stands for an array that is not there.

    shown [], [n_units] or [N, n_units]: whether each value of `activity` counts.
    session [N]: counted from 0.
    starts [n_sessions]: the first row of each session.
    trial [N]: as in the file.
    subject [n_sessions]: index into `names`.
    weights, final: {edge: [n_sessions, post, pre]}.
    dt: seconds per row.
    options: the values that the choices 0, 1 ... stand for, where they were named.
    columns, warnings: as in _notes.ReadingNotes.
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
            with np.load(file, allow_pickle=False) as archive:
                return dict(_load(archive, keys))
    except BadInput:
        raise
    except Exception as error:  # damaged bytes make the parsers raise nearly anything
        why = getattr(error, "strerror", None) or type(error).__name__
        kind = UNKNOWN if isinstance(error, OSError) else looks(path)
        if kind.name:
            why = f"it is {kind.name}"
        what = f"recordings {path!r}: {why}"
        raise BadInput(what, "an .npz file that can be read", kind.fix or AGAIN) from error


def _contents(file: BinaryIO, path: str) -> list[str]:
    """The names of the arrays, after a check of their sizes.

    Sizes are those that the archive declares, before anything is unpacked; zipfile holds to them.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    keys = [member.filename.removesuffix(".npy") for member in members]
    total = sum(member.file_size for member in members)
    if total > MAX_BYTES or len(members) > MAX_MEMBERS:
        what = f"recordings {path!r}: {len(members)} arrays, {total} bytes unpacked"
        expected = f"at most {MAX_MEMBERS} arrays and {MAX_BYTES} bytes"
        raise BadInput(what, expected, "fit a part of the sessions")
    for key, member in zip(keys, members, strict=True):
        if keys.count(key) > 1:
            raise BadInput(f"array {key!r}: there twice", "every array once", AGAIN)
        # Other kinds of compression unpack without a bound.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(f"array {key!r}: an unusual compression", "none, or deflate", AGAIN)
    return keys


def _load(archive: Any, keys: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of an archive, with their names."""
    for key in keys:
        try:
            value = archive[key]
        except Exception as error:  # damaged bytes, as above
            raise _unreadable(key, error) from error
        expected = "real numbers or text (str)"
        if not isinstance(value, np.ndarray):
            raise BadInput(f"array {key!r}: no array", expected, "convert it with .astype(float)")
        if value.dtype.kind not in "fiubU":
            wanted = "str" if value.dtype.kind == "S" else "float"
            fix = f"convert it with .astype({wanted})"
            raise BadInput(f"array {key!r}: {value.dtype}", expected, fix)
        yield key, value


def _unreadable(key: str, error: Exception) -> BadInput:
    """The error for an array that NumPy cannot read."""
    if str(error).startswith("Object arrays"):
        what = f"array {key!r}: Python objects, as of a column of text or gaps"
        fix = "convert it: .astype(float), or .astype(str) for text"
        return BadInput(what, "numbers or text", fix)
    what = f"array {key!r}: cannot be read ({type(error).__name__})"
    return BadInput(what, "an undamaged array of numbers or text, no objects", AGAIN)


def check(arrays: Arrays) -> FileRows:
    """The rows, after every check of the schema; an array that is missing gets its default."""
    for key in arrays:
        _known(key)
    if "stimulus" not in arrays or not arrays.keys() & {"activity", "choice"}:
        missing = "activity' or 'choice" if "stimulus" in arrays else "stimulus"
        expected = "stimulus [N, n_in] and activity [N, n_units] or choice [N]"
        raise BadInput(f"no array '{missing}'", expected, "add it")
    stimulus = numbers("stimulus", arrays["stimulus"], (None, None))
    demand_upright(arrays, stimulus)
    n = len(stimulus)
    whole = {}
    for name in ("choice", "session", "trial"):
        if name in arrays:
            whole[name] = integers(name, arrays[name], n)
    sessions = _sessions(whole.get("session", np.zeros(n, np.int64)))
    n_sessions = len(sessions.starts)
    subjects = _subjects(arrays.get("subject"), sessions)
    activity = None
    if "activity" in arrays:
        activity = numbers("activity", arrays["activity"], (n, None), nan=True)
    channels = _members("modulator", arrays)
    _check_channels(channels, "reward" in arrays)
    weights = _layouts("weights", _members("weights", arrays), n_sessions)
    final = _layouts("final_weights", _members("final_weights", arrays), n_sessions)
    _check_one_shape(weights, final)
    shown = _shown(arrays.get("recorded"), activity)
    reward = None
    if "reward" in arrays:
        reward = numbers("reward", arrays["reward"], (n,), nan=True)
    modulators = {}
    for name, value in channels.items():
        modulators[name] = numbers(f"modulator.{name}", value, (n,))
    plastic = numbers("plastic", arrays.get("plastic", np.ones(n)), (n,))
    return FileRows(
        stimulus=stimulus,
        activity=activity,
        choice=whole.get("choice"),
        shown=shown,
        reward=reward,
        modulators=modulators,
        plastic=within("plastic", plastic, "0 to 1"),
        session=sessions.session,
        starts=sessions.starts,
        trial=whole.get("trial"),
        subject=subjects.subject,
        names=subjects.names,
        weights=weights,
        final=final,
        dt=_dt(arrays.get("dt")),
    )


def _check_one_shape(weights: Arrays, final: Arrays) -> None:
    """Raises: BadInput for first and last weights of one edge that differ in shape."""
    for edge in weights.keys() & final.keys():
        first_shape = list(weights[edge].shape[1:])
        last_shape = list(final[edge].shape[1:])
        if first_shape != last_shape:
            shapes = f"{last_shape} where 'weights.{edge}' has {first_shape}"
            what = f"array 'final_weights.{edge}': {shapes}"
            raise BadInput(what, "one shape", "correct one of the two")


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
        expected = f"{first}.NAME, a name of {letters}, at most 64"
        raise BadInput(f"array {key!r}", expected, "rename it")
    shown = {name: name for name in PLAIN}
    for name in NAMED:
        shown[name] = f"{name}.NAME"
    fix = "remove it"
    near = difflib.get_close_matches(first, list(shown), n=1)
    if near:
        fix = f"did you mean {shown[near[0]]!r}?"
    raise BadInput(f"unknown array {key!r}", f"one of {', '.join(shown.values())}", fix)


def numbers(
    name: str, value: np.ndarray, shape: tuple[int | None, ...], nan: bool = False
) -> np.ndarray:
    """An array in single precision.

    Args:
        name: of the array, for errors.
        value: the array.
        shape: the shape that is meant; None is any length but 0.
        nan: whether NaN is allowed.
    Raises: BadInput for text, another shape, or numbers that are not finite.
    """
    if value.dtype.kind == "U":
        fix = "convert it: .astype(float), or (array == WORD) where it says WORD or not"
        raise BadInput(f"array {name!r}: text", "numbers", fix)
    if not _fits(value.shape, shape):
        sizes = ["any" if size is None else str(size) for size in shape]
        what = f"array {name!r}: shape {list(value.shape)}"
        fix = fix_of_shape(name, value.shape, shape)
        raise BadInput(what, f"[{', '.join(sizes)}], none of them 0", fix)
    with np.errstate(over="ignore", invalid="ignore"):
        single = value.astype(np.float32)
    bad = np.isinf(single) if nan else ~np.isfinite(single)
    if bad.any():
        first = np.argwhere(bad)[0].tolist()
        rows = bad.reshape(len(bad), -1).any(axis=1) if bad.ndim else bad
        what = (
            f"array {name!r}: {value[tuple(first)]} at {first}, in {counted(rows.sum(), rows.size)}"
        )
        fix = "write NaN where a value is missing"
        if not nan:
            fix = "fill in these rows: to leave one out changes the animal's history"
        raise BadInput(what, "finite numbers (single precision)", fix)
    return single


def _fits(actual: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether a shape is the expected one, in which None is any length but 0."""
    if len(actual) != len(expected):
        return False
    for length, wanted in zip(actual, expected, strict=True):
        if length == 0 or wanted not in (None, length):
            return False
    return True


def integers(name: str, value: np.ndarray, n: int) -> np.ndarray:
    """`value` [n] as int64; floats that are whole numbers pass."""
    expected = f"[{n}] whole numbers"
    if value.dtype.kind == "U":
        raise BadInput(f"array {name!r}: text", expected, NUMBER)
    if value.shape != (n,):
        what = f"array {name!r}: shape {list(value.shape)}"
        raise BadInput(what, f"[{n}]", fix_of_shape(name, value.shape, (n,)))
    real = value.astype(np.float64)
    bad = ~((np.abs(real) < 2.0**53) & (real == np.round(real)))
    if bad.any():
        what = f"array {name!r}: {value[bad][0]} in row {np.flatnonzero(bad)[0]}"
        fix = "write -1 where no choice was made" if name == "choice" else "number them 0, 1, 2 ..."
        raise BadInput(what, "whole numbers", fix)
    return value.astype(np.int64)


def within(name: str, value: np.ndarray, expected: str) -> np.ndarray:
    """The array. Raises: BadInput for numbers outside 0 to 1."""
    bad = (value < 0) | (value > 1)
    if bad.any():
        raise BadInput(f"array {name!r}: {value[bad][0]:g}", expected, "correct these values")
    return value


class _Sessions(NamedTuple):
    """The session of every row [N], counted from 0, and the first row of each [n_sessions]."""

    session: np.ndarray
    starts: np.ndarray


def _sessions(numbers_of_rows: np.ndarray) -> _Sessions:
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers_of_rows)) + 1])
    ids, first = np.unique(numbers_of_rows[starts], return_index=True)
    if len(ids) < len(starts):
        row = starts[np.setdiff1d(np.arange(len(starts)), first)[0]]
        what = f"array 'session': {numbers_of_rows[row]} comes back in row {row}"
        expected = "the rows of a session one after the other"
        raise BadInput(what, expected, "sort the rows by session")
    lengths = np.diff([*starts, len(numbers_of_rows)])
    return _Sessions(np.repeat(np.arange(len(starts)), lengths), starts)


class _Subjects(NamedTuple):
    """The subject of every session [n_sessions], an index into the names."""

    subject: np.ndarray
    names: tuple[str, ...]


def _subjects(subject: np.ndarray | None, sessions: _Sessions) -> _Subjects:
    session, starts = sessions
    if subject is None:
        names = tuple(f"session {i}" for i in range(len(starts)))
        return _Subjects(np.arange(len(starts)), names)
    if subject.shape != session.shape:
        what = f"array 'subject': shape {list(subject.shape)}"
        expected = f"[{len(session)}] whole numbers or text"
        raise BadInput(what, expected, "give one subject per row of 'stimulus'")
    if subject.dtype.kind != "U":
        subject = integers("subject", subject, len(session))
    missing = []
    for name in subject.tolist():
        if str(name).strip().lower() in NO_NAME:
            missing.append(name)
    if missing:
        what = f"array 'subject': {tally(np.asarray(missing))} where a name should stand"
        raise BadInput(what, "a subject in every row", "name it, or leave out these rows")
    changed = np.flatnonzero(subject != subject[starts][session])
    if changed.size:
        what = f"array 'subject': changes inside a session, in row {changed[0]}"
        fix = "give the sessions of two subjects two numbers in 'session'"
        raise BadInput(what, "one subject per session", fix)
    places: dict[str, int] = {}
    of_session = []
    for name in map(str, subject[starts].tolist()):
        of_session.append(places.setdefault(name, len(places)))
    return _Subjects(np.asarray(of_session), tuple(places))


def _shown(recorded: np.ndarray | None, activity: np.ndarray | None) -> np.ndarray:
    """The values of `activity` that count: [], [n_units] or [N, n_units]."""
    if recorded is None:
        return np.ones((), bool)
    if activity is None:
        fix = "mark rows without a choice by -1 in 'choice'"
        raise BadInput("array 'recorded' alone", "an array 'activity' beside it", fix)
    shape = activity.shape if recorded.ndim == 2 else activity.shape[1:]
    value = numbers("recorded", recorded, shape)
    if not np.isin(value, (0, 1)).all():
        fix = "write 1 where a unit counts, 0 elsewhere"
        raise BadInput("array 'recorded': other numbers", "true or false", fix)
    return value > 0


def _check_channels(channels: Arrays, has_reward: bool) -> None:
    """Raises: BadInput for a modulator with a name that stands for another signal."""
    reserved = set(FEEDBACK_FIELDS)
    if has_reward:
        reserved |= {"reward", "advantage"}
    for name in sorted(channels.keys() & reserved):
        expected = f"none of the names {', '.join(sorted(reserved))}"
        raise BadInput(f"array 'modulator.{name}'", expected, "rename it")


def _layouts(kind: str, by_edge: Arrays, n_sessions: int) -> Arrays:
    """The weights of every edge, one matrix for each session: [n_sessions, post, pre]."""
    layouts = {}
    for edge, value in by_edge.items():
        shape = (n_sessions, None, None)
        if value.ndim == 2:
            shape = (None, None)
        single = numbers(f"{kind}.{edge}", value, shape, nan=kind != "weights")
        layouts[edge] = np.broadcast_to(single, (n_sessions, *single.shape[-2:]))
    return layouts


def _dt(array: np.ndarray | None) -> float | None:
    """The seconds per row, to six digits: single precision in a file is no other dt."""
    if array is None:
        return None
    value = array.reshape(-1)
    if value.dtype.kind == "U" or value.size != 1 or not np.isfinite(value[0]) or value[0] <= 0:
        actual = plain(value.tolist()[0]) if value.size == 1 else f"shape {list(array.shape)}"
        expected = "seconds per row, one number more than 0"
        raise BadInput(f"array 'dt': {actual}", expected, "correct it or leave it out")
    return float(f"{float(value[0]):.6g}")
