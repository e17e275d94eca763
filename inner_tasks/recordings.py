"""A user's own recordings: sessions of stimuli with activity or choices, rewards and what else was
measured.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import numpy as np

from inner_tasks import _columns, _fitted, _npz, _nwb
from inner_tasks._coding import FIELD, Option, coded
from inner_tasks._describe import Info, describe, doubts
from inner_tasks._example import example
from inner_tasks._file import fingerprint, stamp
from inner_tasks._fitted import Judges, Target
from inner_tasks._npz import Arrays, Rows
from inner_tasks._said import Said, nothing, plain
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
    """The sessions of an .npz file (its arrays: inner_tasks/_npz.py) or of an .nwb file
    (inner_tasks/_nwb.py).

    path: without one, a small made-up example. sha256: of the file, where a fit must not go on with
    other data.
    target: which of `activity` and `choice` is fitted, where a file has both; `both`: the two
    together, activity first.
    units: of both, the population whose activity was recorded (hidden_1); left out, units and
    choice are all output units.
    choice_values: the options as the file writes them, in the order 0, 1 ... ([left,right], [-1,1],
    [1,2]); every other value is no choice; left out, choices are 0, 1 ... and negative ones none.
    tell_choice: rules may read the choice of a row once it was made: `target` of the output is 1 at
    the option that was taken, `error` (with a feedback, such as feedback=symmetric) is p - target,
    `modulator.surprise` is -log p; all are 0 where no choice was made.
    reward_window: rewards (not rows) behind the expected reward in `advantage`.
    nwb_*: what to take from an .nwb file; nwb_reward: a column, or several whose sum it is.
    Choices need likelihood bernoulli (0 or 1; one output unit) or categorical (one output unit per
    choice), and likelihood joint beside activity.
    Raises: BadInput, when the data are first needed, for a file that breaks the schema or values
    that the likelihood rules out.
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
        named = {str(option) for option in self.choice_values}
        if self.choice_values and len(named) < max(2, len(self.choice_values)):
            given = f"{FIELD}={list(self.choice_values)}"
            raise BadInput(
                given, "two options or more, each once", "leave it out where choices are 0, 1 ..."
            )
        if self.units and self.target != "both":
            given = f"units={self.units} with target={self.target or 'one array'}"
            layers = "network.hidden=[], or network=recurrent network.readout=false"
            fix = (
                f"leave units out: where one array is fitted, its columns are the output ({layers})"
            )
            raise BadInput(given, "target=both", fix)
        if self.tell_choice and (self.clamp or self.target == "activity"):
            raise BadInput(UNTOLD, "task.target=choice or both", "leave task.tell_choice out")
        if self.clamp and self.target == "both":
            expected = "activity alone, which then drives the rule"
            raise BadInput(
                "clamp=true with target=both",
                expected,
                "set task.target=activity, or leave task.clamp out",
            )

    def recorded(self) -> Recorded:
        found = _understood(self._source(), self._reading())[0]
        return _clamped(found) if self.clamp else found

    def truth(self) -> Truth | None:
        return None

    def version(self) -> tuple[int, ...]:
        return self._source().stamp

    def watched(self) -> tuple[tuple[str, int], ...]:
        activity = _rows(self._source()).activity if self.units else None
        return () if activity is None else ((self.units, activity.shape[1]),)

    def seconds(self) -> float | None:
        return _rows(self._source()).dt

    def describe(self) -> str:
        """What was understood, as text."""
        return describe(*self._understood())

    def warnings(self) -> tuple[str, ...]:
        """What was not taken as it stands in the file, and what in it is doubtful."""
        return doubts(*self._understood())

    def _understood(self) -> tuple[Recorded, Info]:
        recorded, info = _understood(self._source(), self._reading())
        return recorded, info._replace(held=self.held, units=self.units)

    def implied(self) -> dict[str, Any]:
        """What the file says of itself: sha256; likelihood that suits what is fitted; rewards,
        weights: are there any;
        dt: seconds per row, or None.

        Of both, the sd of the gaussian is that of the training values about each unit's mean.
        Raises: BadInput for a file that breaks the schema.
        """
        rows = _rows(self._source())
        likelihood = _fitted.implied(rows, self.target)
        if self.target == "both":
            judged: Recordings = replace(self, likelihood=decode("likelihood", likelihood))
            (_, _, units), _ = judged.parts()
            train = judged.whole("train")
            values = (np.asarray(x)[..., units] for x in (train.target, train.observed))
            likelihood["units"]["sd"] = _fitted.sd_about_means(*values)
        return {
            "sha256": fingerprint(self.path) if self.path else "",
            "likelihood": likelihood,
            "rewards": rows.reward is not None,
            "weights": bool(rows.weights),
            "dt": rows.dt,
        }

    def _source(self) -> "Source":
        paid = (
            (self.nwb_reward,)
            if isinstance(self.nwb_reward, str) and self.nwb_reward
            else tuple(self.nwb_reward)
        )
        series = (self.nwb_stimulus_series, self.nwb_activity_series)
        wanted = _nwb.Wanted(self.nwb_stimulus, *series, self.nwb_choice, paid)
        if any(wanted) and not _is_nwb(self.path):
            raise BadInput(
                f"task.nwb_... with task.path={self.path!r}",
                "an .nwb file",
                "leave task.nwb_... out",
            )
        age = stamp(self.path) if self.path else (0, 0)
        return Source(self.path, self.sha256, age, wanted, self.choice_values, self.target)

    def _reading(self) -> "Reading":
        return Reading(self.target, self.reward_window, self.likelihood, self.tell_choice)


