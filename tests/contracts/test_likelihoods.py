"""Every likelihood is minus the log-probability that SciPy gives, up to what does not depend on the activity."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from metaplast.registry import BadInput, find
from metaplast.spec import decode
from tests.contracts._enrolled import enrolled

N = 4  # output units
RNG = np.random.default_rng(0)


class Known(NamedTuple):
    """What is known of a likelihood: log P(y | a) of a whole row [N]; rows y [m, N] that can be; the least activity;
    outcomes (y [m, N], P [m, N] or [m, 1]) that exhaust what each unit can do; values that cannot be."""

    log_p: Callable[[np.ndarray, np.ndarray], float]
    values: np.ndarray
    low: float
    outcomes: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    impossible: tuple[float, ...]


def _grid(values: np.ndarray, p: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    y = np.repeat(np.asarray(values, float)[:, None], N, axis=1)
    return y, p(y)


def _gaussian(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.hermite_e.hermegauss(20)
    return a + 0.7 * np.repeat(x[:, None], N, axis=1), np.repeat(w[:, None] / w.sum(), N, axis=1)


def _poisson(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _grid(np.arange(60), lambda y: stats.poisson(a).pmf(y))


def _bernoulli(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _grid(np.arange(2), lambda y: stats.bernoulli(special.expit(a)).pmf(y))


def _categorical(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.eye(N), special.softmax(a)[:, None]


def _joint(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three graded units and a choice, which has two outcomes where they have twenty."""
    (y, p), (choice, chance) = _gaussian(a), _bernoulli(a)
    y[:, -1], p[:, -1] = 0.0, 0.0
    y[:2, -1], p[:2, -1] = choice[:, -1], chance[:, -1]
    return y, p


def _log_joint(a: np.ndarray, y: np.ndarray) -> float:
    return stats.norm(a[:-1], 0.7).logpdf(y[:-1]).sum() + stats.bernoulli(special.expit(a[-1])).logpmf(y[-1])


SPECS = {"gaussian": {"sd": 0.7}, "joint": {"units": {"name": "gaussian", "sd": 0.7}}}
KNOWN = {
    "gaussian": Known(
        lambda a, y: stats.norm(a, 0.7).logpdf(y).sum(), RNG.normal(size=(5, N)), -3.0, _gaussian, impossible=()
    ),
    "poisson": Known(
        lambda a, y: stats.poisson(a).logpmf(y).sum(),
        np.vstack([np.zeros(N), RNG.poisson(3.0, size=(4, N))]).astype(float),
        0.05,
        _poisson,
        impossible=(-1.0, 0.5),
    ),
    "bernoulli": Known(
        lambda a, y: stats.bernoulli(special.expit(a)).logpmf(y).sum(),
        np.asarray([[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]], float),
        -3.0,
        _bernoulli,
        impossible=(2.0, 0.5, -1.0),
    ),
    "categorical": Known(
        lambda a, y: stats.multinomial(1, special.softmax(a)).logpmf(y),
        np.eye(N),
        -3.0,
        _categorical,
        impossible=(2.0, 0.5, -1.0),
    ),
    "joint": Known(
        _log_joint,
        np.column_stack([RNG.normal(size=(4, N - 1)), [0.0, 1.0, 1.0, 0.0]]),
        -3.0,
        _joint,
        impossible=(),
    ),
}

NAMES = enrolled("likelihood")


@pytest.fixture(autouse=True)
def _wide() -> Any:
    with jax.enable_x64(True):
        yield


def _made(name: str) -> tuple[Any, Known]:
    return decode("likelihood", {"name": name, **SPECS.get(name, {})}), KNOWN[name]  # not there? write it


