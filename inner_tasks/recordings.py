"""A user's own recordings: sessions of stimuli with activity or choices, rewards and what else was measured."""

from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from inner_tasks import _npz, _nwb
from inner_tasks._describe import Info, describe
from inner_tasks._npz import Arrays, Rows, fingerprint
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.poisson import Poisson
from metaplast.recording import AbstractRecording, HeldOut, Recorded, Session, Truth
from metaplast.registry import BadInput, register
from metaplast.spec import Count, nested, plugin, spec

MAX_PADDED = 4 * _npz.MAX_BYTES
Target = Literal["", "activity", "choice"]


@register("task", "recordings")
@spec
class Recordings(AbstractRecording):
    """The sessions of an .npz file (its arrays: inner_tasks/_npz.py) or of an .nwb file (inner_tasks/_nwb.py).

    path: without one, a small made-up example. sha256: of the file, where a fit must not go on with other data.
    target: which of `activity` and `choice` is fitted, where a file has both. reward_window: rewards (not rows) behind
    the expected reward in `advantage`. nwb_*: what to take from an .nwb file.
    Choices need likelihood bernoulli (0 or 1; one output unit) or categorical (one output unit per choice).
    Raises: BadInput, when the data are first needed, for a file that breaks the schema or values that the likelihood
    rules out.
    """

    path: str = ""
    sha256: str = ""
    target: Target = ""
    reward_window: Count = 10
    nwb_stimulus: tuple[str, ...] = ()
    nwb_stimulus_series: str = ""
    nwb_activity_series: str = ""
    likelihood: Annotated[AbstractLikelihood, plugin("likelihood")] = Gaussian()
    held: Annotated[HeldOut, nested(HeldOut)] = HeldOut()
    clamp: bool = False

    def recorded(self) -> Recorded:
        found = _understood(self._source(), self._reading())[0]
        return _clamped(found) if self.clamp else found

    def truth(self) -> Truth | None:
        return None

    def describe(self) -> str:
        """What was understood, as text."""
        recorded, info = _understood(self._source(), self._reading())
        return describe(recorded, info._replace(held=self.held))

    def implied(self) -> dict[str, Any]:
        """What the file says of itself: sha256; likelihood that suits what is fitted; rewards, weights: are there any.

        Raises: BadInput for a file that breaks the schema.
        """
        rows = _rows(self._source())
        choices = self.target == "choice" or (self.target == "" and rows.choice is not None and rows.activity is None)
        most = 0 if rows.choice is None else int(rows.choice.max())
        return {
            "sha256": fingerprint(self.path) if self.path else "",
            "likelihood": ("bernoulli" if most <= 1 else "categorical") if choices else "gaussian",
            "rewards": rows.reward is not None,
            "weights": bool(rows.weights),
        }

    def _source(self) -> "Source":
        wanted = _nwb.Wanted(self.nwb_stimulus, self.nwb_stimulus_series, self.nwb_activity_series)
        if any(wanted) and not self.path.endswith(".nwb"):
            raise BadInput(f"task.nwb_... with task.path={self.path!r}", "an .nwb file", "leave task.nwb_... out")
        return Source(self.path, self.sha256, _npz.stamp(self.path) if self.path else (0, 0), wanted)

    def _reading(self) -> "Reading":
        return Reading(self.target, self.reward_window, self.likelihood)


class Source(NamedTuple):
    """Where the data are; `stamp` changes when the file does."""

    path: str
    sha256: str
    stamp: tuple[int, int]
    wanted: _nwb.Wanted


class Reading(NamedTuple):
    """How the rows are understood."""

    target: Target
    reward_window: int
    likelihood: AbstractLikelihood


@lru_cache(maxsize=8)
def _rows(source: Source) -> Rows:
    if not source.path and source.sha256:
        raise BadInput("task.sha256 without task.path", "the file it belongs to", "set task.path")
    if source.sha256 and (found := fingerprint(source.path)) != source.sha256.lower():
        given = f"recordings {source.path!r}: sha256 {found}"
        raise BadInput(given, f"sha256 {source.sha256!r}", "use the file of the first fit, or leave task.sha256 out")
    if not source.path:
        arrays = example()
    elif source.path.endswith(".nwb"):
        arrays = _nwb.read(source.path, source.wanted)
    else:
        arrays = _npz.read(source.path)
    return _npz.check(arrays)


@lru_cache(maxsize=8)
def _understood(source: Source, reading: Reading) -> tuple[Recorded, Info]:
    rows = _rows(source)
    kind = _fitted(rows, reading)
    paid = np.zeros(0) if rows.reward is None else rows.reward[np.isfinite(rows.reward)].astype(np.float64)
    info = Info(source.path, kind, len(paid), float(paid.mean()) if len(paid) else 0.0, rows.trial is not None, rows.dt)
    return _assemble(rows, kind, reading), info


def _clamped(found: Recorded) -> Recorded:
    """What was recorded drives the rule and is not judged: the last weights are."""
    if not found.sessions.final:
        raise BadInput("task.clamp=true", "arrays final_weights.<edge> in the file", "add them, or leave clamp out")
    blank = np.zeros_like(found.sessions.observed)
    return found._replace(sessions=found.sessions.replace(observed=blank))  # pyright: ignore[reportAttributeAccessIssue]


