"""A user's own recordings: sessions of stimuli with activity or choices, rewards and weights."""

from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np

from inner_tasks import _npz, _nwb, _targets
from inner_tasks._array_notes import note_arrays
from inner_tasks._coding import FIELD, Option, coded
from inner_tasks._example import example
from inner_tasks._file import fingerprint, stamp
from inner_tasks._notes import ReadingNotes, no_notes, plain
from inner_tasks._npz import Arrays, FileRows
from inner_tasks._summary import RecordingFacts, doubts, summary
from inner_tasks._targets import Likelihoods, Target
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session, Truth
from metaplast.registry import BadInput, register
from metaplast.spec import Count, decode, nested, plugin, spec

MAX_PADDED = 4 * _npz.MAX_BYTES
UNTOLD = "task.tell_choice=true where no choice is fitted"


@register("task", "recordings")
@spec
class Recordings(AbstractRecording):
    """The sessions of a file of recordings.

    path: an .npz file (its arrays: inner_tasks/_npz.py) or an .nwb file (inner_tasks/_nwb.py).
        Empty: a small made-up example.
    sha256: the hash of the file, where a fit must not go on with other data.
    target: the array that is fitted, `activity` or `choice`, where a file has both. `both` fits the
        two together, activity first.
    units: with target `both`, the population whose activity was recorded (hidden_1). Empty: units
        and choice are all output units.
    choice_values: the options as the file writes them, in the order 0, 1 ... ([left,right], [-1,1],
        [1,2]). Every other value is no choice. Empty: choices are 0, 1 ..., negative ones none.
    tell_choice: whether rules may read the choice of a row once it was made. Then `target` of the
        output is 1 at the option that was taken, `error` (with a feedback, such as
        feedback=symmetric) is p - target, and `modulator.surprise` is -log p. All are 0 where no
        choice was made.
    reward_window: how many rewards (not rows) make the expected reward in `advantage`.
    nwb_stimulus, nwb_stimulus_series, nwb_activity_series, nwb_choice, nwb_reward: the parts of an
        .nwb file that are taken. nwb_reward: a column, or several to be added.
    likelihood: for choices bernoulli (0 or 1; one output unit) or categorical (one output unit per
        choice); joint for choices beside activity.
    held: the data that training does not see.
    clamp: whether the recorded activity drives the rule, and the last weights alone are judged.

    Raises: BadInput, when the data are first needed, for a file that breaks the schema or values
        that the likelihood rules out.

    Source: the user's own data.
    """

    path: str = ""
    sha256: str = ""
    target: Target = ""
    units: str = ""
    choice_values: tuple[Option, ...] = ()
    tell_choice: bool = False
    reward_window: Count = 10
    nwb_stimulus: tuple[str, ...] = ()
    nwb_stimulus_series: str = ""
    nwb_activity_series: str = ""
    nwb_choice: str = ""
    nwb_reward: str | tuple[str, ...] = ()
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Gaussian()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut()
    clamp: bool = False

    def __post_init__(self) -> None:
        self._check_choice_values()
        if self.units and self.target != "both":
            what = f"units={self.units} with target={self.target or 'one array'}"
            layers = "network.hidden=[], or network=recurrent network.readout=false"
            output = f"where one array is fitted, its columns are the output ({layers})"
            raise BadInput(what, "target=both", f"leave units out: {output}")
        if self.tell_choice and (self.clamp or self.target == "activity"):
            raise BadInput(UNTOLD, "task.target=choice or both", "leave task.tell_choice out")
        if self.clamp and self.target == "both":
            expected = "activity alone, which then drives the rule"
            fix = "set task.target=activity, or leave task.clamp out"
            raise BadInput("clamp=true with target=both", expected, fix)

    def _check_choice_values(self) -> None:
        """Raises: BadInput for a single option, or one that stands twice."""
        distinct = set(map(str, self.choice_values))
        if self.choice_values and len(distinct) < max(2, len(self.choice_values)):
            what = f"{FIELD}={list(self.choice_values)}"
            fix = "leave it out where choices are 0, 1 ..."
            raise BadInput(what, "two options or more, each once", fix)

    def recorded(self) -> Recorded:
        recorded = _understood(self._source(), self._reading()).recorded
        if self.clamp:
            return _clamped(recorded)
        return recorded

    def truth(self) -> Truth | None:
        return None

    def version(self) -> tuple[int, ...]:
        return self._source().stamp

    def files(self) -> dict[str, str]:
        if not self.path:
            return {}
        return {self.path.rpartition("/")[2]: self.sha256 or fingerprint(self.path)}

    def watched(self) -> tuple[tuple[str, int], ...]:
        if not self.units:
            return ()
        activity = _rows(self._source()).activity
        if activity is None:
            return ()
        return ((self.units, activity.shape[1]),)

    def seconds(self) -> float | None:
        return _rows(self._source()).dt

    def describe(self) -> str:
        """A summary of the recordings, as text."""
        return summary(*self._understood())

    def warnings(self) -> tuple[str, ...]:
        """The changes that were made to the file when it was read, and its oddities."""
        return doubts(*self._understood())

    def _understood(self) -> "Understood":
        understood = _understood(self._source(), self._reading())
        facts = understood.facts._replace(held=self.held, units=self.units)
        return understood._replace(facts=facts)

    def implied(self) -> dict[str, Any]:
        """The settings that follow from the file.

        sha256: its hash.
        likelihood: the one that suits the fitted arrays. With target `both`, the training values
            have the sd of its gaussian about the mean of each unit.
        rewards, weights: whether there are any.
        dt: seconds per row, or None.

        Raises: BadInput for a file that breaks the schema.
        """
        rows = _rows(self._source())
        likelihood = _targets.implied(rows, self.target)
        if self.target == "both":
            joint: Recordings = replace(self, likelihood=decode("likelihood", likelihood))
            units = joint.parts()[0].columns
            train = joint.whole("train")
            target = np.asarray(train.target)[..., units]
            observed = np.asarray(train.observed)[..., units]
            likelihood["units"]["sd"] = _targets.sd_about_means(target, observed)
        return {
            "sha256": fingerprint(self.path) if self.path else "",
            "likelihood": likelihood,
            "rewards": rows.reward is not None,
            "weights": bool(rows.weights),
            "dt": rows.dt,
        }

    def _source(self) -> "FileParts":
        """The file, and the parts of it that these fields ask for."""
        reward = self.nwb_reward
        if isinstance(reward, str):
            reward = (reward,) if reward else ()
        wanted = _nwb.Wanted(
            columns=self.nwb_stimulus,
            stimulus=self.nwb_stimulus_series,
            activity=self.nwb_activity_series,
            choice=self.nwb_choice,
            reward=reward,
        )
        if any(wanted) and not _is_nwb(self.path):
            what = f"task.nwb_... with task.path={self.path!r}"
            raise BadInput(what, "an .nwb file", "leave task.nwb_... out")
        file_stamp = stamp(self.path) if self.path else (0, 0)
        return FileParts(
            self.path, self.sha256, file_stamp, wanted, self.choice_values, self.target
        )

    def _reading(self) -> "Reading":
        return Reading(self.target, self.reward_window, self.likelihood, self.tell_choice)


