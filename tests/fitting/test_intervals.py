"""Intervals against least squares, logistic regression and Student's t in plain NumPy.

Open numbers are checked by algebra.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.taught import Taught
from metaplast.feedback.none import None_
from metaplast.fitting import intervals as module
from metaplast.fitting.between import between
from metaplast.fitting.data import Data, data_of
from metaplast.fitting.geometry import Groups, Space
from metaplast.fitting.intervals import NumberIntervals, intervals
from metaplast.fitting.numbers import FittedRule
from metaplast.fitting.sensitivity import Sensitivity
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.problem.penalised import everything
from metaplast.recording import HeldOut
from metaplast.results.statistics import student, t_quantile
from metaplast.rules.polynomial import Polynomial

RATE = 0.2
FAMILY = Taught(
    n_in=2,
    n_out=1,
    n_steps=12,
    n_sessions=6,
    input_sd=1.0,
    neuron=Linear(),
    held=HeldOut(subjects=0.0, trials=0.0),
)
RNG = np.random.default_rng(0)


def lifetime_of(family: Taught, *terms: str, **settings: Any) -> Lifetime:
    rule = Polynomial(terms=terms, rate=RATE, **settings)
    network = Feedforward(hidden=(), output=Linear())
    return Lifetime(family, network, None_(), Given(), (Slot(rule=rule),))


def theta_of(lifetime: Lifetime, *coefficients: float) -> Any:
    theta = lifetime.init(jax.random.key(0))
    rule = {**theta["rules"]["rule"], "coefficients": jnp.asarray(coefficients, float)}
    return {**theta, "rules": {"rule": rule}}


def with_values(data: Data, **fields: Any) -> Data:
    train: Any = data.sessions["train"]
    return data._replace(sessions={**data.sessions, "train": train.replace(**fields)})


def design(data: Data, power: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(W x_t, rate sum_{s<t} x_s^power . x_t): with delta_w = rate c x^power, y = W x_t + c z_t."""
    train = data.sessions["train"]
    x = np.asarray(train.stimulus, np.float64)
    earlier = np.tri(x.shape[1], k=-1)
    weights = np.asarray(train.weights["input_to_output"], np.float64)[:, 0]
    first = np.einsum("ni,nti->nt", weights, x)
    return first, RATE * np.einsum("nsi,nti,ts->nt", x**power, x, earlier)


def known_of(lifetime: Lifetime, data: Data, *coefficients: float) -> NumberIntervals:
    theta = theta_of(lifetime, *coefficients)
    known = intervals(lifetime, data, FittedRule(theta, everything(theta)), 0)
    assert known is not None
    return known


@pytest.fixture(scope="module")
def data() -> Data:
    taught = data_of(FAMILY, lifetime_of(FAMILY, "pre"))
    first, z = design(taught)
    coefficient = 0.7 + 0.3 * RNG.normal(size=(6, 1))  # animals that differ
    y = first + coefficient * z + 0.4 * RNG.normal(size=z.shape)
    return with_values(taught, target=y[:, :, None].astype(np.float32))


def test_an_interval_is_the_wider_of_the_jackknife_over_subjects_and_of_least_squares(data: Data):
    first, z = design(data)
    y = np.asarray(data.sessions["train"].target, np.float64)[:, :, 0] - first
    fitted = np.sum(z * y) / np.sum(z * z)
    without = [np.sum(np.delete(z * y, s, 0)) / np.sum(np.delete(z * z, s, 0)) for s in range(6)]
    away = np.asarray(without) - np.mean(without)
    jackknife = t_quantile(5) * np.sqrt(5 / 6 * np.sum(away**2))
    variance = np.sum((y - fitted * z) ** 2) / (y.size - 1)
    plain = t_quantile(y.size - 1) * np.sqrt(variance / np.sum(z * z))
    known = known_of(lifetime_of(FAMILY, "pre"), data, fitted)
    low, high = known.interval["pre"]
    assert jackknife > 1.5 * plain
    each = np.sum(z * y, axis=1) / np.sum(z * z, axis=1)  # every animal fitted alone
    mean, half = between(each, variance / np.sum(z * z, axis=1))
    assert low == pytest.approx(RATE * min(fitted - jackknife, mean - half), rel=1e-3)
    assert high == pytest.approx(RATE * max(fitted + jackknife, mean + half), rel=1e-3)
    assert (known.over, known.n, known.open, known.separated) == ("subjects", 6, [], [])
    alone = data._replace(subject={**data.subject, "train": np.zeros(6, int)})
    short = with_values(alone, **jax.tree.map(lambda v: v[:4], _fields(data)))
    short = short._replace(subject={**data.subject, "train": np.zeros(4, int)})
    assert known_of(lifetime_of(FAMILY, "pre"), alone, fitted).over == "sessions"
    one = known_of(lifetime_of(FAMILY, "pre"), short, fitted)
    rest = (y - fitted * z)[:4]
    width = t_quantile(47) * np.sqrt(np.sum(rest**2) / 47 / np.sum(z[:4] ** 2))
    assert (one.over, one.n) == ("values", 48)
    low, high = one.interval["pre"]
    assert (high - low) / 2 == pytest.approx(RATE * width, rel=1e-4)


