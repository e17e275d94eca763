"""How what a fit predicts moves with every number that it fitted: the scores and the Fisher
information of sessions.
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
    """Of n_free numbers of theta, `free` [n_free] their places in its flat vector, without any
    penalty.

    score [n_sessions, n_free]: d loss / d number, summed over a session's values; fisher
    [n_sessions, n_free, n_free]: the expected second derivative, J^T W J with J the derivative of
    the activity and W that of the loss; noise [n_free,
    n_free]: the variance of the summed score where the model is right, `fisher` times the
    dispersion that gaussian values leave; gram [n_free, n_free]: J^T J over what was recorded,
    blind to how sure predictions are; choices
    [n_rows, n_free]: what raises the odds of every choice that was made, against every other; odds
    [n_rows]: the log odds themselves; others [n_free, n_free]: the part of `fisher` that is of no
    choice; n_values: how many values were compared.
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


def sensitivity(
    lifetime: Lifetime, theta: Theta, mask: Theta, sessions: Session, seed: int
) -> Sensitivity:
    """In double precision, so that a direction that is flat is told from one that is nearly so.

    theta: the fitted one; mask: 0 for the numbers that are held; sessions: stacked, of the training
    split.
    """
    family = recording_of(lifetime)
    with jax.enable_x64(True):
        whole = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), float), theta)
        free = np.flatnonzero(flattened(mask))
        batch, key = arrays(sessions), jax.random.key(seed)
        parts = _ALL if family.clamp else family.parts()
        sums = [_Sums(part, len(free)) for part in parts]
        for index in range(len(sessions.subject)):
            one = jax.tree.map(lambda x, i=index: x[i], batch)
            value, moved = _moved_all(lifetime, whole, free, one, jax.random.fold_in(key, index))
            for each in sums:
                each.add(value, moved, _seen(family, one))
    return _together(free, sums)


_ALL = (Part("weights", Gaussian(), slice(None)),)  # measured weights: their squared distance


class _Sums:
    """What the sessions of one part add up to, in plain arrays."""

    def __init__(self, part: Part, n_free: int) -> None:
        self.part, self.n_free = part, n_free
        self.scores: list[np.ndarray] = []
        self.fishers: list[np.ndarray] = []
        self.rows: list[np.ndarray] = [np.zeros((0, n_free))]
        self.odds: list[np.ndarray] = [np.zeros(0)]
        self.gram = np.zeros((n_free, n_free))
        self.deviance = self.count = 0.0

    def add(self, value: Array, moved: np.ndarray, seen: tuple[Array, Array]) -> None:
        columns, likelihood = self.part.columns, self.part.likelihood
        activity, jacobian = value[:, columns], moved[:, :, columns]
        target, observed = (x[:, columns] for x in seen)
        loss, slope, bent = _curved(likelihood, activity, target, observed, jnp.asarray(jacobian))
        flat = jacobian.reshape(self.n_free, -1)
        self.scores.append(flat @ np.asarray(slope).reshape(-1))
        self.fishers.append(flat @ np.asarray(bent).reshape(self.n_free, -1).T)
        known = jacobian[:, np.asarray(observed) > 0]
        self.gram += known @ known.T
        self.deviance += 2.0 * float(loss)
        self.count += float(jnp.sum(observed))
        if isinstance(likelihood, (Bernoulli, Categorical)):
            rows, odds = _raising(
                likelihood, np.asarray(activity), jacobian, np.asarray(target), np.asarray(observed)
            )
            self.rows.append(rows)
            self.odds.append(odds)

    @property
    def is_choice(self) -> bool:
        return isinstance(self.part.likelihood, (Bernoulli, Categorical))

    @property
    def dispersion(self) -> float:
        """Of values whose likelihood says how they scatter, 1."""
        if not isinstance(self.part.likelihood, Gaussian):
            return 1.0
        return self.deviance / max(self.count - self.n_free, 1.0)


def _together(free: np.ndarray, sums: list[_Sums]) -> Sensitivity:
    n, zero = len(free), np.zeros((len(free), len(free)))
    totals = [np.sum(each.fishers, axis=0) if each.fishers else zero for each in sums]
    return Sensitivity(
        free=free,
        score=np.sum([each.scores for each in sums], axis=0).reshape(-1, n),
        fisher=np.sum([each.fishers for each in sums], axis=0).reshape(-1, n, n),
        noise=sum(
            (each.dispersion * total for each, total in zip(sums, totals, strict=True)), zero
        ),
        gram=sum((each.gram for each in sums), zero),
        choices=np.concatenate([row for each in sums for row in each.rows]),
        odds=np.concatenate([row for each in sums for row in each.odds]),
        others=sum(
            (total for each, total in zip(sums, totals, strict=True) if not each.is_choice), zero
        ),
        n_values=sum(each.count for each in sums),
    )


