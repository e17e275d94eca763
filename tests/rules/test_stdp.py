"""Pair STDP and its inhibitory cousin against exact exponentials over all pairs of spikes."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.base import Move
from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.locality.reads import blank_view
from metaplast.rules._traces import jumped
from metaplast.rules.stdp import Stdp
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.pathways import Pathways
from tests.rules._drive import drive

DT = 1e-3
ONE = Dense(1, 1)


def _pair(rule, lag: int, **more) -> float:
    """The whole change of one pre spike and one post spike `lag` steps later."""
    pre = np.zeros((80, 1))
    post = np.zeros((80, 1))
    pre[40] = 1
    post[40 + lag] = 1
    return float(drive(rule, ONE, pre, post, dt=DT, **more)[0].sum())


@pytest.mark.parametrize("lag", [-30, -7, -1, 1, 7, 30])
def test_the_window_is_two_exponentials(lag):
    rule = Stdp(potentiation=0.3, depression=0.4, tau_pre=17e-3, tau_post=34e-3)
    exact = 0.3 * math.exp(-lag * DT / 17e-3) if lag > 0 else -0.4 * math.exp(lag * DT / 34e-3)
    assert _pair(rule, lag) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("weight", [0.1, 0.9])
def test_pathways_bound_what_the_presynaptic_spike_did_before_the_postsynaptic_one_acts(weight):
    """A post spike, and in the next step one of either side.

    There y = exp(-dt / tau), and x = 1 after its jump.
    """
    rule = Pathways(rule=Stdp(potentiation=0.3, depression=0.4))
    blank = blank_view(ONE, ())
    move = Move(jnp.ones(()), jnp.ones(()), 0.0, 1.0)
    state = rule.init_state({}, ONE)
    w = jnp.full((1, 1), weight)
    for pre, post in ((0.0, 1.0), (1.0, 1.0)):
        sides = {
            "pre": blank.pre.replace(activity=jnp.full(1, pre)),
            "post": blank.post.replace(activity=jnp.full(1, post)),
        }
        state, w = rule.apply({}, state, move, ONE, blank.replace(weight=w, **sides), DT)
    after_pre = max(0.0, weight - 0.4 * math.exp(-DT / 20e-3))
    assert float(w[0, 0]) == pytest.approx(min(1.0, after_pre + 0.3), rel=1e-6)


def test_pathways_bound_first_what_their_first_side_did():
    """At w = 0.9 the postsynaptic change, +0.3, is bounded to 0.1 where it comes first."""
    rule = Pathways(rule=Stdp(potentiation=0.3, depression=0.4, at_pre_spike="after"))
    blank = blank_view(ONE, ())
    move = Move(jnp.ones(()), jnp.ones(()), 0.0, 1.0)
    sides = {
        "pre": blank.pre.replace(activity=jnp.ones(1)),
        "post": blank.post.replace(activity=jnp.ones(1)),
    }
    view = blank.replace(weight=jnp.full((1, 1), 0.9), **sides)
    for first, expected in (("pre", 0.8), ("post", 0.6)):
        ordered = dataclasses.replace(rule, first=first)
        _, w = ordered.apply({}, ordered.init_state({}, ONE), move, ONE, view, DT)
        assert float(w[0, 0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("at_post", "at_pre", "expected"),
    [
        ("after", "before", 0.3),  # the default: Brian2's order
        ("before", "after", -0.4),
        ("after", "after", -0.1),
        ("before", "before", 0.0),
        ("none", "none", 0.0),
    ],
)
def test_an_isolated_coincident_pair_follows_the_order(at_post, at_pre, expected):
    rule = Stdp(potentiation=0.3, depression=0.4, at_post_spike=at_post, at_pre_spike=at_pre)
    assert _pair(rule, 0) == pytest.approx(expected, abs=1e-7)
    # other pairs do not care
    assert _pair(rule, 5) == pytest.approx(0.3 * math.exp(-0.25), rel=1e-5)


def test_a_coincident_pair_left_out_leaves_the_pairs_with_earlier_spikes():
    """Spikes at 5 and 10 before, and at 10 after.

    The post spike pairs with the first, whatever it sees of the second.
    """
    pre = np.zeros((20, 1))
    post = np.zeros((20, 1))
    pre[5] = pre[10] = post[10] = 1
    old = 0.3 * math.exp(-5 * DT / 20e-3)
    for order, expected in (("before", old), ("none", old), ("after", old + 0.3)):
        rule = Stdp(potentiation=0.3, depression=0.4, at_post_spike=order, at_pre_spike="before")
        assert drive(rule, ONE, pre, post, dt=DT)[0].sum() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("pairing", ["nearest", "all_to_all"])
@pytest.mark.parametrize("order", ["none", "before"])
def test_two_trains_with_one_coincident_pair_have_their_closed_form(pairing, order):
    """Pre at 10 and 30 ms, post at 20 and 30 ms, tau 20 ms: the pair at 30 ms alone is left out."""
    rule = Stdp(
        potentiation=1.0, depression=1.0, pairing=pairing, at_post_spike=order, at_pre_spike=order
    )
    pre = np.zeros((60, 1))
    post = np.zeros((60, 1))
    pre[[10, 30]] = post[[20, 30]] = 1
    exact = math.exp(-10 / 20) + math.exp(-20 / 20) - math.exp(-10 / 20)
    assert drive(rule, ONE, pre, post, dt=1e-3)[0].sum() == pytest.approx(exact, rel=1e-5)


def test_several_spikes_of_one_neuron_in_a_step_are_one_spike_to_nearest():
    """Counts, as neuron `spikes` may send them: a trace is set to 1; each post spike pairs."""
    pre = np.zeros((20, 1))
    post = np.zeros((20, 1))
    pre[5] = 1
    pre[10] = 2
    post[15] = 2
    nearest = Stdp(potentiation=0.3, depression=0.4, pairing="nearest")
    assert drive(nearest, ONE, pre, post, dt=DT)[0].sum() == pytest.approx(
        2 * 0.3 * math.exp(-0.25), rel=1e-5
    )
    for z in (0.0, 1.0):  # a surrogate gradient meets a line from the trace to its jump
        assert float(jax.grad(lambda z: jumped(jnp.asarray(0.5), z, "nearest", 1.5))(z)) == 1.0


def _all_pairs(pre, post, weight, w_max, rule) -> np.ndarray:
    """The change of every synapse in one pass over all pairs of spikes, float64."""
    total = np.zeros((post.shape[1], pre.shape[1]))
    for j in range(post.shape[1]):
        for i in range(pre.shape[1]):
            up = (w_max - weight[j, i]) ** rule.mu_potentiation
            down = weight[j, i] ** rule.mu_depression
            for s in np.flatnonzero(pre[:, i]):
                for t in np.flatnonzero(post[:, j]):
                    if t >= s:
                        total[j, i] += (
                            rule.potentiation * up * math.exp(-(t - s) * DT / rule.tau_pre)
                        )
                    else:
                        total[j, i] -= (
                            rule.depression * down * math.exp(-(s - t) * DT / rule.tau_post)
                        )
    return total


@pytest.mark.parametrize("mu", [0.0, 0.4, 1.0])
def test_spike_trains_sum_over_all_pairs_on_dense_and_sparse_connections(mu):
    rng = np.random.default_rng(0)
    pre = rng.random((60, 5)) < 0.15
    post = rng.random((60, 4)) < 0.15
    rule = Stdp(mu_potentiation=mu, mu_depression=mu, tau_pre=13e-3)
    weight = rng.random((4, 5))
    expected = _all_pairs(pre, post, weight, 1.5, rule)
    dense = drive(rule, Dense(4, 5), pre, post, dt=DT, weight=weight, weight_max=1.5)[0].sum(axis=0)
    np.testing.assert_allclose(dense, expected, rtol=2e-4, atol=1e-6)
    sparse = Sparse(4, 5, probability=0.5, seed=3)
    j, i = sparse.topology()
    some = drive(rule, sparse, pre, post, dt=DT, weight=weight[j, i], weight_max=1.5)[0].sum(axis=0)
    np.testing.assert_allclose(some, expected[j, i], rtol=2e-4, atol=1e-6)


def test_soft_bounds_stop_at_the_ends_and_their_gradient_is_finite_there():
    for mu in (0.3, 1.0):
        rule = Stdp(potentiation=0.3, depression=0.4, mu_potentiation=mu, mu_depression=mu)
        assert _pair(rule, 5, weight=2.0, weight_max=2.0) == 0.0
        assert _pair(rule, -5, weight=0.0, weight_max=2.0) == 0.0
        half = _pair(rule, 5, weight=1.0, weight_max=2.0)
        assert half == pytest.approx(0.3 * math.exp(-0.25), rel=1e-5)

        for weight in (0.0, 2.0):
            gradient = jax.grad(lambda w, rule=rule: _pre_post_pre(rule, w))(jnp.asarray(weight))
            assert np.isfinite(gradient)


def test_beyond_its_bounds_a_weight_is_led_back_whatever_the_exponent():
    """A factor of exponent 1 is a line and changes sign there; one of nearly 1 does the same."""
    for lag, weight, expected in (
        (5, 2.5, -0.5 * 0.3 * math.exp(-0.25)),
        (-5, -0.5, 0.5 * 0.4 * math.exp(-0.25)),
    ):
        for mu in (1.0, 0.9999):
            rule = Stdp(potentiation=0.3, depression=0.4, mu_potentiation=mu, mu_depression=mu)
            assert _pair(rule, lag, weight=weight, weight_max=2.0) == pytest.approx(
                expected, rel=1e-3
            )


def _pre_post_pre(rule, w):
    """A pre spike, then a post spike, then a pre spike, at weight w and upper bound 2."""
    state = rule.init_state({}, ONE)
    view = blank_view(ONE, ())
    total = jnp.zeros(())
    for fires in (1.0, 0.0, 1.0):
        now = view.replace(
            pre=view.pre.replace(activity=jnp.full(1, fires)),
            post=view.post.replace(activity=jnp.full(1, 1.0 - fires)),
            weight=jnp.broadcast_to(w, (1, 1)),
            weight_max=jnp.asarray(2.0),
        )
        state, delta = rule.step({}, state, ONE, now, DT)
        total = total + delta.sum()
    return total


def _norse(pre, post, w, eta, tau, mu) -> np.ndarray:
    """The final weights of norse's step (torch.functional.stdp, form multiplicative_pow).

    Its Euler traces gain dt/tau of a spike, and both are seen after it. The bounds are soft, then
    hard at 0 and 1.
    """
    x = np.zeros(pre.shape[1])
    y = np.zeros(post.shape[1])
    for z_pre, z_post in zip(pre.astype(float), post.astype(float), strict=True):
        x = x + DT / tau * (z_pre - x)
        y = y + DT / tau * (z_post - y)
        up = eta * (1.0 - w) ** mu * np.outer(z_post, x)
        down = eta * w**mu * np.outer(y, z_pre)
        w = np.clip(w + up - down, 0.0, 1.0)
    return w


def test_the_conventions_of_norse_are_settings():
    """norse's Euler decay is the exact one of another tau, with another dt/tau.

    The amplitudes make up for it.
    """
    rng = np.random.default_rng(3)
    pre = rng.random((200, 3)) < 0.1
    post = rng.random((200, 2)) < 0.1
    w = rng.uniform(0.2, 0.8, (2, 3))
    tau = -DT / math.log(1.0 - DT / 50e-3)
    rule = Stdp(
        potentiation=0.5 * tau / 50e-3,
        depression=0.5 * tau / 50e-3,
        tau_pre=tau,
        tau_post=tau,
        increment="dt_over_tau",
        at_post_spike="after",
        at_pre_spike="after",
        mu_potentiation=0.3,
        mu_depression=0.3,
    )
    expected = _norse(pre, post, w, 0.5, 50e-3, 0.3)
    view = blank_view(Dense(2, 3), ())
    connection = Dense(2, 3)

    def last(now, z):
        state, weight = now
        sides = {"pre": view.pre.replace(activity=z[0]), "post": view.post.replace(activity=z[1])}
        state, delta = rule.step({}, state, connection, view.replace(weight=weight, **sides), DT)
        return (state, jnp.clip(weight + delta, 0.0, 1.0)), None

    trains = tuple(jnp.asarray(z, jnp.float32) for z in (pre, post))
    (_, weights), _ = jax.lax.scan(
        last, (rule.init_state({}, connection), jnp.asarray(w, jnp.float32)), trains
    )
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert np.abs(expected - w).max() > 0.05


def test_learned_constants_are_logarithms_relative_to_the_spec():
    rule = Stdp(potentiation=0.3, tau_pre=20e-3, learn=True)
    theta = rule.init(jax.random.key(0), ONE)
    assert set(theta) == {"log_potentiation", "log_depression", "log_tau_pre", "log_tau_post"}
    assert _pair(rule, 5) == pytest.approx(0.3 * math.exp(-5e-3 / 20e-3), rel=1e-5)
    moved = {**theta, "log_potentiation": jnp.asarray(0.1), "log_tau_pre": jnp.asarray(-0.2)}
    exact = 0.3 * math.exp(0.5) * math.exp(-5e-3 / (20e-3 * math.exp(-1.0)))
    assert _pair(rule, 5, theta=moved) == pytest.approx(exact, rel=1e-5)


def test_vogels_window_is_symmetric_around_a_constant_depression_per_presynaptic_spike():
    rule = Vogels(rate=0.1, target_rate=5.0, tau=20e-3)
    alpha = 2 * 5.0 * 20e-3
    for lag in (-12, -1, 1, 12):
        exact = 0.1 * (math.exp(-abs(lag) * DT / 20e-3) - alpha)
        assert _pair(rule, lag) == pytest.approx(exact, rel=1e-5)
    assert _pair(rule, 0) == pytest.approx(0.1 * (1 - alpha), rel=1e-5)


def test_vogels_is_still_at_the_target_rate_and_pushes_towards_it_elsewhere():
    """Independent spikes at a postsynaptic rate r: the mean change is zero at r0.

    mean change per second = rate nu (2 tau r - alpha)
    """
    rng = np.random.default_rng(1)
    rule = Vogels(rate=1.0, target_rate=5.0)
    n = 400
    steps = 1500
    nu = 20.0
    lanes = Sparse(n, n, probability=1.0 / n, seed=0)
    for r in (2.0, 5.0, 10.0):
        pre = rng.random((steps, n)) < nu * DT
        post = rng.random((steps, n)) < r * DT
        per_synapse = drive(rule, lanes, pre, post, dt=DT)[0][200:].sum(axis=0) / (
            (steps - 200) * DT
        )
        fade = math.exp(-DT / rule.tau)
        trace = DT * fade / (1 - fade)  # mean faded trace per hertz, seconds
        expected = nu * (2 * trace * r + r * DT - 2 * 5.0 * rule.tau)
        error = per_synapse.std() / math.sqrt(n)
        assert abs(per_synapse.mean() - expected) < 4 * error
        if r == 5.0:
            assert abs(expected) < 0.05 * nu  # off the continuous fixed point by at most dt / tau
        else:
            assert np.sign(per_synapse.mean()) == np.sign(r - 5.0)