class FileParts(NamedTuple):
    """The file, and the parts of it that are needed.

    stamp: changes when the file does.
    wanted: the parts of an .nwb file.
    options: the values that stand for the choices 0, 1 ...
    target: the arrays that are fitted.
    """

    path: str
    sha256: str
    stamp: tuple[int, int]
    wanted: _nwb.Wanted
    options: tuple[Option, ...]
    target: Target


class Reading(NamedTuple):
    """The settings by which rows become sessions."""

    target: Target
    reward_window: int
    likelihood: AbstractLikelihood
    tell_choice: bool


class Understood(NamedTuple):
    """The sessions of a file, and the facts about it that they no longer show."""

    recorded: Recorded
    facts: RecordingFacts


@lru_cache(maxsize=8)
def _rows(source: FileParts) -> FileRows:
    """The checked rows of a file, with the notes on it."""
    _check_hash(source)
    notes = no_notes()
    activity_alone = source.target == "activity"
    if _is_nwb(source.path):
        choices_read = not (activity_alone and source.wanted.activity)
        options = source.options if choices_read else None
        arrays = _nwb.read(source.path, source.wanted, options, notes)
    else:
        if source.path:
            arrays = _npz.read(source.path)
        else:
            arrays = example(source.target in ("choice", "both"))
        choices_read = not (activity_alone and "activity" in arrays)
        arrays = _with_coded_choices(arrays, source.options, choices_read, notes)
    rows = _npz.check(arrays)
    if source.options and rows.choice is None and source.target != "activity":
        what = f"{FIELD} for a file without choices"
        raise BadInput(what, "an array 'choice'", f"leave {FIELD} out")
    note_arrays(arrays, rows, notes)
    return rows._replace(
        options=tuple(map(plain, source.options)),
        columns=tuple(notes.columns),
        warnings=tuple(notes.warnings),
    )


