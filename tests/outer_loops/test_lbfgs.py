"""L-BFGS on functions written by hand, against SciPy's and against Adam."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize, rosen, rosen_der

from metaplast.problem.protocol import LossGradient
from metaplast.registry import BadInput
from metaplast.testing.base import quick_jit
from outer_loops.bptt import Bptt
from outer_loops.lbfgs import Lbfgs
from tests._written_problem import NO_BATCH, WrittenProblem

SCALES = np.logspace(0, 4, 5)  # condition 1e4


class Written(WrittenProblem):
    """A problem of three lives whose loss is a function of theta["w"] alone.

    uphill: its gradient points the wrong way.
    """

    def __init__(self, function: Any, uphill: bool = False, differentiable: bool = True) -> None:
        super().__init__(differentiable)
        self.function = function
        self.sign = -1.0 if uphill else 1.0

    def loss(self, theta: Any, batch: Any) -> Any:
        return self.function(theta["w"])

    def value_and_grad(self, theta: Any, batch: Any, tangents: int = 0) -> LossGradient:
        loss, gradient, _ = super().value_and_grad(theta, batch, tangents)
        metrics = {"loss": loss, "lives": jnp.asarray(3), "diverged": jnp.asarray(0)}
        return LossGradient(loss, jax.tree.map(lambda g: self.sign * g, gradient), metrics)


def quadratic(w):
    return 0.5 * jnp.sum(jnp.asarray(SCALES, float) * w**2) / SCALES.sum()


def rosenbrock(w):
    return jnp.sum(100.0 * (w[1:] - w[:-1] ** 2) ** 2 + (1.0 - w[:-1]) ** 2)


def narrow(w):
    """Steep far from the minimum at 2, curved only near it: a step of any one size goes beyond."""
    return jnp.sum(jnp.sqrt(1.0 + (10.0 * (w - 2.0)) ** 2)) - w.size


def wavy(w):
    return jnp.sum(w**2 + 2.0 * jnp.sin(5.0 * w))


class Walk(NamedTuple):
    """The steps of an outer loop.

    end [n]: w after the last step
    path [n_steps, n]: w before every step
    metrics: of every step
    """

    end: np.ndarray
    path: np.ndarray
    metrics: dict[str, np.ndarray]


def walk(outer, problem, start, n_steps) -> Walk:

    @quick_jit
    def run(theta: Any) -> Any:
        def step(state: Any, _: None) -> Any:
            new, metrics = outer.step(problem, state, NO_BATCH, jax.random.key(0))
            return new, (outer.theta(state)["w"], metrics)

        begun = outer.init(problem, theta, jax.random.key(0), outer.hyper())
        state, (path, metrics) = jax.lax.scan(step, begun, None, n_steps)
        return Walk(outer.theta(state)["w"], path, metrics)

    return jax.tree.map(np.asarray, run({"w": jnp.asarray(start, float)}))


def test_on_an_ill_conditioned_quadratic_it_leaves_adam_far_behind():
    start = np.ones(5)
    loss = quadratic(walk(Lbfgs(), Written(quadratic), start, 60).end)
    assert loss < 1e-8 * quadratic(start)
    for rate in (0.1, 0.3):
        adam = Bptt(steps=60, learning_rate=rate)
        assert loss < 1e-3 * quadratic(walk(adam, Written(quadratic), start, 60).end)


def test_it_finds_scipys_minimum_of_the_rosenbrock_function():
    start = np.asarray([-1.2, 1.0, 0.5])
    expected = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B").x
    end = walk(Lbfgs(), Written(rosenbrock), start, 100).end
    np.testing.assert_allclose(end, expected, atol=1e-3)


def test_steps_are_shortened_where_they_go_too_far():
    end, _, metrics = walk(Lbfgs(), Written(narrow), [30.0, -7.0], 80)
    np.testing.assert_allclose(end, 2.0, atol=1e-3)
    shorter = metrics["tries"] > 1
    assert shorter.any()
    assert (metrics["step_size"][shorter] < 1.0).all()
    np.testing.assert_allclose(metrics["step_size"], 0.3 ** (metrics["tries"] - 1.0), rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "start"), [(rosenbrock, [-1.2, 1.0]), (wavy, [3.0, -2.0]), (narrow, [9.0, 1.0])]
)
def test_no_step_raises_the_loss(function, start):
    _, path, metrics = walk(Lbfgs(steps=60, memory=3), Written(function), start, 60)
    assert (np.diff(metrics["loss"]) <= 0).all()
    np.testing.assert_allclose(metrics["loss"], [function(w) for w in path], rtol=1e-4, atol=1e-5)
    assert metrics["loss"][-1] < metrics["loss"][0]


def test_a_step_that_finds_nothing_lower_leaves_theta():
    start = np.asarray([0.3, 0.7, -0.2], np.float32)
    bowl = Written(lambda w: jnp.sum(w**2), uphill=True)
    end, path, metrics = walk(Lbfgs(tries=5), bowl, start, 4)
    for w in (*path, end):
        np.testing.assert_array_equal(w, start)
    assert (metrics["tries"] == 5).all()
    assert (metrics["lives"] == 3 * (1 + 5)).all()  # the lives of every try count
    assert (metrics["skipped"] == 0).all()


def test_after_such_a_step_the_old_gradients_are_forgotten():
    """From then on it goes as a new run from the same place."""
    outer = Lbfgs(tries=3)
    start = {"w": jnp.asarray([0.3, 0.7])}
    good = Written(rosenbrock)
    bad = Written(rosenbrock, uphill=True)
    key = jax.random.key(0)
    step = quick_jit(lambda state: outer.step(good, state, NO_BATCH, key)[0])
    step_uphill = quick_jit(lambda state: outer.step(bad, state, NO_BATCH, key)[0])
    state = outer.init(good, start, key, outer.hyper())
    for _ in range(3):
        state = step(state)
    state = step_uphill(state)
    fresh = outer.init(good, outer.theta(state), key, outer.hyper())
    np.testing.assert_array_equal(step(state).theta["w"], step(fresh).theta["w"])


def test_a_stretch_without_numbers_is_stepped_over_or_back_from():
    """Beyond w = 1 there is no number; the minimum below is at 0.5."""

    def wall(w):
        distance = jnp.where(w < 1.0, 1.0 - w, 1.0)
        return jnp.sum(jnp.where(w < 1.0, -jnp.log(distance) - 2.0 * w, jnp.nan))

    end, _, metrics = walk(Lbfgs(), Written(wall), [0.9, -3.0], 40)
    np.testing.assert_allclose(end, 0.5, atol=1e-3)
    assert np.isfinite(metrics["loss"]).all()


def test_it_refuses_what_it_cannot_do():
    problem = Written(rosenbrock, differentiable=False)
    outer = Lbfgs()
    with pytest.raises(BadInput, match="differentiable"):
        outer.init(problem, {"w": jnp.zeros(2)}, jax.random.key(0), outer.hyper())
    with pytest.raises(ValidationError, match="below 1"):
        Lbfgs(backtrack=1.0)
