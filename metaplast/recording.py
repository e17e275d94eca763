"""Recorded lives: what was shown, done and paid, and how probable it is under a network that learns
by some rule.
"""

from abc import abstractmethod
from dataclasses import field, replace
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jax import Array

from metaplast.likelihoods.base import AbstractLikelihood, Part
from metaplast.networks.base import AbstractNetwork
from metaplast.registry import BadInput
from metaplast.rules.base import AbstractRule
from metaplast.signals import SURPRISE, Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Natural, Probability, spec
from metaplast.tasks import AbstractTaskFamily, Split

CLAMPED = "recorded"  # the population that shows what was recorded, where the task clamps it


@pytree
class Session:
    """One life as it was recorded: from known (or fitted) weights on, without a break. Padded to
    the longest.

    stimulus [n_steps, n_in]; target [n_steps, n_out]: what was recorded, 0 where nothing was, of
    the populations that the task watches and then of the output; observed, of the same
    shape: what each value counts, 0 where it is missing, masked, padded or held out; gate
    [n_steps]: is plasticity on;
    reset [n_steps]: a new trial begins after this step; modulators {channel: [n_steps]}; weights,
    final {edge: its layout}: the first and the last weights where they are known (NaN in `final`:
    unknown); subject
    []: whose life it is, -1 for a subject that training does not see; share []: times the session's
    mean loss, so that every recorded value of a split counts alike; told: where rules may read the
    choice {"choice": [n_steps, size of the output], 1 at the option that was taken; "made":
    [n_steps], 0 where none was}. Like rewards and gates it stays as it was recorded where values
    are drawn anew.
    """

    stimulus: Array
    target: Array
    observed: Array
    gate: Array
    reset: Array
    modulators: dict[str, Array]
    weights: dict[str, Array]
    final: dict[str, Array]
    subject: Array
    share: Array
    told: dict[str, Array] = field(default_factory=dict)


class Recorded(NamedTuple):
    """All sessions of a data set (NumPy, stacked), the trial of every step [n_sessions, n_steps]
    (-1: padding), the subject of every session [n_sessions], and the subjects' names."""

    sessions: Session
    trial: np.ndarray
    subject: np.ndarray
    names: tuple[str, ...]


class Truth(NamedTuple):
    """What made simulated data: the network and, per glob of edges, the rule. Sessions bring their
    first weights.
    """

    network: AbstractNetwork
    rules: dict[str, AbstractRule]


@spec
class HeldOut:
    """What training does not see. subjects: the share of whole subjects kept for the `heldout`
    split (with fewer than four subjects it is `trials` of every session instead); trials: the share
    of the training subjects' trials that choose between models (split `validation`); they are lived
    through, but their values are not looked at.
    """

    subjects: Probability = 0.25
    trials: Annotated[float, Ge(0), Le(0.4)] = 0.1
    seed: Natural = 0