def _check_hash(source: FileParts) -> None:
    """Raises: BadInput where the file is not the one that `sha256` names."""
    if not source.path and source.sha256:
        raise BadInput("task.sha256 without task.path", "the file it belongs to", "set task.path")
    if not source.sha256:
        return
    actual = fingerprint(source.path)
    if actual != source.sha256.lower():
        what = f"recordings {source.path!r}: sha256 {actual}"
        fix = "use the file of the first fit, or leave task.sha256 out"
        raise BadInput(what, f"sha256 {source.sha256!r}", fix)


def _with_coded_choices(
    arrays: Arrays, options: tuple[Option, ...], choices_read: bool, notes: ReadingNotes
) -> Arrays:
    """The arrays of an .npz file, with coded choices; without them where they are not read."""
    if "choice" not in arrays:
        return arrays
    others = dict(arrays)
    del others["choice"]
    if not choices_read:
        notes.add_column("array 'choice'", "not read, as task.target=activity")
        return others
    codes = coded("array 'choice'", arrays["choice"], options, others.get("reward"), notes)
    return {**others, "choice": codes}


def _is_nwb(path: str) -> bool:
    return path.lower().endswith(".nwb")


@lru_cache(maxsize=8)
def _understood(source: FileParts, reading: Reading) -> Understood:
    """The sessions of a file under some settings, and the facts about it."""
    rows = _rows(source)
    likelihoods = _targets.likelihoods(rows, reading.target, reading.likelihood)
    n_columns = _targets.sizes(rows, reading.likelihood, likelihoods)
    rewards = np.zeros(0)
    mean_reward = 0.0
    if rows.reward is not None:
        rewards = rows.reward[np.isfinite(rows.reward)].astype(np.float64)
    if len(rewards):
        mean_reward = float(rewards.mean())
    facts = RecordingFacts(
        source=source.path,
        n_choices=n_columns.get("choice", 0),
        n_rewards=len(rewards),
        mean_reward=mean_reward,
        has_trials=rows.trial is not None,
        dt=rows.dt,
        options=rows.options,
        columns=rows.columns,
        warnings=rows.warnings,
    )
    if reading.tell_choice and "choice" not in likelihoods:
        raise BadInput(UNTOLD, "an array 'choice' in the file", "leave task.tell_choice out")
    recorded = _assemble(rows, likelihoods, n_columns, reading.reward_window)
    if reading.tell_choice:
        recorded = _with_told_choice(recorded, n_columns["choice"])
    return Understood(recorded, facts)


def _clamped(recorded: Recorded) -> Recorded:
    """The sessions with no value observed: activity drives the rule, the last weights are judged.

    Raises: BadInput where there are no last weights.
    """
    if not recorded.sessions.final:
        expected = "arrays final_weights.<edge> in the file"
        raise BadInput("task.clamp=true", expected, "add them, or leave clamp out")
    blank = np.zeros_like(recorded.sessions.observed)
    return recorded._replace(sessions=replace(recorded.sessions, observed=blank))


