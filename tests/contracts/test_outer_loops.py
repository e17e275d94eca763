"""Every outer loop keeps every promise, and its estimate of a gradient is unbiased."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import train
from metaplast.registry import find
from metaplast.testing import check_outer_loop
from metaplast.testing.base import quick_jit
from metaplast.testing.outer_loop import quadratic, weights
from outer_loops._evosax import TESTED
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from tests.contracts._enrolled import enrolled

SLOPE = np.asarray([1.0, -2.0, 0.5], np.float32)
MEMBERS = 8
REPEATS = 4096
STD = 0.3
STRATEGIES = ("Open_ES", "SNES")


@pytest.mark.parametrize("name", enrolled("outer"))
def test_an_outer_loop_keeps_its_promises(name):
    check_outer_loop(find("outer", name)())


@pytest.mark.parametrize(
    "name", [name for name in enrolled("outer") if hasattr(find("outer", name)(), "steps")]
)
def test_a_loop_goes_on_for_the_steps_that_it_is_given(name):
    assert find("outer", name)(steps=7).n_steps == 7


# tests/outer_loops/test_es.py asks most of it of every strategy, on smaller programs
@pytest.mark.system
@pytest.mark.parametrize("strategy", TESTED)
def test_so_does_es_with_every_strategy_that_counts_as_tested(strategy):
    check_outer_loop(Es(strategy=strategy))


def test_bptt_steps_down_the_closed_form_gradient_of_a_quadratic():
    problem = quadratic()
    outer = Bptt(steps=4, learning_rate=0.1, optimiser="sgd", schedule="constant_schedule")
    state = train.begin(problem, outer, 0)
    w = weights(outer.theta(state))
    batch = train.sample(
        problem.lifetime.task, train.stream(0, "tasks", jnp.asarray(0)), problem.n_tasks, "train"
    )
    x = np.asarray(batch.tasks.inputs).reshape(-1, w.shape[1])
    loss = np.mean(np.sum((x @ w.T) ** 2, axis=1)) / len(w)
    gradient = 2.0 / len(w) * w @ (x.T @ x) / len(x)
    ((_, after, metrics),) = train.steps(problem, outer, 0, state, 0, 1)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(weights(outer.theta(after)), w - 0.1 * gradient, rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], np.linalg.norm(gradient), rtol=1e-5)


class Plane:
    """A problem whose loss is SLOPE . theta.

    The expected step of every strategy is known, but for its length.
    """

    n_devices = 1

    def losses(self, members: Any, batch: Any, unravel: Any) -> tuple[Any, dict[str, Any]]:
        loss = jax.vmap(unravel)(members)["w"] @ SLOPE
        one = jnp.ones((MEMBERS, 1))
        return loss, {
            "life_loss": loss[:, None],
            "survived": one,
            "lives": jnp.asarray(MEMBERS),
            "diverged": jnp.asarray(0),
        }


@pytest.fixture(scope="module")
def estimates() -> dict[str, np.ndarray]:
    """{strategy: [REPEATS, 3]}: independent estimates of the gradient at one place.

    Each is made by one step.
    """
    problem: Any = Plane()
    theta = {"w": jnp.asarray([0.3, 0.1, -0.2])}

    @partial(quick_jit, static_argnums=0)
    def many(outer: Es, key: Any) -> Any:
        state = outer.init(problem, theta, key, outer.hyper())
        after = jax.vmap(lambda key: outer.step(problem, state, None, key)[0])(
            jax.random.split(key, REPEATS)
        )
        # the gradient before Adam: its first moment is a tenth of it
        if outer.strategy == "Open_ES":
            return after.strategy.opt_state[0].mu / 0.1
        return theta["w"][None] - after.theta["w"]

    outers = {name: Es(strategy=name, population=MEMBERS, std=STD) for name in STRATEGIES}
    return {name: np.asarray(many(outer, jax.random.key(1))) for name, outer in outers.items()}


def _surprise(sample: np.ndarray, expected: Any) -> float:
    """The largest distance of the mean of a sample from its expectation, in standard errors."""
    error = sample.std(axis=0, ddof=1) / math.sqrt(len(sample))
    return float(np.max(np.abs(sample.mean(axis=0) - expected) / error))


def test_open_es_is_unbiased_for_its_rank_shaped_objective(estimates):
    """On a plane, the expected sum of centred rank times noise is known.

        E[Phi(s) s] = 1 / (2 sqrt(pi))       against each independent member
        E[(s > 0) s] = 1 / sqrt(2 pi)        against the mirrored one

    s ~ N(0, 1) is the noise along the slope.
    """
    against = (MEMBERS - 2) / (2 * math.sqrt(math.pi)) + 1 / math.sqrt(2 * math.pi)
    expected = SLOPE / np.linalg.norm(SLOPE) * against / (MEMBERS - 1) / STD
    assert _surprise(estimates["Open_ES"], expected) < 4
    # the control: a bias of 15 % is seen
    assert _surprise(estimates["Open_ES"], 1.15 * expected) > 4
    assert _surprise(estimates["Open_ES"], np.roll(expected, 1)) > 4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_expected_step_points_straight_down(estimates, strategy):
    down = SLOPE / np.linalg.norm(SLOPE)
    normals = np.linalg.svd(down[None])[2][1:]  # two directions at right angles to the slope
    assert estimates[strategy].mean(axis=0) @ down > 0
    assert _surprise(estimates[strategy] @ normals.T, 0.0) < 4
    tilted = down + 0.15 * normals[0]
    control = np.linalg.svd(tilted[None] / np.linalg.norm(tilted))[2][1:]
    assert _surprise(estimates[strategy] @ control.T, 0.0) > 4  # a tilt of 9 degrees is seen
