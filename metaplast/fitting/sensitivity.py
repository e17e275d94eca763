"""The sensitivity of a fit's predictions to the numbers that it fitted.

It is given as scores and Fisher information of sessions.
"""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from metaplast.fitting.data import arrays, recording_of
from metaplast.fitting.flat import flattened
from metaplast.life.lifetime import Lifetime
from metaplast.likelihoods.base import AbstractLikelihood, Part
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.networks import base as network
from metaplast.recording import AbstractRecording, Session
from metaplast.signals import Key, Theta

TOGETHER = 16  # directions of theta followed side by side


class Sensitivity(NamedTuple):
    """Derivatives of the loss in the free numbers of theta, without any penalty.

    free [n_free]: places of the numbers in the flat vector of theta.
    score [n_sessions, n_free]: d loss / d number, summed over the values of a session.
    fisher [n_sessions, n_free, n_free]: the expected second derivative J^T W J, with J the
        derivative of the activity and W the second derivative of the loss.
    noise [n_free, n_free]: variance of the summed score where the model is right: `fisher` times
        the dispersion that gaussian values leave.
    gram [n_free, n_free]: J^T J over recorded values, blind to how sure predictions are. Of several
        options, J counts less its mean over them.
    choices [n_rows, n_free]: derivative of the log odds of every choice that was made, against
        every other.
    odds [n_rows]: these log odds.
    others [n_free, n_free]: the part of `fisher` that is of no choice.
    n_values: compared values.
    """

    free: np.ndarray
    score: np.ndarray
    fisher: np.ndarray
    noise: np.ndarray
    gram: np.ndarray
    choices: np.ndarray
    odds: np.ndarray
    others: np.ndarray
    n_values: float


class _Values(NamedTuple):
    """Recorded values and what each counts, in the shape of predictions [n_steps, n_out]."""

    target: Array
    observed: Array


class _Moved(NamedTuple):
    """Predictions [n_steps, n_out] and their derivatives [n_free, n_steps, n_out]."""

    value: Any
    derivatives: Any


class _Curvature(NamedTuple):
    """The loss of one session around its predictions.

    loss []: summed over the recorded values.
    slope [n_steps, n_out]: its derivative in the activity.
    bend [n_free, n_steps, n_out]: its expected second derivative along every direction.
    """

    loss: Array
    slope: Array
    bend: Array


class _Odds(NamedTuple):
    """Derivatives [n_rows, n_free] of log odds, and the log odds [n_rows]."""

    rows: np.ndarray
    odds: np.ndarray


def sensitivity(
    lifetime: Lifetime, theta: Theta, mask: Theta, sessions: Session, seed: int
) -> Sensitivity:
    """The sensitivity at theta, in double precision.

    Double precision tells a flat direction from a nearly flat one.

    Args:
        lifetime: the rule in its network and task.
        theta: the fitted one.
        mask: 0 for the numbers that are held, else 1.
        sessions: stacked, of the training split.
        seed: of the lives.
    """
    family = recording_of(lifetime)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), float), theta)
        free = np.flatnonzero(flattened(mask))
        batch = arrays(sessions)
        key = jax.random.key(seed)
        parts = _WEIGHTS if family.clamp else family.parts()
        sums = []
        for part in parts:
            sums.append(_Sums(part, len(free)))
        for index in range(len(sessions.subject)):
            session = jax.tree.map(lambda x, i=index: x[i], batch)
            session_key = jax.random.fold_in(key, index)
            moved = _moved_all(lifetime, double, free, session, session_key)
            for part_sums in sums:
                part_sums.add(moved, _recorded(family, session))
    return _together(free, sums)


_WEIGHTS = (Part("weights", Gaussian(), slice(None)),)  # measured weights: squared distances


class _Sums:
    """The sums over sessions of one part, in plain arrays."""

    def __init__(self, part: Part, n_free: int) -> None:
        self.part = part
        self.n_free = n_free
        self.scores: list[np.ndarray] = []
        self.fishers: list[np.ndarray] = []
        self.rows: list[np.ndarray] = [np.zeros((0, n_free))]
        self.odds: list[np.ndarray] = [np.zeros(0)]
        self.gram = np.zeros((n_free, n_free))
        self.deviance = 0.0
        self.count = 0.0

    def add(self, moved: _Moved, recorded: _Values) -> None:
        """Add one session."""
        columns = self.part.columns
        likelihood = self.part.likelihood
        activity = moved.value[:, columns]
        jacobian = moved.derivatives[:, :, columns]
        target = recorded.target[:, columns]
        observed = recorded.observed[:, columns]
        curved = _curved(likelihood, activity, target, observed, jnp.asarray(jacobian))
        flat = jacobian.reshape(self.n_free, -1)
        self.scores.append(flat @ np.asarray(curved.slope).reshape(-1))
        self.fishers.append(flat @ np.asarray(curved.bend).reshape(self.n_free, -1).T)
        moves = jacobian
        if isinstance(likelihood, Categorical):  # what moves all options alike moves no probability
            moves = jacobian - jacobian.mean(axis=2, keepdims=True)
        known = moves[:, np.asarray(observed) > 0]
        self.gram += known @ known.T
        self.deviance += 2.0 * float(curved.loss)
        self.count += float(jnp.sum(observed))
        if self.is_choice:
            of_choices = _log_odds(
                likelihood,
                np.asarray(activity),
                jacobian,
                np.asarray(target),
                np.asarray(observed),
            )
            self.rows.append(of_choices.rows)
            self.odds.append(of_choices.odds)

    @property
    def is_choice(self) -> bool:
        """Whether the values of the part are choices."""
        return isinstance(self.part.likelihood, (Bernoulli, Categorical))

    @property
    def dispersion(self) -> float:
        """Deviance per degree of freedom; 1 where the likelihood says how values scatter."""
        if not isinstance(self.part.likelihood, Gaussian):
            return 1.0
        return self.deviance / max(self.count - self.n_free, 1.0)

    @property
    def fisher(self) -> np.ndarray:
        """The Fisher information of all sessions [n_free, n_free]."""
        if not self.fishers:
            return np.zeros((self.n_free, self.n_free))
        return np.sum(self.fishers, axis=0)


