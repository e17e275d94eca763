"""Probe: reward only at the end of a trial, two modulators, and what a new trial clears."""

from typing import Any

import chex
import jax
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Life, Lifetime, Slot
from metaplast.networks import base as network
from metaplast.registry import BadInput
from metaplast.rules.stdp import Stdp
from metaplast.rules.vogels import Vogels
from metaplast.rules.wrappers.three_factor import ThreeFactor
from tests.probes._tasks import SlowPair, Trials

LENGTH, N = 20, 3
IN, OUT = "input_to_hidden", "hidden_to_output"
SLOTS = (
    Slot(name="lower", edges=IN, rule=ThreeFactor(rule=Stdp(), modulator="reward", tau=0.1)),
    Slot(name="upper", edges=OUT, rule=ThreeFactor(rule=Vogels(), modulator="surprise", tau=0.1)),
)


def _lifetime(resets: bool) -> Lifetime:
    task = Trials(length=LENGTH, n_trials=N, resets=resets)
    return Lifetime(
        task=task, network=SlowPair(), feedback=Symmetric(), slots=SLOTS, record=("feedback",)
    )


@pytest.fixture(scope="module")
def lived() -> tuple[Any, dict[bool, list[Life]], list[Any]]:
    """(theta, the life after 0, 1, 2 ... steps with resets and without, the modulators of every
    step).
    """
    one = _lifetime(True)
    theta = jax.jit(one.init)(jax.random.key(0))
    batch = search_loop.sample(one.task, search_loop.stream(0, "tasks"), 1, "train")
    task, key = jax.tree.map(lambda x: x[0], batch.tasks), batch.keys[0]
    born, lives, modulators = jax.jit(one.begin)(theta, task, key), {}, []
    for resets, n_steps in ((True, LENGTH * N), (False, LENGTH)):
        lifetime = _lifetime(resets)
        step = jax.jit(lambda life, lifetime=lifetime: lifetime.advance(theta, task, life, 1))
        lives[resets] = [born]
        for _ in range(n_steps):
            life, trace = step(lives[resets][-1])
            lives[resets].append(life)
            if resets:
                modulators.append(
                    {k: float(v[0]) for k, v in trace.recorded["feedback"].modulators.items()}
                )
    return theta, lives, modulators


def _traces(life: Life) -> list:
    return [leaf for rule in life.rules.values() for leaf in jax.tree.leaves((rule.pre, rule.post))]


def test_a_reset_clears_neurons_and_their_traces_and_nothing_else(lived):
    """The first trial's last step with the reset and without: the same lives but for what a reset
    clears.
    """
    theta, lives, _ = lived
    chex.assert_trees_all_equal(lives[True][LENGTH - 1].network, lives[False][LENGTH - 1].network)
    cleared, kept = lives[True][LENGTH], lives[False][LENGTH]
    at_rest = network.init_state(_lifetime(True).wiring(), theta["neurons"], 1e-3)
    chex.assert_trees_all_equal(cleared.network, at_rest)
    assert all((leaf == 0).all() for leaf in _traces(cleared))

    chex.assert_trees_all_equal(cleared.synapses, kept.synapses)
    for name, rule in cleared.rules.items():
        chex.assert_trees_all_equal(
            (rule.synapse, rule.scalar), (kept.rules[name].synapse, kept.rules[name].scalar)
        )
        assert (rule.synapse["eligibility"] != 0).any()
    chex.assert_trees_all_equal((cleared.t, cleared.task), (kept.t, kept.task))

    # what was cleared was not empty: neurons, the queue of the delayed edge, traces on either side
    # of either edge
    assert len(_traces(kept)) == 4 and all((leaf != 0).any() for leaf in _traces(kept))
    assert (kept.network.transmissions[OUT]["queue"] != 0).any()
    assert (kept.network.neurons["hidden"]["inner"]["v"] != 0).any()


def test_a_reset_comes_at_the_end_of_every_trial_and_never_inside_one(lived):
    _, lives, _ = lived
    for t, life in enumerate(lives[True][1:], 1):
        blank = all((leaf == 0).all() for leaf in _traces(life))
        assert blank == (t % LENGTH == 0) or t < 5  # the first spikes take a few steps


def test_weights_change_in_the_last_step_of_every_trial_by_their_own_channel(lived):
    _, lives, modulators = lived
    for t, (before, after, said) in enumerate(
        zip(lives[True], lives[True][1:], modulators, strict=False), 1
    ):
        trial, last = (t - 1) // LENGTH, t % LENGTH == 0
        assert said == {
            "reward": (1.0, -1.0, 1.0)[trial] * last,
            "surprise": (0.5, 2.0, 0.5)[trial] * last,
        }
        for name, channel in ((IN, "reward"), (OUT, "surprise")):
            change = np.asarray(after.synapses[name].weight - before.synapses[name].weight)
            assert (change != 0).any() == last
            expected = 0.1 * said[channel] * np.asarray(after.rules[name].synapse["eligibility"])
            np.testing.assert_allclose(change, expected, atol=2e-6)


def test_a_channel_the_task_does_not_offer_is_refused_by_name():
    slot = Slot(edges=IN, rule=ThreeFactor(rule=Stdp(), modulator="novelty"))
    with pytest.raises(BadInput, match=r"novelty.*reward, surprise"):
        Lifetime(task=Trials(), network=SlowPair(), feedback=Symmetric(), slots=(slot,)).check()
