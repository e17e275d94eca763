"""Random search keeps the better on the same lives, and nothing without a number."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.registry import BadInput
from outer_loops.random_search import RandomSearch
from tests.outer_loops._written import Written, init, run

START = {"w": jnp.asarray([1.0, -1.0])}
BOWL = Written(lambda w, batch: jnp.sum(w**2) + batch)


def test_the_luck_of_an_earlier_batch_does_not_hold_the_best_up():
    """Every loss of the first batch is lower by 100.

    A search that remembered that number would never move again.
    """
    outer = RandomSearch(candidates=7, std=0.5, around="best")
    state, history = run(outer, BOWL, init(outer, BOWL, START), [-100.0] + [0.0] * 30)
    assert jnp.sum(state.theta["w"] ** 2) < 0.1
    losses = [m["loss"] for m in history[1:]]
    assert (np.diff(losses) <= 0).all()
    for now, after in itertools.pairwise(history[1:]):
        assert after["loss"] == pytest.approx(now["best_loss"])
        assert (after["loss"] < now["loss"]) == (now["accepted"] == 1)


def test_candidates_are_drawn_around_the_start_with_a_width_that_anneals():
    # The further the better, but each draw is about the start.
    far = Written(lambda w, batch: -w[0])
    widths = {}
    for around in ("start", "best"):
        outer = RandomSearch(steps=50, candidates=7, std=0.1, anneal=0.01, around=around)
        state, history = run(outer, far, init(outer, far, START), [0.0] * 50)
        widths[around] = float(state.theta["w"][0] - START["w"][0])
        np.testing.assert_allclose(
            [m["std"] for m in history], 0.1 * 0.01 ** (np.arange(50) / 50), rtol=1e-4
        )
    assert 0.1 < widths["start"] < 0.5
    assert widths["best"] > 2 * widths["start"]


def test_members_without_a_number_are_never_kept_and_all_of_them_change_nothing():
    cliff = Written(lambda w, batch: jnp.where(w[0] > batch, jnp.nan, -w[0]))
    outer = RandomSearch(candidates=7, std=0.5, around="best")
    state, history = run(outer, cliff, init(outer, cliff, START), [2.0] * 30)
    assert 1.8 < state.theta["w"][0] <= 2.0
    assert sum(m["diverged"] for m in history) > 0
    assert all(np.isfinite(m["loss"]) for m in history)
    after, history = run(outer, cliff, state, [-99.0] * 2, 30)
    np.testing.assert_array_equal(after.theta["w"], state.theta["w"])
    assert int(after.skipped) == 2
    assert int(history[-1]["diverged"]) == 8
    assert np.isnan(history[-1]["loss"])


def test_a_theta_with_nothing_to_learn_is_refused():
    with pytest.raises(BadInput, match="outer random_search: theta - expected a number to learn"):
        RandomSearch().init(BOWL, {}, jnp.zeros(2), RandomSearch().hyper())
