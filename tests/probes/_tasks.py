"""Small task families and networks that only the probes need, registered as any outside package
would do it.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.networks.base import AbstractNetwork
from metaplast.neurons.lif import Lif
from metaplast.neurons.refractory import Refractory
from metaplast.registry import register
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, Natural, NonNegative, Positive, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split
from metaplast.transmission.delayed import Delayed
from metaplast.wiring import Edge, Population, Wiring


class Timed(AbstractTaskFamily):
    """A task is a key; its state is the number of steps gone by."""

    def sample(self, key: Key, split: Split) -> Any:
        return jax.random.fold_in(key, SPLITS.index(split))

    def begin(self, task: Any, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)


def _score(loss: Array, **metrics: Array) -> Score:
    return Score(loss=loss, weight=jnp.ones(()), metrics=metrics)


@register("task", "wake_up")
@spec
class WakeUp(Timed):
    """Poisson input to every cell; reward = target - output: the louder the network has to be, the
    more it is paid.
    """

    n_in: Count = 8
    n_steps: Count = 100
    rate: Positive = 60.0
    target: Positive = 2.0

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        return TaskShape(
            {"input": self.n_in}, 1, phases, frozenset({"reward"}), differentiable=False
        )

    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        return {
            "input": jax.random.bernoulli(key, self.rate * dt, (self.n_in,)).astype(
                jnp.zeros(()).dtype
            )
        }

    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        gap = self.target - output.activity[0]
        return state + 1, Outcome(
            feedback=feedback(1, modulators={"reward": gap}), score=_score(gap**2)
        )


@register("network", "excitable")
@spec
class Excitable(AbstractNetwork):
    """input -> cells (LIF, with a sparse excitatory loop) -> output, a weighted sum of their
    spikes.
    """

    n_cells: Count = 12
    probability: Positive = 0.3

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n, n_in = self.n_cells, inputs["input"]
        loop = Sparse(n, n, probability=self.probability, seed=1, self_connections=False)
        return Wiring(
            (
                Population("input", n_in),
                Population("cells", n, Refractory(neuron=Lif(soma_input="jump")), sign=1),
                Population("output", n_out),
            ),
            (
                Edge("input", "cells", Dense(n, n_in), gain=2.0),
                Edge("cells", "cells", loop, gain=0.1, bounds=(0.0, 2.0)),
                Edge("cells", "output", Dense(n_out, n), gain=1.0),
            ),
        )


@register("task", "poisson")
@spec
class Poisson(Timed):
    """Two independent groups of Poisson inputs; the score is the mean rate of the output
    population, in hertz.
    """

    n_in: Count = 40
    rate: Positive = 100.0
    n_steps: Count = 1000

    def shape(self) -> TaskShape:
        inputs = {"drive": self.n_in, "background": self.n_in}
        return TaskShape(inputs, 20, ((self.n_steps, True),), frozenset(), differentiable=False)

    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        spikes = jax.random.bernoulli(key, self.rate * dt, (2, self.n_in)).astype(
            jnp.zeros(()).dtype
        )
        return {"drive": spikes[0], "background": spikes[1]}

    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        rate = jnp.mean(output.activity) / dt
        return state + 1, Outcome(feedback=feedback(20), score=_score(rate, rate=rate))


@register("task", "trials")
@spec
class Trials(Timed):
    """Trials of `length` steps of random spikes; reward and surprise come in the last step of one
    and are 0 before.

    reward: +1, -1 ... in turn; surprise: 0.5, 2 ... in turn. resets: whether the end of a trial
    clears the neurons.
    """

    n_in: Count = 6
    length: Count = 20
    n_trials: Count = 3
    resets: bool = True

    def shape(self) -> TaskShape:
        offers = frozenset({"reward", "surprise", "reset"})
        phases = ((self.length * self.n_trials, True),)
        return TaskShape({"input": self.n_in}, 3, phases, offers, differentiable=False)

    def stimulus(self, task: Any, state: Any, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jax.random.bernoulli(key, 0.4, (self.n_in,)).astype(jnp.zeros(()).dtype)}

    def step(
        self, task: Any, state: Any, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        last = ((state + 1) % self.length == 0).astype(output.activity.dtype)
        odd = ((state // self.length) % 2).astype(last.dtype)
        modulators = {"reward": last * (1.0 - 2.0 * odd), "surprise": last * (0.5 + 1.5 * odd)}
        said = feedback(3, modulators=modulators, reset=last if self.resets else jnp.zeros(()))
        return state + 1, Outcome(feedback=said, score=_score(jnp.sum(output.activity)))


@register("network", "slow_pair")
@spec
class SlowPair(AbstractNetwork):
    """input -> hidden -> output, LIF, with a delay in front of the output."""

    n_hidden: Count = 5
    refractory: NonNegative = 3e-3

    def wiring(self, inputs: Mapping[str, int], n_out: int) -> Wiring:
        n, n_in = self.n_hidden, inputs["input"]
        cell = Refractory(neuron=Lif(soma_input="jump"), period=self.refractory)
        return Wiring(
            (
                Population("input", n_in),
                Population("hidden", n, cell),
                Population("output", n_out, cell),
            ),
            (
                Edge("input", "hidden", Dense(n, n_in), gain=4.0),
                Edge("hidden", "output", Dense(n_out, n), Delayed(delay=5e-3), gain=8.0),
            ),
        )


@register("task", "fixed_map")
@spec
class FixedMap(AbstractTaskFamily):
    """y = A x with the same A in every life: nothing to adapt to, all of it can be innate.

    n_steps with plasticity on, then n_frozen with plasticity off; noise: of the input, drawn in
    every step.
    """

    n_in: Count = 5
    n_out: Count = 3
    n_steps: Count = 6
    n_frozen: Natural = 0
    noise: NonNegative = 0.0

    def shape(self) -> TaskShape:
        offers = frozenset({"error", "target"})
        frozen = ((self.n_frozen, False),) if self.n_frozen else ()
        phases = ((self.n_steps, True), *frozen)
        return TaskShape({"input": self.n_in}, self.n_out, phases, offers, differentiable=True)

    def matrix(self) -> np.ndarray:
        return np.random.default_rng(0).normal(size=(self.n_out, self.n_in)).astype(np.float32)

    def sample(self, key: Key, split: Split) -> Array:
        return jax.random.normal(
            jax.random.fold_in(key, SPLITS.index(split)), (self.n_steps + self.n_frozen, self.n_in)
        )

    def begin(self, task: Array, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Array, state: Array, key: Key, dt: float) -> dict[str, Array]:
        noise = (
            self.noise * jax.random.normal(key, (self.n_in,))
            if self.noise
            else jnp.zeros(self.n_in)
        )
        return {"input": task[state] + noise}

    def step(
        self, task: Array, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        target = jnp.asarray(self.matrix()) @ task[state]
        error = output.activity - target
        said = feedback(self.n_out, error=2 * error / self.n_out, target=target)
        return state + 1, Outcome(feedback=said, score=_score(jnp.mean(error**2)))
