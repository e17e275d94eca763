"""Recorded lives: stimuli, choices, rewards, and their probability under a network that learns."""

from abc import abstractmethod
from dataclasses import field, replace
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jax import Array
from pydantic import BeforeValidator

from metaplast.likelihoods.base import AbstractLikelihood, Part
from metaplast.networks.base import AbstractNetwork
from metaplast.registry import BadInput
from metaplast.rules.base import AbstractRule
from metaplast.signals import SURPRISE, Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Natural, Probability, spec
from metaplast.tasks import AbstractTaskFamily, Split

CLAMPED = "recorded"
"""The population that shows the recorded values, where the task clamps it."""


@pytree
class Session:
    """One life as it was recorded: from known (or fitted) weights on, without a break.

    Sessions are padded to the longest one.

    stimulus [n_steps, n_in]: the recorded input
    target [n_steps, n_out]: the recorded values, 0 where there is none: first of the populations
        that the task watches, then of the output
    observed [n_steps, n_out]: the weight of each value; 0 where it is missing, masked, padded or
        held out
    gate [n_steps]: whether plasticity is on
    reset [n_steps]: whether a new trial begins after this step
    modulators: {channel: recorded modulator [n_steps]}
    weights: {edge: its first weights, in its layout}, where they are known
    final: {edge: its last weights, in its layout}, where they are known; NaN where they are not
    subject []: the subject, as a number; -1 for a subject that training does not see
    share []: the factor of the session's mean loss with which every recorded value of a split
        counts alike
    told: where rules may read the choice, {"choice": [n_steps, size of the output], "made":
        [n_steps]}: 1 at the option that was taken; 0 where no choice was made. Like rewards and
        gates, `told` stays as it was recorded where values are drawn anew.
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
    """All sessions of a data set, in NumPy.

    sessions: stacked [n_sessions, ...]
    trial [n_sessions, n_steps]: the trial of every step; -1: padding
    subject [n_sessions]: the subject of every session, an index into `names`
    names: the subjects
    """

    sessions: Session
    trial: np.ndarray
    subject: np.ndarray
    names: tuple[str, ...]


class _Credit(NamedTuple):
    """The credit of a choice; both parts are empty where sessions tell none.

    feedback: {target [n_options], error [n_options]}
    modulators: {surprise []}
    """

    feedback: dict[str, Array]
    modulators: dict[str, Array]


class Truth(NamedTuple):
    """The source of simulated data; sessions bring their first weights.

    network: the network that was simulated
    rules: the rule of each glob of edges
    """

    network: AbstractNetwork
    rules: dict[str, AbstractRule]


def _share_of_subjects(value: Any) -> Any:
    """The value. Raises: BadInput for a number of subjects in place of a share."""
    if isinstance(value, int | float) and not 0 <= value <= 1:
        raise BadInput(
            f"{value:g}",
            "a share from 0 to 1 of the subjects, and no number of them",
            "say 0.5 for half of them",
        )
    return value


@spec
class HeldOut:
    """The data that training does not see.

    subjects: the share of whole subjects that is kept for the split `heldout`. Where that is no
        whole subject, or there are fewer than four subjects, the share `trials` of every session is
        kept instead.
    trials: the share of the training subjects' trials that chooses between models (split
        `validation`). They are lived through, but their values are not looked at.
    seed: the seed of the choice of subjects and trials.
    """

    subjects: Annotated[Probability, BeforeValidator(_share_of_subjects)] = 0.25
    trials: Annotated[float, Ge(0), Le(0.4)] = 0.1
    seed: Natural = 0


class AbstractRecording(AbstractTaskFamily):
    """A finite family: its lives are the sessions of a recording, each once.

    A concrete class gives the recording.

    likelihood: judges the output's activity, and the activity of `watched` populations
    held: the data that training does not see
    clamp: a second input population, `recorded`, shows the recorded values themselves (network
        `clamped`); then only `final` is left to judge

    The stimulus goes to the input population `input`. Rules see modulators, never errors: the
    recorded values must not leak into the weights.

    Rules also see how probable the network holds a choice (`probability`, or of several options
    `probability_0` ...): `post` is its log odds. A recorded modulator of that name goes before.

    The animal knows a choice once it was made. Where sessions tell the choice c, rules read it as
    `target` of the output, and have the credit of choosing it:

        error = d -log P(c) / d activity, which is p - c for bernoulli and categorical
        surprise = -log P(c)
    """

    likelihood: AbstractLikelihood
    held: HeldOut
    clamp: bool

    @abstractmethod
    def recorded(self) -> Recorded:
        """All sessions; the same arrays at every call."""

    @abstractmethod
    def truth(self) -> Truth | None:
        """The source of the data, where it is known."""

    def version(self) -> tuple[int, ...]:
        """Numbers that change when the data behind an equal spec change, as a file may."""
        return ()

    def watched(self) -> tuple[tuple[str, int], ...]:
        """Pairs (population, size): their activities are the first columns of `target`.

        The rest is the output's activity.
        """
        return ()

    def parts(self) -> tuple[Part, ...]:
        """The columns of `target` by the likelihood that judges them."""
        return self.likelihood.parts(self.recorded().sessions.target.shape[2])

    def seconds(self) -> float | None:
        """The seconds per row, where the data give them."""
        return None

    def warnings(self) -> tuple[str, ...]:
        """Data that were filled, dropped, re-ordered or re-interpreted, counted, and doubts."""
        return ()

    def channels(self) -> dict[str, int]:
        """{modulator: column of `target`} of the probabilities that rules see."""
        if self.clamp:
            return {}
        columns = {}
        for part in self.parts():
            names = part.likelihood.channels(part.columns.stop - part.columns.start)
            for place, name in enumerate(names):
                columns[name] = part.columns.start + place
        return columns

    def describe(self) -> str:
        """A description of the data, as text; the last lines are the warnings."""
        recorded = self.recorded()
        sessions = recorded.sessions
        n_steps = int((recorded.trial >= 0).sum())
        n_values = int((sessions.observed > 0).sum())
        n_sessions = len(recorded.subject)
        n_subjects = len(recorded.names)
        return (
            f"{n_sessions} sessions of {n_subjects} subjects, {n_steps} steps in all; "
            f"{sessions.stimulus.shape[2]} inputs, {sessions.target.shape[2]} outputs, "
            f"{n_values} recorded values"
        )

    def shape(self) -> TaskShape:
        """The sizes, one plastic phase, and the recorded feedback.

        Raises:
            BadInput: clamped, without weights measured at the end.
        """
        sessions = self.recorded().sessions
        if self.clamp and not sessions.final:
            raise BadInput(
                "task.clamp=true",
                "weights measured at the end (final_weights)",
                "leave task.clamp out",
            )
        n_steps, n_columns = sessions.target.shape[1:]
        watched = self.watched()
        n_out = n_columns - sum(size for _, size in watched)
        inputs = {"input": sessions.stimulus.shape[2]}
        if self.clamp:
            inputs[CLAMPED] = n_out
        offers = {"gate", "reset", "subject", *self.channels(), *sessions.modulators}
        if sessions.weights:
            offers.add("weights")
        if sessions.final:
            offers.add("final_weights")
        if sessions.told:
            offers |= {"target", "error"}
        phases = ((n_steps, True),)
        return TaskShape(
            inputs, n_out, phases, frozenset(offers), differentiable=True, watched=watched
        )

    def whole(self, split: Split) -> Session:
        """The sessions of a split, each once, with the values that the split may look at."""
        return _whole(self, split, self.version())

    def sample(self, key: Key, split: Split) -> Session:
        """One session of a split."""
        sessions = self.whole(split)
        index = jax.random.randint(key, (), 0, sessions.subject.shape[0])
        return jax.tree.map(lambda x: jnp.asarray(x, _dtype(x))[index], sessions)

    def begin(self, task: Session, key: Key, dt: float) -> Array:
        """The number of steps lived []."""
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Session, state: Array, key: Key, dt: float) -> dict[str, Array]:
        """The recorded input, and the recorded values where the task clamps them."""
        inputs = {"input": task.stimulus[state]}
        if self.clamp:
            inputs[CLAMPED] = task.target[state]
        return inputs

    def step(
        self, task: Session, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        """The recorded feedback, and the loss of the recorded values."""
        observed = task.observed[state]
        count = jnp.sum(observed)
        loss = jnp.sum(observed * self.likelihood.loss(output.activity, task.target[state]))
        mean_loss = task.share * loss / jnp.where(count > 0, count, 1.0)
        expected = self.likelihood.mean(output.activity)
        modulators = {name: expected[column] for name, column in self.channels().items()}
        modulators |= {name: values[state] for name, values in task.modulators.items()}
        credit = self._credit_of_choice(task, state, output.activity)
        outcome_feedback = feedback(
            self.shape().n_out,
            **credit.feedback,
            gate=task.gate[state],
            reset=task.reset[state],
            modulators=modulators | credit.modulators,
        )
        score = Score(loss=mean_loss, weight=count, metrics={})
        return state + 1, Outcome(feedback=outcome_feedback, score=score)

    def _credit_of_choice(self, task: Session, state: Array, activity: Array) -> _Credit:
        """The credit of the choice in a step."""
        if not task.told:
            return _Credit({}, {})
        choice = task.told["choice"][state]
        made = task.told["made"][state]
        likelihood = self.parts()[-1].likelihood
        share = likelihood.share(len(choice))

        def loss_of_choice(activity: Array) -> Array:
            return jnp.sum(share * likelihood.loss(activity, choice))

        surprise, error = jax.value_and_grad(loss_of_choice)(activity[-len(choice) :])
        return _Credit(
            feedback={"target": choice, "error": made * error},
            modulators={SURPRISE: made * surprise},
        )


def _dtype(x: Any) -> Any:
    """JAX's own float type for floats; None, as it is, for anything else."""
    return float if np.issubdtype(np.asarray(x).dtype, np.floating) else None


