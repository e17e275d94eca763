"""W4: a generation of SNES over the per-synapse A, B, C, D of a network 4-128-64-2.

A life has 200 steps. `python -m benchmarks.evolution` prints speed and memory against the size of
the population. Times are CPU seconds of a pinned core. The two sides of a comparison run in turn.
Quote the median of the pairwise ratios. Scratch is the temporary memory of a compiled generation.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise, product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from evosax.algorithms import SNES
from jax.flatten_util import ravel_pytree

from benchmarks import plain_evolution
from benchmarks._measure import Side, compare, cpu_seconds, first_call
from benchmarks.workload import Work
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.rules.abcd import Abcd
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, spec
from metaplast.tasks import AbstractTaskFamily, Split
from outer_loops import _redrawn
from outer_loops.es import Es

SIZES = (4, 128, 64, 2)
STEPS = 200
MEMBERS = 256
FEW = 64
MANY = 1024
MOST = 4096
POPULATIONS = (FEW, MEMBERS, MANY, MOST)
REPEATS = 9
CHUNKS = (1, 2, 4, 8, 16)


@register("task", "layered_stream")
@spec
class LayeredStream(AbstractTaskFamily):
    """Random inputs to a network of given first weights.

    The loss of a step is the mean square of the output.
    """

    sizes: tuple[Count, ...] = SIZES
    n_steps: Count = STEPS

    def shape(self) -> TaskShape:
        phases = ((self.n_steps, True),)
        offers = frozenset({"weights"})
        return TaskShape(
            {"input": self.sizes[0]}, self.sizes[-1], phases, offers, differentiable=True
        )

    def sample(self, key: Key, split: Split) -> Work:
        k_x, k_w = jax.random.split(key)
        drawn = {}
        for i, name in enumerate(edges(self.sizes)):
            pre = self.sizes[i]
            post = self.sizes[i + 1]
            drawn[name] = jax.random.normal(jax.random.fold_in(k_w, i), (post, pre)) / pre**0.5
        inputs = 0.5 * jax.random.normal(k_x, (self.n_steps, self.sizes[0]))
        return Work(inputs=inputs, reward=jnp.zeros(self.n_steps), weights=drawn)

    def begin(self, task: Work, key: Key, dt: float) -> jax.Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Work, state: jax.Array, key: Key, dt: float) -> dict[str, jax.Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: Work, state: jax.Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[jax.Array, Outcome]:
        score = Score(loss=jnp.mean(output.activity**2), weight=jnp.ones(()), metrics={})
        return state + 1, Outcome(feedback=feedback(self.sizes[-1]), score=score)


def edges(sizes: tuple[int, ...]) -> list[str]:
    """The names of the edges of a network with layers of these sizes."""
    names = ["input", *(f"hidden_{i}" for i in range(1, len(sizes) - 1)), "output"]
    return [f"{pre}_to_{post}" for pre, post in pairwise(names)]


def problem(sizes: tuple[int, ...] = SIZES, n_steps: int = STEPS) -> MetaProblem:
    """The framework's side."""
    network = Feedforward(hidden=sizes[1:-1], neuron=Tanh(), output=Tanh())
    rule = Slot(rule=Abcd(rate=plain_evolution.RATE), shared=False)
    task = LayeredStream(sizes=sizes, n_steps=n_steps)
    lifetime = Lifetime(task=task, network=network, genome=Given(), slots=(rule,))
    return MetaProblem(lifetime, MeanLoss(), n_tasks=1)


def plainly(flat: jax.Array, like: Any, sizes: tuple[int, ...]) -> jax.Array:
    """The members [P, n] in the plain script's order of numbers, which is layer by layer.

    Args:
        flat: the members in the framework's order [P, n].
        like: a theta of the framework.
        sizes: the sizes of the layers.
    """
    _, unravel = ravel_pytree(like)
    slot = jax.vmap(unravel)(flat)["rules"]["rule"]
    layers = []
    for edge in edges(sizes):
        leaves = jnp.stack([slot[edge][name] for name in "abcd"], axis=1)
        layers.append(leaves.reshape(len(flat), -1))
    return jnp.concatenate(layers, axis=1)


def ratio(
    name: str,
    one: Callable[[], Any],
    other: Callable[[], Any],
    scale: float = 1.0,
    repeats: int = REPEATS,
) -> None:
    """Print the seconds of `other` per second of `one`, times scale, pair by pair.

    Each run follows a run of the same side that is not timed: so neither pays for the memory that
    the other gave back.
    """

    def timed(run: Callable[[], Any]) -> float:
        jax.block_until_ready(run())
        return cpu_seconds(run)

    pairs = [(timed(one), timed(other)) for _ in range(repeats + 1)][1:]
    ratios = sorted(scale * b / a for a, b in pairs)
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    middle = statistics.median(ratios)
    print(f"{name}: {1e3 * a:.0f} ms, {1e3 * b:.0f} ms; ratio {middle:.3f}", end=" ")
    print(f"({ratios[0]:.3f} to {ratios[-1]:.3f})", flush=True)


class Generation(NamedTuple):
    """A compiled generation of the framework.

    run: one generation from the start
    scratch: its temporary memory, MB
    """

    run: Callable[[], Any]
    scratch: float


