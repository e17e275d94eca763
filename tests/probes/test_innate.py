"""Probe: no plasticity at all: what a life is born with is learned."""

import jax
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.feedback.symmetric import Symmetric
from metaplast.genomes.direct import Direct
from metaplast.life.lifetime import Lifetime
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from outer_loops.bptt import Bptt
from tests._compiler import as_users_jit
from tests.probes._run import run
from tests.probes._tasks import FixedMap

LIFE = Lifetime(
    task=FixedMap(), network=Feedforward(hidden=()), feedback=Symmetric(), genome=Direct(), slots=()
)
PROBLEM = MetaProblem(lifetime=LIFE, objective=MeanLoss(), life_clip=0.0)


def test_initial_weights_are_learned_without_any_rule():
    outer = Bptt(steps=150, learning_rate=0.1)
    first, last, metrics = run(PROBLEM, outer)
    assert outer.theta(first)["rules"] == {}
    assert metrics[-1]["loss"] < 1e-2 * metrics[0]["loss"]
    learned = outer.theta(last)["genome"]["input_to_output"]
    np.testing.assert_allclose(learned, FixedMap().matrix(), atol=0.05)


@pytest.mark.exact
def test_a_life_ends_with_the_weights_it_was_born_with():
    theta = PROBLEM.init(jax.random.key(1))
    batch = search_loop.sample(LIFE.task, search_loop.stream(0, "tasks"), 1, "train")
    thetas = jax.tree.map(lambda x: x[None], theta)
    live = as_users_jit(
        lambda thetas, batch: PROBLEM.advance(thetas, PROBLEM.begin(thetas, batch), 6)
    )
    lives, _ = live(thetas, batch)
    grown = lives.life.synapses["input_to_output"].weight[0]
    np.testing.assert_array_equal(grown, theta["genome"]["input_to_output"])