def _activities(known: Known, n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(known.low, 3.0, size=(n, N))


def _total(likelihood: Any, a: Any, y: Any) -> Any:
    """What a row of recorded values counts, each as much as `share` says."""
    return jnp.sum(likelihood.share(N) * likelihood.loss(jnp.asarray(a, float), jnp.asarray(y, float)))


@pytest.mark.parametrize("name", NAMES)
def test_differences_of_the_loss_are_those_of_the_log_probability(name):
    likelihood, known = _made(name)
    for y in known.values:
        for a, b in _activities(known, 6).reshape(3, 2, N):
            given = _total(likelihood, a, y) - _total(likelihood, b, y)
            np.testing.assert_allclose(given, known.log_p(b, y) - known.log_p(a, y), rtol=1e-9, atol=1e-12)
            assert abs(float(given)) > 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_flat_where_the_mean_is_what_was_recorded(name):
    likelihood, known = _made(name)
    slope = jax.grad(lambda a, y: _total(likelihood, a, y))
    for a in _activities(known, 4):
        mean = likelihood.mean(jnp.asarray(a))
        np.testing.assert_allclose(slope(jnp.asarray(a), mean), 0.0, atol=1e-12)
        assert np.abs(slope(jnp.asarray(a), np.roll(mean, 1))).max() > 1e-3  # the control


@pytest.mark.parametrize("name", NAMES)
def test_the_expected_slope_is_zero_under_the_model_itself(name):
    likelihood, known = _made(name)
    for a in _activities(known, 3):
        values, p = known.outcomes(a)
        np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=1e-9)
        slopes = jax.vmap(jax.grad(lambda y, a: _total(likelihood, a, y), argnums=1), (0, None))(values, a)
        np.testing.assert_allclose((p * np.asarray(slopes)).sum(axis=0), 0.0, atol=1e-9)
        np.testing.assert_allclose((p * values).sum(axis=0), likelihood.mean(jnp.asarray(a)), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_an_activity_has_the_mean_that_it_was_asked_for(name):
    likelihood, known = _made(name)
    a = _activities(known, 7)
    mean = np.stack([likelihood.mean(jnp.asarray(row)) for row in a])
    back = likelihood.activity(mean.reshape(7, 1, N)).reshape(7, N)  # any leading axes
    assert isinstance(back, np.ndarray)
    np.testing.assert_allclose(np.stack([likelihood.mean(jnp.asarray(row)) for row in back]), mean, rtol=1e-9)
    apart = back - a
    apart -= apart.mean(axis=1, keepdims=True) if name == "categorical" else 0.0  # a constant changes no softmax
    np.testing.assert_allclose(apart, 0.0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_no_activity_is_better_than_saturated_and_one_comes_close(name):
    likelihood, known = _made(name)
    for y in known.values:
        least = np.asarray(likelihood.saturated(jnp.asarray(y)))
        best = likelihood.loss(jnp.asarray(likelihood.activity(y)), jnp.asarray(y))
        np.testing.assert_allclose(best, least, atol=2e-5)
        loss = np.asarray(jax.vmap(likelihood.loss, (0, None))(_activities(known, 500), y))
        assert np.all(loss >= least[None] - 1e-12)
        assert np.isfinite(least).all()
        assert np.isfinite(best).all()


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_mean_of_the_model_and_can_be(name):
    likelihood, known = _made(name)
    a, spread, n = jnp.asarray(_activities(known, 1)[0]), jnp.asarray(0.4), 4000
    drawn = np.asarray(jax.vmap(lambda k: likelihood.draw(k, a, spread))(jax.random.split(jax.random.key(0), n)))
    assert drawn.dtype == a.dtype
    likelihood.check(drawn.reshape(-1))
    error = drawn.std(axis=0, ddof=1) / np.sqrt(n)
    away = np.abs(drawn.mean(axis=0) - np.asarray(likelihood.mean(a))) / error
    assert away.max() < 4.5
    again = likelihood.draw(jax.random.key(3), a, spread)
    np.testing.assert_array_equal(again, likelihood.draw(jax.random.key(3), a, spread))
    if name == "gaussian":
        np.testing.assert_allclose(drawn.std(axis=0), 0.4, rtol=4.5 / np.sqrt(2 * n))
    if name == "categorical":
        assert np.all(drawn.sum(axis=1) == 1)


@pytest.mark.parametrize(("name", "value"), [(name, v) for name in NAMES for v in KNOWN[name].impossible])
def test_values_that_cannot_be_are_refused_in_one_line(name, value):
    likelihood, known = _made(name)
    likelihood.check(known.values.reshape(-1))
    with pytest.raises(BadInput, match=rf"^recorded values such as {value:g} - expected .* - .*$") as refused:
        likelihood.check(np.append(known.values.reshape(-1), value))
    assert "\n" not in str(refused.value)


def test_every_finite_number_is_a_graded_activity():
    find("likelihood", "gaussian")().check(np.asarray([-1e30, 0.0, 0.5, 1e30]))


@pytest.mark.parametrize("name", NAMES)
def test_a_choice_counts_as_one_recorded_value(name):
    likelihood = _made(name)[0]
    for n in (2, 3, 10):
        counted = likelihood.share(n).sum()
        assert counted == pytest.approx(1.0 if name == "categorical" else n)


def test_a_choice_of_three_beside_two_counts_is_one_value_with_its_own_probability():
    joint = decode("likelihood", {"name": "joint", "units": "poisson", "choices": "categorical", "n_choices": 3})
    a, b = np.random.default_rng(4).uniform(0.1, 3.0, size=(2, 5))
    for k in range(3):
        y = np.asarray([2.0, 0.0, *np.eye(3)[k]])
        of = lambda a: float(np.sum(joint.share(5) * np.asarray(joint.loss(jnp.asarray(a), jnp.asarray(y)))))  # noqa: B023, E731
        log_p = lambda a: stats.poisson(a[:2]).logpmf(y[:2]).sum() + np.log(special.softmax(a[2:])[k])  # noqa: B023, E731
        assert of(a) - of(b) == pytest.approx(log_p(b) - log_p(a), rel=1e-9)
    assert [(p.name, p.columns) for p in joint.parts(5)] == [("activity", slice(0, 2)), ("choice", slice(2, 5))]
    drawn = np.asarray(joint.draw(jax.random.key(0), jnp.asarray(a), jnp.asarray(9.0)))
    assert set(drawn[2:]) == {0.0, 1.0}
    for likelihood, n in ((joint, 3), (find("likelihood", "joint")(), 1)):  # nothing is left for units
        with pytest.raises(BadInput, match=r"n_choices=. of . columns"):
            likelihood.parts(n)


def test_the_spread_is_that_of_the_units_alone():
    joint = decode("likelihood", {"name": "joint", "choices": "gaussian"})
    assert len(joint.parts(3)) == 2
    drawn = np.asarray(joint.draw(jax.random.key(0), jnp.zeros(3), jnp.asarray(1e6)))
    assert np.abs(drawn[:2]).min() > 1.0
    assert drawn[2] == 0.0
    assert [p.likelihood for p in find("likelihood", "gaussian")().parts(3)] == [find("likelihood", "gaussian")()]


@pytest.mark.parametrize("name", NAMES)
def test_no_activity_makes_a_loss_or_a_slope_that_is_no_number(name):
    likelihood, known = _made(name)
    for a in (-1e3, -1.0, 0.0, 1e3):
        value, slope = jax.value_and_grad(lambda a: _total(likelihood, a, known.values[-1]))(jnp.full(N, a))
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