def _together(free: np.ndarray, sums: list[_Sums]) -> Sensitivity:
    """The sensitivity of all parts."""
    n = len(free)
    zero = np.zeros((n, n))
    noise = zero
    gram = zero
    others = zero
    for part in sums:
        noise = noise + part.dispersion * part.fisher
        gram = gram + part.gram
        if not part.is_choice:
            others = others + part.fisher
    return Sensitivity(
        free=free,
        score=np.sum([part.scores for part in sums], axis=0).reshape(-1, n),
        fisher=np.sum([part.fishers for part in sums], axis=0).reshape(-1, n, n),
        noise=noise,
        gram=gram,
        choices=np.concatenate([row for part in sums for row in part.rows]),
        odds=np.concatenate([odds for part in sums for odds in part.odds]),
        others=others,
        n_values=sum(part.count for part in sums),
    )


def _recorded(family: AbstractRecording, session: Session) -> _Values:
    """The values of a session to which `_values` is compared."""
    if not family.clamp:
        return _Values(session.target, session.observed)
    edges = []
    for edge in sorted(session.final):
        edges.append(session.final[edge].reshape(-1))
    final = jnp.concatenate(edges)[None]
    known = jnp.isfinite(final)
    return _Values(jnp.where(known, final, 0.0), known.astype(float))


def _moved_all(
    lifetime: Lifetime, theta: Theta, free: np.ndarray, session: Session, key: Key
) -> _Moved:
    """Predictions and their derivatives in all free numbers.

    The derivatives are taken in groups of one width, so that one program does all of them.
    """
    n_flat = len(flattened(theta))
    derivatives = []
    value = None
    for first in range(0, max(len(free), 1), TOGETHER):
        group = free[first : first + TOGETHER]
        directions = np.zeros((TOGETHER, n_flat))
        directions[np.arange(len(group)), group] = 1.0
        moved = _moved(lifetime, theta, session, key, jnp.asarray(directions))
        value = moved.value
        derivatives.append(np.asarray(moved.derivatives)[: len(group)])
    return _Moved(value, np.concatenate(derivatives))


@partial(jax.jit, static_argnames="lifetime")
def _moved(
    lifetime: Lifetime, theta: Theta, session: Session, key: Key, directions: Array
) -> _Moved:
    """Predictions and their derivatives along `directions` [n_directions, n_numbers]."""
    flat, unravel = ravel_pytree(theta)

    def values(flat: Array) -> Array:
        return _values(lifetime, unravel(flat), session, key)

    def derivative(direction: Array) -> Array:
        return jax.jvp(values, (flat,), (direction,))[1]

    return _Moved(values(flat), jax.vmap(derivative)(directions))


def _values(lifetime: Lifetime, theta: Theta, session: Session, key: Key) -> Array:
    """The predictions for one session: activity [n_steps, n_out], or last weights in one row."""
    recording = replace(lifetime, record=("activity",))
    n_steps = session.target.shape[0]
    life = recording.begin(theta, session, key)
    life, trace = recording.advance(theta, session, life, n_steps, start=0)
    if recording_of(lifetime).clamp:
        edges = []
        for edge in sorted(session.final):
            edges.append(life.synapses[edge].weight.reshape(-1))
        return jnp.concatenate(edges)[None]
    return network.seen(lifetime.wiring(), lifetime.task.shape(), trace.recorded["activity"])


@partial(jax.jit, static_argnames="likelihood")
def _curved(
    likelihood: Any, activity: Array, target: Array, observed: Array, moved: Array
) -> _Curvature:
    """The curvature of the loss of one session, along the derivatives `moved` of its predictions.

    Losses are linear in the recorded value (the second derivative of a gaussian does not depend on
    it), so that the expected second derivative is the one at the expected value.
    """

    def total(activity: Array, value: Array) -> Array:
        losses = jax.vmap(likelihood.loss)(activity, value)
        return jnp.sum(jnp.where(observed > 0, observed * losses, 0.0))

    expected = jax.vmap(likelihood.mean)(activity)
    slope = jax.grad(total)

    def bend(direction: Array) -> Array:
        return jax.jvp(lambda a: slope(a, expected), (activity,), (direction,))[1]

    return _Curvature(total(activity, target), slope(activity, target), lax.map(bend, moved))


def _log_odds(
    likelihood: AbstractLikelihood,
    activity: np.ndarray,
    moved: np.ndarray,
    target: np.ndarray,
    observed: np.ndarray,
) -> _Odds:
    """The log odds of every chosen option against every other, and their derivatives."""
    if isinstance(likelihood, Bernoulli):
        made = observed > 0
        sign = np.where(target[made] > 0.5, 1.0, -1.0)
        return _Odds((moved[:, made] * sign).T, activity[made] * sign)
    steps = np.flatnonzero(observed.max(axis=1, initial=0.0) > 0)
    chosen = target[steps].argmax(axis=1)
    rows = []
    odds = []
    for other in range(activity.shape[1]):
        against = chosen != other
        step = steps[against]
        option = chosen[against]
        rows.append((moved[:, step, option] - moved[:, step, other]).T)
        odds.append(activity[step, option] - activity[step, other])
    return _Odds(np.concatenate(rows), np.concatenate(odds))
