"""The fixed points of rules: a linear neuron y = w x under the rule, until nothing moves."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view
from metaplast.registry import BadInput
from metaplast.rules.bcm import Bcm
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.consolidating import Consolidating
from metaplast.rules.wrappers.heterosynaptic import Heterosynaptic
from metaplast.rules.wrappers.metaplastic import Metaplastic
from metaplast.rules.wrappers.normalise import Normalise
from metaplast.rules.wrappers.scale import Scale
from metaplast.rules.wrappers.scaling import Scaling
from metaplast.rules.wrappers.sliding import Sliding
from metaplast.rules.wrappers.sum import Sum
from metaplast.testing.worlds import with_aggregates
from tests.rules._drive import drive

EDGE = Dense(2, 3)
DT = 1e-3
X = np.asarray([0.5, 1.0, 0.25])
START = np.asarray([[0.3, 0.2, 0.4], [0.1, 0.6, 0.2]])
HEBB = Polynomial(terms=("post*pre",), initial=(1.0,), rate=0.05, learn="none")
STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")


@partial(jax.jit, static_argnums=(0, 3))
def _run(rule: Any, inputs: Any, start: Any, clamped: bool) -> Any:
    blank = replace(blank_view(EDGE, ()), weight_initial=start)
    theta = rule.init(jax.random.key(0), EDGE)

    def step(carry: Any, x: Any) -> Any:
        state, w = carry
        y = jnp.ones(2) if clamped else w @ x
        view = blank.replace(
            pre=blank.pre.replace(activity=x), post=blank.post.replace(activity=y), weight=w
        )
        state, delta = rule.step(theta, state, EDGE, with_aggregates(EDGE, view, w), DT)
        return (state, w + delta), None

    return jax.lax.scan(step, (rule.init_state(theta, EDGE), start), inputs)[0]


def _rest(
    rule: Any, inputs: Any, start: Any = START, clamped: bool = False
) -> tuple[np.ndarray, Any]:
    """(weights, state) after the inputs [n_steps, 3]; clamped: y is held at 1."""
    with jax.enable_x64(True):
        state, w = _run(rule, jnp.asarray(inputs), jnp.asarray(start), clamped)
        return np.asarray(w), jax.tree.map(np.asarray, state)


def _constant(n: int) -> np.ndarray:
    return np.tile(X, (n, 1))


def test_bcm_comes_to_rest_where_activity_and_threshold_are_one():
    w, state = _rest(Bcm(rate=10.0, tau=5e-3), _constant(4000))
    np.testing.assert_allclose(w @ X, 1.0, atol=1e-6)
    np.testing.assert_allclose(state.post["bcm_threshold"], 1.0, atol=1e-6)


def test_bcm_becomes_selective():
    """Two orthogonal inputs in turn: each neuron ends at 2 for one of them, and at 0 for the other.

    There the mean of y^2 is 2 = y.
    """
    inputs = np.tile(np.eye(3)[:2], (20000, 1))
    w, _ = _rest(Bcm(rate=2.0, tau=20e-3), inputs, np.asarray([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0]]))
    np.testing.assert_allclose(w[:, :2], [[2.0, 0.0], [0.0, 2.0]], atol=0.06)


def test_normalised_hebb_is_the_leading_eigenvector_of_the_given_length():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(3000, 3)) * [1.0, 2.0, 0.5]
    w, _ = _rest(Normalise(rule=HEBB.__class__(**{**vars(HEBB), "rate": 1e-3}), target=1.5), inputs)
    np.testing.assert_allclose(np.abs(w[:, 1]), 1.5, rtol=0.02)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), 1.5, rtol=0.02)


@pytest.mark.parametrize("form", ["multiplicative", "subtractive"])
def test_what_is_normalised_is_the_target_after_one_step(form):
    w, _ = _rest(Normalise(rule=STILL, form=form, target=0.7), _constant(1))
    size = np.linalg.norm(w, axis=1) if form == "multiplicative" else w.sum(axis=1)
    np.testing.assert_allclose(size, 0.7, atol=1e-12)


def test_scaling_brings_the_activity_to_its_target_and_keeps_the_shape_of_the_weights():
    w, state = _rest(Scaling(rule=STILL, target=2.0, rate=0.05, steps=5.0), _constant(600))
    np.testing.assert_allclose(w @ X, 2.0, atol=1e-6)
    np.testing.assert_allclose(state.post["scaling_mean"], 2.0, atol=1e-6)
    np.testing.assert_allclose(w / w[:, :1], START / START[:, :1], atol=1e-9)


def test_heterosynaptic_pull_balances_hebb_where_it_says():
    """With y held at 1, w = w0 + eta x / rate.

    Towards zero, with y free and power 2, it is Oja's fixed point: unit length along x.
    """
    w, _ = _rest(Heterosynaptic(rule=HEBB, rate=0.1), _constant(400), clamped=True)
    np.testing.assert_allclose(w, START + 0.05 * X / 0.1, atol=1e-9)
    w, _ = _rest(Heterosynaptic(rule=HEBB, rate=0.05, towards="zero"), _constant(2000))
    np.testing.assert_allclose(w, np.tile(X / np.linalg.norm(X), (2, 1)), atol=1e-6)


def test_a_sliding_bias_comes_to_the_mean_and_leaves_the_covariance():
    """Independent binary x and y have the means 0.5 and 0.25, so Hebb grows by 0.125 a step.

    With either bias it drifts nowhere, and it follows correlated inputs.
    """
    rng = np.random.default_rng(1)
    x = (rng.random((4000, 3)) < 0.5) * 1.0
    y = (rng.random((4000, 2)) < 0.25) * 1.0
    y[:, 1] = x[:, 0] * y[:, 1] * 2.0  # mean 0.25, covariance 0.125 with x_0
    covariance = (y - y.mean(axis=0)).T @ (x - x.mean(axis=0)) / len(x)
    assert covariance[1, 0] > 0.1
    hebb = Polynomial(terms=("post*pre",), initial=(1.0,), rate=1.0, learn="none")
    for sides in ("post", "pre", "both"):
        deltas, state = drive(Sliding(rule=hebb, sides=sides, steps=200.0), EDGE, x, y, dt=DT)
        np.testing.assert_allclose(deltas[1000:].mean(axis=0), covariance, atol=0.015)
        for side, values in (("post", y), ("pre", x)):
            if sides in (side, "both"):
                kept = (1 - 1 / 200) ** np.arange(4000)[::-1] / 200
                np.testing.assert_allclose(
                    getattr(state, side)[f"sliding_{side}"], kept @ values, rtol=1e-4
                )
    plain, _ = drive(HEBB, EDGE, x, y, dt=DT)
    # the control: without a bias it drifts everywhere
    assert np.all(plain.mean(axis=0) > 0.05 * 0.1)


def test_a_slow_part_keeps_its_share_of_a_change():
    """One change of 0.4 at birth, then nothing: w and w0 + s meet.

    They keep follow / (pull + follow) of the change.
    """
    start = START + 0.4
    rule = Consolidating(rule=STILL, pull=1e-3, follow=3e-3, learn=False)
    with jax.enable_x64(True):
        blank = replace(blank_view(EDGE, ()), weight_initial=jnp.asarray(START))

        def step(carry: Any, _: None) -> Any:
            state, w = carry
            state, delta = rule.step({}, state, EDGE, blank.replace(weight=w), DT)
            return (state, w + delta), None

        (state, w), _ = jax.lax.scan(
            step, (rule.init_state({}, EDGE), jnp.asarray(start)), None, 8000
        )
    np.testing.assert_allclose(w, START + 0.4 * 0.75, rtol=2e-3)
    np.testing.assert_allclose(state.synapse["consolidating_s"], np.asarray(w) - START, atol=1e-6)


def test_a_step_size_that_falls_with_age_makes_a_mean():
    """w <- w + (x - w) / (1 + n): after n steps w is the mean of all x.

    The start counts as one of them.
    """
    delta = Polynomial(terms=("pre", "weight"), initial=(1.0, -1.0), rate=0.5, learn="none")
    # 0.5 / (1 + n / 2) = 1 / (2 + n)
    rule = Metaplastic(rule=delta, horizon=2.0, power=1.0, learn=False)
    inputs = np.random.default_rng(2).normal(size=(50, 3))
    w, _ = _rest(rule, inputs)
    np.testing.assert_allclose(w, (START + inputs.sum(axis=0)) / 51, atol=1e-12)


@pytest.mark.parametrize("by", ["pre", "post", "error", "target", "change"])
def test_a_step_size_falls_with_what_a_synapse_has_lived_through(by):
    rule = Metaplastic(rule=HEBB, by=by, horizon=0.5, power=0.7, unit=0.1, learn=False)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6, 3))
    y = rng.normal(size=(6, 2))
    deltas, _ = drive(rule, EDGE, x, y, dt=DT)
    change = 0.05 * y[:, :, None] * x[:, None, :]
    silent = np.zeros((6, 2, 1))
    seen = {
        "pre": x[:, None, :],
        "post": y[:, :, None],
        "error": silent,
        "target": silent,
        "change": change / 0.1,
    }[by]
    before = np.cumsum(seen**2, axis=0) - seen**2
    np.testing.assert_allclose(deltas, change * (1 + before / 0.5) ** -0.7, rtol=2e-5, atol=1e-7)


def test_scale_and_sum_are_a_factor_and_a_sum():
    x = np.ones((1, 3))
    y = np.ones((1, 2))
    one, _ = drive(HEBB, EDGE, x, y, dt=DT)
    three, _ = drive(Scale(rule=HEBB, factor=3.0, learn=False), EDGE, x, y, dt=DT)
    total = Sum(rules=(("a", HEBB), ("b", Scale(rule=HEBB, factor=3.0))))
    both, _ = drive(total, EDGE, x, y, dt=DT)
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6)
    np.testing.assert_allclose(both, 4 * one, rtol=1e-6)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({}, "at least one"),
        ({"name": HEBB}, "other than 'name'"),
        ({"a": Bcm(), "b": HEBB}, "all `time` or none"),
    ],
)
def test_a_sum_that_cannot_be_is_refused(rules, words):
    with pytest.raises(ValueError, match=words) as caught:
        Sum(rules=rules)
    error: Any = caught.value
    assert isinstance(error, BadInput) or "BadInput" in repr(error.errors())