def _fields(data: Data) -> dict[str, Any]:
    train: Any = data.sessions["train"]
    names = ("stimulus", "target", "observed", "gate", "reset", "subject", "share", "weights")
    return {name: getattr(train, name) for name in names}


def test_the_scores_and_information_of_choices_are_those_of_logistic_regression(data: Data):
    family = replace(FAMILY, likelihood=Bernoulli())
    first, z = design(data)
    chosen = (RNG.random(z.shape) < 1 / (1 + np.exp(-first - 0.5 * z))).astype(np.float32)
    choices = with_values(data, target=chosen[:, :, None])
    c = 0.0
    for _ in range(30):  # Newton
        p = 1 / (1 + np.exp(-first - c * z))
        c -= np.sum((p - chosen) * z) / np.sum(p * (1 - p) * z * z)
    p = 1 / (1 + np.exp(-first - c * z))
    fisher = (p * (1 - p) * z * z).sum(axis=1)
    score = ((p - chosen) * z).sum(axis=1)
    moves = score / (fisher.sum() - fisher)
    jackknife = t_quantile(5) * np.sqrt(5 / 6 * np.sum((moves - moves.mean()) ** 2))
    half = max(jackknife, t_quantile(71) / fisher.sum() ** 0.5)
    mean, wide = between(-score / fisher, 1 / fisher)
    low, high = known_of(lifetime_of(family, "pre"), choices, c).interval["pre"]
    assert low == pytest.approx(RATE * (c + np.fmin(-half, mean - wide)), rel=1e-3)
    assert high == pytest.approx(RATE * (c + np.fmax(half, mean + wide)), rel=1e-3)


def test_terms_that_are_the_same_number_are_open_and_their_sum_is_settled(data: Data):
    """x in {0, 1}: x^2 = x, so that (a, b) and (a + k, b - k) predict alike."""
    x = RNG.integers(2, size=(6, 12, 2)).astype(np.float32)
    binary = with_values(data, stimulus=x)
    lifetime = lifetime_of(FAMILY, "pre", "pre^2")
    known = known_of(lifetime, binary, 0.5, 0.2)
    assert np.isnan(list(known.interval.values())).all()
    (flat,) = known.open
    assert abs(flat["pre"]) == pytest.approx(np.sqrt(0.5))
    assert flat["pre^2"] == pytest.approx(-flat["pre"])
    (settled,) = known.settled
    assert settled.weights == pytest.approx({"pre": 1.0, "pre^2": 1.0})
    alone = known_of(lifetime_of(FAMILY, "pre"), binary, 0.7)
    assert settled.value == pytest.approx(RATE * 0.7)
    low, high = alone.interval["pre"]
    # the variance of the noise is divided by one more in the other fit
    assert settled.high - settled.low == pytest.approx(high - low, rel=0.02)
    assert known.moves is None and known.condition == np.inf


def test_a_term_that_was_left_out_is_named_where_it_could_stand_for_one_that_was_kept(data: Data):
    x = RNG.integers(2, size=(6, 12, 2)).astype(np.float32)
    lifetime = lifetime_of(FAMILY, "pre", "pre^2", "weight")
    theta = theta_of(lifetime, 0.7, 0.0, 0.0)
    mask = {**everything(theta), "rules": {"rule": {"coefficients": np.array([1.0, 0.0, 0.0])}}}
    known = intervals(lifetime, with_values(data, stimulus=x), FittedRule(theta, mask), 0)
    assert known is not None
    assert known.names == ["pre"] and known.open == [] and np.isfinite(known.interval["pre"]).all()
    (swap,) = known.swaps
    assert set(swap) == {"pre", "pre^2"}
    told_apart = intervals(lifetime, data, FittedRule(theta, mask), 0)
    assert told_apart is not None and told_apart.swaps == []


def test_a_term_that_was_never_seen_is_open_and_others_keep_their_interval(data: Data):
    """Where w = 0 in every row of every session, nothing tells the effect of a weight on itself."""
    weights = {"input_to_output": np.zeros((6, 1, 2), np.float32)}
    known = known_of(
        lifetime_of(FAMILY, "pre", "weight"), with_values(data, weights=weights), 0.0, 0.3
    )
    assert known.open == [{"weight": 1.0}]
    assert np.isnan(known.interval["weight"]).all() and np.isfinite(known.interval["pre"]).all()


