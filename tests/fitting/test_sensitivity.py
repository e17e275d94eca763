"""Curvature of every likelihood against its textbook formula, and the odds of a choice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.fitting.sensitivity import _curved, _log_odds, _Moved, _Sums, _Values
from metaplast.likelihoods.base import Part
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.categorical import Categorical
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.likelihoods.poisson import Poisson

RNG = np.random.default_rng(0)
A = RNG.normal(size=(5, 3))
J = RNG.normal(size=(2, 5, 3))
COUNTS = np.ones((5, 3))
COUNTS[1] = 0.0  # nothing was recorded there


def softmax(a: np.ndarray) -> np.ndarray:
    return np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)


def bend_of_choice(p: np.ndarray) -> np.ndarray:
    return np.einsum("tj,jk->tjk", p, np.eye(3)) - np.einsum("tj,tk->tjk", p, p)


def of_each(curve: np.ndarray) -> np.ndarray:
    """The second derivatives [T, n, n] of values that do not depend on each other."""
    return np.einsum("tj,jk->tjk", curve, np.eye(3))


P = 1 / (1 + np.exp(-A))
M = np.abs(A) + 0.5
CASES = {
    "gaussian": (
        Gaussian(sd=0.5),
        A,
        RNG.normal(size=A.shape),
        lambda y: (A - y) / 0.25,
        of_each(np.full_like(A, 4.0)),
    ),
    "bernoulli": (Bernoulli(), A, (A > 0.3).astype(float), lambda y: P - y, of_each(P * (1 - P))),
    "poisson": (
        Poisson(),
        M,
        RNG.poisson(2.0, size=A.shape).astype(float),
        lambda y: 1 - y / M,
        of_each(1 / M),
    ),
    "categorical": (
        Categorical(),
        A,
        np.eye(3)[[0, 1, 2, 2, 1]],
        lambda y: softmax(A) - y,
        bend_of_choice(softmax(A)),
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_slope_and_expected_curvature_are_those_of_the_textbook(name: str):
    likelihood, activity, target, slope_of, bend = CASES[name]
    observed = COUNTS * likelihood.share(3)
    with jax.enable_x64(True):
        arrays = [jnp.asarray(x) for x in (activity, target, observed, J)]
        curved = _curved(likelihood, *arrays)
    seen = COUNTS[:, :1]
    np.testing.assert_allclose(curved.slope, slope_of(target) * seen, atol=1e-12)
    expected = np.einsum("tjk,ptk->ptj", bend, J) * seen
    np.testing.assert_allclose(curved.bend, expected, atol=1e-12)


def test_what_raises_the_odds_of_choices():
    chosen = np.array([0, 1, 2, 2, 1])
    rows, odds = _log_odds(Categorical(), A, J, np.eye(3)[chosen], COUNTS / 3)
    expected = []
    for t in (0, 2, 3, 4):
        c = chosen[t]
        for k in range(3):
            if k != c:
                expected.append((A[t, c] - A[t, k], *(J[:, t, c] - J[:, t, k])))
    made = sorted((o, *row) for o, row in zip(odds, rows, strict=True))
    np.testing.assert_allclose(made, sorted(expected))
    rows, odds = _log_odds(Bernoulli(), A, J, (A > 0.3).astype(float), COUNTS)
    sign = np.where(A > 0.3, 1.0, -1.0)[COUNTS > 0]
    np.testing.assert_allclose(odds, sign * A[COUNTS > 0])
    np.testing.assert_allclose(rows, (sign * J[:, COUNTS > 0]).T)


def test_what_moves_all_options_alike_moves_no_prediction():
    """`pre` changes the weights of all options by the same.

    A softmax does not see it, a gaussian does.
    """
    moved = np.stack([np.ones((5, 3)), J[0]])
    for likelihood, feels in ((Categorical(), False), (Gaussian(), True)):
        sums = _Sums(Part("values", likelihood, slice(None)), 2)
        recorded = _Values(jnp.asarray(np.eye(3)[[0, 1, 2, 2, 1]]), jnp.asarray(COUNTS))
        sums.add(_Moved(jnp.asarray(A), moved), recorded)
        assert bool(sums.gram[0, 0] > 0) == feels, likelihood
        assert sums.gram[1, 1] > 0
