"""Starts of a fit: as the problem draws them, and none twice."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.fitting.flat import flattened
from metaplast.fitting.scatter import SCATTER, ZEROS, scattered, starts
from tests.fitting.test_rows import PROBLEM, RULE, problem_of

STILL = replace(RULE, scale=0.0)
CONSTANTS = replace(RULE, scale=0.0, learn="rate")


def test_starts_that_differ_are_those_of_the_problem():
    for index, theta in enumerate(starts(PROBLEM, 3, seed=7)):
        drawn = PROBLEM.init(search_loop.stream(7, "theta", jnp.asarray(index)))
        jax.tree.map(np.testing.assert_array_equal, theta, drawn)


@pytest.mark.parametrize("rule", [STILL, CONSTANTS], ids=["scale 0", "constants alone"])
def test_starts_that_would_be_one_point_are_scattered(rule):
    problem = problem_of(rule=rule)
    drawn = flattened(problem.init(search_loop.stream(7, "theta", jnp.asarray(0))))
    drawn_starts = [flattened(theta) for theta in starts(problem, 4, seed=7)]
    np.testing.assert_array_equal(drawn_starts[0], drawn)
    for later in range(1, 4):
        for earlier in range(later):
            assert (drawn_starts[later] != drawn_starts[earlier]).all()
    again = [flattened(theta) for theta in starts(problem, 4, seed=7)]
    np.testing.assert_array_equal(again, drawn_starts)


def test_scatter_is_a_share_of_the_largest_coefficient_and_of_the_unit_elsewhere():
    theta = {
        "rules": {"a": {"coefficients": np.r_[4.0, np.zeros(4999)], "log_rate": np.ones(5000)}}
    }
    theta["rules"]["b"] = {"coefficients": np.zeros(5000)}
    moved = scattered(theta, np.random.default_rng(0))["rules"]
    sizes = {"a": 4.0, "b": ZEROS}
    for name, size in sizes.items():
        change = moved[name]["coefficients"] - theta["rules"][name]["coefficients"]
        assert change.std() == pytest.approx(SCATTER * size, rel=0.05)
    assert (moved["a"]["log_rate"] - 1.0).std() == pytest.approx(SCATTER, rel=0.05)
