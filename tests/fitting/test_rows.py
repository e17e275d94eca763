"""A family of rules that contains the truth finds it; values that are held out change no bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast.feedback.none import None_
from metaplast.fitting.data import Data, data_of
from metaplast.fitting.engine import SearchResult
from metaplast.fitting.numbers import numbers
from metaplast.fitting.predict import activity, weights_explained
from metaplast.fitting.result import StartAgreement
from metaplast.fitting.rows import FittedRow, agreement, fit_row
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.recording import HeldOut
from metaplast.rules.polynomial import Polynomial
from metaplast.settings.fit import Fit
from outer_loops.lbfgs import Lbfgs

HELD = HeldOut(subjects=0.2, trials=0.17)  # one of five sessions, one of six steps
FAMILY = Taught(n_in=3, n_out=2, n_steps=6, n_sessions=5, input_sd=1.0, held=HELD)
RULE = Polynomial(terms=("post*pre", "post^2*weight", "pre", "weight"), rate=0.1, scale=0.1)
TRUTH = [1.0, -1.0, 0.0, 0.0]
OUTER = Lbfgs(steps=120)
SHORT = Fit(starts=2)
LONG = Fit(starts=1, few=3, strengths=(1e-4, 1e-1))
SEED = 0


def problem_of(family: Taught = FAMILY, rule: Polynomial | None = RULE) -> MetaProblem:
    slots = () if rule is None else (Slot(rule=rule),)
    lifetime = Lifetime(family, Feedforward(hidden=(), output=Sigmoid()), None_(), Given(), slots)
    return MetaProblem(lifetime, MeanLoss(), n_tasks=99, life_clip=0.0)


PROBLEM = problem_of()


@pytest.fixture(scope="module")
def data() -> Data:
    return data_of(FAMILY, PROBLEM.lifetime)


@pytest.fixture(scope="module")
def short(data) -> FittedRow:
    return fit_row(PROBLEM, OUTER, data, SHORT, SEED)


@pytest.fixture(scope="module")
def long(data) -> FittedRow:
    return fit_row(PROBLEM, OUTER, data, LONG, SEED)


def coefficients(row: Any) -> np.ndarray:
    return np.asarray(row.theta["rules"]["rule"]["coefficients"])


def wild(data: Data, keep: set[str]) -> Data:
    """The data with other values wherever the splits in `keep` do not look.

    Steps of their own sessions are among them.
    """
    rng = np.random.default_rng(1)
    sessions = {}
    for split, session in data.sessions.items():
        noise = rng.normal(scale=50.0, size=session.target.shape).astype(np.float32)
        kept = session.observed > 0
        if split not in keep:
            kept = np.zeros_like(session.observed, bool)
        sessions[split] = replace(session, target=np.where(kept, session.target, noise))
    return data._replace(sessions=sessions)


@pytest.mark.system  # a program of many seconds
def test_a_family_that_contains_the_truth_finds_it(short, data):
    np.testing.assert_allclose(coefficients(short), TRUTH, atol=0.05)
    heldout = data.sessions["heldout"]
    r2 = weights_explained(data.source, PROBLEM.lifetime, short.theta, heldout, SEED)
    assert r2["input_to_output"].weights > 0.98
    assert r2["input_to_output"].changes > 0.98
    judgements = short.judgements.values()
    assert all(judgement.r2 > 0.999 for judgement in judgements)
    assert [len(judgement.deviance) for judgement in judgements] == [4, 4, 1]
    assert (short.path, short.at) == ([], 0)
    assert np.all(short.mask["rules"]["rule"]["coefficients"] == 1.0)
    assert short.last is short.starts[0]
    assert [s.loss for s in short.starts] == sorted(s.loss for s in short.starts)
    assert short.residual_sd < 1e-3


def test_a_long_rule_is_reduced_to_the_terms_it_needs(long):
    np.testing.assert_array_equal(long.mask["rules"]["rule"]["coefficients"], [1.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(coefficients(long), TRUTH, atol=0.05)
    assert np.all(coefficients(long)[2:] == 0.0)
    assert [c.strength for c in long.path] == list(LONG.strengths)
    assert long.path[long.at].n_terms == 2
    assert all(c.n_terms <= 4 for c in long.path)


def test_what_training_does_not_see_changes_no_bit_of_a_short_rule(short, data):
    other = fit_row(PROBLEM, OUTER, wild(data, {"train"}), SHORT, SEED)
    np.testing.assert_array_equal(coefficients(other), coefficients(short))
    for a, b in zip(other.starts, short.starts, strict=True):
        np.testing.assert_array_equal(a.path, b.path)
        assert a.loss == b.loss
    assert other.residual_sd == short.residual_sd
    for split in ("validation", "heldout"):  # the control: there it shows
        worse = other.judgements[split].deviance.sum()
        assert worse > 100.0 > short.judgements[split].deviance.sum()


def test_held_out_values_change_no_bit_of_a_long_rule_and_validation_chooses_only(long, data):
    other = fit_row(PROBLEM, OUTER, wild(data, {"train", "validation"}), LONG, SEED)
    np.testing.assert_array_equal(coefficients(other), coefficients(long))
    assert other.path == long.path
    blind = fit_row(PROBLEM, OUTER, wild(data, {"train"}), LONG, SEED)
    assert [c.n_terms for c in blind.path] == [c.n_terms for c in long.path]
    assert blind.path != long.path
    np.testing.assert_array_equal(blind.starts[0].path, long.starts[0].path)


def test_the_same_arguments_give_the_same_bits(short, data):
    again = fit_row(PROBLEM, OUTER, data, SHORT, SEED)
    for a, b in zip(again.starts, short.starts, strict=True):
        np.testing.assert_array_equal(a.path, b.path)


@pytest.mark.parametrize("sd", [1.0, 0.25])
def test_the_spread_is_the_standard_deviation_of_the_residuals_whatever_the_unit_of_the_loss(sd):
    family = replace(FAMILY, noise=0.3, likelihood=Gaussian(sd=sd))
    problem = problem_of(family, None)
    data = data_of(family, problem.lifetime)
    row = fit_row(problem, OUTER, data, SHORT, SEED)
    assert (row.starts, row.last) == ([], None)  # nothing is learned, nothing fitted
    train = data.sessions["train"]
    off = (activity(problem.lifetime, row.theta, train, SEED) - train.target)[train.observed > 0]
    assert row.residual_sd == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-4)
    assert agreement(problem, row) == StartAgreement(n=0, same=0, spread=0.0)


def row_of(row: FittedRow, *ends: tuple[float, list[float]]) -> FittedRow:
    """A row whose starts ended with these (loss, coefficients)."""
    made = []
    for loss, values in ends:
        theta = {**row.theta, "rules": {"rule": {"coefficients": np.asarray(values, np.float32)}}}
        made.append(SearchResult(theta, np.zeros((1, 4)), 10, True, loss, 0))
    return row._replace(starts=made)


def test_agreement_compares_the_starts_that_are_as_good_as_the_best(short):
    ends = [
        (1.0, [2.0, 0.0, 0.5, 0.0]),
        (1.009, [1.0, 0.0, 0.5, 0.1]),
        (1.02, [9.0, 9.0, 9.0, 9.0]),
    ]
    agreed = agreement(PROBLEM, row_of(short, *ends, (float("nan"), [np.nan] * 4)))
    assert agreed == StartAgreement(4, 2, spread=pytest.approx(0.5))
    assert agreement(PROBLEM, row_of(short, ends[0])) == StartAgreement(n=1, same=1, spread=0.0)
    broken = agreement(PROBLEM, row_of(short, (float("nan"), [np.nan] * 4)))
    assert broken == StartAgreement(n=1, same=0, spread=0.0)
    still = agreement(PROBLEM, row_of(short, (1.0, [0.0] * 4), (1.0, [0.0] * 4)))
    assert still == StartAgreement(n=2, same=2, spread=0.0)


def test_agreement_is_in_what_acts_on_weights(short):
    agreed = agreement(PROBLEM, short)
    ends = np.asarray([list(numbers(PROBLEM.lifetime, s.theta).values()) for s in short.starts])
    if agreed.same == 2:
        assert agreed.spread == pytest.approx(np.ptp(ends, axis=0).max() / np.abs(ends).max())
    assert agreed.n == 2
