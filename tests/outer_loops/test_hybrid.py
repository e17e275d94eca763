"""Two loops, one after the other, each as it would be alone."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.registry import BadInput
from metaplast.spec import decode
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from outer_loops.hybrid import Hybrid
from tests.outer_loops._written import Written, init, run

START = {"w": jnp.asarray([1.0, -1.0])}
BOWL = Written(lambda w, batch: jnp.sum(w**2) + batch)
FIRST = Es(steps=4, population=8)
THEN = Bptt(steps=3, learning_rate=0.1)
HYBRID = Hybrid(first=FIRST, then=THEN)
BATCHES = [0.0, 0.0, jnp.nan, 0.0, 0.0, jnp.nan, 0.0]  # a step of each loop has no number


def test_each_stage_is_its_loop_alone():
    assert HYBRID.n_steps == len(BATCHES)
    first, history_first = run(FIRST, BOWL, init(FIRST, BOWL, START), BATCHES[:4])
    then, history_then = run(THEN, BOWL, init(THEN, BOWL, FIRST.theta(first)), BATCHES[4:], 4)
    half, history = run(HYBRID, BOWL, init(HYBRID, BOWL, START), BATCHES[:4])
    np.testing.assert_allclose(HYBRID.theta(half)["w"], FIRST.theta(first)["w"], rtol=1e-6)
    whole, later_history = run(HYBRID, BOWL, half, BATCHES[4:], 4)
    np.testing.assert_allclose(HYBRID.theta(whole)["w"], THEN.theta(then)["w"], rtol=1e-6)
    history += later_history
    assert [int(m["stage"]) for m in history] == [0, 0, 0, 0, 1, 1, 1]
    assert [int(m["skipped"]) for m in history] == [0, 0, 1, 1, 1, 2, 2]
    for metrics, alone in zip(history, history_first + history_then, strict=True):
        for name in set(alone) - {"skipped"}:
            np.testing.assert_allclose(metrics[name], alone[name], rtol=1e-5, err_msg=name)
    assert np.isnan(history[0]["grad_norm"])
    assert np.isnan(history[-1]["best_loss"])
    chex.assert_trees_all_equal_shapes_and_dtypes(whole, half)


def test_hyper_parameters_of_both_act_under_their_prefixes():
    assert set(HYBRID.hyper()) == {"first_std", "first_learning_rate", "then_learning_rate"}
    state = HYBRID.init(
        BOWL, START, jax.random.key(0), {**HYBRID.hyper(), "then_learning_rate": jnp.asarray(0.7)}
    )
    assert float(state.hyper["learning_rate"]) == pytest.approx(0.7)


def test_a_new_shape_of_one_loop_is_handed_on():
    outer = Hybrid(first=Es(steps=4, population=8, restarts=1, patience=1), then=THEN)
    state = init(outer, BOWL, START)
    assert len(outer.forms(state)) == 2
    state, _ = run(outer, BOWL, state, [1e3])
    state, _ = run(outer, BOWL, state, [2e3], 1)  # a generation without a lower loss
    grown = outer.regrown(state, jax.random.key(0))
    assert len(grown.first.fitness) == 16
    assert jax.tree.structure(grown) == jax.tree.structure(state)


def test_it_is_read_from_a_config_and_refuses_a_problem_that_one_of_its_loops_refuses():
    outer = decode("outer", {"name": "hybrid", "first": {"name": "es", "steps": 7}, "then": "bptt"})
    assert outer.first.steps == 7
    assert outer.n_steps == 7 + Bptt().steps
    blind = Written(lambda w, batch: jnp.sum(w), differentiable=False)
    with pytest.raises(BadInput, match="outer bptt - expected a differentiable task"):
        HYBRID.init(blind, START, jax.random.key(0), HYBRID.hyper())