def _seen(family: AbstractRecording, session: Session) -> tuple[Array, Array]:
    """(what was recorded, what each value counts), in the shape of what `_values` predicts."""
    if not family.clamp:
        return session.target, session.observed
    final = jnp.concatenate([session.final[edge].reshape(-1) for edge in sorted(session.final)])[
        None
    ]
    known = jnp.isfinite(final)
    return jnp.where(known, final, 0.0), known.astype(float)


def _moved_all(
    lifetime: Lifetime, theta: Theta, free: np.ndarray, session: Session, key: Key
) -> Any:
    """(values [n_steps, n_out], their derivatives [n_free, n_steps, n_out]) in groups of one width:
    one program.
    """
    n_flat = len(flattened(theta))
    moved = []
    value = None
    for first in range(0, max(len(free), 1), TOGETHER):
        mine = free[first : first + TOGETHER]
        directions = np.zeros((TOGETHER, n_flat))
        directions[np.arange(len(mine)), mine] = 1.0
        value, found = _moved(lifetime, theta, session, key, jnp.asarray(directions))
        moved.append(np.asarray(found)[: len(mine)])
    return value, np.concatenate(moved)


@partial(jax.jit, static_argnames="lifetime")
def _moved(
    lifetime: Lifetime, theta: Theta, session: Session, key: Key, directions: Array
) -> tuple[Array, Array]:
    flat, unravel = ravel_pytree(theta)
    values = lambda flat: _values(lifetime, unravel(flat), session, key)
    return values(flat), jax.vmap(lambda d: jax.jvp(values, (flat,), (d,))[1])(directions)


def _values(lifetime: Lifetime, theta: Theta, session: Session, key: Key) -> Array:
    """What one session compares with what was recorded: activity [n_steps, n_out], or last weights
    in one row.
    """
    recording, n_steps = replace(lifetime, record=("activity",)), session.target.shape[0]
    life = recording.begin(theta, session, key)
    life, trace = recording.advance(theta, session, life, n_steps, start=0)
    if recording_of(lifetime).clamp:
        return jnp.concatenate(
            [life.synapses[edge].weight.reshape(-1) for edge in sorted(session.final)]
        )[None]
    return network.seen(lifetime.wiring(), lifetime.task.shape(), trace.recorded["activity"])


@partial(jax.jit, static_argnames="likelihood")
def _curved(
    likelihood: Any, activity: Array, target: Array, observed: Array, moved: Array
) -> tuple[Array, ...]:
    """(summed loss, its derivative in the activity, its expected second derivative along every
    direction).

    Losses are linear in the recorded value (a gaussian's second derivative does not depend on it),
    so that the expected second derivative is the one at the expected value.
    """

    def total(activity: Array, value: Array) -> Array:
        each = jax.vmap(likelihood.loss)(activity, value)
        return jnp.sum(jnp.where(observed > 0, observed * each, 0.0))

    expected = jax.vmap(likelihood.mean)(activity)
    slope = jax.grad(total)
    bend = lambda direction: jax.jvp(lambda a: slope(a, expected), (activity,), (direction,))[1]
    return total(activity, target), slope(activity, target), lax.map(bend, moved)


def _raising(
    likelihood: AbstractLikelihood,
    activity: np.ndarray,
    moved: np.ndarray,
    target: np.ndarray,
    observed: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(rows [n_rows, n_free], log odds [n_rows]) of what was chosen against what was not."""
    if isinstance(likelihood, Bernoulli):
        at = observed > 0
        sign = np.where(target[at] > 0.5, 1.0, -1.0)
        return (moved[:, at] * sign).T, activity[at] * sign
    steps = np.flatnonzero(observed.max(axis=1, initial=0.0) > 0)
    chosen = target[steps].argmax(axis=1)
    n_out = activity.shape[1]
    rows, odds = [], []
    for other in range(n_out):
        mine = chosen != other
        t, c = steps[mine], chosen[mine]
        rows.append((moved[:, t, c] - moved[:, t, other]).T)
        odds.append(activity[t, c] - activity[t, other])
    return np.concatenate(rows), np.concatenate(odds)
