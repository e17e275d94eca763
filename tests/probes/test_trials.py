"""Probe: reward only at the end of a trial, two modulators, and what a new trial clears."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import train
from metaplast.feedback.symmetric import Symmetric
from metaplast.lifetime import Life, Lifetime, Slot
from metaplast.networks import base as network
from metaplast.registry import BadInput
from metaplast.rules.stdp import Stdp
from metaplast.rules.three_factor import ThreeFactor
from metaplast.rules.vogels import Vogels
from tests.probes._tasks import SlowPair, Trials

LENGTH, N = 20, 3
IN, OUT = "input_to_hidden", "hidden_to_output"
SLOTS = (
    Slot(name="lower", edges=IN, rule=ThreeFactor(rule=Stdp(), modulator="reward", tau=0.1)),
    Slot(name="upper", edges=OUT, rule=ThreeFactor(rule=Vogels(), modulator="surprise", tau=0.1)),
)


def _life(resets: bool) -> Lifetime:
    task = Trials(length=LENGTH, n_trials=N, resets=resets)
    return Lifetime(task=task, network=SlowPair(), feedback=Symmetric(), slots=SLOTS, record=("weights", "feedback"))


@pytest.fixture(scope="module")
def lived():
    """With resets and without: the lives after each trial's last step but one, after its last, and the whole traces."""
    theta = _life(True).init(jax.random.key(0))
    batch = train.sample(_life(True).task, train.stream(0, "tasks"), 1, "train")
    task, key = jax.tree.map(lambda x: x[0], batch.tasks), batch.keys[0]
    out = {}
    for resets in (True, False):
        lifetime = _life(resets)

        def whole(life, lifetime=lifetime):
            before, first = lifetime.advance(theta, task, life, LENGTH - 1)
            after, last = lifetime.advance(theta, task, before, 1)
            return before, after, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)

        trial, life, out[resets] = jax.jit(whole), lifetime.begin(theta, task, key), []
        for _ in range(N):
            out[resets].append(trial(life))
            life = out[resets][-1][1]
    return theta, out


def _traces(life: Life) -> list:
    return [leaf for rule in life.rules.values() for leaf in jax.tree.leaves((rule.pre, rule.post))]


def test_a_reset_clears_neurons_and_their_traces_and_nothing_else(lived):
    """The first trial's last step, with the reset and without: the same step but for what a reset clears."""
    theta, out = lived
    (before, cleared, _), (_, kept, _) = out[True][0], out[False][0]
    at_rest = network.init_state(_life(True).wiring(), theta["neurons"], _life(True).dt)
    chex.assert_trees_all_equal(cleared.network, at_rest)
    assert all((leaf == 0).all() for leaf in _traces(cleared))

    chex.assert_trees_all_equal(cleared.synapses, kept.synapses)
    for name, rule in cleared.rules.items():
        chex.assert_trees_all_equal(rule.synapse, kept.rules[name].synapse)
        assert (rule.synapse["eligibility"] != 0).any()
    chex.assert_trees_all_equal((cleared.t, cleared.task), (kept.t, kept.task))

    # what was cleared was not empty: neurons, the queue of the delayed edge, traces on either side of either edge
    assert all((leaf != 0).any() for leaf in _traces(kept))
    assert (kept.network.transmissions[OUT]["queue"] != 0).any()
    assert (kept.network.neurons["hidden"]["v"] != 0).any()
    assert (before.network.neurons["hidden"]["v"] != 0).any()


def test_no_reset_happens_inside_a_trial(lived):
    _, out = lived
    for (before, _, _), trial in zip(out[True], range(N), strict=True):
        assert any((leaf != 0).any() for leaf in _traces(before)), trial


def test_weights_change_in_the_last_step_of_every_trial_by_their_own_channel(lived):
    theta, out = lived
    start = _life(True).begin(theta, jax.random.key(0), jax.random.key(0)).rules  # names of the plastic edges
    for trial, (before, after, trace) in enumerate(out[True]):
        rewards = np.asarray(trace.recorded["feedback"].modulators["reward"])
        assert (rewards[:-1] == 0).all() and rewards[-1] == (1.0, -1.0, 1.0)[trial]
        for name, channel in ((IN, rewards[-1]), (OUT, (0.5, 2.0, 0.5)[trial])):
            moves = np.diff(np.asarray(trace.recorded["weights"][name]), axis=0)
            assert (moves[:-1] == 0).all() and (moves[-1] != 0).any()
            change = after.synapses[name].weight - before.synapses[name].weight
            expected = 0.1 * channel * after.rules[name].synapse["eligibility"]
            np.testing.assert_allclose(change, expected, atol=2e-6)
        assert set(after.rules) == set(start)


def test_a_channel_the_task_does_not_offer_is_refused_by_name():
    slot = Slot(edges=IN, rule=ThreeFactor(rule=Stdp(), modulator="novelty"))
    with pytest.raises(BadInput, match=r"novelty.*reward, surprise"):
        Lifetime(task=Trials(), network=SlowPair(), feedback=Symmetric(), slots=(slot,)).check()
