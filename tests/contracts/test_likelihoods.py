"""Every likelihood is minus a log-probability, up to terms that do not depend on the activity.

It is the log-probability of its own draws. Where tests/oracles/likelihoods.py has one, it is also
the log-probability of SciPy.
"""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.joint import Joint
from metaplast.likelihoods.poisson import Poisson
from metaplast.registry import BadInput, find, name_of
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from tests.contracts._enrolled import enrolled, programs

N = 4  # output units
SPREAD = 0.4
FAR = 4.5  # standard errors
PROGRAMS = programs("likelihoods")
SETTINGS: list[Any] = [find("likelihood", name)() for name in enrolled("likelihood")]
SETTINGS += [
    Gaussian(sd=0.7),
    Joint(units=Gaussian(sd=0.7)),
    Joint(units=Poisson(), choices=Categorical(), n_choices=3),
]
every = pytest.mark.parametrize("likelihood", SETTINGS, ids=str)
of_scipy = pytest.mark.parametrize(
    "likelihood", [s for s in SETTINGS if name_of(type(s)) in PROGRAMS], ids=str
)


@pytest.fixture(autouse=True)
def _wide() -> Any:
    with jax.enable_x64(True):
        yield


def _known(likelihood: Any, a: np.ndarray) -> Any:
    return PROGRAMS[name_of(type(likelihood))](likelihood, a)


def _activities(likelihood: Any, n: int) -> np.ndarray:
    """Activities [n, N] up to 3.

    They begin at -3 where the mean of a unit tells activities below 0 apart, else at 0.05.
    """
    means = np.stack([likelihood.mean(jnp.eye(N) * low) for low in (-3.0, -2.0, -1.0)])
    apart = np.ptp(np.diagonal(means, axis1=1, axis2=2), axis=0) > 0
    return np.random.default_rng(1).uniform(np.where(apart, -3.0, 0.05), 3.0, size=(n, N))


@partial(quick_jit, static_argnums=0)
def _drawn(likelihood: Any, keys: Any, a: Any) -> Any:
    return jax.vmap(lambda key: likelihood.draw(key, a, jnp.asarray(SPREAD)))(keys)


def _draws(likelihood: Any, a: np.ndarray, n: int) -> np.ndarray:
    """Drawn values [n, N]."""
    return np.array(_drawn(likelihood, jax.random.split(jax.random.key(0), n), a))


def _values(likelihood: Any) -> np.ndarray:
    """Possible rows: drawn, one for each of some activities."""
    return np.concatenate([_draws(likelihood, a, 1) for a in _activities(likelihood, 6)])


def _is_choice(likelihood: Any, n: int) -> bool:
    """Whether the n units are one choice among them: an equal gain of all changes no mean."""
    a = jnp.linspace(0.1, 1.0, n)
    return n > 1 and np.allclose(likelihood.mean(a), likelihood.mean(a + 1.0))


def _weighed(likelihood: Any, a: Any, y: Any) -> Any:
    """The loss of a row of recorded values, each with the weight of `share`."""
    return jnp.sum(likelihood.share(N) * likelihood.loss(a, y))


_total = partial(quick_jit, static_argnums=0)(_weighed)


@partial(quick_jit, static_argnums=0)
def _slopes(likelihood: Any, a: Any, values: Any) -> Any:
    """The slopes of the loss of each row of values [m, N]."""
    return jax.vmap(jax.grad(lambda y, a: _weighed(likelihood, a, y), argnums=1), (0, None))(
        values, a
    )


@partial(quick_jit, static_argnums=0)
def _losses(likelihood: Any, a: Any, value: Any) -> Any:
    """The losses [m, N] of every row of activities."""
    return jax.vmap(likelihood.loss, (0, None))(a, value)


@partial(quick_jit, static_argnums=0)
def _mean(likelihood: Any, a: Any) -> Any:
    return likelihood.mean(a)


