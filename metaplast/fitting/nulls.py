"""Models without plasticity that a learned rule has to beat.

They are the mean, and a regression on stimuli and the past.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from metaplast.fitting.deviance import deviances
from metaplast.fitting.history import FEW, Scaler, missed, scaler, shared_features, unit_features
from metaplast.likelihoods.base import AbstractLikelihood
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.poisson import Poisson
from metaplast.recording import Session
from metaplast.registry import BadInput

STRENGTHS = tuple(float(s) for s in np.logspace(2, -4, 7))  # the strongest first: it wins ties
AT_ONCE = 128  # units fitted side by side: bounds the memory
ANCHOR = 1e-8  # keeps intercepts finite where only one value was ever recorded
LEAST = 1e-6  # expected count at which the intercept of a silent unit starts


class Null(NamedTuple):
    """A fitted null model.

    name: as in fit.json.
    note: its description.
    predict: (session, seen) -> the activity [n_sessions, n_steps, n_out], in the unit in which the
        likelihood reads the activity of a model; session: stacked sessions; seen
        [n_sessions, n_steps, n_out]: > 0 where a value was recorded.
    """

    name: str
    note: str
    predict: Callable[[Session, np.ndarray], np.ndarray]


def mean_null(likelihood: AbstractLikelihood, train: Session) -> Null:
    """Every unit at its mean over the values that training looks at.

    A unit without such a value is at the mean of all.

    Raises: BadInput where training looks at no value.
    """
    activity = likelihood.activity(_means(train))

    def predict(session: Session, seen: np.ndarray) -> np.ndarray:
        return np.tile(activity, (*np.shape(session.target)[:2], 1))

    return Null(
        "mean", "Every unit at its mean over the training values; it saw nothing else.", predict
    )


def history_glm(
    likelihood: AbstractLikelihood,
    train: Session,
    validation: Session,
    seen: np.ndarray,
    lags: int = 3,
) -> Null:
    """A generalised linear model of the stimuli and of the subject's own past (see `history`).

    min_b sum_t w_t loss(eta_t, y_t) / sum_t w_t + strength / 2 |b|^2
    eta_t = b_0 + b . features_t

    w_t, y_t: weight and value of a training row, the only rows that it is fitted to.
    features: standardised by these rows.
    strength: one strength for all units. It is the entry of STRENGTHS with the least deviance on
        `validation`, and the strongest of several such entries.

    Links: gaussian eta; poisson exp(eta), at most twice the largest count of the training rows;
    bernoulli log odds; categorical softmax.

    The GLM sees the subject's own past, which a plasticity model does not see: all values that were
    recorded before a step. Values of held-out trials are among them, for the past is known at the
    time of a prediction. The GLM knows which values are missing, and it knows the last `lags`
    values that were recorded before them. Unit j sees its own past. It sees the past of all units
    where there are at most FEW of them, or where they are one choice (categorical).

    Args:
        likelihood: of the recorded values.
        train, validation: the same stacked sessions, `observed` by split.
        seen: as `Null.predict` takes it.
        lags: steps of the past.

    Raises: BadInput for a likelihood without a link, fewer than one lag, arrays that do not fit
        together, or where training or validation looks at no value.
    """
    _check(likelihood, train, validation, seen, lags)
    everyone = isinstance(likelihood, Categorical) or seen.shape[2] <= FEW
    mean = likelihood.activity(_means(train))
    past = _Past(lags, everyone, seen)
    groups = []
    shared = past.shared(train, seen)
    for units in _alike(likelihood, train):
        design = _Design(shared, past.per_unit(train, seen, units))
        groups.append(_fit(likelihood, train, units, design))
    glm = _Glm(likelihood, past, mean, groups)
    scores = []
    for activity in glm.predict(validation, seen, range(len(STRENGTHS))):
        scores.append(np.sum(deviances(likelihood, activity, validation)))
    best = int(np.argmin(np.where(np.isfinite(scores), scores, np.inf)))
    note = (
        "A generalised linear model of the stimuli, the modulators and the subject's own recorded "
        f"values over {lags} past steps (L2 strength {STRENGTHS[best]:g}, chosen on the validation "
        "values); it sees the subject's own past, which a plasticity model does not."
    )
    return Null("glm_history", note, lambda session, seen: glm.predict(session, seen, (best,))[0])


class _Past(NamedTuple):
    """The features of the GLM, in the form that the training sessions fix.

    lags: steps of the past.
    everyone: whether every unit sees the past of all.
    trained: > 0 where a value of the training sessions was recorded
        [n_sessions, n_steps, n_out]. Units that were missed there have features of misses.
    """

    lags: int
    everyone: bool
    trained: np.ndarray

    def shared(self, session: Session, seen: np.ndarray) -> np.ndarray:
        """The features of all units."""
        gaps = self._has_gaps(np.arange(self.trained.shape[2]))
        return shared_features(session, seen, self.lags, self.everyone, gaps)

    def per_unit(self, session: Session, seen: np.ndarray, units: np.ndarray) -> np.ndarray:
        """The features of each unit, none where all units see the past of all."""
        if self.everyone:
            return np.zeros((*seen.shape[:2], len(units), 0))
        return unit_features(session, seen, self.lags, units, self._has_gaps(units))

    def _has_gaps(self, units: np.ndarray) -> bool:
        return bool(missed(self.trained[:, :, units]).any())


class _Design(NamedTuple):
    """Features of a regression.

    shared [..., n_features]: of all units.
    per_unit [..., n_units, n]: of each unit; n is 0 where all units share all.
    """

    shared: np.ndarray
    per_unit: np.ndarray


class _Coefficients(NamedTuple):
    """Coefficients.

    intercept [n_units].
    shared [n_features, n_units].
    per_unit [n_units, n].
    """

    intercept: np.ndarray
    shared: np.ndarray
    per_unit: np.ndarray


class _Group(NamedTuple):
    """Units whose values are observed at the same steps.

    units [n_units].
    shared, per_unit: the scalers of their features.
    ceiling [n_units]: the largest eta.
    fits: one per strength.
    """

    units: np.ndarray
    shared: Scaler
    per_unit: Scaler
    ceiling: np.ndarray
    fits: list[_Coefficients]


class _Glm(NamedTuple):
    """The fitted GLM under every strength.

    mean [n_out]: the activity of units without a training value.
    """

    likelihood: AbstractLikelihood
    past: _Past
    mean: np.ndarray
    groups: list[_Group]

    def predict(
        self, session: Session, seen: np.ndarray, chosen: Sequence[int]
    ) -> list[np.ndarray]:
        """The activity [n_sessions, n_steps, n_out] under each of the chosen strengths.

        Args:
            session, seen: as `Null.predict` takes them.
            chosen: places of the strengths in STRENGTHS.
        """
        features = self.past.shared(session, seen)
        activities = []
        for _ in chosen:
            activities.append(np.tile(self.mean, (*features.shape[:2], 1)))
        for group in self.groups:
            per_unit = group.per_unit(self.past.per_unit(session, seen, group.units))
            design = _Design(group.shared(features), per_unit)
            for activity, index in zip(activities, chosen, strict=True):
                eta = _eta(design, group.fits[index])
                activity[:, :, group.units] = _respond(self.likelihood, group, eta)
        return activities


def _fit(
    likelihood: AbstractLikelihood, train: Session, units: np.ndarray, known: _Design
) -> _Group:
    """Fit units that are observed at the same steps, under every strength.

    known: the features of all steps, before they are scaled.
    """
    count = np.asarray(train.observed, np.float64)[:, :, units[0]]
    rows = count > 0
    w = count[rows] / count[rows].sum()
    y = np.asarray(train.target, np.float64)[:, :, units][rows]
    shared = known.shared[rows]
    per_unit = known.per_unit[rows]
    shared_scaler = scaler(shared, w)
    unit_scaler = scaler(per_unit, w)
    design = _Design(shared_scaler(shared), unit_scaler(per_unit))
    if isinstance(likelihood, Gaussian):
        fits = list(_ridge(design, y, w))
    else:
        fits = _newton_path(likelihood, design, y, w)
    ceiling = np.full(len(units), np.inf)
    if isinstance(likelihood, Poisson):
        ceiling = np.log(2.0 * np.maximum(y.max(axis=0), 1.0))
    return _Group(units, shared_scaler, unit_scaler, ceiling, fits)


def _ridge(design: _Design, y: np.ndarray, w: np.ndarray) -> Iterator[_Coefficients]:
    """Exact ridge of every unit, for each strength.

    The shared block is diagonalised once. The block of each unit is solved in the rest (Schur
    complement). Features have the mean 0, so that the intercept is the mean of y.
    """
    x = design.shared
    o = design.per_unit
    xw = x * w[:, None]
    mean = w @ y
    value, vector = np.linalg.eigh(xw.T @ x)
    value = np.maximum(value, 0.0)
    cross = np.tensordot(vector.T @ xw.T, o, axes=1).transpose(1, 2, 0)  # [n_units, n, n_features]
    aim = vector.T @ (xw.T @ (y - mean))  # [n_features, n_units]
    ow = (o * w[:, None, None]).transpose(1, 2, 0)  # [n_units, n, rows]
    square = ow @ o.transpose(1, 0, 2)
    unit_aim = ow @ (y - mean).T[:, :, None]
    for strength in STRENGTHS:
        scaled = cross / (value + strength)
        left = square + strength * np.eye(o.shape[2]) - scaled @ cross.transpose(0, 2, 1)
        per_unit = np.linalg.solve(left, unit_aim - scaled @ aim.T[:, :, None])[:, :, 0]
        rest = aim - np.einsum("jkf,jk->fj", cross, per_unit)
        yield _Coefficients(mean, vector @ (rest / (value + strength)[:, None]), per_unit)


def _newton_path(
    likelihood: AbstractLikelihood, design: _Design, y: np.ndarray, w: np.ndarray
) -> list[_Coefficients]:
    """Fits by Newton's method: one problem per unit, or one for a whole choice.

    Each strength starts from the solution of the stronger one.
    """
    x = design.shared
    o = design.per_unit
    n_rows, n_units = y.shape
    parts = list(np.arange(n_units)[:, None])
    if isinstance(likelihood, Categorical):
        parts = [np.arange(n_units)]
    fits = []
    for _ in STRENGTHS:
        shared = np.zeros((x.shape[1], n_units))
        per_unit = np.zeros((n_units, o.shape[2]))
        fits.append(_Coefficients(np.zeros(n_units), shared, per_unit))
    for part in parts:
        columns = np.concatenate([np.ones((n_rows, 1)), x, o[:, part[0]]], axis=1)
        mean = w @ y[:, part]
        rate = likelihood.activity(mean)
        if isinstance(likelihood, Poisson):
            rate = np.log(np.maximum(mean, LEAST))
        b = np.zeros((columns.shape[1], len(part)))
        b[0] = rate
        for strength, fit in zip(STRENGTHS, fits, strict=True):
            penalty = np.full((len(b), 1), strength)
            penalty[0] = ANCHOR
            link = _LINKS[type(likelihood)]
            b = _newton(link, columns, y[:, part], w, b, penalty, rate)
            fit.intercept[part] = b[0]
            fit.shared[:, part] = b[1 : 1 + x.shape[1]]
            fit.per_unit[part] = b[1 + x.shape[1] :].T
    return fits


def _newton(
    link: "_Link",
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    b: np.ndarray,
    penalty: np.ndarray,
    rate: np.ndarray,
) -> np.ndarray:
    """argmin_b sum_t w_t loss(x_t b, y_t) + 1/2 sum penalty (b - centre)^2

    The problem is convex, and solved by damped Newton steps.

    x [rows, n]: columns.
    y [rows, k]: values.
    w [rows]: their weights.
    b [n, k]: the first guess.
    penalty [n, 1].
    centre [n, k]: `rate` [k] in the first row, 0 below.
    """
    centre = np.zeros_like(b)
    centre[0] = rate
    n, k = b.shape

    def total(b: np.ndarray) -> float:
        return w @ link.loss(x @ b, y) + 0.5 * np.sum(penalty * (b - centre) ** 2)

    now = total(b)
    for _ in range(100):
        m = link.mean(x @ b)
        slope = x.T @ (w[:, None] * (m - y)) + penalty * (b - centre)
        bend = w[:, None, None] * link.bend(m)
        hessian = np.empty((k, n, k, n))
        for i, j in np.ndindex(k, k):
            if j < i:
                hessian[i, :, j, :] = hessian[j, :, i, :].T
            else:
                hessian[i, :, j, :] = x.T @ (bend[:, i, j, None] * x)
        ridge = np.diag(np.broadcast_to(penalty, (n, k)).T.reshape(-1))
        flat = hessian.reshape(k * n, k * n) + ridge
        step = np.linalg.solve(flat, slope.T.reshape(-1)).reshape(k, n).T
        gain = float(np.sum(slope * step))
        size = 1.0
        if gain < 1e-13:
            break
        with np.errstate(over="ignore"):  # a step that is too long may overflow; it is then halved
            while (new := total(b - size * step)) > now - 1e-4 * size * gain and size > 1e-9:
                size /= 2
        if new >= now:  # rounding hides what is left to gain
            break
        b = b - size * step
        now = new
    return b


class _Link(NamedTuple):
    """The link of eta [rows, k] with values y [rows, k].

    loss: (eta, y) -> the loss [rows], up to terms that do not depend on eta.
    mean: eta -> the mean m [rows, k].
    bend: m -> d m / d eta [rows, k, k].
    """

    loss: Callable[[np.ndarray, np.ndarray], np.ndarray]
    mean: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]


def _log_total(eta: np.ndarray) -> np.ndarray:
    """log sum_j exp(eta_j), with the last axis kept."""
    return np.logaddexp.reduce(eta, axis=-1, keepdims=True)


_LINKS: dict[type[Any], _Link] = {
    Bernoulli: _Link(
        lambda eta, y: (np.logaddexp(0.0, eta) - y * eta)[:, 0],
        lambda eta: 0.5 + 0.5 * np.tanh(0.5 * eta),
        lambda m: (m * (1.0 - m))[:, :, None],
    ),
    Poisson: _Link(lambda eta, y: (np.exp(eta) - y * eta)[:, 0], np.exp, lambda m: m[:, :, None]),
    Categorical: _Link(
        lambda eta, y: _log_total(eta)[:, 0] - np.sum(y * eta, axis=1),
        lambda eta: np.exp(eta - _log_total(eta)),
        lambda m: m[:, :, None] * (np.eye(m.shape[1]) - m[:, None, :]),
    ),
}


def _eta(design: _Design, fit: _Coefficients) -> np.ndarray:
    """The linear predictor eta [n_sessions, n_steps, n_units]."""
    per_unit = np.einsum("stjk,jk->stj", design.per_unit, fit.per_unit)
    return fit.intercept + design.shared @ fit.shared + per_unit


def _respond(likelihood: AbstractLikelihood, group: _Group, eta: np.ndarray) -> np.ndarray:
    """The activity of an eta, in the unit in which the likelihood reads it."""
    if isinstance(likelihood, Poisson):
        return np.exp(np.minimum(eta, group.ceiling))
    if isinstance(likelihood, Categorical):
        return eta - _log_total(eta)
    return eta


def _alike(likelihood: AbstractLikelihood, train: Session) -> Iterator[np.ndarray]:
    """Units that are observed at the same steps, at most AT_ONCE together.

    The options of a choice stay together.
    """
    observed = np.asarray(train.observed)
    if isinstance(likelihood, Categorical):
        yield np.arange(observed.shape[2])
        return
    same: dict[bytes, list[int]] = {}
    for unit in np.flatnonzero(observed.any(axis=(0, 1))):
        same.setdefault(observed[:, :, unit].tobytes(), []).append(int(unit))
    for units in same.values():
        for first in range(0, len(units), AT_ONCE):
            yield np.asarray(units[first : first + AT_ONCE])


def _means(train: Session) -> np.ndarray:
    """The mean of each unit's observed values [n_out]."""
    w = np.asarray(train.observed, np.float64)
    total = np.sum(w * np.where(w > 0, train.target, 0.0), axis=(0, 1))
    count = w.sum(axis=(0, 1))
    if not count.any():
        raise BadInput(
            "a training split without a recorded value", "at least one", "hold out fewer trials"
        )
    return np.where(count > 0, total / np.where(count > 0, count, 1.0), total.sum() / count.sum())


def _check(
    likelihood: AbstractLikelihood, train: Session, validation: Session, seen: np.ndarray, lags: int
) -> None:
    """Refuse the arguments of `history_glm` that do not fit together."""
    if not isinstance(likelihood, (Gaussian, *_LINKS)):
        links = "gaussian, poisson, bernoulli or categorical"
        raise BadInput(
            f"the likelihood {type(likelihood).__name__}", links, "compare with the mean alone"
        )
    if lags < 1:
        raise BadInput(
            f"lags={lags}", "at least one past step", "use the mean where the past must not count"
        )
    shapes = []
    for a in (train.target, validation.target, seen):
        shapes.append(np.shape(a))
    if len(set(shapes)) > 1:
        raise BadInput(
            f"sessions of shapes {shapes}",
            "one shape",
            "take training and validation of one recording",
        )
    if not np.any(validation.observed):
        raise BadInput(
            "a validation split without a recorded value",
            "values to choose on",
            "raise held.trials",
        )
