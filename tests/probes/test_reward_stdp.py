"""Probe: recurrent spiking neurons, reward-modulated STDP on a sparse connection, meta-learned by evolution."""

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast.feedback.symmetric import Symmetric
from metaplast.lifetime import Lifetime, Slot
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem import MetaProblem
from metaplast.rules.stdp import Stdp
from metaplast.rules.three_factor import ThreeFactor
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


def test_evolution_improves_a_reward_modulated_rule_of_spiking_neurons():
    outer = Es(steps=12, population=16, std=0.2)
    first, last, metrics = run(PROBLEM, outer)
    assert all(m["lives"] == 64 and m["diverged"] == m["skipped"] == 0 for m in metrics)
    batch = train.sample(PROBLEM.lifetime.task, train.stream(0, "validation"), 8, "validation")
    both = jax.tree.map(lambda *x: jnp.stack(x), outer.theta(first), outer.theta(last))
    (before, after), _ = train.evaluate(PROBLEM, both, batch)
    assert after < 0.9 * before
    assert set(both["rules"]["loop"]) == {"rule", "log_rate", "log_tau"}


def test_only_the_edge_of_the_slot_learns_and_only_where_spikes_met():
    batch = train.sample(PROBLEM.lifetime.task, train.stream(0, "tasks"), 1, "train")
    theta = PROBLEM.init(jax.random.key(0))
    thetas = jax.tree.map(lambda x: x[None], theta)
    born = jax.jit(PROBLEM.begin)(thetas, batch)
    grown, _ = jax.jit(PROBLEM.advance, static_argnums=2)(thetas, born, 100)
    for name, synapses in grown.life.synapses.items():
        same = np.asarray(synapses.weight == born.life.synapses[name].weight)
        assert same.all() == (name != LOOP)
    edge = PROBLEM.lifetime.plastic()[LOOP][0]
    assert grown.life.synapses[LOOP].weight.shape == (1, *edge.connection.shape)
    assert edge.connection.shape[0] < 12 * 11