@of_scipy
def test_differences_of_the_loss_are_those_of_the_log_probability(likelihood):
    activities = _activities(likelihood, 6)
    rows = [*_values(likelihood), *_known(likelihood, activities[0]).values[:5]]
    possible = [y for y in rows if np.isfinite(_known(likelihood, activities[0]).log_p(y))]
    assert len(possible) > 6
    for y in possible:
        for a, b in activities.reshape(3, 2, N):
            change = _total(likelihood, a, y) - _total(likelihood, b, y)
            expected = _known(likelihood, b).log_p(y) - _known(likelihood, a).log_p(y)
            np.testing.assert_allclose(change, expected, rtol=1e-9, atol=1e-12)
            assert abs(float(change)) > 1e-6


@every
def test_the_loss_is_flat_where_the_mean_is_what_was_recorded(likelihood):
    for a in _activities(likelihood, 4):
        mean = np.asarray(_mean(likelihood, a))
        np.testing.assert_allclose(_slopes(likelihood, a, mean[None]), 0.0, atol=1e-12)
        assert np.abs(_slopes(likelihood, a, np.roll(mean, 1)[None])).max() > 1e-3  # the control


@of_scipy
def test_the_expected_slope_is_zero_under_the_model_itself(likelihood):
    for a in _activities(likelihood, 3):
        known = _known(likelihood, a)
        np.testing.assert_allclose(known.p.sum(axis=0), 1.0, rtol=1e-9)
        expected_slope = (known.p * _slopes(likelihood, a, known.values)).sum(axis=0)
        np.testing.assert_allclose(expected_slope, 0.0, atol=1e-9)
        np.testing.assert_allclose(
            (known.p * known.values).sum(axis=0), _mean(likelihood, a), rtol=1e-9
        )


def _away(samples: np.ndarray, expected: Any) -> float:
    """The largest distance of the mean of samples [m, N] from `expected`, in standard errors."""
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return float(np.max(np.abs(samples.mean(axis=0) - np.asarray(expected)) / error))


@every
def test_draws_can_be_and_have_the_mean_and_the_flat_loss_of_the_model(likelihood):
    a, other = _activities(likelihood, 2)
    drawn = _draws(likelihood, a, 4000)
    assert drawn.dtype == a.dtype
    for part in likelihood.parts(N):
        part.likelihood.check(drawn[:, part.columns].reshape(-1))
    assert _away(drawn, _mean(likelihood, a)) < FAR
    assert _away(drawn, _mean(likelihood, other)) > FAR  # the control
    assert _away(np.asarray(_slopes(likelihood, a, drawn)), 0.0) < FAR
    assert _away(np.asarray(_slopes(likelihood, other, drawn)), 0.0) > FAR
    np.testing.assert_array_equal(_draws(likelihood, a, 3), _draws(likelihood, a, 3))


def test_the_spread_of_graded_draws_is_the_one_asked_for():
    drawn = _draws(Gaussian(), np.linspace(-1.0, 1.0, N), 4000)
    np.testing.assert_allclose(drawn.std(axis=0), SPREAD, rtol=FAR / np.sqrt(2 * 4000))


def test_one_choice_is_drawn():
    assert np.all(_draws(Categorical(), np.linspace(-1.0, 1.0, N), 100).sum(axis=1) == 1)


@every
def test_an_activity_has_the_mean_that_it_was_asked_for(likelihood):
    a = _activities(likelihood, 7)
    mean = np.stack([_mean(likelihood, row) for row in a])
    back = likelihood.activity(mean.reshape(7, 1, N)).reshape(7, N)  # any leading axes
    assert isinstance(back, np.ndarray)
    np.testing.assert_allclose(np.stack([_mean(likelihood, row) for row in back]), mean, rtol=1e-9)
    for part in likelihood.parts(N):
        apart = (back - a)[:, part.columns]
        if _is_choice(part.likelihood, apart.shape[1]):
            apart -= apart.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(apart, 0.0, atol=1e-9)


@every
def test_no_activity_is_better_than_saturated_and_one_comes_close(likelihood):
    for y in _values(likelihood):
        least = np.asarray(likelihood.saturated(jnp.asarray(y)))
        best = _losses(likelihood, likelihood.activity(y)[None], y)[0]
        np.testing.assert_allclose(best, least, atol=2e-5)
        loss = np.asarray(_losses(likelihood, _activities(likelihood, 500), y))
        assert np.all(loss >= least[None] - 1e-12)
        assert np.isfinite(least).all()
        assert np.isfinite(best).all()


