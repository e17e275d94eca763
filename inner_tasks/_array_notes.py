"""Notes on every array of a file: how it was understood, and where it may mean something else."""

from collections.abc import Iterator

import numpy as np

from inner_tasks._notes import ColumnNote, ReadingNotes, counted, listed, several
from inner_tasks._npz import Arrays, FileRows

FAR = 10  # times the range of all others: a number so far off may stand for a missing value
ABSENT = {  # the meaning of an array that is not there
    "reward": "none; rules have no modulator.reward",
    "plastic": "plasticity is on in every row",
    "session": "all rows are one session",
    "trial": "neurons are never at rest, every row is a trial where trials are held out",
    "subject": "every session is a subject of its own",
    "dt": "seconds per row are not told",
}


def note_arrays(arrays: Arrays, rows: FileRows, notes: ReadingNotes) -> None:
    """Add a note for every array, and for every array that is missing.

    `choice` is left out here: it is noted where it is coded (_coding.py).
    """
    notes.add_column("array 'stimulus'", _size(rows.stimulus, "input"))
    notes.columns.extend(_measured(arrays, rows))
    for name in sorted(rows.modulators):
        signal = f"a signal for rules, {_range(rows.modulators[name])}"
        notes.add_column(f"array 'modulator.{name}'", signal)
    notes.columns.extend(_placed(arrays, rows))
    for name, meaning in ABSENT.items():
        if name not in arrays:
            notes.add_column(f"no array {name!r}", meaning)
    notes.warnings.extend(_doubts(rows))


def _measured(arrays: Arrays, rows: FileRows) -> Iterator[ColumnNote]:
    """Notes on the measurements: activity, its mask, rewards."""
    if rows.activity is not None:
        size = _size(rows.activity, "unit")
        missing = counted(np.isnan(rows.activity).sum(), rows.activity.size, "values")
        yield ColumnNote("array 'activity'", f"{size}; missing: {missing}")
    if "recorded" in arrays:
        noun = "values" if rows.shown.ndim == 2 else "units"
        masked = counted(np.sum(~rows.shown), rows.shown.size, noun)
        yield ColumnNote("array 'recorded'", f"not counted: {masked}")
    if rows.reward is not None:
        outcomes = counted(np.sum(~np.isnan(rows.reward)), len(rows.stimulus))
        text = f"an outcome in {outcomes}, {_range(rows.reward)}; in the others none was shown"
        if np.isnan(rows.reward).any():
            text += ", where rules read 0"
        yield ColumnNote("array 'reward'", text)


def _placed(arrays: Arrays, rows: FileRows) -> Iterator[ColumnNote]:
    """Notes on the order of rows: gate, sessions, trials, subjects, weights, time."""
    if "plastic" in arrays:
        closed = counted(np.sum(rows.plastic == 0), len(rows.stimulus))
        text = f"the gate of plasticity, {_range(rows.plastic)}; 0 in {closed}"
        yield ColumnNote("array 'plastic'", text)
    if "session" in arrays:
        text = f"{len(rows.starts)} sessions; weights begin anew in each"
        yield ColumnNote("array 'session'", text)
    if rows.trial is not None:
        extent = f"from {rows.trial.min()} to {rows.trial.max()}"
        yield ColumnNote("array 'trial'", f"neurons are at rest where it changes, {extent}")
    if "subject" in arrays:
        yield ColumnNote("array 'subject'", several(len(rows.names), "subject"))
    for kind, weights in (("weights", rows.weights), ("final_weights", rows.final)):
        for edge in sorted(weights):
            array = f"{kind}.{edge}"
            per_session = arrays[array].ndim == 3
            text = "one for every session" if per_session else "the same for every session"
            yield ColumnNote(f"array '{array}'", text)
    if rows.dt is not None:
        yield ColumnNote("array 'dt'", f"{rows.dt:g} s per row")


def _doubts(rows: FileRows) -> Iterator[str]:
    """Warnings for arrays that may mean something else than was understood."""
    yield from _subjects_alike(rows)
    yield from _one_reward(rows)
    yield from _rewards_without_plasticity(rows)
    yield from _markers(rows)
    if not rows.plastic.any():
        rows_of_file = f"0 in all {len(rows.plastic)} rows"
        yield f"array 'plastic': {rows_of_file}: nothing is ever learned, and no rule can be found"
    yield from _several_sessions(rows)
    yield from _falling_trials(rows)


