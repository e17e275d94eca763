"""What was understood of a user's recordings, as text to read before anything is fitted to them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from metaplast.interfaces import SPLITS
from metaplast.recording import HeldOut, Recorded, split_sessions, trials_of
from metaplast.reuse.text import printable

MANY = 12  # units, inputs or subjects that are listed one by one


class Info(NamedTuple):
    """What the arrays of a fit no longer show. n_choices: the last columns, which are a choice; rewards: how many
    were given; reward: their mean; trials: were they told; dt: seconds per row, if told; units: the population whose
    activity was recorded, where it is not the output."""

    source: str
    n_choices: int
    rewards: int
    reward: float
    trials: bool
    dt: float | None
    held: HeldOut = HeldOut()
    units: str = ""


def describe(recorded: Recorded, info: Info) -> str:
    """One fact per line; the last lines are warnings."""
    parts = (_extent, _inputs, _outputs, _signals, _weights, _split, _warnings)
    lines = [line for part in parts for line in part(recorded, info)]
    return "\n".join(printable(line) for line in lines)


def _extent(recorded: Recorded, info: Info) -> Iterator[str]:
    real = recorded.trial >= 0
    length = real.sum(axis=1)
    yield f"recordings: {info.source or 'the built-in example'}"
    yield f"sessions: {len(length)} of {_count(len(recorded.names), 'subject')}: {_listed(recorded.names)}"
    spread = f"{length.min()} / {np.median(length):g} / {length.max()} (least / median / most)"
    yield f"rows: {real.sum()}; per session {spread}; dt " + ("not told" if info.dt is None else f"{info.dt:g} s")
    trials = recorded.trial.max(axis=1) + 1
    yield f"trials: {trials.sum()}, neurons at rest at each" if info.trials else "trials: not told; every row is one"


def _inputs(recorded: Recorded, info: Info) -> Iterator[str]:
    x = recorded.sessions.stimulus[recorded.trial >= 0]
    constant = len(_constant(recorded))
    yield f"inputs: {x.shape[1]}, from {x.min():g} to {x.max():g}" + (f"; {constant} constant" if constant else "")


def _outputs(recorded: Recorded, info: Info) -> Iterator[str]:
    (target, seen), (_, chosen) = _units(recorded, info), _choices(recorded, info)
    if seen.shape[1]:
        mean = target.sum(where=seen) / max(seen.sum(), 1)
        missing = _share(seen.size - seen.sum(), seen.size)
        where = f" in {info.units}" if info.units else ""
        shares = f"{_share(seen.sum(), seen.size)} of the values recorded, {missing} missing"
        yield f"units: {seen.shape[1]}{where}; {shares}; mean {mean:.4g}"
    if 0 < seen.shape[1] <= MANY:
        for unit, (y, known) in enumerate(zip(target.T, seen.T, strict=True)):
            about = f"mean {y[known].mean():.4g}" if known.any() else "no value"
            yield f"  unit {unit}: {_share(known.sum(), len(known))} recorded, {about}"
    if info.n_choices:
        made = int(chosen[:, 0].sum())
        each = [f"{k}: {n} ({_share(n, made)})" for k, n in enumerate(_counts(recorded, info))]
        yield f"choices: {made}, in {_share(made, len(chosen))} of the rows; {_listed(each)}"


def _signals(recorded: Recorded, info: Info) -> Iterator[str]:
    channels = recorded.sessions.modulators
    if info.rewards:
        yield f"rewards: {info.rewards}, mean {info.reward:.4g}"
    yield f"modulators: {', '.join(sorted(channels)) or 'none'}"
    gate = recorded.sessions.gate[recorded.trial >= 0]
    yield f"plasticity: on in {_share(np.count_nonzero(gate), gate.size)} of the rows, mean gate {gate.mean():.4g}"


def _weights(recorded: Recorded, info: Info) -> Iterator[str]:
    for what, found in (("first", recorded.sessions.weights), ("final", recorded.sessions.final)):
        for edge, value in sorted(found.items()):
            known = f", {_share(np.isfinite(value).sum(), value.size)} measured" if what == "final" else ""
            yield f"{what} weights: {edge} {value.shape[1]} x {value.shape[2]}{known}"


def _split(recorded: Recorded, info: Info) -> Iterator[str]:
    sessions = split_sessions(recorded, info.held)
    away = sessions["heldout"]
    for split in SPLITS:
        mine = trials_of(recorded, info.held, split)[sessions[split]] > 0
        steps = np.argwhere(mine)
        ids = {(row, recorded.trial[sessions[split][row], step]) for row, step in steps.tolist()}
        names = dict.fromkeys(recorded.names[i] for i in recorded.subject[away])
        whose = f" of {_listed(tuple(names))}" if split == "heldout" and len(away) < len(recorded.subject) else ""
        yield f"split {split}: {len(ids)} trials, {mine.sum()} rows{whose}"


def _warnings(recorded: Recorded, info: Info) -> Iterator[str]:
    constant = _constant(recorded)
    if constant:
        yield f"warning: constant inputs: {_listed([str(i) for i in constant])}"
    _, seen = _units(recorded, info)
    silent = [str(i) for i in np.flatnonzero(~seen.any(axis=0))]
    if silent:
        yield f"warning: units without a value: {_listed(silent)}"
    if len(recorded.names) < 4:
        yield "warning: fewer than four subjects, so trials are held out, not subjects"
    sessions = tuple(f"session {i}" for i in range(len(recorded.names)))
    if info.source and len(sessions) > 1 and recorded.names == sessions:
        yield "warning: no array 'subject': every session counts as a subject of its own"
    if info.n_choices and np.count_nonzero(_counts(recorded, info)) == 1:
        yield "warning: choices are all alike"
    for name, values in sorted(recorded.sessions.modulators.items()):
        if not np.any(values):
            yield f"warning: modulator {name} is always 0"


def _values(recorded: Recorded) -> tuple[np.ndarray, np.ndarray]:
    """(values, which of them were recorded) of the real rows [N, n_out]."""
    real = recorded.trial >= 0
    return np.asarray(recorded.sessions.target, np.float64)[real], np.asarray(recorded.sessions.observed)[real] > 0


def _units(recorded: Recorded, info: Info) -> tuple[np.ndarray, np.ndarray]:
    target, seen = _values(recorded)
    n = seen.shape[1] - info.n_choices
    return target[:, :n], seen[:, :n]


def _choices(recorded: Recorded, info: Info) -> tuple[np.ndarray, np.ndarray]:
    target, seen = _values(recorded)
    n = seen.shape[1] - info.n_choices
    return target[:, n:], seen[:, n:]


def _counts(recorded: Recorded, info: Info) -> list[int]:
    """How often each choice was made; one output is 0 or 1."""
    target, seen = _choices(recorded, info)
    ones = [int(n) for n in (target * seen).sum(axis=0)]
    return ones if len(ones) > 1 else [int(seen.sum()) - ones[0], ones[0]]


def _constant(recorded: Recorded) -> list[int]:
    x = recorded.sessions.stimulus[recorded.trial >= 0]
    return np.flatnonzero(x.min(axis=0) == x.max(axis=0)).tolist()


def _share(part: float | np.number, whole: float) -> str:
    return f"{100.0 * float(part) / max(whole, 1):.1f} %"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f", and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more
