"""The penalty and the mask against sums in NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast import search_loop
from metaplast.feedback.none import None_
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.lives import take
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import Penalised, everything, stack
from metaplast.problem.protocol import Problem
from metaplast.rules.polynomial import Polynomial
from tests._compiler import as_users_jit
from tests._written_problem import NO_BATCH, WrittenProblem

GOAL = np.asarray([0.5, -1.0, 2.0, 0.0, 1.0, 1.5])
THETA = {
    "rules": {"a": {"coefficients": np.asarray([1.0, -2.0, 0.0])}, "b": np.asarray(0.5)},
    "genome": {"edge": np.asarray([3.0, -0.7])},
}
MASK = {
    "rules": {"a": {"coefficients": np.asarray([1.0, 1.0, 1.0])}, "b": np.asarray(0.0)},
    "genome": {"edge": np.asarray([1.0, 0.0])},
}


def flat(theta: Any) -> np.ndarray:
    """[genome.edge, rules.a, rules.b], in the order of JAX's leaves."""
    return np.concatenate([np.reshape(leaf, -1) for leaf in jax.tree.leaves(theta)])


def arrays(tree: Any) -> Any:
    return jax.tree.map(lambda x: jnp.asarray(x, float), tree)


class Squares(WrittenProblem):
    """loss = 0.5 |theta - GOAL|^2, of one life."""

    def loss(self, theta: Any, batch: Any) -> Any:
        joined = jnp.concatenate([leaf.reshape(-1) for leaf in jax.tree.leaves(theta)])
        return 0.5 * jnp.sum((joined - jnp.asarray(GOAL, float)) ** 2)


class NoLoss(WrittenProblem):
    """loss = 0."""

    def loss(self, theta: Any, batch: Any) -> Any:
        return jnp.zeros(())


def penalised(strength: float, mask: Any = MASK, problem: Problem | None = None) -> Penalised:
    return Penalised(problem or Squares(), arrays(mask), jnp.asarray(strength, float))


def by_hand(theta: Any, mask: Any, strength: float) -> tuple[float, np.ndarray]:
    """(loss, gradient). The coefficients of terms pay alone.

    The last number, another constant of a rule, does not.
    """
    m, terms = flat(mask), np.asarray([0, 0, 1, 1, 1, 0])
    inner = m * flat(theta)
    loss = 0.5 * np.sum((inner - GOAL) ** 2) + strength * np.sum(terms * np.abs(inner))
    return float(loss), m * (inner - GOAL + strength * terms * np.sign(inner))


def test_value_and_gradient_are_those_of_the_sum():
    loss, grad, _ = penalised(0.3).value_and_grad(arrays(THETA), NO_BATCH)
    expected, slope = by_hand(THETA, MASK, 0.3)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    np.testing.assert_allclose(flat(grad), slope, rtol=1e-6)
    assert flat(grad)[1] == 0.0  # a genome's number that is held
    assert flat(grad)[5] == 0.0  # a rule's
    assert slope[2] != by_hand(THETA, MASK, 0.0)[1][2]  # the control: the strength matters


def test_a_number_that_is_held_has_no_effect_whatever_it_is():
    other = arrays({**THETA, "rules": {**THETA["rules"], "b": np.asarray(99.0)}})
    of = lambda theta: penalised(0.3).value_and_grad(theta, NO_BATCH)
    for a, b in zip(jax.tree.leaves(of(other)), jax.tree.leaves(of(arrays(THETA))), strict=True):
        np.testing.assert_array_equal(a, b)
    assert penalised(0.3).inner(other)["rules"]["b"] == 0.0


def test_the_losses_of_many_are_those_of_each():
    thetas = [
        THETA,
        jax.tree.map(lambda x: 1.0 - 2.0 * x, THETA),
        jax.tree.map(np.zeros_like, THETA),
    ]
    losses, _ = penalised(0.3).losses(stack([arrays(t) for t in thetas]), NO_BATCH)
    np.testing.assert_allclose(losses, [by_hand(t, MASK, 0.3)[0] for t in thetas], rtol=1e-6)


def test_a_stack_is_taken_apart_again():
    both = stack([arrays(THETA), arrays(MASK)])
    np.testing.assert_array_equal(flat(take(both, 1)), flat(MASK))
    np.testing.assert_array_equal(flat(everything(THETA)), np.ones(6))


def test_no_number_pays_but_coefficients_of_terms():
    """Other numbers do not pay.

    They are a learned rate, a constant of another slot, and a rule whose theta is one array. The
    coefficients of a slot with one theta per edge pay.
    """
    rules = {
        "a": {"coefficients": np.asarray([2.0, -1.0]), "log_rate": np.asarray(7.0)},
        "b": {"x_to_y": {"coefficients": np.asarray([4.0])}, "y_to_x": {"tau": np.asarray(50.0)}},
        "c": np.asarray(30.0),
    }
    theta = arrays({"rules": rules, "genome": {}})
    of = penalised(0.5, everything(theta), NoLoss())
    assert float(of.penalty(theta)) == pytest.approx(0.5 * (2.0 + 1.0 + 4.0))
    slope = of.value_and_grad(theta, NO_BATCH).gradient["rules"]
    assert slope["a"]["coefficients"].tolist() == [0.5, -0.5]
    assert [
        float(x) for x in (slope["a"]["log_rate"], slope["b"]["y_to_x"]["tau"], slope["c"])
    ] == [0.0, 0.0, 0.0]


@pytest.mark.exact
@pytest.mark.system  # a program of many seconds
def test_without_mask_and_penalty_no_bit_changes():
    family = Taught(n_in=3, n_out=2, n_steps=6, n_sessions=5)
    network, rule = Feedforward(hidden=(), output=Sigmoid()), Polynomial(scale=0.5)
    lifetime = Lifetime(family, network, None_(), Given(), (Slot(rule=rule),))
    problem = MetaProblem(lifetime, MeanLoss(), n_tasks=9)
    theta = problem.init(jax.random.key(1))
    batch = search_loop.draw_tasks(family.whole("train"), jax.random.key(2), 9)
    free = penalised(0.0, everything(theta), problem)
    assert free.lifetime is lifetime
    plain, same = (as_users_jit(p.value_and_grad)(theta, batch) for p in (problem, free))
    for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(a, b)
    many = stack([arrays(THETA), arrays(MASK)])
    plain = Squares().losses(many, NO_BATCH)[0]
    same = penalised(0.0, everything(THETA)).losses(many, NO_BATCH)[0]
    np.testing.assert_array_equal(same, plain)
