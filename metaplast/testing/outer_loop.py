"""The promises of every outer loop (metaplast.testing.check_outer_loop)."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import search_loop
from metaplast.genomes.direct import Direct
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.outer import AbstractOuterLoop, path_of
from metaplast.problem.lives import Batch
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.protocol import Problem
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode
from metaplast.testing.base import demand, demand_close, demand_same_type

N_IN = 3
N_OUT = 2
N_STEPS = 16
STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")


def quadratic(n_tasks: int = 8, life_clip: float = 0.0) -> MetaProblem:
    """A problem whose loss is quadratic in theta["genome"] and least at W = 0.

        loss = mean_t |W x_t|^2 / n_out

    W [n_out, n_in]: the genome, which is learned directly
    x_t ~ N(0, 1) [n_in]: the stimulus of step t

    A linear readout that never learns meets a teacher whose weights are all zero.

    Args:
        n_tasks: tasks per outer step.
        life_clip: the largest norm of the gradient of one life; 0: any.
    """
    linear = {"name": "linear"}
    teacher = {
        "name": "teacher_student",
        "n_in": N_IN,
        "n_out": N_OUT,
        "n_steps": N_STEPS,
        "input_sd": 1.0,
        "weight_sd": 0.0,
    }
    lifetime = Lifetime(
        task=decode("task", {**teacher, "neuron": linear, "teacher": STILL}),
        network=Feedforward(hidden=(), output=Linear()),
        genome=Direct(),
        slots=(Slot(rule=STILL),),
    )
    return MetaProblem(
        lifetime=lifetime, objective=MeanLoss(), n_tasks=n_tasks, life_clip=life_clip
    )


def weights(theta: Any) -> np.ndarray:
    """W [n_out, n_in], everything that `quadratic` has to learn."""
    return np.asarray(theta["genome"]["input_to_output"])


def blown(batch: Batch, lives: slice) -> Batch:
    """The batch with not-a-number stimuli in some of its lives."""

    def spoil(x: Any) -> Any:
        x = np.array(x)
        x[lives] = np.nan
        return x

    return replace(batch, tasks=jax.tree.map(spoil, batch.tasks))


def _batch(problem: Problem, index: int) -> Batch:
    key = search_loop.stream(0, "tasks", jnp.asarray(index))
    return search_loop.sample(problem.lifetime.task, key, problem.n_tasks, "train")


def _key(index: int) -> Any:
    return search_loop.stream(0, "step", jnp.asarray(index))


class _SomeNumber:
    """A number in a field of which one can only ask whether it is not 0: it is not."""

    def __bool__(self) -> bool:
        return True


def _numberless(outer: AbstractOuterLoop) -> AbstractOuterLoop:
    """The loop without the numbers of `hyper`.

    Runs that differ in these numbers share a compiled program, so that a loop must not read them
    from its fields.
    """
    outer = copy.deepcopy(outer)
    for name in outer.hyper():
        path = path_of(outer, name)
        if path:
            *above, field = path
            owner = reduce(getattr, above, outer)
            object.__setattr__(owner, field, _SomeNumber())
    return outer


def check_state(problem: Problem, outer: AbstractOuterLoop, state: Any) -> None:
    """Check the type of the state.

    The state that comes out has the type of the state that went in, all of it strongly typed. theta
    is in it. The numbers of `hyper` act through the state alone.
    """
    bare = _numberless(outer)
    k_theta = search_loop.stream(0, "theta")
    k_outer = search_loop.stream(0, "outer")
    jax.eval_shape(
        lambda k_theta, k_outer, hyper: bare.init(problem, problem.init(k_theta), k_outer, hyper),
        k_theta,
        k_outer,
        outer.hyper(),
    )
    after, metrics = jax.eval_shape(
        lambda state, batch, key: bare.step(problem, state, batch, key),
        state,
        _batch(problem, 0),
        _key(0),
    )
    demand_same_type(state, after, "the outer state keeps its type")
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        demand(
            not leaf.weak_type,
            f"state{jax.tree_util.keystr(path)} is strongly typed "
            "(a weak type re-traces after a resume)",
        )
    for name in ("loss", "lives", "diverged", "skipped"):
        demand(name in metrics and metrics[name].shape == (), f"metrics hold the scalar {name}")
    theta = jax.eval_shape(problem.init, jax.random.key(0))
    demand_same_type(theta, outer.theta(state), "theta of the state has the type of the problem's")


def check_progress(problem: Problem, outer: AbstractOuterLoop, state: Any, n_steps: int) -> Any:
    """Check that a quadratic gets smaller, and return the state then.

    Several steps, and two settings of every hyper-parameter, share one compilation. The same inputs
    give the same bits.
    """
    fresh = _batch(problem, 10**6)

    def loss(state: Any) -> float:
        thetas = jax.tree.map(lambda x: x[None], outer.theta(state))
        return float(search_loop.evaluate(problem, thetas, fresh)[0][0])

    n_compiled = search_loop._step._cache_size()
    first = loss(state)
    *_, (_, moved, _) = search_loop.steps(problem, outer, 0, state, 0, n_steps)
    last = loss(moved)
    demand(
        last < 0.7 * first,
        f"{n_steps} steps on a quadratic take the loss {first:.4g} below its 0.7-fold, "
        f"not to {last:.4g}",
    )
    half = {name: 0.5 * value for name, value in outer.hyper().items()}
    state_of_half = search_loop.begin(problem, outer, 0, half)

    def step(state: Any) -> Any:
        return search_loop._step(problem, outer, state, _batch(problem, 0), _key(0))[0]

    after_half = step(state_of_half)
    after = step(state)
    demand(
        search_loop._step._cache_size() - n_compiled <= 1,
        "steps and other hyper-parameters share one compilation",
    )
    different = np.any(weights(outer.theta(after_half)) != weights(outer.theta(after)))
    demand(different or not half, "hyper-parameters act: halving them all changes the first step")
    again = step(state)
    promise = "the same state, batch and key give the same bits"
    demand_close(_numbers(again), _numbers(after), promise, 0.0)
    return moved


def check_divergence(problem: Problem, outer: AbstractOuterLoop, state: Any) -> None:
    """Check lives that blow up.

    A step in which every life blows up changes nothing but counters. One blown life does no harm.
    Lives that go on from one step to the next are let run out first, so that all are born of the
    blown batch.
    """
    harmed = _until(problem, outer, state, slice(0, 1), lambda m: int(m["diverged"]) > 0)
    skipped = _until(problem, outer, state, slice(None), lambda m: not np.isfinite(m["loss"]))
    metrics = skipped.metrics
    demand(
        int(metrics["skipped"]) == 1,
        f"a step without a finite loss is counted as skipped, not as {metrics['skipped']}",
    )
    # Where lives go on, a step holds parts of them.
    holds_whole_lives = jnp.issubdtype(metrics["lives"].dtype, jnp.integer)
    n_lives = float(metrics["lives"])
    n_diverged = int(metrics["diverged"])
    demand(
        n_diverged == n_lives if holds_whole_lives else n_diverged >= n_lives,
        "every blown life is counted as diverged, each once",
    )
    before = jax.tree_util.tree_flatten_with_path(_numbers(skipped.before))[0]
    after = jax.tree.leaves(_numbers(skipped.after))
    for (path, a), b in zip(before, after, strict=True):
        is_counter = np.issubdtype(a.dtype, np.integer) and np.all((b == a) | (b == a + 1))
        demand(
            is_counter or np.array_equal(a, b),
            f"a skipped step leaves state{jax.tree_util.keystr(path)} as it was",
        )
    demand_close(
        _numbers(outer.theta(skipped.after)),
        _numbers(outer.theta(skipped.before)),
        "a skipped step leaves theta as it was",
        0.0,
    )
    demand(int(harmed.metrics["diverged"]) > 0, "a blown life is counted as diverged")
    finite = all(np.isfinite(x).all() for x in jax.tree.leaves(_numbers(harmed.after)))
    demand(finite, "one blown life does not reach theta or the state")


class _Step(NamedTuple):
    """An outer step: the state before it, the state after it, and its metrics."""

    before: Any
    after: Any
    metrics: Any


def _until(
    problem: Problem,
    outer: AbstractOuterLoop,
    state: Any,
    lives: slice,
    shows: Callable[[Any], bool],
) -> _Step:
    """The first step whose metrics show the blown lives, or the last of many."""
    spoilt = blown(_batch(problem, 0), lives)
    step = _Step(state, state, {})
    for _ in range(N_STEPS + 1):
        after, metrics = search_loop._step(problem, outer, step.after, spoilt, _key(0))
        step = _Step(step.after, after, metrics)
        if shows(metrics):
            break
    return step


def _numbers(tree: Any) -> Any:
    """The tree in NumPy, its random keys as numbers."""

    def number(leaf: Any) -> np.ndarray:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    return jax.tree.map(number, tree)


def check(outer: AbstractOuterLoop, n_steps: int = 40) -> None:
    """All checks of an outer loop (metaplast.testing.check_outer_loop)."""
    problem = quadratic()
    demand(
        isinstance(outer.n_steps, int) and outer.n_steps > 0, "n_steps is a number of outer steps"
    )
    for name, value in outer.hyper().items():
        demand(
            value.shape == () and jnp.issubdtype(value.dtype, jnp.floating),
            f"hyper {name} is a float scalar",
        )
    state = search_loop.begin(problem, outer, 0)
    check_state(problem, outer, state)
    moved = check_progress(problem, outer, state, n_steps)
    check_divergence(problem, outer, moved)
