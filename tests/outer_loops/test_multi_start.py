"""Several starts in one program: each is the inner loop alone, and the lowest loss wins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.registry import BadInput
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from outer_loops.multi_start import MultiStart
from outer_loops.proposals import Proposals
from tests.outer_loops._written import Written, init, run

INNER = Bptt(steps=40, learning_rate=0.1)
START = {"w": jnp.asarray([-1.0])}
# Valleys at w = -1 (loss 0.5) and at w = 2 (loss 0), a ridge between them; the number of the batch
# is a loss for all.
VALLEYS = Written(
    lambda w, batch: jnp.minimum((w[0] + 1.0) ** 2 + 0.5, (w[0] - 2.0) ** 2) + batch, n=1
)


@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_every_start_is_the_inner_loop_alone_and_the_lowest_is_kept(spread):
    outer = MultiStart(n=6, inner=INNER, spread=spread)
    begun = init(outer, VALLEYS, START)
    batches = np.linspace(5.0, 0.0, 30)
    state, history = run(outer, VALLEYS, begun, batches)
    starts = np.asarray(begun.inner.theta["w"])
    assert starts[0] == -1.0
    assert len(np.unique(starts)) == 6
    ends = []
    for w in starts:
        alone, _ = run(INNER, VALLEYS, init(INNER, VALLEYS, {"w": jnp.asarray(w)}), batches)
        ends.append(alone.theta["w"])
    np.testing.assert_allclose(state.inner.theta["w"], ends, rtol=1e-5)
    assert {round(float(w[0])) for w in ends} >= {-1, 2}
    np.testing.assert_allclose(outer.theta(state)["w"], 2.0, atol=0.2)
    assert history[0]["best_start"] == 0
    assert history[-1]["best_start"] > 0
    assert history[-1]["lowest_mean"] < history[-1]["highest_mean"] - 0.3
    assert history[-1]["lives"] == 6
    assert outer.n_steps == INNER.steps
    assert set(outer.hyper()) == {"inner_learning_rate", "spread"}


def test_a_start_that_blows_up_ranks_behind_all_others():
    wall = Written(lambda w, batch: jnp.where(w[0] > batch, jnp.nan, -w[0]), n=1)
    outer = MultiStart(n=4, inner=INNER, spread=1.0)
    state, history = run(outer, wall, init(outer, wall, START), [9.0] * 3)
    best = int(jnp.argmax(state.inner.theta["w"][:, 0]))
    assert outer.theta(state)["w"] == state.inner.theta["w"][best]
    edge = float(jnp.sort(state.inner.theta["w"][:, 0])[2]) + 1e-3  # beyond it lies the best alone
    state, history = run(outer, wall, state, [edge], 3)
    assert int(history[-1]["diverged"]) == 1
    assert np.isnan(history[-1]["loss"])
    assert outer.theta(state)["w"][0] <= edge + 0.2
    assert state.blown.tolist() == [int(k == best) for k in range(4)]
    again, _ = run(outer, wall, state, [9.0], 3)
    assert not np.any(again.blown)  # a healthy step begins the count anew
    state, history = run(outer, wall, state, [-9.0], 4)
    assert int(history[-1]["skipped"]) == 1
    assert int(history[-1]["diverged"]) == 4


def test_starts_are_ranked_by_a_running_mean_of_their_losses():
    """The mean is plain over the first `memory` losses, and forgets from then on.

    A step without a loss is left out.
    """
    flat = Written(lambda w, batch: batch + 0.0 * w[0], n=1)
    outer = MultiStart(n=2, inner=INNER, memory=3)
    mean = 0.0
    losses = [1.0, 5.0, np.nan, -3.0, 7.0, 2.0]
    _, metrics = run(outer, flat, init(outer, flat, START), losses)
    for seen, index in enumerate([0, 1, 3, 4, 5], 1):
        mean += (losses[index] - mean) / min(seen, 3)
        assert metrics[index]["lowest_mean"] == pytest.approx(mean, rel=1e-6)
        assert metrics[index]["highest_mean"] == pytest.approx(mean, rel=1e-6)


def test_a_loop_that_grows_is_refused_by_name():
    outer = MultiStart(inner=Es(restarts=2))
    with pytest.raises(
        BadInput, match="inner es with restarts - expected a state of one shape - set restarts=0"
    ):
        outer.init(VALLEYS, START, jax.random.key(0), outer.hyper())


def test_a_loop_that_asks_another_process_is_refused_by_name():
    outer = MultiStart(inner=Proposals(folder="exchange"))
    with pytest.raises(BadInput, match="inner proposals - expected a loop that asks"):
        outer.check(VALLEYS, jax.random.key(0))