class Workload:
    """W4: the same tasks and first weights on both sides.

    world: the framework's problem.
    batch: its task.
    theta: of one member.
    weights: the first weights of every layer.
    inputs: the stimuli [T, n_in].
    """

    def __init__(self) -> None:
        self.world = problem()
        self.key = jax.random.key(0)
        sample = jax.jit(self.world.sample, static_argnums=(1, 2))
        self.batch = sample(self.key, 1, "train")
        self.theta = self.world.init(self.key)
        flat, self.unravel = ravel_pytree(self.theta)
        self.size = flat.size
        task = jax.tree.map(lambda x: x[0], self.batch.tasks)
        self.weights = [task.weights[edge] for edge in edges(SIZES)]
        self.inputs = task.inputs
        self.losses = jax.jit(
            lambda flat: self.world.losses(flat, self.batch, unravel=self.unravel)[0]
        )

    def members(self, n: int) -> jax.Array:
        """Random members [n, numbers]."""
        return 3e-3 * jax.random.normal(self.key, (n, self.size))

    def plain_losses(self) -> partial[jax.Array]:
        """The plain script in its fastest form, thetas -> losses, after a check of its numbers."""
        few = self.members(FEW)
        plain = plainly(few, self.theta, SIZES)
        of = partial(plain_evolution.losses, weights=self.weights, inputs=self.inputs, sizes=SIZES)
        np.testing.assert_allclose(self.losses(few), of(plain, chunk=4), rtol=2e-3)
        best = of
        least = float("inf")
        for chunk, dot in product(CHUNKS, (True, False)):
            form = partial(of, chunk=chunk, dot=dot)
            jax.block_until_ready(form(plain))
            seconds = min(cpu_seconds(partial(form, plain)) for _ in range(2))
            if seconds < least:
                best = form
                least = seconds
        return best

    def step(self, population: int) -> Side:
        """A generation of the framework."""
        es = Es(population=population, std=3e-3)
        begun = jax.jit(lambda theta: es.init(self.world, theta, self.key, es.hyper()))
        step = jax.jit(lambda state, key: es.step(self.world, state, self.batch, key))
        return Side("", step, (begun(self.theta), self.key))

    def generation(self, population: int, large: int = _redrawn.LARGE) -> Generation:
        """A generation, where members are held up to `large` numbers and else drawn again."""
        usual = _redrawn.LARGE
        _redrawn.LARGE = large
        side = self.step(population)
        step = side.function.lower(*side.args).compile()
        _redrawn.LARGE = usual
        return Generation(lambda: step(*side.args), scratch(step))


def scratch(program: Any) -> float:
    """The temporary memory of a compiled program, MB."""
    return program.memory_analysis().temp_size_in_bytes / 1e6


def rows() -> None:
    """W4: the lives alone, and a generation beside two plain scripts."""
    work = Workload()
    updates = work.size / 4 * STEPS * MEMBERS
    members = work.members(MEMBERS)
    ours = Side("", work.losses, (members,))
    first = first_call(ours)
    of = work.plain_losses()
    chunk = of.keywords["chunk"]
    form = "matrix products" if of.keywords["dot"] else "sums"
    name = f"chunks of {chunk}, {form}"
    same = plainly(members, work.theta, SIZES)
    theirs = Side(name, jax.jit(of), (same,))
    compare(f"W4 lives, {MEMBERS} members", ours, theirs, updates, first)

    ours = work.step(MEMBERS)
    first = first_call(ours)
    zero = jnp.zeros(work.size)
    snes = SNES(MEMBERS, zero)
    begun = snes.init(work.key, zero, snes.default_params.replace(std_init=3e-3))
    with_evosax = jax.jit(lambda s, k: plain_evolution.with_evosax(snes, s, k, of))
    by_hand = jax.jit(lambda s, k: plain_evolution.by_hand(s, k, MEMBERS, of))
    name = f"W4 a generation of {MEMBERS}"
    compare(name, ours, Side("evosax", with_evosax, (begun, work.key)), updates, first)
    begun = (zero, zero + 3e-3)
    compare(name, ours, Side("by hand", by_hand, (begun, work.key)), updates, first)


def main() -> None:
    """Print speed and memory against the size of the population."""
    work = Workload()
    generations = {}
    held = {}
    for population in POPULATIONS:
        generations[population] = work.generation(population)
        held[population] = work.generation(population, large=2**60)
    few = work.members(FEW)
    many = work.members(MANY)
    ratio(
        f"lives/s, lives alone, {MANY} members to {FEW}",
        lambda: work.losses(many),
        lambda: work.losses(few),
        MANY / FEW,
    )
    for population in POPULATIONS[:-1]:
        ratio(
            f"a generation of {population}: members drawn again, held",
            generations[population].run,
            held[population].run,
        )
    for population in POPULATIONS[1:]:
        ratio(
            f"lives/s, whole generations, {population} members to {FEW}",
            generations[population].run,
            generations[FEW].run,
            population / FEW,
            repeats=REPEATS if population < MOST else 3,
        )
    for population in POPULATIONS:
        ours_mb = generations[population].scratch
        held_mb = held[population].scratch
        print(f"scratch of {population} members: drawn again {ours_mb:.2f} MB, held {held_mb:.0f}")


if __name__ == "__main__":
    main()
