"""The two sides of the benchmark do the same work: equal numbers at toy size, nothing is timed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from benchmarks import (
    deep,
    evolution,
    mlp,
    native_step,
    plain,
    plain_evolution,
    spiking,
    spiking_brian2,
    workload,
)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux only")
def test_importing_a_benchmark_leaves_the_process_as_it_is() -> None:
    """A test run that is pinned to one core takes twice its time."""
    script = (
        "import os; before = os.sched_getaffinity(0), os.environ.get('XLA_FLAGS')\n"
        "import benchmarks.deep, benchmarks.device, benchmarks.evolution, benchmarks.mlp, "
        "benchmarks.native_step, benchmarks.run, benchmarks.scaling, benchmarks.seeds, "
        "benchmarks.spiking, benchmarks.weak_scaling\n"
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
    thetas = {
        "rules": {"rule": {"coefficients": coefficients}},
        "genome": {},
        "feedback": {},
        "neurons": {},
    }
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


@pytest.mark.parametrize("kind", list(deep.TERMS))
def test_the_deep_network_and_the_plain_script_agree(kind: str) -> None:
    sides = deep.Sides(kind, (6, 5, 4, 3), n_steps=6, n_lives=2)
    for ours, plain_value in zip(sides.ours(), sides.plain(), strict=True):
        np.testing.assert_allclose(ours, plain_value, rtol=1e-4)
    assert np.all(np.abs(sides.ours()[1]) > 1e-3)


@pytest.mark.parametrize("nonlinearity", list(mlp.SQUASH))
def test_the_network_at_the_synapse_and_the_plain_scripts_agree(nonlinearity: Any) -> None:
    problem = mlp.problem(nonlinearity, sizes=(5, 4), n_steps=6)
    batch = jax.jit(problem.sample, static_argnums=(1, 2))(jax.random.key(0), 1, "train")
    theta = jax.tree.map(lambda leaf: leaf + 0.01, problem.init(jax.random.key(1)))
    squash = mlp.SQUASH[nonlinearity]
    data = (batch.tasks.weights["input_to_output"][0], batch.tasks.inputs[0])
    layers = mlp.layers_of(theta["rules"]["rule"])
    member = jax.tree.map(lambda leaf: leaf[None], theta)
    ours = jax.jit(lambda member: problem.losses(member, batch)[0])(member)
    theirs = mlp.life(mlp.products, squash, False, layers, *data)
    np.testing.assert_allclose(ours[0], theirs, rtol=1e-5)
    gradient = jax.jit(problem.value_and_grad)(theta, batch)[1]["rules"]["rule"]
    plain_gradient = jax.grad(mlp.life, 3)(mlp.matrices, squash, True, layers, *data)
    for mine, other in zip(mlp.layers_of(gradient), plain_gradient, strict=True):
        np.testing.assert_allclose(mine[0], other[0], rtol=1e-3, atol=1e-8)


SPIKING = spiking.works(n_sparse=40, n_dense=12, networks=2)


def test_both_sides_of_the_spiking_benchmark_do_the_same_work() -> None:
    """Brian2 without its C++. A spike arrives a step later here, so that only averages agree."""
    import brian2 as b

    steps = 1000
    work = SPIKING[0]
    ours, task = spiking.framework(work, steps)
    rate, weight = ours.result()
    assert rate > 5.0
    b.prefs.codegen.target = "numpy"
    b.defaultclock.dt = spiking.DT * b.second
    largest = spiking.COUPLING / work.connection.fan_in
    for form in spiking_brian2.FORMS:
        neurons, synapses = spiking_brian2.objects(spiking.network(work, task), form)
        b.Network(neurons, synapses).run(steps * spiking.DT * b.second)
        np.testing.assert_allclose(
            rate, np.mean(neurons.count[:]) / (steps * spiking.DT), rtol=0.02
        )
        np.testing.assert_allclose(weight, np.mean(synapses.w[:]) / largest, rtol=0.02)


def test_several_spiking_networks_are_run_side_by_side() -> None:
    rate, weight = spiking.framework(SPIKING[2], 200)[0].result()
    assert rate > 1.0 and 0.3 < weight < 0.7


@pytest.mark.system
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_the_native_step_is_that_of_the_framework(tmp_path: Path) -> None:
    native_step.compile_into(tmp_path)
    for work in SPIKING[:2]:
        native_step.check(work, spiking.framework(work, 10)[1])
