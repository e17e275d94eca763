"""Probe: a dendrite learns from frozen input spikes to predict what a teacher makes of its soma."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from metaplast import search_loop
from metaplast.connections.dense import Dense
from metaplast.feedback.none import None_
from metaplast.genomes.constant import Constant
from metaplast.genomes.parts import Parts
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.lif import Lif
from metaplast.neurons.two_compartment import TwoCompartment
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput, register
from metaplast.rules.urbanczik_senn import UrbanczikSenn
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, feedback
from metaplast.spec import Count, spec
from metaplast.transmission.dual_exponential import DualExponential
from metaplast.wiring import Edge, Population, Wiring
from tests.probes._tasks import Timed, _score

PATTERN, REPEATS, N_OUT = 200, 80, 4
PSP = DualExponential(tau_rise=3e-3, tau_decay=10e-3)


@register("network", "dendritic")
@spec
class Dendritic(AbstractNetwork):
    """input -> dendrite of the output; a teacher's two conductances onto its soma. somatic: input
    -> a plain lif.
    """

    somatic: bool = False

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n, neuron = inputs["input"], Lif() if self.somatic else TwoCompartment()
        taught = () if self.somatic else ("excitatory", "inhibitory")
        teachers = tuple(
            Edge(
                f"teacher_{port}",
                "output",
                Dense(n_out, 1),
                port=port,
                plastic=False,
                bounds=(0.0, 100.0),
            )
            for port in taught
        )
        port = "soma" if self.somatic else "dendrite"
        learning = Edge("input", "output", Dense(n_out, n), PSP, port=port, bounds=(-2.0, 2.0))
        populations = (
            *(Population(name, size) for name, size in inputs.items()),
            Population("output", n_out, neuron),
        )
        return Wiring(populations, (learning, *teachers))


@register("task", "nudged")
@spec
class Nudged(Timed):
    """A frozen pattern of input spikes, again and again, while conductances pull the soma to a slow
    wave U_m(t).
    """

    n_in: Count = 100

    def shape(self) -> TaskShape:
        inputs = {"input": self.n_in, "teacher_excitatory": 1, "teacher_inhibitory": 1}
        return TaskShape(
            inputs, N_OUT, ((PATTERN * REPEATS, True),), frozenset(), differentiable=False
        )

    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        now = state % PATTERN
        spikes = jax.random.bernoulli(jax.random.fold_in(task, now), 20.0 * dt, (self.n_in,))
        share = (
            _wave(now) + 1 / 3
        ) / 5.0  # of the excitatory conductance: reversal potentials 14/3 and -1/3
        return {
            "input": spikes.astype(jnp.zeros(()).dtype),
            "teacher_excitatory": jnp.reshape(20.0 * share, (1,)),
            "teacher_inhibitory": jnp.reshape(20.0 * (1.0 - share), (1,)),
        }

    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        gap = jnp.mean((output.dendrite - _wave(state % PATTERN)) ** 2)
        return state + 1, Outcome(feedback=feedback(N_OUT), score=_score(gap))


def _wave(now: Array) -> Array:
    return 0.7 + 0.5 * jnp.sin(2.0 * jnp.pi * now.astype(jnp.zeros(()).dtype) / PATTERN)


GENOME = Parts((("input_*", Constant(0.0)), ("teacher_*", Constant(1.0))))


def _problem(rule: UrbanczikSenn, network: Dendritic) -> MetaProblem:
    slots = (Slot(edges="input_*", rule=rule),)
    return MetaProblem(Lifetime(Nudged(), network, None_(), GENOME, slots))


def _gaps(rule: UrbanczikSenn) -> np.ndarray:
    """Mean (V* - U_m)^2 in each repeat of the pattern."""
    problem = _problem(rule, Dendritic())
    theta = problem.init(jax.random.key(0))
    batch = search_loop.sample(problem.lifetime.task, search_loop.stream(0, "tasks"), 1, "train")
    lives = problem.begin(jax.tree.map(lambda x: x[None], theta), batch)
    _, window = jax.jit(problem.advance, static_argnums=2)(
        jax.tree.map(lambda x: x[None], theta), lives, PATTERN * REPEATS
    )
    return np.asarray(window.trace.score.loss).reshape(REPEATS, PATTERN).mean(axis=1)


@pytest.mark.system  # 16,000 steps
@pytest.mark.parametrize("tau_delta", [0.0, 100e-3])
def test_the_dendrite_comes_to_predict_the_taught_soma(tau_delta):
    gaps = _gaps(UrbanczikSenn(rate=5e-4, tau_delta=tau_delta))
    assert gaps[-8:].mean() < 0.05 * gaps[0]


def test_a_neuron_without_a_dendrite_is_refused():
    with pytest.raises(BadInput, match=r"reads post\.dendrite"):
        _problem(UrbanczikSenn(), Dendritic(somatic=True)).lifetime.check()
