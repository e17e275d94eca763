"""W1 and W2: a rule of 27 terms in (pre, reward, weight) at 100 x 100 synapses for 240 steps.

W1 is forward, 16 rules at once. W2 is the gradient through the whole life of one rule, in one life
and in eight.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import plain, workload
from benchmarks._measure import Side, compare, cpu_seconds, first_call

N = 100
STEPS = 240
MEMBERS = 16
LIVES = (1, 8)
LENGTHS = (240, 480, 960, 1920, 3840)
CHUNKS = (0, 2, 4, 8)  # 0: no vmap


def fastest(function: Any, args: tuple[Any, ...], n_lives: int) -> Side:
    """The plain script in its fastest form.

    Args:
        function: of the arguments, the chunk and whether potentials are matrix products.
        args: its other arguments.
        n_lives: the number of lives. No chunk is larger.
    """
    best = None
    least = float("inf")
    for chunk, dot in itertools.product(CHUNKS, (True, False)):
        if chunk > n_lives:
            continue
        form = "matrix products" if dot else "sums"
        name = f"chunks of {chunk}, {form}" if chunk else f"one at a time, {form}"
        side = Side(name, function, (*args, chunk, dot))
        jax.block_until_ready(side.run())
        seconds = min(cpu_seconds(side.run) for _ in range(3))
        if seconds < least:
            best = side
            least = seconds
    assert best is not None
    return best


def forward() -> None:
    """W1: the losses of several rules."""
    problem, batch, coefficients, thetas = _work()
    tasks = batch.tasks
    losses = jax.jit(lambda thetas, batch: problem.losses(thetas, batch, share=1)[0])
    ours = Side("", losses, (thetas, batch))
    first = first_call(ours)
    cubes = coefficients.reshape(-1, 3, 3, 3)
    args = (cubes, tasks.weights["input_to_output"], tasks.inputs, tasks.reward)
    theirs = fastest(plain.losses, args, MEMBERS)
    np.testing.assert_allclose(ours.run(), theirs.run(), rtol=2e-4)
    compare("W1 forward, 16 rules", ours, theirs, N * N * STEPS * MEMBERS, first)


def gradient() -> None:
    """W2: the gradient of one rule."""
    problem, batch, coefficients, thetas = _work()
    theta = jax.tree.map(lambda leaf: leaf[0], thetas)
    cube = coefficients[0].reshape(3, 3, 3)
    for lives in LIVES:
        few = jax.tree.map(lambda leaf, lives=lives: leaf[:lives], batch)
        value_and_grad = jax.jit(lambda theta, batch: problem.value_and_grad(theta, batch)[:2])
        ours = Side("", value_and_grad, (theta, few))
        first = first_call(ours)
        tasks = few.tasks
        args = (cube, tasks.weights["input_to_output"], tasks.inputs, tasks.reward)
        theirs = fastest(plain.value_and_grad, args, lives)
        slope = ours.run()[1]["rules"]["rule"]["coefficients"]
        wanted = theirs.run()[1].reshape(-1)
        atol = 2e-4 * float(jnp.max(jnp.abs(wanted)))
        np.testing.assert_allclose(slope, wanted, rtol=2e-3, atol=atol)
        name = f"W2 gradient, {lives} {'life' if lives == 1 else 'lives'}"
        compare(name, ours, theirs, N * N * STEPS * lives, first)


def memory() -> str:
    """The scratch memory of the gradient of one life against the number of steps."""
    sizes = []
    for n_steps in LENGTHS:
        problem = workload.problem(N, n_steps)
        sample = lambda key, problem=problem: problem.sample(key, 1, "train")
        batch = jax.eval_shape(sample, jax.random.key(0))
        theta = jax.eval_shape(problem.init, jax.random.key(0))
        value_and_grad = jax.jit(lambda t, b, problem=problem: problem.value_and_grad(t, b)[:2])
        sizes.append(Side("", value_and_grad, (theta, batch)).scratch_mb())
    exponent = np.polyfit(np.log(LENGTHS), np.log(sizes), 1)[0]
    parts = []
    for n_steps, size in zip(LENGTHS, sizes, strict=True):
        parts.append(f"T {n_steps}: {size:.2f} MB")
    return f"Scratch memory of W2, one life: {', '.join(parts)}; it grows as T^{exponent:.2f}."


def _work() -> tuple[Any, Any, jax.Array, Any]:
    """(the framework's problem, its batch, the coefficients [members, 27], their theta)."""
    problem = workload.problem(N, STEPS)
    sample = jax.jit(problem.sample, static_argnums=(1, 2))
    batch = sample(jax.random.key(0), MEMBERS, "train")
    coefficients = workload.coefficients(jax.random.key(1), MEMBERS)
    rules = {"rule": {"coefficients": coefficients}}
    thetas = {"rules": rules, "genome": {}, "feedback": {}, "neurons": {}}
    return problem, batch, coefficients, thetas
