"""Probe: excitation and inhibition as conductances; inhibitory plasticity holds the excitatory rate
at its target.
"""

from collections.abc import Mapping

import jax
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.refractory import Refractory
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.rules.stdp import Stdp
from metaplast.rules.vogels import Vogels
from metaplast.spec import Count, spec
from metaplast.transmission.delayed import Delayed
from metaplast.transmission.exponential import Exponential
from metaplast.wiring import Edge, Population, Wiring
from tests.probes._tasks import Poisson

TARGET, WINDOW = 10.0, 1000


@register("network", "balanced")
@spec
class Balanced(AbstractNetwork):
    """drive -> e, background -> i, e <-> i and e -> e (delayed): all magnitudes, at conductance
    ports.
    """

    n_i: Count = 20

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n, n_i, synapse = n_out, self.n_i, Exponential(tau=5e-3)
        drive, background = inputs["drive"], inputs["background"]
        return Wiring(
            (
                Population("drive", drive, sign=1),
                Population("background", background, sign=1),
                Population("i", n_i, Refractory(neuron=ConductanceLif()), sign=-1),
                Population("e", n, Refractory(neuron=ConductanceLif()), sign=1),
            ),
            (
                Edge(
                    "background",
                    "i",
                    Dense(n_i, background),
                    synapse,
                    port="excitatory",
                    gain=0.2,
                    plastic=False,
                ),
                Edge(
                    "drive",
                    "e",
                    Dense(n, drive),
                    synapse,
                    port="excitatory",
                    gain=0.2,
                    plastic=False,
                ),
                Edge("e", "i", Dense(n_i, n), Delayed(delay=2e-3), port="excitatory", gain=0.1),
                Edge(
                    "e",
                    "e",
                    Sparse(n, n, 0.2, 1),
                    Delayed(delay=2e-3),
                    port="excitatory",
                    bounds=(-1.0, 0.5),
                    gain=0.2,
                ),
                Edge("i", "e", Dense(n, n_i), port="inhibitory", gain=0.1),
            ),
        )


SLOTS = (
    Slot(name="inhibition", edges="i_to_e", rule=Vogels(rate=2e-2, target_rate=TARGET)),
    Slot(
        name="excitation",
        edges="e_to_e",
        rule=Stdp(potentiation=1e-3, depression=1.05e-3, mu_potentiation=1.0, mu_depression=1.0),
    ),
)
PROBLEM = MetaProblem(
    lifetime=Lifetime(
        task=Poisson(), network=Balanced(), feedback=Symmetric(), slots=SLOTS, record=("weights",)
    )
)


@pytest.fixture(scope="module")
def lived():
    """(lives at birth, weights of every edge at every step, mean rate of e in each window of one
    second).
    """
    theta = PROBLEM.init(jax.random.key(0))
    thetas = jax.tree.map(lambda x: x[None], theta)
    batch = search_loop.sample(PROBLEM.lifetime.task, search_loop.stream(0, "tasks"), 1, "train")
    born = lives = jax.jit(PROBLEM.begin)(thetas, batch)
    advance, weights, rates = jax.jit(PROBLEM.advance, static_argnums=2), [], []
    for _ in range(12):
        lives, window = advance(thetas, lives, WINDOW)
        weights.append(jax.tree.map(lambda x: np.asarray(x[0]), window.trace.recorded["weights"]))
        rates.append(float(np.mean(window.trace.score.metrics["rate"])))
    assert advance._cache_size() == 1  # a life at birth and one under way are the same program
    return born, jax.tree.map(lambda *x: np.concatenate(x), *weights), rates


def test_the_rate_comes_to_the_target(lived):
    rates = lived[2]
    assert rates[0] > 2 * TARGET
    assert np.mean(rates[-8:]) == pytest.approx(TARGET, rel=0.1)


def test_weights_are_never_negative_and_static_edges_never_change(lived):
    born, weights, _ = lived
    for name, values in weights.items():
        assert values.min() >= 0 and values.max() <= 10
        moved = bool((values != np.asarray(born.life.synapses[name].weight)).any())
        assert moved == (name in ("i_to_e", "e_to_e")), name
    assert weights["e_to_e"].max() <= 0.5


def test_each_slot_holds_the_edges_it_names():
    plastic = PROBLEM.lifetime.plastic()
    assert {name: slot.name for name, (_, slot) in plastic.items()} == {
        "i_to_e": "inhibition",
        "e_to_e": "excitation",
    }
    assert PROBLEM.lifetime.reads()["i_to_e"] == {"pre.activity", "post.activity"}
    assert PROBLEM.lifetime.reads()["e_to_e"] == {
        "pre.activity",
        "post.activity",
        "weight",
        "weight_max",
    }