class AbstractRecording(AbstractTaskFamily):
    """A finite family: its lives are the sessions of a recording, each once. A concrete class says
    what was recorded.

    Input population `input`; the output's activity, and that of `watched` populations, is judged by
    `likelihood`. With `clamp` a second input population, `recorded`, shows the recorded values
    themselves (network `clamped`), and nothing is left to judge but `final`.
    Rules see modulators, never errors: what was recorded must not leak into the weights. Of a
    choice they also see how probable the network holds it (`probability`, of several options
    `probability_0` ...), as its `post` is the log odds; a recorded modulator of that name goes
    before. A choice is known to the
    animal once it was made: where sessions tell it, rules read it as `target` of the output, c, and
    have the credit of choosing it, error = d -log P(c) / d activity (p - c for bernoulli and
    categorical) and surprise = -log P(c).
    """

    likelihood: AbstractLikelihood
    held: HeldOut
    clamp: bool

    @abstractmethod
    def recorded(self) -> Recorded:
        """All there is; the same arrays at every call."""

    @abstractmethod
    def truth(self) -> Truth | None:
        """What made the data, where that is known."""

    def version(self) -> tuple[int, ...]:
        """Changes when the data behind an equal spec do, as a file may."""
        return ()

    def watched(self) -> tuple[tuple[str, int], ...]:
        """(population, size) of those whose activity the first columns of `target` are; the rest is
        the output's.
        """
        return ()

    def parts(self) -> tuple[Part, ...]:
        """The columns of `target` by the likelihood that judges them."""
        return self.likelihood.parts(self.recorded().sessions.target.shape[2])

    def seconds(self) -> float | None:
        """Seconds per row, where the data say so."""
        return None

    def warnings(self) -> tuple[str, ...]:
        """What of the data was filled, dropped, re-ordered or re-interpreted, counted, and what in
        them is doubtful.
        """
        return ()

    def channels(self) -> dict[str, int]:
        """{modulator: column of `target`} of the probabilities that rules are told."""
        if self.clamp:
            return {}
        columns = {}
        for part in self.parts():
            names = part.likelihood.channels(part.columns.stop - part.columns.start)
            columns |= {name: part.columns.start + k for k, name in enumerate(names)}
        return columns

    def describe(self) -> str:
        """What there is, as text; the last lines are the warnings."""
        found = self.recorded()
        s = found.sessions
        steps = int((found.trial >= 0).sum())
        return (
            f"{len(found.subject)} sessions of {len(found.names)} subjects, {steps} steps in all; "
            f"{s.stimulus.shape[2]} inputs, {s.target.shape[2]} outputs, "
            f"{int((s.observed > 0).sum())} recorded values"
        )

    def shape(self) -> TaskShape:
        s = self.recorded().sessions
        if self.clamp and not s.final:
            raise BadInput(
                "task.clamp=true",
                "weights measured at the end (final_weights)",
                "leave task.clamp out",
            )
        n_steps, n_seen = s.target.shape[1:]
        watched = self.watched()
        n_out = n_seen - sum(n for _, n in watched)
        offers = {"gate", "reset", "subject", *self.channels(), *s.modulators}
        offers |= {
            name for name, given in (("weights", s.weights), ("final_weights", s.final)) if given
        }
        offers |= {"target", "error"} if s.told else set()
        inputs = {"input": s.stimulus.shape[2], **({CLAMPED: n_out} if self.clamp else {})}
        phases = ((n_steps, True),)
        return TaskShape(
            inputs, n_out, phases, frozenset(offers), differentiable=True, watched=watched
        )

    def whole(self, split: Split) -> Session:
        """The sessions of a split, each once, with what the split may look at."""
        return _whole(self, split, self.version())

    def sample(self, key: Key, split: Split) -> Session:
        sessions = self.whole(split)
        index = jax.random.randint(key, (), 0, sessions.subject.shape[0])
        return jax.tree.map(lambda x: jnp.asarray(x, _dtype(x))[index], sessions)

    def begin(self, task: Session, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Session, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {
            "input": task.stimulus[state],
            **({CLAMPED: task.target[state]} if self.clamp else {}),
        }

    def step(
        self, task: Session, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        observed = task.observed[state]
        count = jnp.sum(observed)
        loss = jnp.sum(observed * self.likelihood.loss(output.activity, task.target[state]))
        score = Score(
            loss=task.share * loss / jnp.where(count > 0, count, 1.0), weight=count, metrics={}
        )
        expected = self.likelihood.mean(output.activity)
        modulators = {name: expected[column] for name, column in self.channels().items()}
        modulators |= {name: values[state] for name, values in task.modulators.items()}
        credit, surprise = self._chosen(task, state, output.activity)
        told = feedback(
            self.shape().n_out,
            **credit,
            gate=task.gate[state],
            reset=task.reset[state],
            modulators=modulators | surprise,
        )
        return state + 1, Outcome(feedback=told, score=score)

    def _chosen(
        self, task: Session, state: Array, activity: Array
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """(target and error, surprise) of the choice that was made in a step; nothing where
        sessions do not tell it.
        """
        if not task.told:
            return {}, {}
        chosen, made = task.told["choice"][state], task.told["made"][state]
        likelihood = self.parts()[-1].likelihood
        share = likelihood.share(len(chosen))
        loss = lambda a: jnp.sum(share * likelihood.loss(a, chosen))
        surprise, error = jax.value_and_grad(loss)(activity[-len(chosen) :])
        return {"target": chosen, "error": made * error}, {SURPRISE: made * surprise}


def _dtype(x: Any) -> Any:
    return float if np.issubdtype(np.asarray(x).dtype, np.floating) else None


@lru_cache(maxsize=32)
def _whole(family: AbstractRecording, split: Split, version: tuple[int, ...]) -> Session:
    found = family.recorded()
    s, sessions = found.sessions, split_sessions(found, family.held)
    chosen, measured = sessions[split], measured_of(found, family.held, split)[sessions[split]]
    observed = s.observed[chosen] * trials_of(found, family.held, split)[chosen][:, :, None]
    counts = observed.sum(axis=(1, 2), dtype=np.float64)
    total = counts.sum()
    known = np.unique(found.subject[sessions["train"]])
    subject = np.where(np.isin(found.subject, known), np.searchsorted(known, found.subject), -1)
    rest = jax.tree.map(lambda x: x[chosen], s)
    return replace(
        rest,  # pyright: ignore[reportAttributeAccessIssue]
        observed=observed.astype(np.float32),
        final={e: _where(measured, w) for e, w in rest.final.items()},
        subject=subject[chosen].astype(np.int32),
        share=(counts * len(chosen) / total if total else counts).astype(np.float32),
    )


def _where(mine: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(mine.reshape(-1, *(1,) * (values.ndim - 1)), values, np.float32(np.nan))


def split_sessions(found: Recorded, held: HeldOut) -> dict[str, np.ndarray]:
    """Indices of the sessions of every split: whole subjects are held out where there are at least
    four.
    """
    subjects = np.unique(found.subject)
    everyone = np.arange(len(found.subject))
    n_out = round(held.subjects * len(subjects)) if len(subjects) >= 4 else 0
    away = np.random.default_rng([held.seed, 0]).permutation(subjects)[
        : min(n_out, len(subjects) - 1)
    ]
    mine = np.isin(found.subject, away)
    if not found.sessions.observed.any():
        return _shared_out(held, everyone[~mine], everyone[mine])
    heldout = everyone[mine] if n_out else everyone
    return {"train": everyone[~mine], "validation": everyone[~mine], "heldout": heldout}


def measured_of(found: Recorded, held: HeldOut, split: Split) -> np.ndarray:
    """Which sessions [n_sessions] a split judges by their last weights: no session is in two."""
    sessions = split_sessions(found, held)
    if found.sessions.observed.any():
        away = (
            sessions["heldout"]
            if len(sessions["heldout"]) < len(found.subject)
            else sessions["heldout"][:0]
        )
        sessions = _shared_out(held, sessions["train"], away)
    return np.isin(np.arange(len(found.subject)), sessions[split])


def _shared_out(held: HeldOut, rest: np.ndarray, away: np.ndarray) -> dict[str, np.ndarray]:
    """Whole sessions, shared out among the splits as trials are; away: those of subjects that are
    held out.
    """
    order, n = np.random.default_rng([held.seed, 2]).permutation(rest), _n(held.trials, len(rest))
    end = n if len(away) else 2 * n
    heldout = away if len(away) else np.sort(order[n:end])
    return {"train": np.sort(order[end:]), "validation": np.sort(order[:n]), "heldout": heldout}


def _n(share: float, n: int) -> int:
    """So many of n; at least one, where a share is asked for and others are left."""
    return max(round(share * n), 1) if share > 0 and n > 2 else 0


def trials_of(found: Recorded, held: HeldOut, split: Split) -> np.ndarray:
    """1 where a step [n_sessions, n_steps] belongs to a trial that the split looks at."""
    sessions = split_sessions(found, held)
    whole_subjects = len(sessions["heldout"]) < len(found.subject)
    real = found.trial >= 0
    if split == "heldout" and whole_subjects:
        return real.astype(np.float32)
    parts = np.zeros(found.trial.shape, np.int8)  # 0: train, 1: validation, 2: held out
    for row, trial in enumerate(found.trial):
        ids = np.unique(trial[trial >= 0])
        n = _n(held.trials, len(ids))
        order = np.random.default_rng([held.seed, 1, row]).permutation(ids)
        parts[row][np.isin(trial, order[:n])] = 1
        if not whole_subjects:
            parts[row][np.isin(trial, order[n : 2 * n])] = 2
    return (real & (parts == ("train", "validation", "heldout").index(split))).astype(np.float32)
