"""The gradient through a deep network.

A rule changes all weights of 784-170-130-100-70-47 for 250 steps. It is the three-term rule of
Shervani-Tabar & Rosenbaum (2023), which reads the weight in its Oja term, or the first of its
terms alone, which does not. The plain script (`plain_deep.py`) does the same work.
"""

from dataclasses import replace
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks import plain_deep
from benchmarks._measure import Side, compare, first_call
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback, pytree
from metaplast.spec import Count, spec
from metaplast.tasks import AbstractTaskFamily, Split

SIZES = (784, 170, 130, 100, 70, 47)
STEPS = 250
TERMS = {
    "with oja": ("error*pre", "error*pre_error", "post*pre - post^2*weight"),
    "without w": ("error*pre",),
}
COEFFICIENTS = {"with oja": (-1e-4, -1e-4, 1e-5), "without w": (-1e-4,)}


@pytree
class Shown:
    """One life.

    inputs [T, n_in]: the stimuli.
    targets [T, n_out]: the desired outputs.
    weights {edge: [n_post, n_pre]}: the first weights.
    """

    inputs: Array
    targets: Array
    weights: dict[str, Array]


@register("task", "told_stream")
@spec
class ToldStream(AbstractTaskFamily):
    """Random inputs and targets. The loss of a step is half the mean squared error."""

    sizes: tuple[Count, ...] = SIZES
    n_steps: Count = STEPS

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"weights", "error", "target"})
        inputs = {"input": self.sizes[0]}
        return TaskShape(inputs, self.sizes[-1], phases, offers, differentiable=True)

    def sample(self, key: Key, split: Split) -> Shown:
        k_x, k_y, k_w = jax.random.split(key, 3)
        weights = {}
        for layer, edge in enumerate(edges(self.sizes)):
            n_pre, n_post = self.sizes[layer], self.sizes[layer + 1]
            drawn = jax.random.normal(jax.random.fold_in(k_w, layer), (n_post, n_pre))
            weights[edge] = drawn / n_pre**0.5
        return Shown(
            inputs=jax.random.uniform(k_x, (self.n_steps, self.sizes[0])),
            targets=jax.random.normal(k_y, (self.n_steps, self.sizes[-1])),
            weights=weights,
        )

    def begin(self, task: Shown, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Shown, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: Shown, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        target = task.targets[state]
        error = output.activity - target
        score = Score(loss=0.5 * jnp.mean(error**2), weight=jnp.ones(()), metrics={})
        signals = feedback(self.sizes[-1], error=error, target=target)
        return state + 1, Outcome(feedback=signals, score=score)


def edges(sizes: tuple[int, ...]) -> list[str]:
    """The names of the edges from the first layer on."""
    hidden = [f"hidden_{i}" for i in range(1, len(sizes) - 1)]
    names = ["input", *hidden, "output"]
    return [f"{pre}_to_{post}" for pre, post in pairwise(names)]


def problem(kind: str, sizes: tuple[int, ...] = SIZES, n_steps: int = STEPS) -> MetaProblem:
    """The framework's side. kind: `with oja` or `without w`."""
    lifetime = Lifetime(
        task=ToldStream(sizes=sizes, n_steps=n_steps),
        network=Feedforward(hidden=sizes[1:-1]),
        genome=Given(),
        slots=(Slot(rule=Polynomial(terms=TERMS[kind], rate=1.0)),),
    )
    return replace(MetaProblem(lifetime, MeanLoss()), life_clip=0.0)


class Sides:
    """The same lives on both sides.

    problem: of the framework.
    coefficients: of the rule.
    """

    def __init__(self, kind: str, sizes: tuple[int, ...], n_steps: int, n_lives: int) -> None:
        self.problem = problem(kind, sizes, n_steps)
        sample = jax.jit(self.problem.sample, static_argnums=(1, 2))
        self.batch = sample(jax.random.key(0), n_lives, "train")
        self.coefficients = jnp.asarray(COEFFICIENTS[kind])
        rules = {"rule": {"coefficients": self.coefficients}}
        self.theta = {"rules": rules, "genome": {}, "feedback": {}, "neurons": {}}
        born = jax.jit(jax.vmap(self.problem.lifetime.begin, in_axes=(None, 0, 0)))(
            self.theta, self.batch.tasks, self.batch.keys
        )
        names = edges(sizes)
        self.work = plain_deep.Work(
            tuple(self.batch.tasks.weights[name] for name in names),
            tuple(born.feedback["back"][name] for name in names),
            self.batch.tasks.inputs,
            self.batch.tasks.targets,
        )
        one = plain_deep.GRADIENTS[kind]

        def plain(theta: Array, work: plain_deep.Work) -> tuple[Array, Array]:
            loss, slope = jax.lax.map(lambda life: one(theta, life), work)
            return jnp.mean(loss), jnp.mean(slope, axis=0)

        ours = lambda theta, batch: self.problem.value_and_grad(theta, batch)[:2]
        self.framework = Side("", jax.jit(ours), (self.theta, self.batch))
        self.script = Side("one life at a time", jax.jit(plain), (self.coefficients, self.work))

    def ours(self) -> tuple[Array, Array]:
        """(Loss, gradient) of the framework."""
        loss, slope = self.framework.run()
        return loss, slope["rules"]["rule"]["coefficients"]

    def plain(self) -> tuple[Array, Array]:
        """(Loss, gradient) of the plain script."""
        return self.script.run()


def rows() -> None:
    """Both rules, in one life and in four."""
    for kind in TERMS:
        for n_lives in (1, 4):
            sides = Sides(kind, SIZES, STEPS, n_lives)
            first = first_call(sides.framework)
            for ours, plain in zip(sides.ours(), sides.plain(), strict=True):
                np.testing.assert_allclose(ours, plain, rtol=2e-3)
            n_synapses = sum(w[0].size for w in sides.work.weights)
            lives = "1 life" if n_lives == 1 else f"{n_lives} lives"
            name = f"W2 deep gradient, {kind}, {lives}"
            updates = n_synapses * STEPS * n_lives
            compare(name, sides.framework, sides.script, updates, first)
