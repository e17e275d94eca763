"""Problems around a problem: the same bits as the inner problem at the theta that they give it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast import search_loop
from metaplast.inspection.pinned import Pinned
from metaplast.problem.around import ThroughProblem
from metaplast.problem.penalised import Penalised, everything
from tests.inspection._lessons import subject_of

SUBJECT = subject_of(
    ("post*pre", "post^2*weight", "pre"),
    (0.5, -0.4, 0.2),
    TeacherStudent(n_in=4, n_out=3, n_steps=6),
)
PROBLEM = SUBJECT.problem
THETA = jax.tree.map(lambda leaf: leaf + 0.1, SUBJECT.theta)
KEPT = np.asarray([True, False, True])


def _of_coefficients(tree: Any, values: Any) -> Any:
    return {**tree, "rules": {"rule": {**tree["rules"]["rule"], "coefficients": values}}}


def pinned() -> Pinned:
    free = jax.tree.map(lambda leaf: jnp.ones_like(leaf, bool), THETA)
    return Pinned(PROBLEM, _of_coefficients(free, jnp.asarray(KEPT)), SUBJECT.theta)


def penalised() -> Penalised:
    mask = _of_coefficients(everything(THETA), jnp.asarray(KEPT, float))
    return Penalised(PROBLEM, mask, jnp.asarray(0.01))


def _coefficients(theta: Any) -> np.ndarray:
    return np.asarray(theta["rules"]["rule"]["coefficients"])


@pytest.mark.parametrize("make", [pinned, penalised])
def test_losses_and_gradients_have_the_bits_of_the_inner_problem(make: Any) -> None:
    around: ThroughProblem = make()
    batch = search_loop.sample(PROBLEM.lifetime.task, search_loop.stream(0, "tasks"), 4, "train")
    price = 0.0
    slope = np.zeros(3, np.float32)
    if isinstance(around, Penalised):
        price = np.asarray(around.penalty(around.inner(THETA)))
        slope = np.float32(0.01) * np.sign(_coefficients(around.inner(THETA)))
    inside = jax.jit(lambda theta: PROBLEM.value_and_grad(theta, batch))(around.inner(THETA))
    found = jax.jit(lambda theta: around.value_and_grad(theta, batch))(THETA)
    np.testing.assert_array_equal(found.loss, inside.loss + price)
    wanted = np.where(KEPT, _coefficients(inside.gradient) + slope, 0.0)
    np.testing.assert_array_equal(_coefficients(found.gradient), wanted)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 0.05]), THETA)
    of_inner, _ = jax.jit(lambda theta: PROBLEM.losses(theta, batch))(around.all_inner(many))
    losses, _ = jax.jit(lambda theta: around.losses(theta, batch))(many)
    if isinstance(around, Penalised):
        of_inner = of_inner + jax.vmap(around.penalty)(around.all_inner(many))
    np.testing.assert_array_equal(losses, of_inner)


@pytest.mark.parametrize("make", [pinned, penalised])
def test_a_problem_of_another_step_gives_lives_the_same_theta(make: Any) -> None:
    around: ThroughProblem = make()
    for other in (around.at(3), around.whole()):
        assert type(other) is type(around)
        np.testing.assert_array_equal(
            _coefficients(other.inner(THETA)), _coefficients(around.inner(THETA))
        )
