"""The nulls against closed forms, and against SciPy's optimiser on the penalised likelihood.

No null may see values of its own step or of later ones.
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from metaplast.fitting.deviance import deviances, explained, r2
from metaplast.fitting.history import missed, scaler, shared_features, unit_features
from metaplast.fitting.nulls import STRENGTHS, history_glm, mean_null
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.poisson import Poisson
from metaplast.recording import Session
from metaplast.registry import BadInput

N, T = 4, 40
ALL = [Gaussian(), Bernoulli(), Poisson(), Categorical()]
SIZES = [*[(one, 3) for one in ALL], (Gaussian(), 6), (Poisson(), 6)]
LINKED = [(ALL[1], 1), (ALL[1], 6), (ALL[2], 2), (ALL[2], 6), (ALL[3], 3), (ALL[3], 5)]


def session(target, observed, stimulus, **modulators):
    n, n_steps = target.shape[:2]
    zeros = np.zeros((n, n_steps))
    arrays = {
        "stimulus": stimulus,
        "target": target,
        "observed": observed,
        "gate": zeros,
        "reset": zeros,
    }
    fields: dict[str, Any] = {name: np.asarray(a, np.float32) for name, a in arrays.items()}
    fields |= {
        "modulators": {name: np.asarray(m, np.float32) for name, m in modulators.items()},
        "weights": {},
        "final": {},
        "subject": np.arange(n),
        "share": np.ones(n),
    }
    return Session(**fields)


def values(likelihood, shape, rng):
    if isinstance(likelihood, Categorical):
        return np.eye(shape[2])[rng.integers(0, shape[2], shape[:2])]
    if isinstance(likelihood, Gaussian):
        return rng.normal(size=shape)
    return rng.poisson(1.0, shape) if isinstance(likelihood, Poisson) else rng.random(shape) < 0.4


def world(likelihood, n_out=3, seed=0, lost=0.1):
    """(train, validation, seen) of random sessions.

    A tenth of the steps was not recorded. A third of the rest chooses the strength.
    """
    rng = np.random.default_rng(seed)
    y = values(likelihood, (N, T, n_out), rng)
    x = rng.normal(size=(N, T, 2))
    whole = isinstance(likelihood, Categorical)
    seen = (rng.random((N, T, 1 if whole else n_out)) > lost) * np.ones((N, T, n_out))
    share = likelihood.share(n_out)
    trained = (rng.random((N, T, 1)) < 2 / 3).astype(float)
    y = y * seen
    modulators = {"surprise": rng.normal(size=(N, T)), "reward": rng.random((N, T)) < 0.5}
    train = session(y, seen * trained * share, x, **modulators)
    validation = session(y, seen * (1 - trained) * share, x, **modulators)
    return train, validation, seen


def rows_of(train, seen, unit, lags, everyone):
    """Standardised features, values, and the features of all steps, for one unit."""
    features = shared_features(train, seen, lags, everyone, bool(missed(seen).any()))
    if not everyone:
        gaps = bool(missed(seen[:, :, [unit]]).any())
        of_unit = unit_features(train, seen, lags, np.array([unit]), gaps)[:, :, 0]
        features = np.concatenate([features, of_unit], axis=2)
    used = train.observed[:, :, unit] > 0
    x = features[used]
    sd = x.std(axis=0)
    scale = np.where(sd > 0, sd, np.inf)
    mean = x.mean(axis=0)
    y = np.asarray(train.target, np.float64)[used]
    return (x - mean) / scale, y, (features - mean) / scale


def strength_of(null):
    return float(null.note.split("L2 strength ")[1].split(",")[0])


def test_features_of_one_step_by_hand():
    y = np.arange(1.0, 7.0).reshape(1, 6, 1)
    x = np.arange(12.0).reshape(1, 6, 2)
    seen = np.ones((1, 6, 1))
    seen[0, 2] = 0
    s = session(y, seen, x, b=[[1, 2, 3, 4, 5, 6]], a=[[10, 20, 30, 40, 50, 60]])
    features = shared_features(s, seen, 2, True)[0]
    np.testing.assert_array_equal(
        features[4], [8, 9, 6, 7, 4, 5, 40, 4, 30, 3, 320, 32, 360, 36, 4, 4, 0, 160, 16]
    )
    np.testing.assert_array_equal(features[0], [0, 1, *([0] * 17)])
    assert shared_features(s, seen, 9, True).shape == (1, 6, 2 * 10 + 2 * 9 + 4 + 1 + 9 + 2)


def test_the_mean_explains_exactly_nothing():
    train, _, seen = world(Gaussian(), n_out=6)
    predicted = mean_null(Gaussian(), train).predict(train, seen)
    used = np.asarray(train.observed) > 0
    expected = [train.target[:, :, j].astype(float)[used[:, :, j]].mean() for j in range(6)]
    np.testing.assert_allclose(predicted, np.broadcast_to(expected, predicted.shape), rtol=1e-12)
    assert r2(predicted, np.asarray(train.target), used) == pytest.approx(0.0, abs=1e-12)
    deviance = deviances(Gaussian(), predicted, train)
    assert explained(deviance, deviance) == 0.0


@pytest.mark.parametrize("likelihood", ALL)
def test_no_constant_is_better_than_the_mean(likelihood):
    train, _, seen = world(likelihood)
    a = mean_null(likelihood, train).predict(train, seen)
    best = deviances(likelihood, a, train).sum()
    for j in range(3):
        for change in (-1e-2, 1e-2):
            assert deviances(likelihood, a + change * np.eye(3)[j], train).sum() > best


def test_a_unit_without_values_takes_the_mean_of_all():
    train, validation, seen = world(Bernoulli(), n_out=6)
    observed = np.array(train.observed)
    observed[:, :, 4] = 0
    train = replace(train, observed=observed)
    grand = train.target[observed > 0].astype(float).mean()
    for null in (mean_null(Bernoulli(), train), history_glm(Bernoulli(), train, validation, seen)):
        np.testing.assert_allclose(expit(null.predict(train, seen)[:, :, 4]), grand, rtol=1e-9)


@pytest.mark.parametrize("n_out", [2, 6])
@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_gaussian_is_ridge_by_least_squares(n_out, lost):
    """Ridge is a least squares problem with rows sqrt(n strength) below X.

    min |y - b0 - Xb|^2 / n + strength |b|^2
    """
    train, validation, seen = world(Gaussian(), n_out, seed=1, lost=lost)
    null = history_glm(Gaussian(), train, validation, seen, lags=2)
    predicted = null.predict(validation, seen)
    strength = strength_of(null)
    for unit in range(n_out):
        x, y, everywhere = rows_of(train, seen, unit, 2, n_out <= 4)
        n, k = x.shape
        above = np.concatenate([np.ones((n, 1)), x], axis=1)
        below = np.concatenate([np.zeros((k, 1)), np.sqrt(n * strength) * np.eye(k)], axis=1)
        values = np.concatenate([y[:, unit], np.zeros(k)])
        b = np.linalg.lstsq(np.concatenate([above, below]), values)[0]
        expected = b[0] + everywhere @ b[1:]
        np.testing.assert_allclose(predicted[:, :, unit], expected, rtol=1e-9, atol=1e-9)


LOSSES = {
    "Bernoulli": lambda eta, y: np.logaddexp(0, eta) - y * eta,
    "Poisson": lambda eta, y: np.exp(eta) - y * eta,
    "Categorical": lambda eta, y: -(y * log_softmax(eta, axis=1)).sum(axis=1, keepdims=True),
}
SLOPES = {
    "Bernoulli": expit,
    "Poisson": np.exp,
    "Categorical": lambda eta: np.exp(log_softmax(eta, axis=1)),
}
READ = {
    "Bernoulli": lambda eta: eta,
    "Poisson": np.exp,
    "Categorical": lambda eta: log_softmax(eta, axis=-1),
}


def scipy_fit(kind, x, y, strength):
    """argmin of the penalised mean loss by BFGS: (intercept [k], coefficients [n, k])."""
    x1 = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    penalised = np.ones((x1.shape[1], 1))
    penalised[0] = 0

    def total(flat):
        b = flat.reshape(x1.shape[1], -1)
        eta = x1 @ b
        loss = LOSSES[kind](eta, y).sum() / len(x) + strength / 2 * np.sum(penalised * b**2)
        return loss, (x1.T @ (SLOPES[kind](eta) - y) / len(x) + strength * penalised * b).ravel()

    start = np.zeros((x1.shape[1], y.shape[1]))
    options = {"gtol": 1e-9, "maxiter": 5000}
    solution = minimize(total, start.ravel(), jac=True, method="BFGS", options=options)
    b = solution.x.reshape(x1.shape[1], -1)
    return b[0], b[1:]


@pytest.mark.parametrize("likelihood, n_out", LINKED)
@pytest.mark.parametrize("only", [1.0, 1e-2])
def test_other_links_maximise_the_penalised_likelihood(likelihood, n_out, only, monkeypatch):
    monkeypatch.setattr("metaplast.fitting.nulls.STRENGTHS", (only,))
    kind = type(likelihood).__name__
    whole = isinstance(likelihood, Categorical)
    train, validation, seen = world(likelihood, n_out, seed=2)
    null = history_glm(likelihood, train, validation, seen, lags=2)
    assert strength_of(null) == only
    predicted = null.predict(validation, seen)
    problems = [list(range(n_out))] if whole else [[j] for j in range(n_out)]
    for units in problems:
        x, y, everywhere = rows_of(train, seen, units[0], 2, n_out <= 4 or whole)
        b0, b = scipy_fit(kind, x, y[:, units], only)
        eta = b0 + everywhere @ b
        if kind == "Poisson":
            eta = np.minimum(eta, np.log(2 * max(y[:, units].max(), 1)))
        np.testing.assert_allclose(predicted[:, :, units], READ[kind](eta), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("likelihood", ALL)
def test_the_strength_is_the_best_on_validation(likelihood, monkeypatch):
    train, validation, seen = world(likelihood, seed=3)
    chosen = strength_of(history_glm(likelihood, train, validation, seen))
    scores = {}
    for strength in STRENGTHS:
        monkeypatch.setattr("metaplast.fitting.nulls.STRENGTHS", (strength,))
        predicted = history_glm(likelihood, train, validation, seen).predict(validation, seen)
        scores[strength] = deviances(likelihood, predicted, validation).sum()
    assert chosen == pytest.approx(min(scores, key=scores.__getitem__))
    assert len(STRENGTHS) == 7 and STRENGTHS[0] == max(STRENGTHS)


def test_of_equal_strengths_the_stronger_is_chosen():
    """Nothing varies in training, so that every strength predicts the same."""
    ones = np.ones((2, 5, 1))
    s = session(ones, ones, ones)
    s = replace(s, observed=ones * (np.arange(5) == 2)[None, :, None])
    assert strength_of(history_glm(Gaussian(), s, s, ones)) == STRENGTHS[0]


def test_a_logistic_model_with_history_is_recovered():
    """The null predicts sessions that training did not see.

    log odds = 0.8 x(t) + 1.5 y(t-1) m(t-1) - y(t-2) - 0.3
    """
    rng = np.random.default_rng(4)
    n = 12
    n_steps = 500
    x = rng.normal(size=(n, n_steps, 1))
    m = rng.normal(size=(n, n_steps))
    y = np.zeros((n, n_steps, 1))
    eta = np.zeros((n, n_steps, 1))
    for t in range(n_steps):
        eta[:, t] = 0.8 * x[:, t] - 0.3
        eta[:, t, 0] += 1.5 * y[:, t - 1, 0] * m[:, t - 1] if t else 0.0
        eta[:, t] -= y[:, t - 2] if t > 1 else 0.0
        y[:, t] = rng.random((n, 1)) < expit(eta[:, t])
    parts = (np.arange(n_steps) % 5 == 0).astype(float)[None, :, None] * np.ones((8, 1, 1))
    old = session(y[:8], 1 - parts, x[:8], reward=m[:8])
    seen = np.ones((8, n_steps, 1))
    null = history_glm(Bernoulli(), old, replace(old, observed=parts), seen)
    new = session(y[8:], np.ones((4, n_steps, 1)), x[8:], reward=m[8:])
    predicted = null.predict(new, np.ones((4, n_steps, 1)))
    assert np.sqrt(np.mean((predicted - eta[8:]) ** 2)) < 0.2 < eta.std()
    flat = deviances(Bernoulli(), mean_null(Bernoulli(), old).predict(new, seen), new)
    best = explained(deviances(Bernoulli(), eta[8:], new), flat)
    assert best > 0.15 and explained(deviances(Bernoulli(), predicted, new), flat) > 0.9 * best


@pytest.mark.parametrize("likelihood, n_out", SIZES)
def test_no_value_reaches_a_prediction_of_its_own_step_or_before(likelihood, n_out):
    train, validation, seen = world(likelihood, n_out, seed=5, lost=0.0)
    null = history_glm(likelihood, train, validation, seen)
    t = 20
    before = null.predict(train, seen)
    target = np.array(train.target)
    target[:, t] = np.roll(target[:, t], 1, axis=-1) + 1.0
    after = null.predict(replace(train, target=target), seen)
    np.testing.assert_array_equal(after[:, : t + 1], before[:, : t + 1])
    assert np.any(after[:, t + 1] != before[:, t + 1])
    changed = {}
    for name, modulator in train.modulators.items():
        changed[name] = np.where(np.arange(T) == t, modulator + 1, modulator)
    after = null.predict(replace(train, modulators=changed), seen)
    np.testing.assert_array_equal(after[:, : t + 1], before[:, : t + 1])
    assert np.any(after[:, t + 1] != before[:, t + 1])


@pytest.mark.parametrize("likelihood, n_out", SIZES)
def test_missing_values_count_for_nothing(likelihood, n_out):
    train, validation, seen = world(likelihood, n_out, seed=6)
    spoilt = [replace(s, target=np.where(seen > 0, s.target, np.nan)) for s in (train, validation)]

    def mean(train, validation):
        return mean_null(likelihood, train)

    def history(train, validation):
        return history_glm(likelihood, train, validation, seen)

    for make in (mean, history):
        expected = make(train, validation).predict(train, seen)
        predicted = make(*spoilt).predict(spoilt[0], seen)
        np.testing.assert_array_equal(predicted, expected)


def test_values_that_are_held_out_fit_nothing():
    """The last step of every session is in no feature.

    Its value must not matter unless training looks at it.
    """
    train, validation, seen = world(Bernoulli(), seed=7)
    observed = np.array(train.observed)
    observed[:, -1] = 0
    train = replace(train, observed=observed)
    other = np.array(train.target)
    other[:, -1] = 1 - other[:, -1]
    looked = np.array(validation.observed)
    looked[:, -1] = 0
    validation = replace(validation, observed=looked)
    changed = history_glm(
        Bernoulli(), replace(train, target=other), replace(validation, target=other), seen
    )
    same = history_glm(Bernoulli(), train, validation, seen)
    np.testing.assert_array_equal(changed.predict(train, seen), same.predict(train, seen))


@pytest.mark.parametrize("likelihood", [Bernoulli(), Poisson(), Categorical()])
def test_one_value_alone_leaves_everything_finite(likelihood):
    train, validation, seen = world(likelihood, seed=8)
    constant = np.zeros((N, T, 3))
    constant[..., 0] = float(isinstance(likelihood, Categorical))
    train = replace(train, target=constant)
    validation = replace(validation, target=constant)
    predicted = history_glm(likelihood, train, validation, seen).predict(train, seen)
    assert np.isfinite(predicted).all() and np.all(deviances(likelihood, predicted, train) < 1e-2)


def test_counts_never_explode():
    train, validation, seen = world(Poisson(), n_out=6, seed=9)
    null = history_glm(Poisson(), train, validation, seen)
    far = null.predict(replace(train, stimulus=1e6 * train.stimulus), seen)
    assert np.all(far <= 2.0 * train.target.max() * (1 + 1e-12)) and np.all(far >= 0)


def test_a_feature_that_never_varied_is_ignored():
    to = scaler(np.array([[1.1, 1.0], [1.1, 3.0], [1.1, 2.0]]), np.full(3, 1 / 3))
    np.testing.assert_allclose(to(np.array([7.0, 2.0 + np.sqrt(2 / 3)])), [0.0, 1.0])


def test_bad_input_is_refused():
    train, validation, seen = world(Gaussian())
    blind = replace(train, observed=np.zeros_like(train.observed))
    with pytest.raises(BadInput, match="training split without"):
        mean_null(Gaussian(), blind)
    with pytest.raises(BadInput, match="validation split without"):
        history_glm(Gaussian(), train, blind, seen)
    with pytest.raises(BadInput, match="likelihood object"):
        history_glm(cast(Any, object()), train, validation, seen)
    with pytest.raises(BadInput, match="lags=0"):
        history_glm(Gaussian(), train, validation, seen, lags=0)
    with pytest.raises(BadInput, match="one shape"):
        history_glm(Gaussian(), train, validation, seen[:1])


def test_names_and_notes_say_what_was_seen():
    train, validation, seen = world(Gaussian())
    assert mean_null(Gaussian(), train).name == "mean"
    null = history_glm(Gaussian(), train, validation, seen, lags=2)
    assert null.name == "glm_history" and "own past" in null.note and "2 past steps" in null.note