@every
@pytest.mark.parametrize("value", [-1.0, 0.5, 2.0])
def test_values_that_cannot_be_are_refused_in_one_line(likelihood, value):
    a = _activities(likelihood, 1)[0]
    for part in likelihood.parts(N):
        row = _draws(likelihood, a, 1)[0]
        row[part.columns.start] = value
        refusal = ""
        try:
            part.likelihood.check(row[part.columns])
        except BadInput as refused:
            refusal = str(refused)
            assert re.fullmatch(rf"recorded values such as {value:g} - expected .* - .*", refusal)
        if name_of(type(likelihood)) in PROGRAMS:
            assert bool(refusal) == np.isneginf(_known(likelihood, a).log_p(row))


def test_every_finite_number_is_a_graded_activity():
    Gaussian().check(np.asarray([-1e30, 0.0, 0.5, 1e30]))


@every
def test_a_choice_counts_as_one_recorded_value(likelihood):
    for n in (4, 5, 10):
        counted = 0
        for part in likelihood.parts(n):
            width = part.columns.stop - part.columns.start
            counted += 1 if _is_choice(part.likelihood, width) else width
        share = likelihood.share(n)
        assert share.shape == (n,)
        assert np.all(share > 0)
        assert share.sum() == pytest.approx(counted)


def test_what_is_one_choice():
    assert [name for name in PROGRAMS if _is_choice(find("likelihood", name)(), N)] == [
        "categorical"
    ]


def test_a_choice_of_three_beside_two_counts_is_one_value_with_its_own_probability():
    joint = decode(
        "likelihood",
        {"name": "joint", "units": "poisson", "choices": "categorical", "n_choices": 3},
    )
    a, b = np.random.default_rng(4).uniform(0.1, 3.0, size=(2, 5))

    def of(a: np.ndarray, y: np.ndarray) -> float:
        return float(
            np.sum(joint.share(5) * np.asarray(joint.loss(jnp.asarray(a), jnp.asarray(y))))
        )

    def log_p(a: np.ndarray, y: np.ndarray) -> float:
        chances = special.softmax(a[2:])
        return stats.poisson(a[:2]).logpmf(y[:2]).sum() + np.log(chances @ y[2:])

    for k in range(3):
        y = np.asarray([2.0, 0.0, *np.eye(3)[k]])
        expected = log_p(b, y) - log_p(a, y)
        assert of(a, y) - of(b, y) == pytest.approx(expected, rel=1e-9)
    assert [(p.name, p.columns) for p in joint.parts(5)] == [
        ("activity", slice(0, 2)),
        ("choice", slice(2, 5)),
    ]
    drawn = np.asarray(joint.draw(jax.random.key(0), jnp.asarray(a), jnp.asarray(9.0)))
    assert set(drawn[2:]) == {0.0, 1.0}
    # nothing is left for units
    for likelihood, n in (
        (joint, 3),
        (find("likelihood", "joint")(), 1),
    ):
        with pytest.raises(BadInput, match=r"n_choices=. of . columns"):
            likelihood.parts(n)


def test_the_spread_is_that_of_the_units_alone():
    joint = decode("likelihood", {"name": "joint", "choices": "gaussian"})
    assert len(joint.parts(3)) == 2
    drawn = np.asarray(joint.draw(jax.random.key(0), jnp.zeros(3), jnp.asarray(1e6)))
    assert np.abs(drawn[:2]).min() > 1.0
    assert drawn[2] == 0.0
    assert [p.likelihood for p in find("likelihood", "gaussian")().parts(3)] == [
        find("likelihood", "gaussian")()
    ]


@every
def test_no_activity_makes_a_loss_or_a_slope_that_is_no_number(likelihood):
    y = _values(likelihood)[-1]
    for a in (-1e3, -1.0, 0.0, 1e3):
        assert np.isfinite(_total(likelihood, np.full(N, a), y))
        assert np.isfinite(_slopes(likelihood, np.full(N, a), y[None])).all()