@lru_cache(maxsize=32)
def _whole(family: AbstractRecording, split: Split, version: tuple[int, ...]) -> Session:
    recorded = family.recorded()
    sessions = recorded.sessions
    splits = split_sessions(recorded, family.held)
    chosen = splits[split]
    measured = measured_of(recorded, family.held, split)[chosen]
    trials = trials_of(recorded, family.held, split)[chosen]
    observed = sessions.observed[chosen] * trials[:, :, None]
    counts = observed.sum(axis=(1, 2), dtype=np.float64)
    total = counts.sum()
    share = counts * len(chosen) / total if total else counts
    training_subjects = np.unique(recorded.subject[splits["train"]])
    subject = np.where(
        np.isin(recorded.subject, training_subjects),
        np.searchsorted(training_subjects, recorded.subject),
        -1,
    )
    of_split: Session = jax.tree.map(lambda x: x[chosen], sessions)
    final = {}
    for edge, weights in of_split.final.items():
        is_measured = measured.reshape(-1, *(1,) * (weights.ndim - 1))
        final[edge] = np.where(is_measured, weights, np.float32(np.nan))
    return replace(
        of_split,
        observed=observed.astype(np.float32),
        final=final,
        subject=subject[chosen].astype(np.int32),
        share=share.astype(np.float32),
    )