def test_a_number_that_one_subject_alone_settles_is_told(data: Data):
    """The gate opens for one subject, so that nothing is known of the others."""
    lifetime = lifetime_of(FAMILY, "pre", "pre^2")
    gate = np.array(data.sessions["train"].gate)
    assert known_of(lifetime, data, 0.5, 0.2).alone == ()
    gate[1:] = 0.0
    known = known_of(lifetime, with_values(data, gate=gate), 0.5, 0.2)
    assert (known.alone, known.over, known.n) == (("pre", "pre^2"), "subjects", 6)
    assert (
        known_of(lifetime, with_values(data, gate=0.0 * gate), 0.5, 0.2).alone == ()
    )  # nobody's data


def test_only_the_product_of_a_learnt_rate_and_a_coefficient_is_a_number(data: Data):
    """Rate and coefficient are flat against each other.

    Their product is as well known as with a fixed rate.
    """
    fixed = known_of(lifetime_of(FAMILY, "pre"), data, 0.7)
    both = known_of(lifetime_of(FAMILY, "pre", learn="both"), data, 0.7)
    assert both.open == []
    assert both.interval["pre"] == pytest.approx(fixed.interval["pre"], rel=0.02)


def test_choices_that_are_all_alike_settle_nothing(data: Data):
    family = replace(FAMILY, likelihood=Bernoulli())
    first, z = design(data)
    all_right = with_values(data, target=(first + 0.7 * z > 0)[:, :, None].astype(np.float32))
    weights = {"input_to_output": np.zeros((6, 1, 2), np.float32)}
    ones = np.ones((6, 12, 1), np.float32)
    alike = with_values(
        data,
        target=ones,
        stimulus=np.abs(np.asarray(data.sessions["train"].stimulus)),
        weights=weights,
    )
    known = known_of(lifetime_of(family, "pre"), alike, 2.0)
    assert known.separated == ["pre"] and np.isnan(known.interval["pre"]).all()
    mixed = with_values(alike, target=RNG.integers(2, size=ones.shape).astype(np.float32))
    assert known_of(lifetime_of(family, "pre"), mixed, 0.0).separated == []
    bounded = known_of(lifetime_of(family, "pre"), all_right, 0.7)
    assert bounded.separated == []  # first weights that are given bound it


def test_a_number_that_nothing_depends_on_is_open_and_not_separated(data: Data):
    """Where w = 0 in every row, `weight` changes nothing.

    That holds whatever else predicts the choices without fault.
    """
    lifetime = lifetime_of(replace(FAMILY, likelihood=Bernoulli()), "pre", "weight")
    sessions = data.sessions["train"]
    fields = {
        "target": np.ones_like(sessions.target),
        "weights": {"input_to_output": np.zeros((6, 1, 2), np.float32)},
    }
    stimulus = np.abs(np.asarray(sessions.stimulus)) + 0.1
    known = known_of(lifetime, with_values(data, **fields, stimulus=stimulus), 0.0, 0.3)
    assert (known.separated, known.open) == (["pre"], [{"weight": 1.0}])
    assert np.isnan(known.interval["weight"]).all() and np.isnan(known.interval["pre"]).all()


def test_animals_that_differ_widen_the_interval_as_student_s_t_of_their_means_does():
    """A mean: F_s = n, g_s = -n (mean_s - mean)."""
    means = np.array([0.3, 1.1, 0.7, 0.2, 0.9])
    n = 40.0
    moved = Sensitivity(
        free=np.zeros(1, int),
        score=-n * (means - means.mean())[:, None],
        fisher=np.full((5, 1, 1), n),
        noise=np.full((1, 1), 5 * n),
        gram=np.ones((1, 1)),
        choices=np.zeros((0, 1)),
        odds=np.zeros(0),
        others=np.zeros((1, 1)),
        n_values=200.0,
    )
    space = Space(moved, Groups(np.arange(5), "subjects"))
    expected = student(means)
    half = space.half(np.ones((1, 1)) / space.unit)[0]
    assert half == pytest.approx((expected.high - expected.low) / 2)


def test_too_many_numbers_are_refused_in_words(data: Data, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST", 0)
    known = known_of(lifetime_of(FAMILY, "pre"), data, 0.7)
    assert known.interval == {} and "more than 0" in known.why
    still = replace(lifetime_of(FAMILY, "pre"), slots=())
    theta = still.init(jax.random.key(0))
    assert intervals(still, data, FittedRule(theta, theta), 0) is None
