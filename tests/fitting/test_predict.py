"""Predictions of a theta for sessions, against a network and a rule written in NumPy."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.spike_pairing import SpikePairing
from inner_tasks.taught import Taught
from metaplast.feedback.none import None_
from metaplast.fitting.data import Source, arrays, data_of
from metaplast.fitting.predict import activity, drawn, final_weights, weights_explained
from metaplast.fitting.spread import signals_met
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.sigmoid import Sigmoid
from metaplast.rules.polynomial import Polynomial
from metaplast.testing.base import quick_jit

N = 5  # sessions
T = 6  # steps
EDGE = "input_to_output"
FAMILY = Taught(n_in=3, n_out=2, n_steps=T, n_sessions=N, input_sd=1.0)
RULE = Polynomial(terms=("post*pre", "post^2*weight", "pre"), rate=0.5)
NETWORK = Feedforward(hidden=(), output=Sigmoid())
LIFETIME = Lifetime(FAMILY, NETWORK, None_(), Given(), (Slot(rule=RULE),))
COEFFICIENTS = np.asarray([0.8, -0.3, 0.4])
MANY = 400


def theta_of(*coefficients: float) -> Any:
    rule = {"coefficients": jnp.asarray(coefficients or COEFFICIENTS, float)}
    return {**LIFETIME.init(jax.random.key(0)), "rules": {"rule": rule}}


@pytest.fixture(scope="module")
def sessions():
    """Plasticity is off in a third of the steps; a fifth of the values is missing."""
    rng = np.random.default_rng(0)
    whole: Any = FAMILY.recorded().sessions
    gate = (rng.random((N, T)) > 0.3).astype(np.float32)
    observed = (rng.random((N, T, 2)) > 0.2).astype(np.float32)
    return whole.replace(gate=gate, observed=observed, target=whole.target * observed)


def by_hand(sessions, coefficients, rate=0.5) -> tuple[np.ndarray, np.ndarray]:
    """(activity [n, T, n_out], weights [n, T, n_out, n_in] after every step), double precision."""
    a, b, c = coefficients
    seen = np.zeros((N, T, 2))
    weights = np.zeros((N, T, 2, 3))
    for s in range(N):
        w = np.asarray(sessions.weights[EDGE][s], np.float64)
        for t in range(T):
            x = np.asarray(sessions.stimulus[s, t], np.float64)
            y = 1 / (1 + np.exp(-w @ x))
            change = a * np.outer(y, x) + b * (y**2)[:, None] * w + c * x[None, :]
            w = w + sessions.gate[s, t] * rate * change
            seen[s, t] = y
            weights[s, t] = w
    return seen, weights


def test_activity_and_last_weights_are_those_of_a_numpy_network(sessions):
    seen, weights = by_hand(sessions, COEFFICIENTS)
    np.testing.assert_allclose(activity(LIFETIME, theta_of(), sessions, 0), seen, atol=1e-5)
    final = final_weights(LIFETIME, theta_of(), sessions, 0)[EDGE]
    np.testing.assert_allclose(final, weights[:, -1], atol=1e-5)
    still = by_hand(sessions, (0, 0, 0))[0]
    assert np.abs(seen - still).max() > 0.05  # the control: the rule matters
    ungated = sessions.replace(gate=np.ones_like(sessions.gate))
    assert np.abs(seen - by_hand(ungated, COEFFICIENTS)[0]).max() > 0.05


def many(lifetime, sessions, spread) -> dict[str, Any]:
    """MANY draws of everything, stacked."""
    draw = lambda key: drawn(lifetime, theta_of(), arrays(sessions), key, jnp.asarray(spread))
    keys = jax.random.split(jax.random.key(5), MANY)
    return jax.tree.map(np.asarray, quick_jit(jax.vmap(draw))(keys))


def surprise(sample, expected) -> float:
    """The largest distance between the mean of samples and its expectation, in standard errors."""
    error = sample.std(axis=0, ddof=1) / np.sqrt(len(sample))
    return float(np.max(np.abs(sample.mean(axis=0) - expected) / error))


def test_drawn_values_have_the_mean_and_spread_of_the_likelihood(sessions):
    measured = np.array(sessions.weights[EDGE])
    measured[0, 0] = np.nan
    draws = many(LIFETIME, sessions.replace(final={EDGE: measured}), 0.3)
    # the mask, the design and the first weights are not touched
    assert set(draws) == {"target", "final"}
    seen, weights = by_hand(sessions, COEFFICIENTS)
    assert surprise(draws["target"], seen) < 4.5
    np.testing.assert_allclose(draws["target"].std(axis=0), 0.3, rtol=0.2)
    assert draws["target"].std() > 0
    last = draws["final"][EDGE]
    np.testing.assert_array_equal(np.isnan(last), np.broadcast_to(np.isnan(measured), last.shape))
    known = np.isfinite(measured)
    assert surprise(last[:, known], weights[:, -1][known]) < 4.5
    np.testing.assert_allclose(last[:, known].std(axis=0), 0.3, rtol=0.2)
    correlation = np.corrcoef(draws["target"].reshape(MANY, -1).T)
    # every value has noise of its own
    assert np.abs(correlation - np.eye(len(correlation))).max() < 0.3


def test_drawn_choices_have_the_frequency_of_the_likelihood(sessions):
    lifetime = replace(LIFETIME, task=replace(FAMILY, likelihood=Bernoulli()))
    draws = many(lifetime, sessions, 0.3)["target"]
    assert set(np.unique(draws)) == {0.0, 1.0}
    p = 1 / (1 + np.exp(-by_hand(sessions, COEFFICIENTS)[0]))  # the activity is the log odds
    error = np.sqrt(p * (1 - p) / MANY)
    assert np.max(np.abs(draws.mean(axis=0) - p) / error) < 4.5


def test_a_clamped_recording_keeps_its_values_and_draws_weights_where_they_were_measured():
    family = SpikePairing(n_in=3, n_out=2, n_steps=T, n_sessions=5)
    truth: Any = family.truth()
    slots = []
    for index, (edges, rule) in enumerate(truth.rules.items()):
        slots.append(Slot(f"slot_{index}", edges, rule))
    lifetime = Lifetime(family, truth.network, None_(), Given(), tuple(slots))
    whole: Any = family.whole("train")
    edge = "input_to_recorded"
    measured = np.array(whole.final[edge])
    measured[0] = np.nan
    draws = drawn(
        lifetime,
        lifetime.init(jax.random.key(0)),
        arrays(whole.replace(final={edge: measured})),
        jax.random.key(1),
        jnp.asarray(1e-3),
    )
    np.testing.assert_array_equal(draws["target"], whole.target)
    np.testing.assert_array_equal(np.isnan(draws["final"][edge]), np.isnan(measured))
    # the weights of the truth, and noise
    np.testing.assert_allclose(draws["final"][edge][1:], measured[1:], atol=1e-2)


def r2(truth, other) -> float:
    return float(1 - np.sum((truth - other) ** 2) / np.sum((truth - truth.mean()) ** 2))


def test_the_range_of_signals_is_that_of_rows_with_open_plasticity(sessions):
    """The largest input of a closed row is not met by the rule."""
    stimulus = np.array(sessions.stimulus)
    closed = np.argwhere(sessions.gate == 0)[0]
    stimulus[tuple(closed)] = 50.0
    changed = sessions.replace(stimulus=stimulus)
    met = signals_met(LIFETIME, theta_of(), changed, 0)
    is_on = sessions.gate > 0
    assert met["pre"] == (stimulus[is_on].min(), stimulus[is_on].max())
    seen = activity(LIFETIME, theta_of(), changed, 0)[is_on]
    assert met["post"] == (seen.min(), seen.max())
    assert set(met) == {"pre", "post"}


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(LIFETIME, theta_of())


def test_the_truth_explains_all_of_its_weights(source, sessions):
    scores = weights_explained(source, LIFETIME, theta_of(), sessions, 0)
    assert set(scores) == {EDGE}
    assert scores[EDGE] == pytest.approx((1.0, 1.0), abs=1e-6)


def test_another_rule_explains_what_numpy_says_it_does(source, sessions):
    other = (0.6, 0.2, 0.5)
    sessions = sessions.replace(observed=np.ones_like(sessions.observed))
    true = by_hand(sessions, COEFFICIENTS)[1]
    fitted = by_hand(sessions, other)[1]
    first = np.asarray(sessions.weights[EDGE], np.float64)[:, None]
    expected = (r2(true, fitted), r2(true - first, fitted - first))
    scores = weights_explained(source, LIFETIME, theta_of(*other), sessions, 0)[EDGE]
    assert scores == pytest.approx(expected, abs=1e-4)
    assert expected[1] < 0.98
    still = weights_explained(source, LIFETIME, theta_of(0.0, 0.0, 0.0), sessions, 0)[EDGE]
    assert still[1] < 0 < 1 - still[0]  # no change at all is worse than the mean change


def test_padded_steps_are_no_evidence_but_unobserved_ones_between_are(source, sessions):
    other = (0.6, 0.2, 0.5)
    observed = np.ones_like(sessions.observed)
    observed[:, 4:] = 0.0
    observed[:, 2] = 0.0
    stimulus = np.array(sessions.stimulus)
    stimulus[:, 4:] = 9.0
    sessions = sessions.replace(observed=observed, stimulus=stimulus)
    true = by_hand(sessions, COEFFICIENTS)[1][:, :4]
    fitted = by_hand(sessions, other)[1][:, :4]
    first = np.asarray(sessions.weights[EDGE], np.float64)[:, None]
    scores = weights_explained(source, LIFETIME, theta_of(*other), sessions, 0)[EDGE]
    assert scores == pytest.approx((r2(true, fitted), r2(true - first, fitted - first)), abs=1e-4)


def test_networks_without_a_common_edge_have_nothing_to_compare(source, sessions):
    deep = replace(LIFETIME, network=Feedforward(hidden=(2,), output=Sigmoid()))
    still = replace(LIFETIME, slots=())
    for other in (deep, still):
        assert weights_explained(source, other, theta_of(), sessions, 0) == {}


def test_the_source_of_taught_sessions_repeats_them():
    data = data_of(FAMILY, LIFETIME)
    assert data.source is not None
    for split, whole in data.sessions.items():
        seen = activity(data.source.lifetime, data.source.theta, whole, 0)
        np.testing.assert_allclose(seen, whole.target, atol=1e-5, err_msg=split)
