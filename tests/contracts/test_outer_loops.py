"""Every outer loop keeps every promise, and estimates of a gradient are unbiased."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.registry import find
from metaplast.testing import check_outer_loop
from metaplast.testing.base import quick_jit
from metaplast.testing.outer_loop import quadratic, weights
from outer_loops._evosax import TESTED
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from tests._written_problem import NO_BATCH, WrittenProblem
from tests.contracts._enrolled import enrolled

SLOPE = np.asarray([1.0, -2.0, 0.5], np.float32)
MEMBERS = 8
REPEATS = 4096
STD = 0.3
STRATEGIES = ("Open_ES", "SNES")


@pytest.mark.parametrize("name", enrolled("outer"))
def test_an_outer_loop_keeps_its_promises(name):
    check_outer_loop(find("outer", name)())


WITH_STEPS = [name for name in enrolled("outer") if hasattr(find("outer", name)(), "steps")]


@pytest.mark.parametrize("name", WITH_STEPS)
def test_a_loop_goes_on_for_the_steps_that_it_is_given(name):
    assert find("outer", name)(steps=7).n_steps == 7


# tests/outer_loops/test_es.py asks most of it of every strategy, on smaller programs.
@pytest.mark.system
@pytest.mark.parametrize("strategy", TESTED)
def test_so_does_es_with_every_strategy_that_counts_as_tested(strategy):
    check_outer_loop(Es(strategy=strategy))


def test_bptt_steps_down_the_closed_form_gradient_of_a_quadratic():
    problem = quadratic()
    outer = Bptt(steps=4, learning_rate=0.1, optimiser="sgd", schedule="constant_schedule")
    state = search_loop.begin(problem, outer, 0)
    w = weights(outer.theta(state))
    key = search_loop.stream(0, "tasks", jnp.asarray(0))
    batch = search_loop.sample(problem.lifetime.task, key, problem.n_tasks, "train")
    x = np.asarray(batch.tasks.inputs).reshape(-1, w.shape[1])
    loss = np.mean(np.sum((x @ w.T) ** 2, axis=1)) / len(w)
    gradient = 2.0 / len(w) * w @ (x.T @ x) / len(x)
    _, after, metrics = next(search_loop.steps(problem, outer, 0, state, 0, 1))
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(weights(outer.theta(after)), w - 0.1 * gradient, rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], np.linalg.norm(gradient), rtol=1e-5)


class Plane(WrittenProblem):
    """A problem whose loss is SLOPE . theta.

    Every strategy's expected step is known but for its length.
    """

    def loss(self, theta: Any, batch: Any) -> Any:
        return theta["w"] @ SLOPE


@pytest.fixture(scope="module")
def estimates() -> dict[str, np.ndarray]:
    """Independent estimates of the gradient at one place [REPEATS, 3] of each strategy.

    Each comes from one step.
    """
    problem = Plane()
    theta = {"w": jnp.asarray([0.3, 0.1, -0.2])}

    @partial(quick_jit, static_argnums=0)
    def many(outer: Es, key: Any) -> Any:
        state = outer.init(problem, theta, key, outer.hyper())
        step = lambda key: outer.step(problem, state, NO_BATCH, key)[0]
        after = jax.vmap(step)(jax.random.split(key, REPEATS))
        if outer.strategy == "Open_ES":
            # The gradient before Adam: its first moment is a tenth of it.
            return after.strategy.opt_state[0].mu / 0.1
        return theta["w"][None] - after.theta["w"]

    outers = {name: Es(strategy=name, population=MEMBERS, std=STD) for name in STRATEGIES}
    return {name: np.asarray(many(outer, jax.random.key(1))) for name, outer in outers.items()}


def _surprise(sample: np.ndarray, expected: Any) -> float:
    """The largest distance of the mean of a sample from `expected`, in standard errors."""
    error = sample.std(axis=0, ddof=1) / math.sqrt(len(sample))
    return float(np.max(np.abs(sample.mean(axis=0) - expected) / error))


def test_open_es_is_unbiased_for_its_rank_shaped_objective(estimates):
    """On a plane the expected sum of centred rank times noise is known.

        E[Phi(s) s] = 1 / (2 sqrt(pi)) against each independent member
        E[(s > 0) s] = 1 / sqrt(2 pi) against the mirrored one

    s ~ N(0, 1): the noise along the slope
    """
    against = (MEMBERS - 2) / (2 * math.sqrt(math.pi)) + 1 / math.sqrt(2 * math.pi)
    expected = SLOPE / np.linalg.norm(SLOPE) * against / (MEMBERS - 1) / STD
    assert _surprise(estimates["Open_ES"], expected) < 4
    # The control: a bias of 15 % is seen.
    assert _surprise(estimates["Open_ES"], 1.15 * expected) > 4
    assert _surprise(estimates["Open_ES"], np.roll(expected, 1)) > 4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_expected_step_points_straight_down(estimates, strategy):
    down = SLOPE / np.linalg.norm(SLOPE)
    across = np.linalg.svd(down[None])[2][1:]  # two directions at right angles to the slope
    assert estimates[strategy].mean(axis=0) @ down > 0
    assert _surprise(estimates[strategy] @ across.T, 0.0) < 4
    tilted = down + 0.15 * across[0]
    control = np.linalg.svd(tilted[None] / np.linalg.norm(tilted))[2][1:]
    assert _surprise(estimates[strategy] @ control.T, 0.0) > 4  # a tilt of 9 degrees is seen
