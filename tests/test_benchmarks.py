"""The two sides of the benchmark do the same work: equal numbers at toy size, nothing is timed."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from benchmarks import evolution, plain, plain_evolution, workload


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_importing_a_benchmark_leaves_the_process_as_it_is() -> None:
    """A test run that is pinned to one core takes twice its time."""
    script = (
        "import os; before = os.sched_getaffinity(0), os.environ.get('XLA_FLAGS')\n"
        "import benchmarks.evolution, benchmarks.run, benchmarks.seeds\n"
        "assert (os.sched_getaffinity(0), os.environ.get('XLA_FLAGS')) == before"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1])


def test_framework_and_plain_script_agree() -> None:
    problem = workload.problem(5, 6)
    batch = jax.jit(problem.sample, static_argnums=(1, 2))(jax.random.key(0), 3, "train")
    coefficients = workload.coefficients(jax.random.key(1), 3) * 30
    cube = coefficients.reshape(-1, 3, 3, 3)
    tasks = batch.tasks
    data = (tasks.weights["input_to_output"], tasks.inputs, tasks.reward)
    thetas = {"rules": {"rule": {"coefficients": coefficients}}, "genome": {}, "feedback": {}, "neurons": {}}
    np.testing.assert_allclose(
        jax.jit(lambda t, b: problem.losses(t, b, share=1)[0])(thetas, batch),
        plain.losses(cube, *data, 1, True),
        rtol=1e-5,
    )
    theta = jax.tree.map(lambda leaf: leaf[0], thetas)
    ours = jax.jit(problem.value_and_grad)(theta, batch)[1]["rules"]["rule"]["coefficients"]
    theirs = plain.value_and_grad(cube[0], *data, 1, True)[1].reshape(-1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_evolution_and_the_plain_script_agree() -> None:
    sizes = (2, 4, 3, 2)
    world = evolution.problem(sizes, n_steps=6)
    batch = jax.jit(world.sample, static_argnums=(1, 2))(jax.random.key(0), 1, "train")
    flat, unravel = ravel_pytree(world.init(jax.random.key(0)))
    members = jax.random.normal(jax.random.key(1), (3, flat.size))
    task = jax.tree.map(lambda x: x[0], batch.tasks)
    weights = [task.weights[edge] for edge in evolution.edges(sizes)]
    ours = jax.jit(lambda m: world.losses(m, batch, unravel=unravel)[0])(members)
    theirs = plain_evolution.losses(
        evolution.plainly(members, unravel(flat), sizes), weights, task.inputs, sizes, chunk=2
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert np.ptp(ours) > 0.01