def _with_told_choice(recorded: Recorded, n_choice: int) -> Recorded:
    """The sessions with the choice, the last `n_choice` columns, as a signal for rules."""
    choice = recorded.sessions.target[..., -n_choice:]
    observed = recorded.sessions.observed[..., -n_choice:]
    made = (observed > 0).any(axis=2).astype(np.float32)
    sessions = replace(recorded.sessions, told={"choice": choice, "made": made})
    return recorded._replace(sessions=sessions)


def _assemble(
    rows: FileRows, likelihoods: Likelihoods, n_columns: dict[str, int], window: int
) -> Recorded:
    """The rows, cut into sessions and padded to the longest.

    Padding is 0 in the gate, observed, reset and the stimulus, and -1 in the trial.

    Raises: BadInput for more than MAX_PADDED bytes.
    """
    n_sessions = len(rows.starts)
    step = np.arange(len(rows.session)) - rows.starts[rows.session]
    n_steps = int(step.max()) + 1
    channels = dict(rows.modulators)
    if rows.reward is not None:
        channels["reward"] = np.nan_to_num(rows.reward)
        channels["advantage"] = advantage(rows.reward, rows.starts, window)
    _check_size(rows, n_steps, sum(n_columns.values()), len(channels))
    columns = _targets.columns(rows, likelihoods, n_columns)

    def pad(values: np.ndarray, blank: int = 0) -> np.ndarray:
        out = np.full((n_sessions, n_steps, *values.shape[1:]), blank, values.dtype)
        out[rows.session, step] = values
        return out

    trial = step
    reset = np.zeros(len(step), np.float32)
    if rows.trial is not None:
        begins = _trial_begins(rows.trial, rows.session)
        reset[:-1] = begins[1:]
        count = np.cumsum(begins)
        trial = count - count[rows.starts][rows.session]
    padded: dict[str, Any] = {
        "stimulus": pad(rows.stimulus),
        "target": pad(columns.target),
        "observed": pad(columns.observed),
        "gate": pad(rows.plastic),
        "reset": pad(reset),
        "modulators": {name: pad(values) for name, values in channels.items()},
        "weights": rows.weights,
        "final": rows.final,
        "subject": rows.subject.astype(np.int32),
        "share": np.ones(n_sessions, np.float32),
    }
    return Recorded(Session(**padded), pad(trial, -1), rows.subject, rows.names)


def _check_size(rows: FileRows, n_steps: int, n_out: int, n_channels: int) -> None:
    """Raises: BadInput where the padded sessions have more than MAX_PADDED bytes."""
    n_sessions = len(rows.starts)
    n_numbers = n_sessions * n_steps * (rows.stimulus.shape[1] + 2 * n_out + n_channels + 3)
    for weights in (*rows.weights.values(), *rows.final.values()):
        n_numbers += weights.size
    size = 4 * n_numbers
    if size > MAX_PADDED:
        what = f"{n_sessions} sessions padded to {n_steps} rows and {n_out} outputs: {size} bytes"
        fix = "split long sessions, number choices 0, 1 ..., or fit fewer"
        raise BadInput(what, f"at most {MAX_PADDED}", fix)


def _trial_begins(trial: np.ndarray, session: np.ndarray) -> np.ndarray:
    """1 in the rows [N] at which a new trial begins inside a session, else 0."""
    begins = np.concatenate([[0], np.diff(trial) != 0]).astype(np.int64)
    begins[np.flatnonzero(np.diff(session)) + 1] = 0
    return begins


def advantage(reward: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    """The reward [N] minus the mean of the last `window` rewards before it in its session.

    The mean is 0 before the first reward; the advantage is 0 where the reward is NaN.
    """
    out = np.zeros(len(reward), np.float32)
    for first, last in zip(starts, [*starts[1:], len(reward)], strict=True):
        rewarded = first + np.flatnonzero(np.isfinite(reward[first:last]))
        total = np.concatenate([[0.0], np.cumsum(reward[rewarded], dtype=np.float64)])
        k = np.arange(len(rewarded))
        begin = np.maximum(k - window, 0)
        mean = (total[k] - total[begin]) / np.maximum(k - begin, 1)
        out[rewarded] = reward[rewarded] - mean
    return out
