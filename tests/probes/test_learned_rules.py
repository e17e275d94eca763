"""Probe: a rule with four numbers at every synapse under evolution, a small network as rule under
backpropagation.
"""

import numpy as np

from metaplast.feedback.symmetric import Symmetric
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.abcd import Abcd
from metaplast.rules.mlp import Mlp
from outer_loops.bptt import Bptt
from outer_loops.es import Es
from tests.probes._run import run
from tests.probes._tasks import FixedMap


def _problem(slot: Slot) -> MetaProblem:
    """One fixed linear map, to be found from any birth within ten steps."""
    life = Lifetime(
        task=FixedMap(n_steps=10),
        network=Feedforward(hidden=()),
        feedback=Symmetric(),
        slots=(slot,),
    )
    return MetaProblem(lifetime=life)


def _gain(metrics: list) -> float:
    losses = np.asarray([m["loss"] for m in metrics])
    assert all(m["diverged"] == m["skipped"] == 0 for m in metrics)
    return losses[-10:].mean() / losses[:10].mean()


def test_per_synapse_abcd_gets_better_under_snes():
    outer = Es(steps=60, population=32, std=0.3)
    _, last, metrics = run(_problem(Slot(rule=Abcd(), shared=False)), outer)
    assert outer.theta(last)["rules"]["rule"]["input_to_output"]["a"].shape == (3, 5)
    assert _gain(metrics) < 0.6


def test_an_mlp_rule_with_a_memory_at_every_synapse_gets_better_under_backpropagation():
    rule = Mlp(inputs=("pre", "error", "weight"), hidden=(8,), n_state=1, tau=5e-3, rate=1.0)
    outer = Bptt(steps=200, learning_rate=3e-2)
    first, last, metrics = run(_problem(Slot(rule=rule)), outer)
    assert outer.theta(last)["rules"]["rule"]["layer_0"]["weight"].shape == (8, 4)
    memory = np.abs(outer.theta(last)["rules"]["rule"]["layer_0"]["weight"][:, 3])
    assert not np.array_equal(
        memory, np.abs(outer.theta(first)["rules"]["rule"]["layer_0"]["weight"][:, 3])
    )
    assert _gain(metrics) < 0.8
