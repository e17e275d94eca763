"""Probe: evolution finds, among spike-timing rules of inhibitory synapses, one that holds a rate
(after Confavreux).
"""

import math
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
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.conductance_lif import ConductanceLif
from metaplast.neurons.refractory import Refractory
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.reuse.known import known_rule
from metaplast.rules.trace_taylor import TraceTaylor
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, Positive, decode, spec
from metaplast.transmission.exponential import Exponential
from metaplast.wiring import Edge, Population, Wiring
from outer_loops.es import Es
from tests._compiler import as_users
from tests.probes._run import run
from tests.probes._tasks import Timed

TARGET, N_OUT, WINDOW = 10.0, 10, 1000


@register("network", "inhibited")
@spec
class Inhibited(AbstractNetwork):
    """drive -> output, fixed; inhibition -> output, plastic: magnitudes at conductance ports."""

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        drive, inhibition, cell = (
            inputs["drive"],
            inputs["inhibition"],
            Refractory(neuron=ConductanceLif()),
        )
        return Wiring(
            (
                Population("drive", drive, sign=1),
                Population("inhibition", inhibition, sign=-1),
                Population("output", n_out, cell),
            ),
            (
                Edge(
                    "drive",
                    "output",
                    Dense(n_out, drive),
                    Exponential(5e-3),
                    "excitatory",
                    False,
                    gain=0.2,
                ),
                Edge("inhibition", "output", Dense(n_out, inhibition), port="inhibitory", gain=0.1),
            ),
        )


@register("task", "hold_rate")
@spec
class HoldRate(Timed):
    """Poisson drive and inhibition of rates that differ from life to life; at the end of a life the
    loss is the mean of (rate - target)^2 / (rate + 0.1) over the output's rates in the last
    second."""

    n_in: Count = 40
    rate: Positive = 100.0
    n_steps: Count = 3000

    def shape(self) -> TaskShape:
        inputs = {"drive": self.n_in, "inhibition": self.n_in}
        return TaskShape(inputs, N_OUT, ((self.n_steps, True),), frozenset(), differentiable=False)

    def begin(self, task: Any, key: Key, dt: float) -> tuple[Array, Array]:
        return jnp.zeros((), jnp.int32), jnp.zeros(N_OUT)

    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        faster = jnp.exp(0.3 * jax.random.normal(task, (2, 1)))
        probability = dt * faster * jnp.asarray([[self.rate], [0.3 * self.rate]])
        spikes = jax.random.bernoulli(key, probability, (2, self.n_in)).astype(jnp.zeros(()).dtype)
        return {"drive": spikes[0], "inhibition": spikes[1]}

    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        now, count = state
        count = count + jnp.where(now >= self.n_steps - WINDOW, output.activity, 0.0)
        rate = count / (WINDOW * dt)
        loss = jnp.mean((rate - TARGET) ** 2 / (rate + 0.1))
        last = (now == self.n_steps - 1).astype(loss.dtype)
        score = Score(loss=loss, weight=last, metrics={"rate": jnp.mean(rate)})
        return (now + 1, count), Outcome(feedback=feedback(N_OUT), score=score)


def _problem(rule: TraceTaylor) -> MetaProblem:
    slots = (Slot(name="inhibition", edges="inhibition_*", rule=rule),)
    lifetime = Lifetime(HoldRate(), Inhibited(), None_(), slots=slots)
    return MetaProblem(lifetime, MeanLoss(), n_tasks=2)


def _heldout(problem: MetaProblem, theta: Any, n: int = 16) -> np.ndarray:
    batch = search_loop.sample(
        problem.lifetime.task, search_loop.stream(0, "heldout"), n, "heldout"
    )
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (n, *x.shape)), theta)
    return np.asarray(jax.jit(problem.losses)(many, batch)[0])


@pytest.mark.system  # 3,000 steps a life
def test_the_published_rule_holds_its_rate_in_another_network():
    problem = _problem(decode("rule", known_rule("confavreux")))
    still = _problem(decode("rule", known_rule("confavreux") | {"rate": 1e-9}))
    kept, lost = (_heldout(p, p.init(jax.random.key(0))).mean() for p in (problem, still))
    assert kept < 4.0 and lost > 10.0 * kept


@pytest.mark.golden  # 40 generations of 32 lives
def test_evolution_finds_a_rule_with_the_fixed_point_of_the_target(monkeypatch):
    """Mean field: post rate = -alpha nu / [nu (kappa tau_post + gamma tau_pre) + beta], at
    inhibition of nu = 30 Hz.
    """
    as_users(
        monkeypatch, search_loop, "_step"
    )  # compiled as other tests are, it takes twice as long
    rule = decode("rule", known_rule("confavreux_space"))
    problem, outer = _problem(rule), Es(steps=40, population=16, std=0.3)
    first, last, _ = run(problem, outer)
    before, after = (_heldout(problem, outer.theta(state)).mean() for state in (first, last))
    assert after < 0.1 * before
    theta = outer.theta(last)["rules"]["inhibition"]
    alpha, kappa, beta, gamma = np.asarray(theta["coefficients"], float)
    tau_pre, tau_post = (
        0.02 * math.exp(5.0 * float(theta[f"log_tau_{side}_trace"])) for side in ("pre", "post")
    )
    fixed = -alpha * 30.0 / (30.0 * (kappa * tau_post + gamma * tau_pre) + beta)
    assert 7.0 < fixed < 14.0
