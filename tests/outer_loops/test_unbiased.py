"""Every estimate of a gradient against the gradient of its own smoothed objective.

A biased estimate is caught.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.spec import spec
from metaplast.testing.base import quick_jit
from outer_loops._windows import AbstractPairs, WindowNoise
from outer_loops.bptt import Bptt
from outer_loops.nres import Nres
from outer_loops.pes import Pes
from outer_loops.truncated_bptt import TruncatedBptt
from tests.outer_loops import _bench as bench

N = 2000
LIMIT = 4.5  # standard errors


@spec
class TruncatedEs(AbstractPairs):
    """The control: evolution strategies on windows, which forget the noise of earlier ones."""

    def noise(self, drawn: Any, kept: Any, due: Any) -> WindowNoise:
        return WindowNoise(acting=drawn, weight=drawn)


def _estimator(kind: Any, window: int) -> Any:
    if issubclass(kind, AbstractPairs):
        return kind(window=window, population=4, sigma=bench.SIGMA)
    return kind(window=window)


@partial(quick_jit, static_argnums=(0, 1))
def _estimates(outer: Any, n: int, tasks: Any, key: Any) -> jax.Array:
    """Means of the estimates at theta over the windows of a life [n_problems, n, 3].

    The first lives, which are short, are left out.
    """
    theta = bench.theta_of(jnp.asarray(bench.THETA, float))

    def one(task: Any, key: Any) -> jax.Array:
        def step(state: Any, key: Any) -> tuple[Any, jax.Array]:
            carried, gradient, _ = outer.gradient(bench.PROBLEM, state, bench.lives(task, key), key)
            return state.replace(carried=carried), bench.flat_of(gradient)

        n_windows = bench.T // outer.window
        start = outer.init(bench.PROBLEM, theta, key, outer.hyper())
        _, estimates = jax.lax.scan(step, start, jax.random.split(key, 2 * n_windows))
        return jnp.mean(estimates[n_windows:], axis=0)

    def of_task(task: Any) -> jax.Array:
        return jax.vmap(partial(one, task))(jax.random.split(key, n))

    return jax.vmap(of_task)(tasks)


def _surprises(kind: Any, window: int, n: int = N, smoothed: int = 0) -> dict[str, float]:
    """The distance of the estimates from the smoothed gradient, for each problem (`surprise`).

    Args:
        kind: the outer loop.
        window: the steps of its windows.
        n: the number of estimates.
        smoothed: the steps of the windows by which the gradient is smoothed; 0: not at all.
    """
    estimates = _estimates(_estimator(kind, window), n, bench.tasks(), jax.random.key(3))
    sigma = bench.SIGMA if smoothed else 0.0
    surprises = {}
    for name, sample in zip(bench.COSTS, np.asarray(estimates, float), strict=True):
        expected = bench.reference(name, smoothed or bench.T, sigma)
        surprises[name] = bench.surprise(sample, expected)
    return surprises


def _windows(*sizes: int) -> Any:
    """One size in the fast lane, the others with the whole programs: each compiles anew."""
    cases = []
    for size in sizes:
        marks = () if size == 4 else pytest.mark.system
        cases.append(pytest.param(size, marks=marks))
    return pytest.mark.parametrize("window", cases)


@_windows(12, 4, 1)
def test_pes_is_unbiased_for_lives_whose_noise_is_drawn_anew_in_every_window(window):
    off = _surprises(Pes, window, smoothed=window)
    assert max(off.values()) < LIMIT, off


@_windows(12, 4, 1)
def test_nres_is_unbiased_for_lives_of_one_noise_whatever_the_window(window):
    off = _surprises(Nres, window, smoothed=bench.T)
    assert max(off.values()) < LIMIT, off


@_windows(4, 1)
def test_evolution_that_forgets_the_noise_of_earlier_windows_is_caught(window):
    off = _surprises(TruncatedEs, window, smoothed=window)
    assert min(off.values()) > 10 * LIMIT, off


@_windows(4, 1)
def test_a_gradient_that_goes_back_one_window_is_caught(window):
    off = _surprises(TruncatedBptt, window, n=2)
    assert min(off.values()) > 10 * LIMIT, off


@pytest.mark.system
def test_with_one_window_to_a_life_nothing_is_truncated():
    off = _surprises(TruncatedBptt, bench.T, n=2)
    assert max(off.values()) < 1, off


def test_backpropagation_is_exact():
    bench.demand_exact(Bptt())


def test_where_theta_enters_affinely_no_noise_matters():
    plain = bench.reference("affine", sigma=0.0)
    for window in (12, 4, 1):
        np.testing.assert_allclose(bench.reference("affine", window), plain, rtol=1e-12, atol=1e-12)
    # Elsewhere the check can tell one smoothing from another.
    for name in ("cubic", "linear system"):
        sizes = [np.linalg.norm(bench.reference(name, window)) for window in (12, 4, 1)]
        assert sizes[0] > 1.1 * sizes[1] > 1.1 * sizes[2]


@pytest.mark.parametrize("name", bench.COSTS)
def test_the_smoothed_loss_by_quadrature_equals_plain_draws(name):
    rng = np.random.default_rng(0)
    n = 200_000
    task = bench.sheet(name)
    at = bench.THETA + bench.SIGMA * rng.normal(size=(3, n, 3))  # three windows of 4
    w = at[0, :, 0]
    total = np.zeros(n)
    for t in range(bench.T):
        y = w * task["x"][t]
        total += (task["cost"] @ np.stack([y, y**2, y**3])) / bench.T
        w = w + at[t // 4, :, 1] * task["x"][t] + at[t // 4, :, 2] * task["leak"][t] * w
    expected = bench.smoothed(bench.THETA, name, 4, bench.SIGMA)
    assert abs(total.mean() - expected) < 4 * total.std() / np.sqrt(n)
