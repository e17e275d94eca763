"""Print the speed of evolution beside a plain script: python -m benchmarks.evolution

W4 is a generation of SNES over the per-synapse A, B, C, D of a network 4-128-64-2 that lives 200
steps. Times are CPU seconds of a pinned core. The two sides of a comparison run in turn. Quote the
median of the pairwise ratios. Scratch is the temporary memory of a compiled generation.
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
from benchmarks.run import cpu_seconds
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


def scratch(program: Any) -> float:
    """The temporary memory of a compiled program, MB."""
    return program.memory_analysis().temp_size_in_bytes / 1e6


def main() -> None:
    world = problem()
    key = jax.random.key(0)
    batch = jax.jit(world.sample, static_argnums=(1, 2))(key, 1, "train")
    theta = world.init(key)
    task = jax.tree.map(lambda x: x[0], batch.tasks)
    weights = [task.weights[e] for e in edges(SIZES)]

    members = 3e-3 * jax.random.normal(key, (FEW, ravel_pytree(theta)[0].size))
    ours = jax.jit(lambda m: world.losses(m, batch, unravel=ravel_pytree(theta)[1])[0])
    plain = plainly(members, theta, SIZES)
    expected = plain_evolution.losses(plain, weights, task.inputs, SIZES, 4)
    np.testing.assert_allclose(ours(members), expected, rtol=2e-3)
    speed = {}
    for choice in product(CHUNKS, (True, False)):
        run = partial(plain_evolution.losses, plain, weights, task.inputs, SIZES, *choice)
        jax.block_until_ready(run())
        speed[choice] = min(cpu_seconds(run) for _ in range(2))
    chunk, dot = min(speed, key=speed.__getitem__)
    print(f"plain: chunk {chunk}, dot {dot}; framework: chunk {world.chunk_size()}; losses agree")

    def framework(population: int, large: int = _redrawn.LARGE) -> Generation:
        """A generation, where members are held up to `large` numbers and else drawn again."""
        es = Es(population=population, std=3e-3)
        state = jax.jit(lambda t: es.init(world, t, key, es.hyper()))(theta)
        usual = _redrawn.LARGE
        _redrawn.LARGE = large
        step = jax.jit(lambda s, k: es.step(world, s, batch, k)).lower(state, key).compile()
        _redrawn.LARGE = usual
        return Generation(lambda: step(state, key), scratch(step))

    of = partial(
        plain_evolution.losses,
        weights=weights,
        inputs=task.inputs,
        sizes=SIZES,
        chunk=chunk,
        dot=dot,
    )
    zero = jnp.zeros(members.shape[1])
    snes = SNES(MEMBERS, zero)
    begun = snes.init(key, zero, snes.default_params.replace(std_init=3e-3))
    with_evosax = jax.jit(lambda s, k: plain_evolution.with_evosax(snes, s, k, of))
    by_hand = jax.jit(lambda s, k: plain_evolution.by_hand(s, k, MEMBERS, of))
    middle = 3e-3 * jax.random.normal(key, (MEMBERS, members.shape[1]))
    same = plainly(middle, theta, SIZES)
    ratio(f"W4, {MEMBERS} lives: framework, plain", lambda: ours(middle), lambda: of(same))
    generations = {population: framework(population) for population in POPULATIONS}
    held = {population: framework(population, large=2**60) for population in POPULATIONS}
    ours_whole = generations[MEMBERS].run
    wide = zero + 3e-3
    ratio(
        f"W4, a generation of {MEMBERS}: framework, plain with evosax",
        ours_whole,
        lambda: with_evosax(begun, key),
    )
    ratio(
        f"W4, a generation of {MEMBERS}: framework, plain by hand",
        ours_whole,
        lambda: by_hand((zero, wide), key),
    )
    few = 3e-3 * jax.random.normal(key, (FEW, zero.size))
    many = 3e-3 * jax.random.normal(key, (MANY, zero.size))
    ratio(
        f"lives/s, lives alone, {MANY} members to {FEW}",
        lambda: ours(many),
        lambda: ours(few),
        MANY / FEW,
    )
    ratio(
        f"W4, a generation of {MEMBERS}: members drawn again, held",
        ours_whole,
        held[MEMBERS].run,
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
