"""A summary of a user's recordings, as text to read before anything is fitted to them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from inner_tasks._notes import MANY, ColumnNote, counted, listed, percent, several
from metaplast.recording import HeldOut, Recorded, split_sessions, trials_of
from metaplast.reuse.text import printable
from metaplast.tasks import SPLITS


class RecordingFacts(NamedTuple):
    """Facts about a file that the arrays of a fit no longer show.

    source: the path; empty for the built-in example.
    n_choices: how many of the last columns are a choice.
    n_rewards: the number of rewards.
    mean_reward: their mean.
    has_trials: whether the file has trials.
    dt: seconds per row, where the file has them.
    options: the meaning of the choices 0, 1 ..., where they were named.
    columns, warnings: as in _notes.ReadingNotes.
    held: the data that training does not see.
    units: the population whose activity was recorded, where it is not the output.
    """

    source: str
    n_choices: int
    n_rewards: int
    mean_reward: float
    has_trials: bool
    dt: float | None
    options: tuple[str, ...] = ()
    columns: tuple[ColumnNote, ...] = ()
    warnings: tuple[str, ...] = ()
    held: HeldOut = HeldOut()
    units: str = ""


class Values(NamedTuple):
    """Values of the real rows.

    target [N, n]: the values.
    known [N, n]: whether each was recorded.
    """

    target: np.ndarray
    known: np.ndarray


def summary(recorded: Recorded, facts: RecordingFacts) -> str:
    """One fact per line; the last lines are warnings."""
    lines: list[str] = []
    for part in (_extent, _inputs, _outputs, _signals, _weights, _split):
        lines.extend(part(recorded, facts))
    for doubt in doubts(recorded, facts):
        lines.append(f"warning: {doubt}")
    return "\n".join(map(printable, lines))


def doubts(recorded: Recorded, facts: RecordingFacts) -> tuple[str, ...]:
    """The changes that were made to the file when it was read, and its oddities."""
    return tuple(map(printable, (*facts.warnings, *_warnings(recorded, facts))))


def _extent(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The lines on columns, sessions, rows and trials."""
    real = recorded.trial >= 0
    length = real.sum(axis=1)
    yield f"recordings: {facts.source or 'the built-in example'}"
    for note in facts.columns:
        yield f"  {note}"
    subjects = several(len(recorded.names), "subject")
    yield f"sessions: {len(length)} of {subjects}: {listed(recorded.names)}"
    spread = f"{length.min()} / {np.median(length):g} / {length.max()} (least / median / most)"
    dt = "not told" if facts.dt is None else f"{facts.dt:g} s"
    yield f"rows: {real.sum()}; per session {spread}; dt {dt}"
    if facts.has_trials:
        trials = recorded.trial.max(axis=1) + 1
        yield f"trials: {trials.sum()}, neurons at rest at each"
    else:
        yield "trials: not told; every row is one"