class Source(NamedTuple):
    """Where the data are; `stamp` changes when the file does; options: of the choices; target:
    which arrays are needed."""

    path: str
    sha256: str
    stamp: tuple[int, int]
    wanted: _nwb.Wanted
    options: tuple[Option, ...]
    target: Target


class Reading(NamedTuple):
    """How the rows are understood."""

    target: Target
    reward_window: int
    likelihood: AbstractLikelihood
    tell_choice: bool


@lru_cache(maxsize=8)
def _rows(source: Source) -> Rows:
    if not source.path and source.sha256:
        raise BadInput("task.sha256 without task.path", "the file it belongs to", "set task.path")
    if source.sha256 and (found := fingerprint(source.path)) != source.sha256.lower():
        given = f"recordings {source.path!r}: sha256 {found}"
        raise BadInput(
            given,
            f"sha256 {source.sha256!r}",
            "use the file of the first fit, or leave task.sha256 out",
        )
    said, activity_alone = nothing(), source.target == "activity"
    if _is_nwb(source.path):
        alone = activity_alone and bool(source.wanted.activity)
        arrays = _nwb.read(source.path, source.wanted, None if alone else source.options, said)
    else:
        arrays = (
            _npz.read(source.path) if source.path else example(source.target in ("choice", "both"))
        )
        arrays = _coded(arrays, source.options, activity_alone and "activity" in arrays, said)
    rows = _npz.check(arrays)
    if source.options and rows.choice is None and source.target != "activity":
        raise BadInput(
            f"{FIELD} for a file without choices", "an array 'choice'", f"leave {FIELD} out"
        )
    _columns.explain(arrays, rows, said)
    names = tuple(plain(option) for option in source.options)
    return rows._replace(options=names, columns=tuple(said.columns), warnings=tuple(said.warnings))


def _coded(arrays: Arrays, options: tuple[Option, ...], left_out: bool, said: Said) -> Arrays:
    """The arrays of an .npz file with choices as `_coding.coded` has them, or without."""
    choice, rest = (
        arrays.get("choice"),
        {name: value for name, value in arrays.items() if name != "choice"},
    )
    if choice is None:
        return arrays
    if left_out:
        said.columns.append("array 'choice': not read, as task.target=activity")
        return rest
    return {**rest, "choice": coded("array 'choice'", choice, options, rest.get("reward"), said)}


def _is_nwb(path: str) -> bool:
    return path.lower().endswith(".nwb")


