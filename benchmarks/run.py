"""Print the framework's speed as a fraction of the plain script's: python -m benchmarks.run

Times are CPU seconds of one pinned core. The two sides run in turn. Quote the median of the
pairwise ratios.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import plain, workload

N = 100
STEPS = 240
MEMBERS = 16
LIVES = 8
REPEATS = 15
LENGTHS = (240, 480, 960, 1920, 3840)
CHOICES = list(itertools.product((1, 2, 4, 8), (True, False)))


def cpu_seconds(run: Callable[[], Any]) -> float:
    """The CPU seconds of a run."""
    started = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - started


def best(
    make: Callable[[int, bool], Callable[[], Any]],
) -> tuple[tuple[int, bool], Callable[[], Any]]:
    """The plain script at its fastest: (its chunk and dot, a run of it)."""
    runs = {choice: make(*choice) for choice in CHOICES}
    for run in runs.values():
        jax.block_until_ready(run())
    choice = min(runs, key=lambda c: min(cpu_seconds(runs[c]) for _ in range(3)))
    return choice, runs[choice]


def compare(
    name: str, ours: Callable[[], Any], theirs: Callable[[], Any], updates: int, choice: object
) -> None:
    """Print theirs / ours in CPU seconds, pair by pair.

    Args:
        name: of the workload.
        ours: a run of the framework.
        theirs: a run of the plain script.
        updates: the synapse updates of a run.
        choice: (chunk, dot) of the plain script.
    """
    jax.block_until_ready(ours())
    pairs = [(cpu_seconds(ours), cpu_seconds(theirs)) for _ in range(REPEATS)]
    ratios = sorted(b / a for a, b in pairs)
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{name}: framework {1e3 * a:.1f} ms, plain {1e3 * b:.1f} ms (chunk, dot = {choice})")
    print(
        f"    speed relative to plain: median {statistics.median(ratios):.3f} "
        f"({ratios[0]:.3f} to {ratios[-1]:.3f})"
    )
    print(f"    framework {updates / a / 1e9:.2f} G synapse updates/s")


def main() -> None:
    problem = workload.problem(N, STEPS)
    batch = jax.jit(problem.sample, static_argnums=(1, 2))(jax.random.key(0), MEMBERS, "train")
    c = workload.coefficients(jax.random.key(1), MEMBERS)
    thetas = {"rules": {"rule": {"coefficients": c}}, "genome": {}, "feedback": {}, "neurons": {}}
    cube = c.reshape(-1, 3, 3, 3)
    w = batch.tasks.weights["input_to_output"]
    x = batch.tasks.inputs
    r = batch.tasks.reward

    ours = jax.jit(lambda t, b: problem.losses(t, b, share=1)[0])
    choice, theirs = best(lambda chunk, dot: lambda: plain.losses(cube, w, x, r, chunk, dot))
    np.testing.assert_allclose(ours(thetas, batch), theirs(), rtol=2e-4)
    compare("W1 forward", lambda: ours(thetas, batch), theirs, N * N * STEPS * MEMBERS, choice)

    few = jax.tree.map(lambda leaf: leaf[:LIVES], batch)
    theta = jax.tree.map(lambda leaf: leaf[0], thetas)
    grad = jax.jit(lambda t, b: problem.value_and_grad(t, b)[:2])

    def plain_gradient(chunk: int, dot: bool) -> Callable[[], Any]:
        return lambda: plain.value_and_grad(cube[0], w[:LIVES], x[:LIVES], r[:LIVES], chunk, dot)

    choice, theirs = best(plain_gradient)
    slope = grad(theta, few)[1]["rules"]["rule"]["coefficients"]
    wanted = theirs()[1].reshape(-1)
    atol = 2e-4 * float(jnp.max(jnp.abs(wanted)))
    np.testing.assert_allclose(slope, wanted, rtol=2e-3, atol=atol)
    compare("W2 gradient", lambda: grad(theta, few), theirs, N * N * STEPS * LIVES, choice)
    memory()


def memory() -> None:
    """Print the scratch memory of the gradient of one life against the number of steps."""
    sizes = []
    for n_steps in LENGTHS:
        problem = workload.problem(N, n_steps)
        batch = jax.eval_shape(lambda k, p=problem: p.sample(k, 1, "train"), jax.random.key(0))
        theta = jax.eval_shape(problem.init, jax.random.key(0))
        gradient = jax.jit(lambda t, b, p=problem: p.value_and_grad(t, b)[:2])
        compiled = gradient.lower(theta, batch).compile()
        sizes.append(compiled.memory_analysis().temp_size_in_bytes)
    slope = np.polyfit(np.log(LENGTHS), np.log(sizes), 1)[0]
    pairs = zip(LENGTHS, sizes, strict=True)
    by_length = ", ".join(f"T {t}: {size / 1e6:.2f} MB" for t, size in pairs)
    print(f"W2 scratch memory: {by_length}; grows as T^{slope:.2f}")


if __name__ == "__main__":
    main()
