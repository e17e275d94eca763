"""Probe: recurrent spiking neurons, reward-modulated STDP on a sparse connection, meta-learned by
evolution.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.stdp import Stdp
from metaplast.rules.wrappers.three_factor import ThreeFactor
from outer_loops.es import Es
from tests.probes._run import run
from tests.probes._tasks import Excitable, WakeUp

RULE = ThreeFactor(rule=Stdp(potentiation=0.1, depression=0.02, learn=True), tau=50e-3, rate=1e-2)
LOOP = "cells_to_cells"
SLOT = Slot(name="loop", edges=LOOP, rule=RULE)
PROBLEM = MetaProblem(
    lifetime=Lifetime(task=WakeUp(), network=Excitable(), feedback=Symmetric(), slots=(SLOT,)),
    objective=MeanLoss(),
    n_tasks=4,
)


@pytest.fixture(scope="module")
def lived():
    """(thetas before and after 12 generations; of four new lives of each the synapses at birth, at
    the end, losses).
    """
    outer = Es(steps=12, population=16, std=0.2)
    first, last, metrics = run(PROBLEM, outer)
    assert all(m["lives"] == 64 and m["diverged"] == m["skipped"] == 0 for m in metrics)
    thetas = jax.tree.map(lambda *x: jnp.stack(x), outer.theta(first), outer.theta(last))
    batch = search_loop.sample(
        PROBLEM.lifetime.task, search_loop.stream(0, "validation"), 4, "train"
    )
    return thetas, *_live(thetas, batch)


@jax.jit
def _live(thetas, batch):
    born = PROBLEM.begin(thetas, batch)
    grown, window = PROBLEM.advance(thetas, born, 100)
    return (
        born.life.synapses,
        grown.life.synapses,
        jnp.mean(window.trace.score.loss.reshape(2, -1), axis=1),
    )


def test_evolution_improves_a_reward_modulated_rule_of_spiking_neurons(lived):
    thetas, _, _, (before, after) = lived
    assert after < 0.9 * before
    assert set(thetas["rules"]["loop"]) == {"rule", "log_rate", "log_tau"}
    assert set(thetas["rules"]["loop"]["rule"]) >= {"log_potentiation", "log_tau_pre"}


def test_only_the_edge_of_the_slot_learns(lived):
    _, born, grown, _ = lived
    for name, synapses in grown.items():
        same = np.asarray(synapses.weight == born[name].weight)
        assert same.all() == (name != LOOP)
    edge = PROBLEM.lifetime.plastic()[LOOP][0]
    assert grown[LOOP].weight.shape == (8, *edge.connection.shape)
    assert edge.connection.shape[0] < 12 * 11
    assert (grown[LOOP].weight >= 0).all()
