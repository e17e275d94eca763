"""The simulated dish: metaplast's own life repeats it, and its weights single out the true rule."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.spike_pairing import SpikePairing, _recorded
from metaplast.feedback.none import None_
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.objectives.final_weights import FinalWeights
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.registry import BadInput, find
from metaplast.rules.stdp import Stdp
from metaplast.testing.task_family import check_shapes

EXACT = SpikePairing(measurement_sd=0.0)
EDGE = "input_to_recorded"
KEY = jax.random.key(0)


def _problem(task, rule=None):
    truth = task.truth()
    slots = tuple(
        Slot(f"rule_{i}", glob, rule or known)
        for i, (glob, known) in enumerate(truth.rules.items())
    )
    return MetaProblem(
        Lifetime(task, truth.network, None_(), Given(), slots), FinalWeights(sd=1e-2)
    )


def _batch(task):
    n = task.n_sessions
    return Batch(
        tasks=jax.tree.map(jnp.asarray, task.recorded().sessions), keys=jax.random.split(KEY, n)
    )


def test_the_true_rule_in_a_lifetime_repeats_the_last_weights():
    lifetime = _problem(EXACT).lifetime
    sessions = EXACT.recorded().sessions
    theta = lifetime.init(KEY)
    live = lambda s: (
        lifetime.advance(theta, s, lifetime.begin(theta, s, KEY), EXACT.n_steps, start=0)[
            0
        ].synapses
    )
    ends = jax.jit(jax.vmap(live))(jax.tree.map(jnp.asarray, sessions))
    np.testing.assert_allclose(ends[EDGE].weight, sessions.final[EDGE], atol=1e-5)
    assert np.abs(sessions.final[EDGE] - sessions.weights[EDGE]).max() > 0.05


def test_the_weights_changed_by_the_sum_over_all_pairs_of_spikes():
    sessions = EXACT.recorded().sessions
    # [t, s]: t - s
    later = EXACT.dt_s * np.subtract.outer(np.arange(EXACT.n_steps), np.arange(EXACT.n_steps))
    up = np.where(later >= 0, 0.01 * np.exp(-np.abs(later) / 17e-3), 0.0)
    down = np.where(later > 0, 0.008 * np.exp(-np.abs(later) / 34e-3), 0.0)
    pre = sessions.stimulus.astype(float)
    post = sessions.target.astype(float)
    change = np.einsum("ktj,ts,ksi->kji", post, up, pre, optimize=True)
    change -= np.einsum("kti,ts,ksj->kji", pre, down, post, optimize=True)
    np.testing.assert_allclose(sessions.final[EDGE], sessions.weights[EDGE] + change, atol=1e-6)
    for weights in (sessions.weights[EDGE], sessions.final[EDGE]):
        assert 0.0 < weights.min() < weights.max() < 1.0


@pytest.mark.system  # a program of many seconds
def test_the_objective_is_least_at_the_true_time_constants():
    def loss(rule):
        problem = _problem(EXACT, rule)
        thetas = jax.tree.map(lambda x: x[None], problem.init(KEY))
        return float(jax.jit(problem.losses)(thetas, _batch(EXACT))[0][0])

    truth = loss(None)
    assert truth < 1e-6
    for wrong in ((8e-3, 34e-3), (34e-3, 34e-3), (17e-3, 17e-3), (17e-3, 68e-3)):
        assert loss(Stdp(0.01, 0.008, *wrong)) > 1e-2, wrong


@pytest.mark.system  # a program of many seconds
def test_the_gradient_of_the_learned_numbers_is_finite_and_vanishes_at_the_truth():
    norms = []
    for tau_pre in (17e-3, 30e-3):
        problem = _problem(EXACT, Stdp(0.01, 0.008, tau_pre, 34e-3, learn=True))
        theta = problem.init(KEY)
        _, grad, metrics = jax.jit(problem.value_and_grad)(theta, _batch(EXACT))
        leaves = np.asarray(jax.tree.leaves(grad))
        assert leaves.size == 4
        assert np.isfinite(leaves).all()
        assert metrics["diverged"] == 0
        norms.append(np.abs(leaves).max())
    assert norms[0] < 1e-3 < 0.05 < norms[1]


def test_the_measurement_adds_noise_of_the_given_size():
    clean = EXACT.recorded().sessions
    noisy = SpikePairing().recorded().sessions
    np.testing.assert_array_equal(clean.weights[EDGE], noisy.weights[EDGE])
    np.testing.assert_array_equal(clean.stimulus, noisy.stimulus)
    assert abs((noisy.final[EDGE] - clean.final[EDGE]).std() / 1e-3 - 1) < 0.1


def test_trains_have_their_rate_and_pairs_have_their_lag():
    task = SpikePairing(n_sessions=6, n_steps=20_000, n_in=1, n_out=1)
    sessions = task.recorded().sessions
    pre = sessions.stimulus[..., 0]
    post = sessions.target[..., 0]
    assert abs(pre.mean() / 0.02 - 1) < 0.1
    assert abs(post.mean() / 0.02 - 1) < 0.1
    shifts = np.arange(-70, 71)
    lags = []
    for a, b in zip(pre, post, strict=True):
        together = np.asarray([np.sum(a * np.roll(b, -shift)) for shift in shifts])
        near = np.convolve(together, np.ones(9), "same")
        lags.append(shifts[near.argmax()])
        # Within 4 ms of the lag: half of the spikes, 4.5 sd of 3 ms to either side of it, and
        # chance pairs.
        share = near.max() / a.sum()
        expected = 0.5 * 0.866 + 9 * 0.02
        assert abs(share - expected) < 0.1
    assert np.abs(lags).max() <= 50
    assert np.ptp(lags) > 20


def test_the_seed_alone_makes_the_data():
    small = SpikePairing(n_sessions=2, n_steps=50)
    a = small.recorded().sessions
    b = _recorded.__wrapped__(small).sessions
    jax.tree.map(np.testing.assert_array_equal, a, b)
    other = SpikePairing(n_sessions=2, n_steps=50, data_seed=1).recorded().sessions
    assert not np.any(a.weights[EDGE] == other.weights[EDGE])


def test_nothing_but_the_weights_is_observed_where_the_cells_are_clamped():
    family = find("task", "spike_pairing")()
    session = family.sample(KEY, "train")
    check_shapes(family, session)
    assert not np.any(family.whole("train").observed)
    assert np.all(family.whole("train").share == 0)
    assert family.shape().inputs == {"input": 8, "recorded": 4}
    assert "final_weights" in family.shape().offers
    free = SpikePairing(clamp=False)
    assert free.truth() is None
    assert np.all(free.recorded().sessions.observed == 1)
    assert set(free.recorded().sessions.weights) == {"input_to_output"}


def test_another_dt_is_refused():
    with pytest.raises(BadInput, match="dt_s"):
        dataclasses.replace(_problem(EXACT).lifetime, dt=2e-3).check()
