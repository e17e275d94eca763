"""Forward-mode gradients equal the backward pass, in a memory that does not grow with a life."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks.teacher_student import TeacherStudent
from metaplast.genomes.random import Random as Drawn
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.testing.base import demand_gradient, quick_jit
from metaplast.testing.outer_loop import blown
from outer_loops.forward import Forward

OJA = Polynomial(terms=("post*pre", "post^2*weight"), initial=(0.8, -0.9), rate=0.3, learn="both")


def _problem(n_steps: int, n_in: int, hidden: tuple[int, ...], **fields: Any) -> MetaProblem:
    lifetime = Lifetime(
        task=TeacherStudent(n_in=n_in, n_out=2, n_steps=n_steps, n_test=1),
        network=Feedforward(hidden=hidden),
        genome=Drawn(learn_gain=True),
        slots=(Slot(rule=OJA),),
    )
    return MetaProblem(lifetime=lifetime, objective=MeanLoss(), **fields)


def _setting(problem: MetaProblem) -> Any:
    """(theta, batch)."""
    theta = problem.lifetime._init(jax.random.key(0))
    return theta, problem.sample(jax.random.key(1), problem.n_tasks, "train")


@partial(quick_jit, static_argnums=(0, 3))
def _grad(problem: MetaProblem, theta: Any, batch: Any, tangents: int) -> Any:
    return problem.value_and_grad(theta, batch, tangents)


def test_it_is_the_gradient_of_the_backward_pass_and_of_central_differences():
    """4 numbers of theta go in chunks of 3, the second of them padded.

    One life is blown, the others are clipped.
    """
    problem = _problem(6, 3, (), n_tasks=3, life_clip=0.2, chunk=2)
    with jax.enable_x64(True):
        theta, batch = quick_jit(partial(_setting, problem))()
        assert sum(leaf.size for leaf in jax.tree.leaves(theta)) == 4
        spoilt = blown(batch, slice(0, 1))
        forward = _grad(problem, theta, spoilt, 3)
        backward = _grad(problem, theta, spoilt, 0)
        assert jax.tree.structure(forward) == jax.tree.structure(backward)
        for a, b in zip(jax.tree.leaves(forward), jax.tree.leaves(backward), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
        assert int(forward.metrics["lives"]) == 3
        assert int(forward.metrics["diverged"]) == 1
        assert int(forward.metrics["clipped"]) == 2
        free = dataclasses.replace(problem, life_clip=0.0)
        loss = quick_jit(lambda t: free.losses(jax.tree.map(lambda x: x[None], t), batch)[0][0])
        demand_gradient(lambda t: float(loss(t)), theta, _grad(free, theta, batch, 3).gradient)


@pytest.mark.system  # four gradients are compiled to be measured
def test_memory_does_not_grow_with_the_steps_of_a_life():
    """The memory is the bytes that the compiler sets aside for a step, beside its arguments.

    The backward pass is the control.
    """

    def temporary(n_steps: int, tangents: int) -> int:
        problem = _problem(n_steps, 8, (64, 64), n_tasks=2, chunk=1)
        theta, batch = jax.eval_shape(partial(_setting, problem))
        compiled = _grad.lower(problem, theta, batch, tangents).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary(256, tangents=4) <= 1.1 * temporary(64, tangents=4)
    assert temporary(256, tangents=0) > 1.5 * temporary(64, tangents=0)


def test_a_task_that_passes_no_gradient_is_refused():
    with pytest.raises(BadInput, match="outer forward - expected a differentiable task"):
        shape = TeacherStudent().shape()._replace(differentiable=False)
        task = type("Task", (), {"shape": lambda self: shape})()
        problem: Any = type("Problem", (), {"lifetime": type("Lifetime", (), {"task": task})()})()
        Forward().init(problem, {"w": jnp.zeros(2)}, jax.random.key(0), Forward().hyper())