@lru_cache(maxsize=8)
def _understood(source: Source, reading: Reading) -> tuple[Recorded, Info]:
    rows = _rows(source)
    found = _fitted.judges(rows, reading.target, reading.likelihood)
    n = _fitted.sizes(rows, reading.likelihood, found)
    paid = (
        np.zeros(0)
        if rows.reward is None
        else rows.reward[np.isfinite(rows.reward)].astype(np.float64)
    )
    reward = float(paid.mean()) if len(paid) else 0.0
    facts = (rows.options, rows.columns, rows.warnings)
    info = Info(
        source.path, n.get("choice", 0), len(paid), reward, rows.trial is not None, rows.dt, *facts
    )
    if reading.tell_choice and "choice" not in found:
        raise BadInput(UNTOLD, "an array 'choice' in the file", "leave task.tell_choice out")
    assembled = _assemble(rows, found, n, reading.reward_window)
    return _told(assembled, n["choice"]) if reading.tell_choice else assembled, info


def _clamped(found: Recorded) -> Recorded:
    """What was recorded drives the rule and is not judged: the last weights are."""
    if not found.sessions.final:
        raise BadInput(
            "task.clamp=true",
            "arrays final_weights.<edge> in the file",
            "add them, or leave clamp out",
        )
    blank = np.zeros_like(found.sessions.observed)
    return found._replace(sessions=replace(found.sessions, observed=blank))


def _told(found: Recorded, n_choice: int) -> Recorded:
    """Rules may read what was chosen; its columns are the last."""
    target, observed = (
        x[..., -n_choice:] for x in (found.sessions.target, found.sessions.observed)
    )
    told = {"choice": target, "made": (observed > 0).any(axis=2).astype(np.float32)}
    return found._replace(sessions=replace(found.sessions, told=told))


def _assemble(rows: Rows, judges: Judges, n: dict[str, int], window: int) -> Recorded:
    """Rows cut into sessions and padded: gate, observed, reset and stimulus 0, trial -1."""
    n_sessions, step = len(rows.starts), np.arange(len(rows.session)) - rows.starts[rows.session]
    n_steps = int(step.max()) + 1
    n_out = sum(n.values())
    channels = dict(rows.modulators)
    if rows.reward is not None:
        channels["reward"] = np.nan_to_num(rows.reward)
        channels["advantage"] = advantage(rows.reward, rows.starts, window)
    size = 4 * n_sessions * n_steps * (rows.stimulus.shape[1] + 2 * n_out + len(channels) + 3)
    size += 4 * sum(value.size for value in (*rows.weights.values(), *rows.final.values()))
    if size > MAX_PADDED:
        given = f"{n_sessions} sessions padded to {n_steps} rows and {n_out} outputs: {size} bytes"
        raise BadInput(
            given,
            f"at most {MAX_PADDED}",
            "split long sessions, number choices 0, 1 ..., or fit fewer",
        )
    target, observed = _fitted.columns(rows, judges, n)
    ends = np.flatnonzero(np.diff(rows.session)) + 1

    def pad(values: np.ndarray, blank: int = 0) -> np.ndarray:
        out = np.full((n_sessions, n_steps, *values.shape[1:]), blank, values.dtype)
        out[rows.session, step] = values
        return out

    trial, reset = step, np.zeros(len(step), np.float32)
    if rows.trial is not None:
        begins = np.concatenate([[0], np.diff(rows.trial) != 0]).astype(np.int64)
        begins[ends] = 0
        reset[:-1] = begins[1:]
        count = np.cumsum(begins)
        trial = count - count[rows.starts][rows.session]
    padded: dict[str, Any] = {
        "stimulus": pad(rows.stimulus),
        "target": pad(target),
        "observed": pad(observed),
        "gate": pad(rows.plastic),
        "reset": pad(reset),
        "modulators": {name: pad(values) for name, values in channels.items()},
        "weights": rows.weights,
        "final": rows.final,
        "subject": rows.subject.astype(np.int32),
        "share": np.ones(n_sessions, np.float32),
    }
    return Recorded(Session(**padded), pad(trial, -1), rows.subject, rows.names)


def advantage(reward: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    """reward [N] minus the mean of the last `window` rewards of its session before it (0 before the
    first); 0 where reward is NaN."""
    out = np.zeros(len(reward), np.float32)
    for first, last in zip(starts, [*starts[1:], len(reward)], strict=True):
        given = first + np.flatnonzero(np.isfinite(reward[first:last]))
        total = np.concatenate([[0.0], np.cumsum(reward[given], dtype=np.float64)])
        k = np.arange(len(given))
        begin = np.maximum(k - window, 0)
        out[given] = reward[given] - (total[k] - total[begin]) / np.maximum(k - begin, 1)
    return out
