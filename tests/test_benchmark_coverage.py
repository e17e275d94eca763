"""The designs of the coverage benchmark: their NumPy lives, and their open numbers."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.coverage import Coverage, fields_of, problem_of, true_theta
from benchmarks.coverage_designs import DESIGNS, data_set
from metaplast.fitting.sensitivity import sensitivity
from metaplast.problem.penalised import everything


@pytest.mark.parametrize("name", ["five_terms"])
def test_the_log_odds_of_a_plain_life_are_those_of_the_fitted_network(name: str):
    design = DESIGNS[name]
    problem = problem_of(name)
    data = data_set(design, 3)
    theta = true_theta(design, {"feedback": {}, "neurons": {}, "rules": {}, "genome": {}})
    task = problem.lifetime.task
    assert isinstance(task, Coverage)
    sessions = replace(task.whole("train"), **fields_of(data))
    odds = sensitivity(problem.lifetime, theta, everything(theta), sessions, 0).odds
    assert len(odds) == design.n_subjects * design.n_steps
    # choices were drawn at these odds: made ones are likelier, by as much as they say
    p = 1 / (1 + np.exp(-np.abs(odds)))
    right = np.mean(odds > 0)
    error = np.sqrt(np.mean(p * (1 - p)) / len(odds))
    assert abs(right - p.mean()) < 4 * error
    assert right > 0.6


def test_designs_are_ten_of_at_most_five_terms_with_seeds_of_their_own():
    assert len(DESIGNS) == len({d.seed for d in DESIGNS.values()}) == 10
    assert all(
        len(d.terms) == len(d.truth) <= 5 and set(d.open) <= set(d.terms) for d in DESIGNS.values()
    )
    one, again, other = (data_set(DESIGNS["missing"], i)["target"] for i in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)
