"""Probe: a population of lives, each with its own theta, lived in windows."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.polynomial import Polynomial
from tests._compiler import as_users_jit
from tests.probes._tasks import FixedMap

TERMS = ("error*pre", "post*pre - post*predicted", "weight")
LIFE = Lifetime(
    task=FixedMap(n_steps=60, n_frozen=40, noise=0.1),
    network=Feedforward(hidden=()),
    feedback=Symmetric(),
    slots=(Slot(rule=Polynomial(terms=TERMS, initial=(-1.0, 0.1, 0.0), rate=0.05)),),
    record=("weights", "sent"),
)
PROBLEM = MetaProblem(lifetime=LIFE)
ADVANCE = as_users_jit(PROBLEM.advance, static_argnums=2)


@pytest.fixture(scope="module")
def population():
    """(thetas of 3 members, a batch of 2 lives, the 6 lives at birth, after 100 steps, and what
    happened).
    """
    one = jax.jit(PROBLEM.init)(jax.random.key(0))
    thetas = jax.tree.map(lambda x: jnp.stack([x, x + 0.3, x + 0.6]), one)
    batch = search_loop.sample(LIFE.task, search_loop.stream(0, "tasks"), 2, "train")
    born = jax.jit(PROBLEM.begin)(thetas, batch)
    return thetas, batch, born, *ADVANCE(thetas, born, 100)


@pytest.mark.exact
def test_two_windows_are_one_bit_for_bit_across_the_frozen_phase(population):
    """The second window starts plastic and ends frozen."""
    thetas, _, born, whole, window = population
    middle, left = ADVANCE(thetas, born, 50)
    end, right = ADVANCE(thetas, middle, 50)
    chex.assert_trees_all_equal(jax.tree.map(_bits, end), jax.tree.map(_bits, whole))
    joined = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), left.trace, right.trace)
    chex.assert_trees_all_equal(joined, window.trace)


def test_every_step_of_every_life_draws_anew(population):
    _, batch, born, _, window = population
    clean = np.asarray(batch.tasks)[np.asarray(born.task)]
    noise = np.asarray(window.trace.recorded["sent"]["input_to_output"]) - clean
    assert noise.std() == pytest.approx(0.1, rel=0.1)
    assert len({tuple(row) for row in noise[:2].reshape(-1, 5).round(5)}) == 200


def test_weights_move_until_the_frozen_phase_and_not_after(population):
    trace = population[4].trace.recorded["weights"]
    for weights in trace.values():
        moves = np.abs(np.diff(np.asarray(weights), axis=1)).reshape(6, 99, -1).max(axis=2)
        assert (moves[:, :59] > 0).all() and (moves[:, 59:] == 0).all()


def test_every_member_lives_by_its_own_theta_on_the_tasks_of_all(population):
    thetas, batch, _, _, window = population
    final = np.asarray(window.trace.score.loss[:, 60:]).mean(axis=1).reshape(3, 2)
    assert len({*final[:, 0].tolist()}) == 3
    losses, metrics = search_loop.evaluate(PROBLEM, thetas, batch)
    np.testing.assert_allclose(metrics["life_loss"], final, rtol=1e-5)
    np.testing.assert_allclose(losses, final.mean(axis=1), rtol=1e-5)


def _bits(leaf):
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
