"""What was understood of a user's recordings, as text to read before anything is fitted to them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from inner_tasks._said import MANY, counted, listed, percent
from metaplast.recording import HeldOut, Recorded, split_sessions, trials_of
from metaplast.reuse.text import printable
from metaplast.tasks import SPLITS


class Info(NamedTuple):
    """What the arrays of a fit no longer show. n_choices: the last columns, which are a choice;
    rewards: how many were given; reward: their mean; trials: were they told; dt: seconds per row,
    if told; options: what the choices 0, 1 ... stand for, where they were named; columns, warnings:
    see _said.Said;
    units: the population whose activity was recorded, where it is not the output."""

    source: str
    n_choices: int
    rewards: int
    reward: float
    trials: bool
    dt: float | None
    options: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    held: HeldOut = HeldOut()
    units: str = ""


def describe(recorded: Recorded, info: Info) -> str:
    """One fact per line; the last lines are warnings."""
    parts = (_extent, _inputs, _outputs, _signals, _weights, _split)
    lines = [line for part in parts for line in part(recorded, info)]
    lines += [f"warning: {line}" for line in doubts(recorded, info)]
    return "\n".join(printable(line) for line in lines)


def doubts(recorded: Recorded, info: Info) -> tuple[str, ...]:
    """What reading the file changed, and what in it looks wrong."""
    return tuple(printable(line) for line in (*info.warnings, *_warnings(recorded, info)))


def _extent(recorded: Recorded, info: Info) -> Iterator[str]:
    real = recorded.trial >= 0
    length = real.sum(axis=1)
    yield f"recordings: {info.source or 'the built-in example'}"
    for line in info.columns:
        yield f"  {line}"
    yield f"sessions: {len(length)} of {_count(len(recorded.names), 'subject')}: {listed(recorded.names)}"
    spread = f"{length.min()} / {np.median(length):g} / {length.max()} (least / median / most)"
    yield f"rows: {real.sum()}; per session {spread}; dt " + (
        "not told" if info.dt is None else f"{info.dt:g} s"
    )
    trials = recorded.trial.max(axis=1) + 1
    yield (
        f"trials: {trials.sum()}, neurons at rest at each"
        if info.trials
        else "trials: not told; every row is one"
    )


def _inputs(recorded: Recorded, info: Info) -> Iterator[str]:
    x = recorded.sessions.stimulus[recorded.trial >= 0]
    constant = len(_constant(recorded))
    yield f"inputs: {x.shape[1]}, from {x.min():g} to {x.max():g}" + (
        f"; {constant} constant" if constant else ""
    )


def _outputs(recorded: Recorded, info: Info) -> Iterator[str]:
    (target, seen), (_, chosen) = _units(recorded, info), _choices(recorded, info)
    if seen.shape[1]:
        mean = target.sum(where=seen) / max(seen.sum(), 1)
        missing = percent(seen.size - seen.sum(), seen.size)
        where = f" in {info.units}" if info.units else ""
        shares = f"{percent(seen.sum(), seen.size)} of the values recorded, {missing} missing"
        yield f"units: {seen.shape[1]}{where}; {shares}; mean {mean:.4g}"
    if 0 < seen.shape[1] <= MANY:
        for unit, (y, known) in enumerate(zip(target.T, seen.T, strict=True)):
            about = f"mean {y[known].mean():.4g}" if known.any() else "no value"
            yield f"  unit {unit}: {percent(known.sum(), len(known))} recorded, {about}"
    if info.n_choices:
        made = int(chosen[:, 0].sum())
        names = info.options or tuple(map(str, range(max(2, info.n_choices))))
        each = [
            f"{k}: {n} ({percent(n, made)})"
            for k, n in zip(names, _counts(recorded, info), strict=True)
        ]
        yield f"choices: {made}, in {percent(made, len(chosen))} of the rows; {listed(each)}"


def _signals(recorded: Recorded, info: Info) -> Iterator[str]:
    channels = recorded.sessions.modulators
    if info.rewards:
        yield f"rewards: {info.rewards}, mean {info.reward:.4g}"
    yield f"modulators: {', '.join(sorted(channels)) or 'none'}"
    if info.n_choices == 1:
        option = info.options[1] if info.options else "1"
        yield f"choice model: post of the output is the log odds of {option}; modulator.probability is its probability"
    elif info.n_choices:
        yield "choice model: post of output unit k goes into a softmax; modulator.probability_k is its probability"
    gate = recorded.sessions.gate[recorded.trial >= 0]
    yield f"plasticity: on in {percent(np.count_nonzero(gate), gate.size)} of the rows, mean gate {gate.mean():.4g}"


def _weights(recorded: Recorded, info: Info) -> Iterator[str]:
    for what, found in (("first", recorded.sessions.weights), ("final", recorded.sessions.final)):
        for edge, value in sorted(found.items()):
            known = (
                f", {percent(np.isfinite(value).sum(), value.size)} measured"
                if what == "final"
                else ""
            )
            yield f"{what} weights: {edge} {value.shape[1]} x {value.shape[2]}{known}"


def _split(recorded: Recorded, info: Info) -> Iterator[str]:
    sessions = split_sessions(recorded, info.held)
    away = sessions["heldout"]
    for split in SPLITS:
        mine = trials_of(recorded, info.held, split)[sessions[split]] > 0
        steps = np.argwhere(mine)
        ids = {(row, recorded.trial[sessions[split][row], step]) for row, step in steps.tolist()}
        names = dict.fromkeys(recorded.names[i] for i in recorded.subject[away])
        whose = (
            f" of {listed(tuple(names))}"
            if split == "heldout" and len(away) < len(recorded.subject)
            else ""
        )
        yield f"split {split}: {len(ids)} trials, {mine.sum()} rows{whose}"


def _warnings(recorded: Recorded, info: Info) -> Iterator[str]:
    constant = _constant(recorded)
    if constant:
        yield f"constant inputs: {listed([str(i) for i in constant])}"
    _, seen = _units(recorded, info)
    silent = [str(i) for i in np.flatnonzero(~seen.any(axis=0))]
    if silent:
        yield f"units without a value: {listed(silent)}"
    yield from _without_values(recorded)
    y, known = _units(recorded, info)
    steady = [
        str(i) for i in range(y.shape[1]) if known[:, i].any() and np.ptp(y[known[:, i], i]) == 0
    ]
    if steady:
        yield f"units that never vary: {listed(steady)}"
    if len(recorded.names) < 4:
        yield "fewer than four subjects, so trials are held out, not subjects"
    sessions = tuple(f"session {i}" for i in range(len(recorded.names)))
    if info.source and len(sessions) > 1 and recorded.names == sessions:
        yield "no array 'subject': every session counts as a subject of its own"
    if info.n_choices and np.count_nonzero(_counts(recorded, info)) == 1:
        yield "choices are all alike"
    for name, values in sorted(recorded.sessions.modulators.items()):
        if not np.any(values):
            yield f"modulator {name} is always 0"


def _without_values(recorded: Recorded) -> Iterator[str]:
    """Subjects, and sessions of others, of which nothing that is fitted was recorded."""
    observed = np.asarray(recorded.sessions.observed)
    some = observed.reshape(len(observed), -1).any(axis=1)
    if some.all() or not some.any():
        return
    empty = np.flatnonzero(np.bincount(recorded.subject[some], minlength=len(recorded.names)) == 0)
    names = f": all of {listed(recorded.names[i] for i in empty)}" if len(empty) else ""
    yield f"nothing recorded in {counted(np.sum(~some), len(observed), 'sessions')}, which settle nothing{names}"


def _values(recorded: Recorded) -> tuple[np.ndarray, np.ndarray]:
    """(values, which of them were recorded) of the real rows [N, n_out]."""
    real = recorded.trial >= 0
    return np.asarray(recorded.sessions.target, np.float64)[real], np.asarray(
        recorded.sessions.observed
    )[real] > 0


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


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")
