"""Print the speed of evolution beside a plain script: python -m benchmarks.evolution

W4: a generation of SNES over the per-synapse A, B, C, D of a network 4-128-64-2 that lives 200
steps. CPU seconds of a pinned core; what is compared runs in turn, and the median of the pairwise
ratios is what to quote.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import statistics
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

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
from outer_loops.es import Es

SIZES, STEPS, MEMBERS, FEW, MANY, REPEATS = (4, 128, 64, 2), 200, 256, 64, 1024, 9
CHUNKS = (1, 2, 4, 8, 16)


@register("task", "layered_stream")
@spec
class LayeredStream(AbstractTaskFamily):
    """Random inputs to a network of given first weights; the loss of a step is the mean square of
    the output.
    """

    sizes: tuple[Count, ...] = SIZES
    n_steps: Count = STEPS

    def shape(self) -> TaskShape:
        n_in, *_, n_out = self.sizes
        return TaskShape(
            {"input": n_in},
            n_out,
            ((self.n_steps, True),),
            frozenset({"weights"}),
            differentiable=True,
        )

    def sample(self, key: Key, split: Split) -> Work:
        k_x, k_w = jax.random.split(key)
        drawn = {
            name: jax.random.normal(jax.random.fold_in(k_w, i), (post, pre)) / pre**0.5
            for i, (name, pre, post) in enumerate(
                zip(edges(self.sizes), self.sizes[:-1], self.sizes[1:], strict=True)
            )
        }
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
    names = ["input", *(f"hidden_{i}" for i in range(1, len(sizes) - 1)), "output"]
    return [f"{pre}_to_{post}" for pre, post in pairwise(names)]


def problem(sizes: tuple[int, ...] = SIZES, n_steps: int = STEPS) -> MetaProblem:
    """The framework's side."""
    network = Feedforward(hidden=sizes[1:-1], neuron=Tanh(), output=Tanh())
    rule = Slot(rule=Abcd(rate=plain_evolution.RATE), shared=False)
    task = LayeredStream(sizes=sizes, n_steps=n_steps)
    return MetaProblem(
        Lifetime(task=task, network=network, genome=Given(), slots=(rule,)), MeanLoss(), n_tasks=1
    )


def plainly(flat: jax.Array, like: Any, sizes: tuple[int, ...]) -> jax.Array:
    """Members [P, n] in the framework's order of numbers, in the plain script's: layer by layer."""
    _, unravel = ravel_pytree(like)
    slot = jax.vmap(unravel)(flat)["rules"]["rule"]
    layers = [
        jnp.stack([slot[e][k] for k in "abcd"], axis=1).reshape(len(flat), -1) for e in edges(sizes)
    ]
    return jnp.concatenate(layers, axis=1)


def ratio(name: str, one: Callable[[], Any], other: Callable[[], Any], scale: float = 1.0) -> None:
    """Seconds of `other` per second of `one`, times scale, pair by pair; each after a run that is
    not timed, so that neither pays for the memory that the other gave back."""

    def second(run: Callable[[], Any]) -> float:
        jax.block_until_ready(run())
        return cpu_seconds(run)

    pairs = [(second(one), second(other)) for _ in range(REPEATS + 1)][1:]
    ratios = sorted(scale * b / a for a, b in pairs)
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name}: {1e3 * a:.0f} ms, {1e3 * b:.0f} ms; ratio {statistics.median(ratios):.3f}",
        end=" ",
    )
    print(f"({ratios[0]:.3f} to {ratios[-1]:.3f})", flush=True)


def main() -> None:
    world, key = problem(), jax.random.key(0)
    batch = jax.jit(world.sample, static_argnums=(1, 2))(key, 1, "train")
    theta = world.init(key)
    task = jax.tree.map(lambda x: x[0], batch.tasks)
    ws = [task.weights[e] for e in edges(SIZES)]
    step = jax.jit(lambda es, s, k: es.step(world, s, batch, k), static_argnums=0)

    members = 3e-3 * jax.random.normal(key, (FEW, ravel_pytree(theta)[0].size))
    ours = jax.jit(lambda m: world.losses(m, batch, unravel=ravel_pytree(theta)[1])[0])
    plain = plainly(members, theta, SIZES)
    found = ours(members)
    np.testing.assert_allclose(
        found, plain_evolution.losses(plain, ws, task.inputs, SIZES, 4), rtol=2e-3
    )
    speed = {}
    for choice in [(c, dot) for c in CHUNKS for dot in (True, False)]:
        run = partial(plain_evolution.losses, plain, ws, task.inputs, SIZES, *choice)
        jax.block_until_ready(run())
        speed[choice] = min(cpu_seconds(run) for _ in range(2))
    chunk, dot = min(speed, key=speed.__getitem__)
    print(f"plain: chunk {chunk}, dot {dot}; framework: chunk {world.chunk_size()}; losses agree")

    def framework(population: int) -> Callable[[], Any]:
        es = Es(population=population, std=3e-3)
        state = jax.jit(lambda t: es.init(world, t, key, es.hyper()))(theta)
        return lambda: step(es, state, key)

    of = partial(
        plain_evolution.losses, weights=ws, inputs=task.inputs, sizes=SIZES, chunk=chunk, dot=dot
    )
    zero = jnp.zeros(members.shape[1])
    snes = SNES(MEMBERS, zero)
    begun = snes.init(key, zero, snes.default_params.replace(std_init=3e-3))
    with_evosax = jax.jit(lambda s, k: plain_evolution.with_evosax(snes, s, k, of))
    by_hand = jax.jit(lambda s, k: plain_evolution.by_hand(s, k, MEMBERS, of))
    many = 3e-3 * jax.random.normal(key, (MEMBERS, members.shape[1]))
    same = plainly(many, theta, SIZES)
    ratio(f"W4, {MEMBERS} lives: framework, plain", lambda: ours(many), lambda: of(same))
    ours_whole, wide = framework(MEMBERS), zero + 3e-3
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
    few, most = (3e-3 * jax.random.normal(key, (n, zero.size)) for n in (FEW, MANY))
    ratio(
        f"lives/s, lives alone, {MANY} members to {FEW}",
        lambda: ours(most),
        lambda: ours(few),
        MANY / FEW,
    )
    ratio(
        f"lives/s, whole generations, {MANY} members to {FEW}",
        framework(MANY),
        framework(FEW),
        MANY / FEW,
    )


if __name__ == "__main__":
    main()
