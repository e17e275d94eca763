"""A bench for estimates of gradients: four small problems, and their smoothed losses by quadrature.

One synapse w lives T = 12 steps:

    y_t = w_t x_t
    w_{t+1} = w_t + a x_t + b leak_t w_t

y_t: the output of step t
theta = (w_0, a, b)

The loss of a step is a polynomial of y_t. The loss of a life is the mean over its steps.
"""

import itertools
import math
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast.feedback.none import None_
from metaplast.genomes.direct import Direct
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Outcome, Score, TaskShape, feedback
from metaplast.spec import spec
from metaplast.tasks import AbstractTaskFamily
from metaplast.testing.base import quick_jit

T = 12
X = 1.0 + 0.5 * np.cos(np.arange(T))
THETA = np.asarray([0.4, 0.15, -0.2])
SIGMA = 0.2
COSTS = {  # coefficients of y, y^2, y^3; whether the synapse leaks
    "affine": ((1.0, 0.0, 0.0), 0.0),
    "quadratic": ((-1.0, 0.5, 0.0), 0.0),
    "cubic": ((0.5, 0.0, 0.2), 0.0),
    "linear system": ((1.0, 0.5, 0.0), 0.5),
}


@register("task", "polynomial_of_output")
@spec
class PolynomialOfOutput(AbstractTaskFamily):
    """A task is {x [T], leak [T], cost [3]}; `sample` gives the linear system."""

    def shape(self) -> TaskShape:
        return TaskShape({"input": 1}, 1, ((T, True),), frozenset({"leak"}), differentiable=True)

    def sample(self, key: Any, split: Any) -> Any:
        return jax.tree.map(jnp.asarray, sheet("linear system"))

    def begin(self, task: Any, key: Any, dt: float) -> Any:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Any, state: Any, key: Any, dt: float) -> dict[str, jax.Array]:
        return {"input": task["x"][state][None]}

    def step(self, task: Any, state: Any, output: Any, key: Any, dt: float) -> tuple[Any, Outcome]:
        y = output.activity[0]
        loss = jnp.sum(task["cost"] * jnp.stack([y, y**2, y**3]))
        outcome_feedback = feedback(1, modulators={"leak": task["leak"][state]})
        score = Score(loss=loss, weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=outcome_feedback, score=score)


PROBLEM = MetaProblem(
    lifetime=Lifetime(
        task=PolynomialOfOutput(),
        network=Feedforward(hidden=(), bounds=(-1e4, 1e4)),
        feedback=None_(),
        genome=Direct(),
        slots=(
            Slot(
                rule=Polynomial(
                    terms=("pre", "modulator.leak*weight"), initial=(0.0, 0.0), rate=1.0
                )
            ),
        ),
    ),
    objective=MeanLoss(),
    n_tasks=1,
    life_clip=0.0,
)


def sheet(name: str) -> dict[str, np.ndarray]:
    """The task of one of COSTS."""
    cost, leak = COSTS[name]
    return {"x": X.astype(float), "leak": np.full(T, leak), "cost": np.asarray(cost)}


def theta_of(flat: Any) -> Any:
    """PROBLEM's theta of (w_0, a, b)."""
    genome = {"input_to_output": flat[:1, None]}
    return {
        "rules": {"rule": {"coefficients": flat[1:]}},
        "genome": genome,
        "feedback": {},
        "neurons": {},
    }


def flat_of(theta: Any) -> jax.Array:
    """(w_0, a, b) of PROBLEM's theta."""
    return jnp.concatenate(
        [theta["genome"]["input_to_output"][:, 0], theta["rules"]["rule"]["coefficients"]]
    )


def tasks(names: Any = COSTS) -> Any:
    """The named tasks, stacked, in JAX's own float type."""
    return jax.tree.map(
        lambda *x: jnp.asarray(np.stack(x), float), *[sheet(name) for name in names]
    )


def lives(task: Any, key: Any) -> Batch:
    """One life of one task."""
    return Batch(tasks=jax.tree.map(lambda x: x[None], task), keys=key[None])