def _fitted(rows: Rows, reading: Reading) -> Literal["activity", "choice"]:
    """What is fitted, which the likelihood must suit."""
    if reading.target == "" and rows.activity is not None and rows.choice is not None:
        raise BadInput("arrays 'activity' and 'choice'", "one of them to fit", "set task.target=activity or choice")
    kind = reading.target or ("choice" if rows.activity is None else "activity")
    if getattr(rows, kind) is None:
        raise BadInput(f"task.target={kind}", f"an array {kind!r} in the file", "set task.target to what there is")
    if kind == "choice" and isinstance(reading.likelihood, Gaussian | Poisson):
        fix = "bernoulli" if rows.choice is not None and rows.choice.max() <= 1 else "categorical"
        raise BadInput("array 'choice' with a likelihood of numbers", "one of choices", f"set task.likelihood={fix}")
    if kind == "activity" and isinstance(reading.likelihood, Categorical):
        expected = "integers in an array 'choice'"
        raise BadInput("array 'activity' with likelihood categorical", expected, "set task.likelihood=bernoulli")
    return kind


def _assemble(rows: Rows, kind: str, reading: Reading) -> Recorded:
    """Rows cut into sessions and padded: gate, observed, reset and stimulus 0, trial -1."""
    n_sessions, step = len(rows.starts), np.arange(len(rows.session)) - rows.starts[rows.session]
    n_steps = int(step.max()) + 1
    n_out = _n_out(rows, kind, reading.likelihood)
    channels = dict(rows.modulators)
    if rows.reward is not None:
        channels["reward"] = np.nan_to_num(rows.reward)
        channels["advantage"] = advantage(rows.reward, rows.starts, reading.reward_window)
    size = 4 * n_sessions * n_steps * (rows.stimulus.shape[1] + 2 * n_out + len(channels) + 3)
    size += 4 * sum(value.size for value in (*rows.weights.values(), *rows.final.values()))
    if size > MAX_PADDED:
        given = f"{n_sessions} sessions padded to {n_steps} rows and {n_out} outputs: {size} bytes"
        raise BadInput(given, f"at most {MAX_PADDED}", "split long sessions, number choices 0, 1 ..., or fit fewer")
    target, observed = _targets(rows, kind, n_out, reading.likelihood)
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


def _n_out(rows: Rows, kind: str, likelihood: AbstractLikelihood) -> int:
    if kind == "activity" and rows.activity is not None:
        return rows.activity.shape[1]
    most = 0 if rows.choice is None else int(rows.choice.max())
    return 1 if isinstance(likelihood, Bernoulli) else max(2, most + 1)


def _targets(rows: Rows, kind: str, n_out: int, likelihood: AbstractLikelihood) -> tuple[np.ndarray, np.ndarray]:
    """(target, observed), both [N, n_out]."""
    if kind == "activity" and rows.activity is not None:
        known = np.isfinite(rows.activity) & rows.shown
        target = np.where(known, rows.activity, np.float32(0))
    else:
        assert rows.choice is not None
        made = rows.choice >= 0
        target = np.zeros((len(made), n_out), np.float32)
        if isinstance(likelihood, Bernoulli):
            target[made, 0] = rows.choice[made]
        else:
            target[made, rows.choice[made]] = 1.0
        known = np.repeat(made[:, None], n_out, axis=1)
    if not known.any():
        raise BadInput(f"array {kind!r}: nothing recorded", "at least one value", "NaN and -1 stand for missing ones")
    try:
        likelihood.check(target[known])
    except BadInput as error:
        raise BadInput(f"array {kind!r}: {error.what}", error.expected, error.fix) from None
    return target, known.astype(np.float32) * np.float32(likelihood.share(n_out))


def advantage(reward: np.ndarray, starts: np.ndarray, window: int) -> np.ndarray:
    """reward [N] minus the mean of the last `window` rewards of its session before it (0 before the first); 0 where
    reward is NaN."""
    out = np.zeros(len(reward), np.float32)
    for first, last in zip(starts, [*starts[1:], len(reward)], strict=True):
        given = first + np.flatnonzero(np.isfinite(reward[first:last]))
        total = np.concatenate([[0.0], np.cumsum(reward[given], dtype=np.float64)])
        k = np.arange(len(given))
        begin = np.maximum(k - window, 0)
        out[given] = reward[given] - (total[k] - total[begin]) / np.maximum(k - begin, 1)
    return out


@lru_cache(maxsize=1)
def example() -> Arrays:
    """Eight made-up subjects, one session each of up to 40 rows: 3 stimuli, 2 units whose synapses change with the
    reward, and trials of 3 to 6 rows. Seeded; see the schema for what the arrays mean."""
    rng = np.random.default_rng(0)
    rows: dict[str, list] = {name: [] for name in ("stimulus", "activity", "reward", "session", "trial", "subject")}
    for session, length in enumerate((40, 37, 33, 40, 36, 31, 40, 35)):
        weights, trial, left = rng.normal(0.0, 0.5, (2, 3)), 0, int(rng.integers(3, 7))
        for row in range(length):
            left -= 1
            x = rng.normal(size=3)
            y = weights @ x + 0.1 * rng.normal(size=2)
            over = left == 0 or row == length - 1
            paid = float(rng.random() < 1.0 / (1.0 + np.exp(-y[0]))) if over else np.nan
            weights = weights + 0.05 * np.nan_to_num(paid) * np.outer(y, x) - 0.01 * weights
            for name, value in zip(rows, (x, y, paid, session, trial, f"subject {session + 1}"), strict=True):
                rows[name].append(value)
            if over:
                trial, left = trial + 1, int(rng.integers(3, 7))
    return {name: np.asarray(values) for name, values in rows.items()}
