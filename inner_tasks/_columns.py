"""How every array of a file was understood, a line each, and what in them may be meant otherwise."""

from collections.abc import Iterator

import numpy as np

from inner_tasks._npz import Arrays, Rows
from inner_tasks._said import Said, counted, listed

FAR = 10  # times the range of all others: so far off lies what may stand for a missing value
ABSENT = {  # what an array that is not there stands for
    "reward": "none; rules have no modulator.reward",
    "plastic": "plasticity is on in every row",
    "session": "all rows are one session",
    "trial": "neurons are never at rest, every row is a trial where trials are held out",
    "subject": "every session is a subject of its own",
    "dt": "seconds per row are not told",
}


def explain(arrays: Arrays, rows: Rows, said: Said) -> None:
    """Add a line for every array but `choice`, which is explained where it is coded, and for those
    left out.
    """
    said.columns.append(f"array 'stimulus': {_size(rows.stimulus, 'inputs')}")
    said.columns.extend(_measured(arrays, rows))
    for name in sorted(rows.modulators):
        said.columns.append(
            f"array 'modulator.{name}': a signal for rules, {_range(rows.modulators[name])}"
        )
    said.columns.extend(_placed(arrays, rows))
    said.columns.extend(
        f"no array {name!r}: {words}" for name, words in ABSENT.items() if name not in arrays
    )
    said.warnings.extend(_doubtful(arrays, rows))


def _measured(arrays: Arrays, rows: Rows) -> Iterator[str]:
    n = len(rows.stimulus)
    if rows.activity is not None:
        missing = counted(np.isnan(rows.activity).sum(), rows.activity.size, "values")
        yield f"array 'activity': {_size(rows.activity, 'units')}; missing: {missing}"
    if "recorded" in arrays:
        masked = counted(
            np.sum(~rows.shown), rows.shown.size, "values" if rows.shown.ndim == 2 else "units"
        )
        yield f"array 'recorded': what does not count: {masked}"
    if rows.reward is not None:
        outcomes = counted(np.sum(~np.isnan(rows.reward)), n)
        none = ", where rules read 0" if np.isnan(rows.reward).any() else ""
        yield f"array 'reward': an outcome in {outcomes}, {_range(rows.reward)}; in the others none was shown{none}"


def _placed(arrays: Arrays, rows: Rows) -> Iterator[str]:
    n = len(rows.stimulus)
    if "plastic" in arrays:
        shut = counted(np.sum(rows.plastic == 0), n)
        yield f"array 'plastic': the gate of plasticity, {_range(rows.plastic)}; 0 in {shut}"
    if "session" in arrays:
        yield f"array 'session': {len(rows.starts)} sessions; weights begin anew in each"
    if rows.trial is not None:
        yield f"array 'trial': neurons are at rest where it changes, from {rows.trial.min()} to {rows.trial.max()}"
    if "subject" in arrays:
        yield f"array 'subject': {len(rows.names)} subject" + ("" if len(rows.names) == 1 else "s")
    for kind, weights in (("weights", rows.weights), ("final_weights", rows.final)):
        for edge in sorted(weights):
            each = (
                "one for every session"
                if arrays[f"{kind}.{edge}"].ndim == 3
                else "the same for every session"
            )
            yield f"array '{kind}.{edge}': {each}"
    if rows.dt is not None:
        yield f"array 'dt': {rows.dt:g} s per row"


def _markers(rows: Rows) -> Iterator[str]:
    """A number far from all others that stands there again and again is often a missing value."""
    measured = {"stimulus": rows.stimulus, "activity": rows.activity, "reward": rows.reward}
    measured |= {f"modulator.{name}": value for name, value in rows.modulators.items()}
    for name, values in measured.items():
        known = np.zeros(0) if values is None else values[np.isfinite(values)].astype(np.float64)
        for end in sorted({float(known.min()), float(known.max())}) if known.size else ():
            others = known[known != end]
            gap = np.abs(others - end).min() if others.size else 0.0
            if len(known) - others.size > 1 and others.size and gap > FAR * np.ptp(others) > 0:
                where = counted(len(known) - others.size, len(known), "values")
                missing = "leave out these rows" if name == "stimulus" else "write NaN there"
                fix = f"if it stands for a missing value, {missing}"
                yield f"array {name!r}: {end:g} in {where}, where the others are {_range(others)}; {fix}"


def _doubtful(arrays: Arrays, rows: Rows) -> Iterator[str]:
    alike: dict[str, list[str]] = {}
    for name in rows.names:
        alike.setdefault(name.strip().lower(), []).append(name)
    for names in alike.values():
        if len(names) > 1:
            yield f"array 'subject': {listed(map(repr, names))} count as {len(names)} subjects; is it one?"
    paid = np.zeros(0) if rows.reward is None else rows.reward[~np.isnan(rows.reward)]
    if len(paid) and paid.min() == paid.max():
        yield f"array 'reward': {paid[0]:g} in all {len(paid)} rows that have an outcome"
    yield from _markers(rows)
    if not rows.plastic.any():
        yield f"array 'plastic': 0 in all {len(rows.plastic)} rows: nothing is ever learned, and no rule can be found"
    several = np.bincount(rows.subject, minlength=len(rows.names)) > 1
    if several.any():
        names = [name for name, more in zip(rows.names, several, strict=True) if more]
        mine = np.isin(rows.subject, np.flatnonzero(several))
        yield (
            f"weights begin anew in each session, and {counted(mine.sum(), len(mine), 'sessions')} are of subjects "
            f"with more than one ({listed(names)}); if they are days through which an animal goes on learning, give "
            "its rows one number in 'session'"
        )
    if rows.trial is not None:
        inside = np.diff(rows.session) == 0
        falls = inside & (np.diff(rows.trial) < 0)
        changes = inside & (np.diff(rows.trial) != 0)
        if falls.any():
            where = counted(falls.sum(), int(changes.sum()), "changes of trial inside a session")
            yield f"array 'trial': falls at {where}; rows are taken in the order of the file"


def _size(values: np.ndarray, what: str) -> str:
    return f"{len(values)} rows, {values.shape[1]} {what}, {_range(values)}"


def _range(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"from {known.min():g} to {known.max():g}" if known.size else "no value"