def _subjects_alike(rows: FileRows) -> Iterator[str]:
    """A warning for subjects whose names differ in capitals or blanks alone."""
    spellings: dict[str, list[str]] = {}
    for name in rows.names:
        spellings.setdefault(name.strip().lower(), []).append(name)
    for names in spellings.values():
        if len(names) > 1:
            written = listed(map(repr, names))
            yield f"array 'subject': {written} count as {len(names)} subjects; is it one?"


def _one_reward(rows: FileRows) -> Iterator[str]:
    """A warning for rewards that are all the same."""
    if rows.reward is None:
        return
    rewards = rows.reward[~np.isnan(rows.reward)]
    if len(rewards) and rewards.min() == rewards.max():
        line = f"array 'reward': {rewards[0]:g} in all {len(rewards)} rows that have an outcome"
        if rewards[0] and len(rewards) < len(rows.reward):
            line += "; if a blank after a choice means no reward, write 0"
        yield line


def _rewards_without_plasticity(rows: FileRows) -> Iterator[str]:
    """A warning for rewards in rows where nothing is learned from them."""
    if rows.reward is None or not rows.plastic.any():
        return
    n = int(np.sum(~np.isnan(rows.reward) & (rows.plastic == 0)))
    if n:
        lie = "rewards lie"
        if n == 1:
            lie = "reward lies"
        yield (
            f"array 'reward': {n} {lie} in rows where plastic is 0; they count in advantage; "
            "write NaN where no outcome was shown"
        )


def _markers(rows: FileRows) -> Iterator[str]:
    """Warnings for numbers that may stand for missing values.

    Such a number lies far from all others, and stands there again and again.
    """
    arrays = {"stimulus": rows.stimulus, "activity": rows.activity, "reward": rows.reward}
    for name, values in rows.modulators.items():
        arrays[f"modulator.{name}"] = values
    for name, values in arrays.items():
        if values is not None:
            yield from _markers_of(name, values[np.isfinite(values)].astype(np.float64))


def _markers_of(name: str, known: np.ndarray) -> Iterator[str]:
    """Warnings for one array, of which `known` are the finite values."""
    if not known.size:
        return
    for end in sorted({float(known.min()), float(known.max())}):
        others = known[known != end]
        n_ends = len(known) - others.size
        if n_ends < 2 or not others.size:
            continue
        gap = np.abs(others - end).min()
        if gap > FAR * np.ptp(others) > 0:
            values = counted(n_ends, len(known), "values")
            mend = "leave out these rows" if name == "stimulus" else "write NaN there"
            yield (
                f"array {name!r}: {end:g} in {values}, where the others are {_range(others)}; "
                f"if it stands for a missing value, {mend}"
            )


def _several_sessions(rows: FileRows) -> Iterator[str]:
    """A warning for subjects with more than one session: these may be days of one learning."""
    subjects = np.flatnonzero(np.bincount(rows.subject, minlength=len(rows.names)) > 1)
    if not subjects.size:
        return
    names = [rows.names[subject] for subject in subjects]
    affected = np.isin(rows.subject, subjects)
    sessions = counted(affected.sum(), len(affected), "sessions")
    yield (
        f"weights begin anew in each session, and {sessions} are of subjects "
        f"with more than one ({listed(names)}); "
        "if they are days through which an animal goes on learning, "
        "give its rows one number in 'session'"
    )


def _falling_trials(rows: FileRows) -> Iterator[str]:
    """A warning for trial numbers that fall inside a session."""
    if rows.trial is None:
        return
    same_session = np.diff(rows.session) == 0
    step = np.diff(rows.trial)
    falls = same_session & (step < 0)
    changes = same_session & (step != 0)
    if falls.any():
        places = counted(falls.sum(), int(changes.sum()), "changes of trial inside a session")
        yield (
            f"array 'trial': falls at {places}; rows are taken in the order of the file: "
            "sort them where that is not the order of time"
        )


def _size(values: np.ndarray, noun: str) -> str:
    return f"{len(values)} rows, {several(values.shape[1], noun)}, {_range(values)}"


def _range(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "no value"
    return f"from {known.min():g} to {known.max():g}"
