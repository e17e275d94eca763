"""Intervals against a model whose least squares are known; directions against NumPy's eigh."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast.feedback.none import None_
from metaplast.fitting import bootstrap as module
from metaplast.fitting.bootstrap import bootstrap, directions
from metaplast.fitting.data import Data, data_of
from metaplast.fitting.engine import SearchResult
from metaplast.fitting.geometry import LOOSE
from metaplast.fitting.numbers import FittedRule
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import everything
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from outer_loops.lbfgs import Lbfgs

RATE, TRUE, SPREAD, N_REFITS = 0.2, 0.7, 0.5, 60
FAMILY = Taught(n_in=3, n_out=2, n_steps=6, n_sessions=5, input_sd=1.0, neuron=Linear())
NETWORK = Feedforward(hidden=(), output=Linear())
TOY = Polynomial(terms=("pre",), rate=RATE)
SETTINGS = Fit(bootstrap=N_REFITS, window=10)
OUTER = Lbfgs(steps=40)


def problem_of(*slots: Slot) -> MetaProblem:
    return MetaProblem(
        Lifetime(FAMILY, NETWORK, None_(), Given(), slots), MeanLoss(), n_tasks=99, life_clip=0.0
    )


PROBLEM = problem_of(Slot(rule=TOY))


def theta_of(problem: MetaProblem, *coefficients: float) -> Any:
    rules = {"rule": {"coefficients": jnp.asarray(coefficients, float)}}
    return {**problem.init(jax.random.key(0)), "rules": rules}


def rule_of(theta: Any) -> FittedRule:
    """A fitted rule that may use all of its numbers."""
    return FittedRule(theta, everything(theta))


@pytest.fixture(scope="module")
def data() -> Data:
    return data_of(FAMILY, PROBLEM.lifetime)


def regressor(data: Data) -> np.ndarray:
    """The regressor z_t = rate sum_{s<t} x_s . x_t of every session.

    With delta_w = rate c x in every row, y = W x_t + c z_t for every unit.
    """
    x = np.asarray(data.sessions["train"].stimulus, np.float64)
    seen = np.asarray(data.sessions["train"].observed, np.float64)
    earlier = np.tri(x.shape[1], k=-1)  # [t, s]: 1 where s comes before t
    return RATE * np.einsum("nsi,nti,ts->nt", x, x, earlier)[:, :, None] * seen


@pytest.fixture(scope="module")
def refitted(data):
    theta = theta_of(PROBLEM, TRUE)
    return bootstrap(PROBLEM, OUTER, data, rule_of(theta), SPREAD, SETTINGS, 1)


@pytest.mark.system  # a program of many seconds
def test_the_interval_has_the_width_of_the_sampling_spread(refitted, data):
    """c is linear in the data: its least squares over data sets spread by sd / sqrt(sum z^2).

    The spread is drawn here too.
    """
    z = regressor(data)
    rng = np.random.default_rng(2)
    noise = SPREAD * rng.normal(size=(2000, *z.shape))
    estimates = RATE * (TRUE + (noise * z).sum(axis=(1, 2, 3)) / (z**2).sum())
    low, high = np.quantile(estimates, [0.025, 0.975])
    assert high - low == pytest.approx(2 * 1.96 * RATE * SPREAD / np.sqrt((z**2).sum()), rel=0.1)
    ((name, (lower, upper)),) = refitted.interval.items()
    assert name == "pre"
    assert 1 / 1.5 < (upper - lower) / (high - low) < 1.5
    assert lower < RATE * TRUE < upper
    error = refitted.values.std(ddof=1) / np.sqrt(len(refitted.values))
    assert abs(refitted.values.mean() - RATE * TRUE) < 4 * error


def test_an_interval_holds_95_percent_of_the_refits_kept(refitted):
    assert refitted.failed == 0
    assert refitted.names == ["pre"]
    assert refitted.values.shape == (N_REFITS, 1)
    low, high = refitted.interval["pre"]
    assert np.mean((refitted.values >= low) & (refitted.values <= high)) == pytest.approx(
        0.95, abs=0.03
    )
    coefficients = refitted.thetas["rules"]["rule"]["coefficients"]
    np.testing.assert_allclose(RATE * coefficients, refitted.values, rtol=1e-5)
    assert len(np.unique(refitted.values)) == N_REFITS  # every data set is another


def test_every_refit_is_the_least_squares_of_its_own_data(data):
    """The recorded values are not looked at: neither they nor where they are held out."""
    theta = theta_of(PROBLEM, TRUE)
    wild = {}
    for split, sessions in data.sessions.items():
        wild[split] = replace(sessions, target=np.full_like(sessions.target, 7.0))
    few = Fit(bootstrap=3, window=10)
    fitted = rule_of(theta)
    plain = bootstrap(PROBLEM, OUTER, data, fitted, SPREAD, few, 1)
    other = bootstrap(PROBLEM, OUTER, data._replace(sessions=wild), fitted, SPREAD, few, 1)
    assert plain is not None
    assert other is not None
    np.testing.assert_array_equal(plain.values, other.values)
    exact = bootstrap(PROBLEM, OUTER, data, fitted, 0.0, few, 1)
    assert exact is not None
    # without noise nothing spreads
    np.testing.assert_allclose(exact.values, RATE * TRUE, rtol=1e-3)


def written(monkeypatch, problem, ends: list[list[float]]) -> None:
    """Refits that end with these coefficients, whatever they are given."""
    results = []
    for end in ends:
        theta = theta_of(problem, *end)
        path = np.zeros((1, 1))
        results.append(SearchResult(theta, path, 10, stable=True, loss=0.0, diverged=0))
    monkeypatch.setattr(module, "fit", lambda *_: results)
    monkeypatch.setattr(module, "drawn", lambda *_: {})


def test_a_term_that_is_held_is_no_result(data, monkeypatch):
    problem = problem_of(Slot(rule=Polynomial(terms=("pre", "weight", "post"), rate=RATE)))
    theta = theta_of(problem, TRUE, 0.0, 0.5)
    written(monkeypatch, problem, [[1.0, 0.0, 0.0], [2.0, 0.0, 1.0], [3.0, 0.0, 0.5]])
    refitted = bootstrap(problem, OUTER, data, rule_of(theta), SPREAD, Fit(bootstrap=3), 1)
    assert refitted is not None
    assert refitted.names == ["pre", "post"]  # one that is 0 once is still a result
    np.testing.assert_allclose(
        refitted.values, RATE * np.asarray([[1.0, 0.0], [2.0, 1.0], [3.0, 0.5]])
    )
    assert set(refitted.interval) == {"pre", "post"}


def test_nothing_asked_for_or_nothing_learnt_gives_nothing(data):
    fitted = rule_of(theta_of(PROBLEM, TRUE))
    assert bootstrap(PROBLEM, OUTER, data, fitted, SPREAD, Fit(bootstrap=0), 1) is None
    still = problem_of()
    none = still.init(jax.random.key(0))
    assert bootstrap(still, OUTER, data, FittedRule(none, none), SPREAD, SETTINGS, 1) is None


@pytest.mark.parametrize("broken", [{1, 3}, {0, 1, 2, 3, 4}])
def test_refits_that_are_not_finite_are_counted_and_left_out(data, monkeypatch, broken):
    written(monkeypatch, PROBLEM, [[np.nan if i in broken else 1.0 + i] for i in range(5)])
    theta = theta_of(PROBLEM, TRUE)
    refitted = bootstrap(PROBLEM, OUTER, data, rule_of(theta), SPREAD, Fit(bootstrap=5), 1)
    assert refitted is not None
    assert refitted.failed == len(broken)
    kept = [1.0 + i for i in range(5) if i not in broken]
    np.testing.assert_allclose(refitted.values[:, 0], RATE * np.asarray(kept), rtol=1e-6)
    np.testing.assert_allclose(refitted.thetas["rules"]["rule"]["coefficients"][:, 0], kept)
    assert np.isfinite(refitted.interval["pre"]).all() == bool(kept)


def test_directions_are_the_eigenvectors_of_the_covariance():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    values = rng.normal(size=(200, 4)) * [3.0, 1.0, 0.2, 0.01] @ axes.T + [5.0, 0.0, -2.0, 1.0]
    names = list("abcd")
    centre = np.asarray([5.0, 0.0, -2.0, 1.0])
    variances, vectors = np.linalg.eigh(np.cov(values.T))
    loosest = directions(names, values, centre)
    np.testing.assert_allclose([d.sd for d in loosest], np.sqrt(variances[::-1]), rtol=1e-9)
    for direction, vector, sd in zip(
        loosest, vectors.T[::-1], np.sqrt(variances[::-1]), strict=True
    ):
        large = {name: x for name, x in zip(names, vector, strict=True) if abs(x) >= 0.1}
        assert set(direction.weights) == set(large)
        first, weight = next(iter(direction.weights.items()))
        sign = np.sign(large[first]) * np.sign(weight)
        assert direction.weights == pytest.approx({name: sign * x for name, x in large.items()})
        sizes = [abs(x) for x in direction.weights.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert direction.loose is bool(sd > LOOSE * np.linalg.norm(centre))
    assert [d.loose for d in loosest] == [True, False, False, False]


def test_too_few_refits_have_no_directions():
    assert directions(["a"], np.zeros((2, 1)), np.ones(1)) == []
