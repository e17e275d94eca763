"""A search as a pure generator of outer steps: no files, no clock.

Randomness is a function of (seed, step, member).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast import tuning, watch
from metaplast.numerics.compiler import program
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.placement import placed
from metaplast.problem.protocol import Problem
from metaplast.problem.sampling import ROOM, common_task, sample_any, sample_batch
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, Theta
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split
from metaplast.watch import Watch

_STREAMS = ("theta", "outer", "tasks", "step", "validation", "heldout", "diagnosis")


def stream(seed: int | Array, name: str, index: int | Array = 0) -> Key:
    """The key of one named random stream at one outer step.

    Args:
        seed: the seed of the run.
        name: one of theta, outer, tasks, step, validation, heldout, diagnosis.
        index: the outer step.
    """
    return _folded(seed, _STREAMS.index(name), index)


@jax.jit  # without compiler options: other programs call it inside, with numbers alone
def _folded(seed: int | Array, place: int, index: int | Array) -> Key:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), place), index)


def sample(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    """`n` tasks of a split and the keys of their lives, as `Problem.sample` gives them.

    They are compiled apart from the lives, once per family: they cost as much to compile as the
    lives do. One program serves all splits and sizes of batches, as long as it costs steps little.
    The fixed tasks of a finite family are taken as by `draw_tasks`.

    Args:
        family: the family of tasks.
        key: the key of the batch.
        n: the number of tasks.
        split: the split.
    """
    tasks = family.whole(split)
    if tasks is not None:
        return draw_tasks(tasks, key, n)
    task = common_task(family) if n <= ROOM else None
    if task is None:
        return _sample(family, key, n, split)
    batch = _sample_any(family, key, n, SPLITS.index(split))
    return batch if n == ROOM else _first(batch, n)


@program("family", "n", "split")
def _sample(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    return sample_batch(family, key, n, split)


@program("family")
def _sample_any(family: AbstractTaskFamily, key: Key, n: int, split: int) -> Batch:
    return sample_any(family, key, n, split, common_task(family))


@program("n", small=True)
def _first(batch: Batch, n: int) -> Batch:
    return jax.tree.map(lambda x: x[:n], batch)


@program("n")
def draw_tasks(tasks: Any, key: Key, n: int) -> Batch:
    """`n` of the stacked tasks, each at most once; all of them, in their order, where n is larger.

    Life i of the whole has the key `fold_in(key, i)`, whichever lives are drawn.

    Args:
        tasks: the tasks of a finite family, stacked.
        key: the key of the batch.
        n: the number of tasks.
    """
    tasks = jax.tree.map(
        lambda x: x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x, tasks
    )
    k_choice, k_lives = jax.random.split(key)
    size = jax.tree.leaves(tasks)[0].shape[0]
    chosen = jnp.arange(size) if n >= size else jax.random.permutation(k_choice, size)[:n]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(k_lives, chosen)
    return Batch(tasks=jax.tree.map(lambda x: jnp.asarray(x)[chosen], tasks), keys=keys)


@program("problem", "outer")
def _init(
    problem: Problem, outer: AbstractOuterLoop, key: Key, k_outer: Key, hyper: dict[str, Array]
) -> Any:
    return outer.init(problem, problem.init(key), k_outer, hyper)


@program("problem", "outer")
def _init_at(
    problem: Problem,
    outer: AbstractOuterLoop,
    theta: Theta,
    k_outer: Key,
    hyper: dict[str, Array],
) -> Any:
    return outer.init(problem, theta, k_outer, hyper)


@program("problem", "outer")
def _step(
    problem: Problem, outer: AbstractOuterLoop, state: Any, batch: Batch, key: Key
) -> tuple[Any, Metrics]:
    return outer.step(problem, state, batch, key)


@program("problem")
def evaluate(problem: Problem, thetas: Theta, batch: Batch) -> tuple[Array, Metrics]:
    """`Problem.losses` of whole lives, compiled; thetas have a leading member axis.

    Args:
        problem: the problem.
        thetas: a tree whose leaves have a leading member axis.
        batch: the tasks and the keys of their lives.

    Returns:
        (losses [n_members], metrics).
    """
    return problem.whole().losses(thetas, batch)


def forget() -> None:
    """Free the memory of the programs that were compiled for one problem.

    The programs that problems share stay.
    """
    for compiled in (_init, _step, _step_many, evaluate):
        compiled.clear_cache()


def begin(
    problem: Problem,
    outer: AbstractOuterLoop,
    seed: int,
    hyper: dict[str, Array] | None = None,
    theta: Theta | None = None,
) -> Any:
    """The outer state before the first step.

    Args:
        problem: the problem of the search.
        outer: the outer loop.
        seed: the seed of the run.
        hyper: the numbers of the outer loop; None: `outer.hyper()`.
        theta: the start of the search; None: `problem.init`.

    Raises:
        BadInput: parts do not fit together, in any stage of the curriculum.
    """
    problem.check()
    k_theta = stream(seed, "theta")
    outer.check(problem, k_theta)
    k_outer = stream(seed, "outer")
    hyper = outer.hyper() if hyper is None else hyper
    _check_stages(problem, outer, k_theta, k_outer, hyper)
    if theta is not None:
        return _init_at(problem.at(0), outer, theta, k_outer, hyper)
    return _init(problem.at(0), outer, k_theta, k_outer, hyper)


def _check_stages(
    problem: Problem, outer: AbstractOuterLoop, k_theta: Key, k_outer: Key, hyper: dict[str, Array]
) -> None:
    """Raises: BadInput where the outer state changes its shape from stage to stage."""
    stages = []
    for index, _ in problem.curriculum:
        init = partial(_init, problem.at(index), outer)
        stages.append(jax.tree.leaves(jax.eval_shape(init, k_theta, k_outer, hyper)))
    if any(stage != stages[0] for stage in stages):
        raise BadInput(
            "problem.curriculum",
            "an outer loop whose state has one shape for all lengths",
            "remove it",
        )


class OuterRun(NamedTuple):
    """One of several runs of a problem under an outer loop.

    seed: the seed of all its random numbers
    state: its outer state, as `begin` gives it, perhaps with its own `hyper`
    watch: leads the search back where it gets lost (metaplast/watch.py); None: nothing does
    """

    seed: int
    state: Any
    watch: Watch | None = None


def steps(
    problem: Problem, outer: AbstractOuterLoop, seed: int, state: Any, start: int, stop: int
) -> Iterator[tuple[int, Any, Metrics]]:
    """The outer steps `start` .. `stop - 1` from `state`.

    Stopping, saving and going on from a yielded state changes no bit.

    Args:
        problem: the problem of the search.
        outer: the outer loop.
        seed: the seed of the run.
        state: the outer state before step `start`.
        start: the first step.
        stop: the step before which the generator ends.

    Yields:
        (steps done, state, metrics). Where training lives are shorter than the task, now or in any
        stage of the curriculum, the metric `unroll` is their number of steps.
    """
    for step, run, metrics in _steps_of_run(problem, outer, OuterRun(seed, state), start, stop):
        yield step, run.state, metrics


def _steps_of_run(
    problem: Problem, outer: AbstractOuterLoop, run: OuterRun, start: int, stop: int
) -> Iterator[tuple[int, OuterRun, Metrics]]:
    """The outer steps of one run: (steps done, run, metrics)."""
    run = run._replace(state=placed(run.state, problem.n_devices, problem.n_tasks))
    for index in range(start, stop):
        problem_now = problem.at(index)
        k_tasks = stream(run.seed, "tasks", index)
        batch = sample(problem.lifetime.task, k_tasks, problem.n_tasks, "train")
        key = stream(run.seed, "step", index)
        before = _with_comparable_watch(problem, run, index)
        state, metrics = _step(problem_now, outer, before.state, batch, key)
        regrown = outer.regrown(state, key)
        run, metrics = _watched(outer, before, state, regrown, metrics)
        yield index + 1, run, {**metrics, **_unroll_metric(problem_now)}


def _with_comparable_watch(problem: Problem, run: OuterRun, index: int) -> OuterRun:
    """The run before step `index`: its watch begins anew where lives change their length."""
    if run.watch is None or index == 0 or problem.at(index) == problem.at(index - 1):
        return run
    return run._replace(watch=watch.anew(run.watch, run.state))


def _watched(
    outer: AbstractOuterLoop, before: OuterRun, state: Any, regrown: Any, metrics: Metrics
) -> tuple[OuterRun, Metrics]:
    """The run after a step, led back where the search got lost (metaplast/watch.py).

    Args:
        outer: the outer loop.
        before: the run before the step.
        state: the outer state after the step.
        regrown: `outer.regrown` of this state; the same object where the search goes on.
        metrics: the metrics of the step.

    Returns:
        (run after the step, metrics).
    """
    if before.watch is None:
        return before._replace(state=regrown), metrics
    if regrown is not state:
        fresh = watch.anew(before.watch, regrown)
        run = before._replace(state=regrown, watch=fresh)
        return run, {**metrics, **watch.metrics_of(fresh)}
    after, state, metrics = watch.after(before.watch, outer, state, metrics)
    return before._replace(state=state, watch=after), metrics


def _unroll_metric(problem: Problem) -> Metrics:
    if not problem.unroll and not problem.curriculum:
        return {}
    return {"unroll": jnp.asarray(problem.shape().n_steps)}


def steps_many(
    problem: Problem,
    outer: AbstractOuterLoop,
    runs: Sequence[OuterRun],
    start: int,
    stop: int,
    lockstep: bool | None = None,
) -> Iterator[tuple[int, list[OuterRun], list[Metrics]]]:
    """The outer steps of several runs, by one compiled program.

    In lockstep all runs take a step at once. That is faster on a CPU too (benchmarks/README.md),
    but last digits change. Otherwise the runs take every step one after the other, each with the
    bits that it has alone; a loop over runs inside the program would not keep them.

    Args:
        problem: the problem of all runs.
        outer: the outer loop of all runs.
        runs: the runs before step `start`.
        start: the first step.
        stop: the step before which the generator ends.
        lockstep: None: where there are several runs, on a device that is faster that way, and the
            shape of their states never changes.

    Yields:
        (steps done, runs, metrics of each run).

    Raises:
        BadInput: lockstep with an outer loop whose state changes its shape, such as es with
            restarts.
    """
    steady = all(len(outer.forms(run.state)) == 1 for run in runs)
    if lockstep is None:
        lockstep = steady and len(runs) > 1 and tuning.here().lockstep
    if lockstep and not steady:
        raise BadInput(
            "runs in lockstep", "an outer loop whose state keeps its shape", "set restarts=0"
        )
    if lockstep:
        yield from _steps_in_lockstep(problem, outer, list(runs), start, stop)
        return
    one_by_one = [_steps_of_run(problem, outer, run, start, stop) for run in runs]
    for steps_of_all in zip(*one_by_one, strict=True):
        n_done = steps_of_all[0][0]
        after = [run for _, run, _ in steps_of_all]
        metrics = [metrics for _, _, metrics in steps_of_all]
        yield n_done, after, metrics


def _steps_in_lockstep(
    problem: Problem, outer: AbstractOuterLoop, runs: list[OuterRun], start: int, stop: int
) -> Iterator[tuple[int, list[OuterRun], list[Metrics]]]:
    seeds = jnp.asarray([run.seed for run in runs])
    for index in range(start, stop):
        problem_now = problem.at(index)
        step = jnp.asarray(index)
        before = [_with_comparable_watch(problem, run, index) for run in runs]
        batches = _sample_many(problem.lifetime.task, seeds, step, problem.n_tasks)
        states_before = [run.state for run in before]
        states, metrics = _step_many(problem_now, outer, states_before, batches, seeds, step)
        runs = []
        metrics_of_runs = []
        for run, state, metrics_of_step in zip(before, states, metrics, strict=True):
            regrown = outer.regrown(state, stream(run.seed, "step", index))
            run_after, metrics_after = _watched(outer, run, state, regrown, metrics_of_step)
            runs.append(run_after)
            metrics_of_runs.append({**metrics_after, **_unroll_metric(problem_now)})
        yield index + 1, runs, metrics_of_runs


@program("family", "n")
def _sample_many(family: AbstractTaskFamily, seeds: Array, index: Array, n: int) -> Batch:
    tasks = family.whole("train")

    def of_run(seed: Array) -> Batch:
        key = stream(seed, "tasks", index)
        return sample_batch(family, key, n, "train") if tasks is None else draw_tasks(tasks, key, n)

    return jax.vmap(of_run)(seeds)


@program("problem", "outer")
def _step_many(
    problem: Problem,
    outer: AbstractOuterLoop,
    states: list[Any],
    batches: Batch,
    seeds: Array,
    index: Array,
) -> tuple[list[Any], list[Metrics]]:
    """One step of all runs: (outer states, metrics).

    Args:
        problem: the problem of all runs.
        outer: the outer loop of all runs.
        states: the outer state of every run.
        batches: the tasks of every run, stacked.
        seeds: [n_runs].
        index: the number of the step [].
    """

    def one(state: Any, batch: Batch, seed: Array) -> tuple[Any, Metrics]:
        return _step(problem, outer, state, batch, stream(seed, "step", index))

    stacked_states = jax.tree.map(lambda *x: jnp.stack(x), *states)
    after, metrics = jax.vmap(one)(stacked_states, batches, seeds)
    places = range(len(states))
    return [_member(after, i) for i in places], [_member(metrics, i) for i in places]


def _member(tree: Any, index: int) -> Any:
    return jax.tree.map(lambda x: x[index], tree)