def _inputs(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The line on the inputs."""
    x = recorded.sessions.stimulus[recorded.trial >= 0]
    n_constant = len(_constant(recorded))
    line = f"inputs: {x.shape[1]}, from {x.min():g} to {x.max():g}"
    if n_constant:
        line += f"; {n_constant} constant"
    yield line


def _outputs(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The lines on recorded units and choices."""
    units = _units(recorded, facts)
    n_units = units.known.shape[1]
    if n_units:
        n_known = units.known.sum()
        mean = units.target.sum(where=units.known) / max(n_known, 1)
        share = percent(n_known, units.known.size)
        missing = percent(units.known.size - n_known, units.known.size)
        where = f" in {facts.units}" if facts.units else ""
        values = f"{share} of the values recorded, {missing} missing"
        yield f"units: {n_units}{where}; {values}; mean {mean:.4g}"
    if 0 < n_units <= MANY:
        yield from _each_unit(units)
    if facts.n_choices:
        yield _choice_counts(recorded, facts)


def _each_unit(units: Values) -> Iterator[str]:
    """A line on every unit."""
    for unit, (y, known) in enumerate(zip(units.target.T, units.known.T, strict=True)):
        mean = f"mean {y[known].mean():.4g}" if known.any() else "no value"
        yield f"  unit {unit}: {percent(known.sum(), len(known))} recorded, {mean}"


def _choice_counts(recorded: Recorded, facts: RecordingFacts) -> str:
    """The line on choices."""
    made = _choices(recorded, facts).known[:, 0]
    n_made = int(made.sum())
    options = facts.options or tuple(map(str, range(max(2, facts.n_choices))))
    entries = []
    for option, n in zip(options, _counts(recorded, facts), strict=True):
        entries.append(f"{option}: {n} ({percent(n, n_made)})")
    return f"choices: {n_made}, in {percent(n_made, len(made))} of the rows; {listed(entries)}"


def _signals(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The lines on rewards, modulators and the gate."""
    if facts.n_rewards:
        yield f"rewards: {facts.n_rewards}, mean {facts.mean_reward:.4g}"
    channels = ", ".join(sorted(recorded.sessions.modulators))
    yield f"modulators: {channels or 'none'}"
    if facts.n_choices == 1:
        option = facts.options[1] if facts.options else "1"
        yield (
            f"choice model: post of the output is the log odds of {option}; "
            "modulator.probability is its probability"
        )
    elif facts.n_choices:
        yield (
            "choice model: post of output unit k goes into a softmax; "
            "modulator.probability_k is its probability"
        )
    gate = recorded.sessions.gate[recorded.trial >= 0]
    share = percent(np.count_nonzero(gate), gate.size)
    yield f"plasticity: on in {share} of the rows, mean gate {gate.mean():.4g}"


def _weights(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The lines on measured weights."""
    for edge, value in sorted(recorded.sessions.weights.items()):
        yield f"first weights: {edge} {value.shape[1]} x {value.shape[2]}"
    for edge, value in sorted(recorded.sessions.final.items()):
        measured = percent(np.isfinite(value).sum(), value.size)
        yield f"final weights: {edge} {value.shape[1]} x {value.shape[2]}, {measured} measured"


def _split(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The lines on the splits."""
    sessions = split_sessions(recorded, facts.held)
    held_out = sessions["heldout"]
    for split in SPLITS:
        in_split = trials_of(recorded, facts.held, split)[sessions[split]] > 0
        trials = set()
        for row, step in np.argwhere(in_split).tolist():
            trials.add((row, recorded.trial[sessions[split][row], step]))
        ending = ""
        if split == "heldout" and len(held_out) < len(recorded.subject):
            names = [recorded.names[subject] for subject in recorded.subject[held_out]]
            ending = f" of {listed(dict.fromkeys(names))}"
        yield f"split {split}: {len(trials)} trials, {in_split.sum()} rows{ending}"


def _warnings(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """The warnings on constant inputs, missing values and the like."""
    constant = _constant(recorded)
    if constant:
        yield f"constant inputs: {listed(map(str, constant))}"
    units = _units(recorded, facts)
    silent = np.flatnonzero(~units.known.any(axis=0)).tolist()
    if silent:
        yield f"units without a value: {listed(map(str, silent))}"
    yield from _without_values(recorded)
    steady = _steady(units)
    if steady:
        yield f"units that never vary: {listed(steady)}"
    yield from _held_out(recorded, facts)
    sessions = tuple(f"session {i}" for i in range(len(recorded.names)))
    if facts.source and len(sessions) > 1 and recorded.names == sessions:
        yield (
            "no array 'subject': every session counts as a subject of its own; "
            "where several are of one animal, name it in 'subject'"
        )
    if facts.n_choices and np.count_nonzero(_counts(recorded, facts)) == 1:
        yield "choices are all alike"
    for name, values in sorted(recorded.sessions.modulators.items()):
        if not np.any(values):
            yield f"modulator {name} is always 0"


def _held_out(recorded: Recorded, facts: RecordingFacts) -> Iterator[str]:
    """Warnings for trials that are held out in place of subjects, and for too few subjects."""
    n_subjects = len(recorded.names)
    if n_subjects < 4:
        line = "fewer than four subjects, so trials are held out, not subjects"
        if n_subjects == 1:
            line += "; what is explained has no interval with one subject"
        yield line
    held_out = split_sessions(recorded, facts.held)["heldout"]
    if len(np.unique(recorded.subject[held_out])) == 1 < n_subjects:
        yield "1 subject held out: no intervals; say task.held.subjects=0.5"


def _steady(units: Values) -> list[str]:
    """The units with values that are all the same."""
    steady = []
    for unit in range(units.known.shape[1]):
        values = units.target[units.known[:, unit], unit]
        if values.size and np.ptp(values) == 0:
            steady.append(str(unit))
    return steady


def _without_values(recorded: Recorded) -> Iterator[str]:
    """A warning for sessions without a value to fit, and for subjects who have no others."""
    observed = np.asarray(recorded.sessions.observed)
    has_values = observed.reshape(len(observed), -1).any(axis=1)
    if has_values.all() or not has_values.any():
        return
    n_sessions = np.bincount(recorded.subject[has_values], minlength=len(recorded.names))
    subjects = [recorded.names[i] for i in np.flatnonzero(n_sessions == 0)]
    sessions = counted(np.sum(~has_values), len(observed), "sessions")
    line = f"nothing recorded in {sessions}, which settle nothing"
    if subjects:
        line += f": all of {listed(subjects)}"
    yield line


def _values(recorded: Recorded) -> Values:
    """All columns of the real rows."""
    real = recorded.trial >= 0
    target = np.asarray(recorded.sessions.target, np.float64)[real]
    known = np.asarray(recorded.sessions.observed)[real] > 0
    return Values(target, known)


def _units(recorded: Recorded, facts: RecordingFacts) -> Values:
    """The columns that are activity: the first ones."""
    values = _values(recorded)
    n = values.known.shape[1] - facts.n_choices
    return Values(values.target[:, :n], values.known[:, :n])


def _choices(recorded: Recorded, facts: RecordingFacts) -> Values:
    """The columns that are a choice: the last ones."""
    values = _values(recorded)
    n = values.known.shape[1] - facts.n_choices
    return Values(values.target[:, n:], values.known[:, n:])


def _counts(recorded: Recorded, facts: RecordingFacts) -> list[int]:
    """The number of times that each choice was made.

    One column stands for two choices, 0 and 1.
    """
    choices = _choices(recorded, facts)
    ones = list(map(int, (choices.target * choices.known).sum(axis=0)))
    if len(ones) > 1:
        return ones
    return [int(choices.known.sum()) - ones[0], ones[0]]


def _constant(recorded: Recorded) -> list[int]:
    """The inputs that never change."""
    x = recorded.sessions.stimulus[recorded.trial >= 0]
    return np.flatnonzero(x.min(axis=0) == x.max(axis=0)).tolist()