def split_sessions(recorded: Recorded, held: HeldOut) -> dict[str, np.ndarray]:
    """The indices of the sessions of every split.

    Whole subjects are held out where there are at least four.

    Args:
        recorded: all sessions.
        held: the data that training does not see.
    """
    subjects = np.unique(recorded.subject)
    everyone = np.arange(len(recorded.subject))
    n_out = round(held.subjects * len(subjects)) if len(subjects) >= 4 else 0
    order = np.random.default_rng([held.seed, 0]).permutation(subjects)
    held_out_subjects = order[: min(n_out, len(subjects) - 1)]
    is_held_out = np.isin(recorded.subject, held_out_subjects)
    rest = everyone[~is_held_out]
    if not recorded.sessions.observed.any():
        return _shared_out(held, rest, everyone[is_held_out])
    heldout = everyone[is_held_out] if n_out else everyone
    return {"train": rest, "validation": rest, "heldout": heldout}


def measured_of(recorded: Recorded, held: HeldOut, split: Split) -> np.ndarray:
    """Whether a split judges a session [n_sessions] by its last weights; no two splits do.

    Args:
        recorded: all sessions.
        held: the data that training does not see.
        split: the split.
    """
    splits = split_sessions(recorded, held)
    if recorded.sessions.observed.any():
        away = splits["heldout"]
        if len(away) == len(recorded.subject):
            # Trials are held out, and no subject is.
            away = away[:0]
        splits = _shared_out(held, splits["train"], away)
    return np.isin(np.arange(len(recorded.subject)), splits[split])


def _shared_out(held: HeldOut, rest: np.ndarray, away: np.ndarray) -> dict[str, np.ndarray]:
    """Whole sessions, shared out among the splits as trials are.

    Args:
        held: the data that training does not see.
        rest: the sessions of the other subjects.
        away: the sessions of subjects that are held out.
    """
    order = np.random.default_rng([held.seed, 2]).permutation(rest)
    n = _n(held.trials, len(rest))
    end = n
    heldout = away
    if not len(away):
        end = 2 * n
        heldout = np.sort(order[n:end])
    return {"train": np.sort(order[end:]), "validation": np.sort(order[:n]), "heldout": heldout}


def _n(share: float, n: int) -> int:
    """The share of n, rounded; at least 1 where the share is not 0 and others are left."""
    if share <= 0 or n <= 2:
        return 0
    return max(round(share * n), 1)


def trials_of(recorded: Recorded, held: HeldOut, split: Split) -> np.ndarray:
    """1 where a step [n_sessions, n_steps] belongs to a trial that the split looks at, else 0.

    Args:
        recorded: all sessions.
        held: the data that training does not see.
        split: the split.
    """
    splits = split_sessions(recorded, held)
    whole_subjects = len(splits["heldout"]) < len(recorded.subject)
    is_real = recorded.trial >= 0
    if split == "heldout" and whole_subjects:
        return is_real.astype(np.float32)
    split_of_step = np.zeros(recorded.trial.shape, np.int8)  # 0 train, 1 validation, 2 held out
    for row, trial in enumerate(recorded.trial):
        trials = np.unique(trial[trial >= 0])
        n = _n(held.trials, len(trials))
        order = np.random.default_rng([held.seed, 1, row]).permutation(trials)
        split_of_step[row][np.isin(trial, order[:n])] = 1
        if not whole_subjects:
            split_of_step[row][np.isin(trial, order[n : 2 * n])] = 2
    number = ("train", "validation", "heldout").index(split)
    return (is_real & (split_of_step == number)).astype(np.float32)