@lru_cache(maxsize=1)
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Points [n, 3] and weights [n] for a standard normal.

    They are exact to degree 5, 5 and 27 in the three coordinates.
    """
    rules = [np.polynomial.hermite_e.hermegauss(n) for n in (3, 3, 14)]
    points = np.asarray(list(itertools.product(*[x for x, _ in rules])))
    weights = np.prod(np.asarray(list(itertools.product(*[w for _, w in rules]))), axis=1)
    return points, weights / weights.sum()


def smoothed(theta: np.ndarray, name: str, window: int, sigma: float) -> Any:
    """The smoothed loss of a life: E[loss at theta + sigma x], x ~ N(0, 1) for every window.

    x is drawn anew for every window. Within a window w_t = p_t w + q_t, w the weight at its start,
    p and q polynomials of x. The moments of w up to the third go from window to window, by
    quadrature over x.
    """
    points, weight = _nodes()
    task = sheet(name)
    at = theta + sigma * points
    before = [1.0, 0.0, 0.0, 0.0]
    total = 0.0

    def moment(k: int, p: np.ndarray, q: np.ndarray) -> Any:
        """E[(p w + q)^k]."""
        return sum(
            math.comb(k, j) * (weight @ (p**j * q ** (k - j))) * before[j] for j in range(k + 1)
        )

    for start in range(0, T, window):
        p = np.ones(len(points))
        q = np.zeros(len(points))
        if start == 0:  # born within the window, under its noise
            p = 0.0 * p
            q = at[:, 0]
        for t in range(start, start + window):
            x = task["x"][t]
            terms = [c * x**k * moment(k, p, q) for k, c in enumerate(task["cost"], 1)]
            total = total + sum(terms) / T
            gain = 1.0 + task["leak"][t] * at[:, 2]
            p = gain * p
            q = gain * q + x * at[:, 1]
        before = [moment(k, p, q) for k in range(4)]
    return total


def reference(name: str, window: int = T, sigma: float = SIGMA) -> np.ndarray:
    """The gradient of `smoothed` at THETA, by steps into the complex plane: exact to rounding."""
    steps = 1e-20j * np.eye(3)
    return np.asarray([smoothed(THETA + step, name, window, sigma).imag / 1e-20 for step in steps])


def surprise(sample: np.ndarray, expected: np.ndarray) -> float:
    """The distance of the mean of a sample [n, 3] from `expected`, in standard errors.

    It is the largest of the components and of the projection on `expected`. Rounding, 1e-5 of the
    gradient, is no surprise where nothing is random.
    """
    size = np.linalg.norm(expected)
    off = (sample - expected) @ np.column_stack([np.eye(3), expected / size])
    error = off.std(axis=0, ddof=1) / math.sqrt(len(off))
    return float(np.max(np.abs(off.mean(axis=0)) / np.maximum(error, 1e-5 * size)))


def demand_exact(outer: Any) -> None:
    """Demand that the gradient of an outer loop is the one of central differences, in float64.

    They agree within 1e-6 of its length, in every component and on every problem of COSTS.

    Raises:
        AssertionError: with the distance on every problem.
    """
    with jax.enable_x64(True):
        key = jax.random.key(0)
        at = jnp.asarray(THETA)

        def gradient(task: Any) -> jax.Array:
            state = outer.init(PROBLEM, theta_of(at), key, outer.hyper())
            return flat_of(outer.gradient(PROBLEM, state, lives(task, key), key).gradient)

        def losses(task: Any) -> jax.Array:
            """The losses a step ahead and a step behind in each component of theta [3, 2]."""
            near = at[None] + 1e-5 * jnp.stack([jnp.eye(3), -jnp.eye(3)], axis=1).reshape(6, 3)
            return PROBLEM.losses(jax.vmap(theta_of)(near), lives(task, key))[0].reshape(3, 2)

        both = quick_jit(jax.vmap(lambda task: (gradient(task), losses(task))))
        actual, around = jax.tree.map(np.asarray, both(tasks()))
        expected = (around[..., 0] - around[..., 1]) / 2e-5
        off = np.abs(actual - expected).max(axis=1) / np.linalg.norm(expected, axis=1)
        assert (off < 1e-6).all(), dict(zip(COSTS, off, strict=True))
