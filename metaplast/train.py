"""The outer loop as a pure generator: no files, no clock. Randomness is a function of (seed, step,
member).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast import watch
from metaplast.numerics.compiler import program
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem, sample_batch
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, Theta
from metaplast.tasks import AbstractTaskFamily, Split
from metaplast.watch import Watch

_STREAMS = ("theta", "outer", "tasks", "step", "validation", "heldout", "diagnosis")


def stream(seed: int | Array, name: str, index: int | Array = 0) -> Key:
    """The key of one named random stream at one outer step."""
    return _folded(seed, _STREAMS.index(name), index)


@jax.jit  # of no options: it is called within other programs with numbers alone
def _folded(seed: int | Array, place: int, index: int | Array) -> Key:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), place), index)


def sample(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    """`MetaProblem.sample`, compiled apart from the lives, once per family: it costs as much to
    compile as they do.

    Of a family whose tasks are fixed: `n` of them, each at most once; all of them in their order
    where `n` is no less.
    """
    tasks = family.whole(split)
    return _sample(family, key, n, split) if tasks is None else take(tasks, key, n)


@program("family", "n", "split")
def _sample(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    return sample_batch(family, key, n, split)


@program("n")
def take(tasks: Any, key: Key, n: int) -> Batch:
    """`n` of the stacked tasks, each at most once; all of them, in their order, where `n` is no
    less.

    Life i of the whole has the key `fold_in(key, i)`, whichever of them are drawn."""
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
    problem: MetaProblem, outer: AbstractOuterLoop, key: Key, k_outer: Key, hyper: dict[str, Array]
) -> Any:
    return outer.init(problem, problem.init(key), k_outer, hyper)


@program("problem", "outer")
def _init_at(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    theta: Theta,
    k_outer: Key,
    hyper: dict[str, Array],
) -> Any:
    return outer.init(problem, theta, k_outer, hyper)


@program("problem", "outer")
def _step(
    problem: MetaProblem, outer: AbstractOuterLoop, state: Any, batch: Batch, key: Key
) -> tuple[Any, Metrics]:
    return outer.step(problem, state, batch, key)


@program("problem")
def evaluate(problem: MetaProblem, thetas: Theta, batch: Batch) -> tuple[Array, Metrics]:
    """`MetaProblem.losses` of whole lives, compiled: thetas have a leading member axis."""
    return problem.whole().losses(thetas, batch)


def forget() -> None:
    """Give back the memory of the programs that were compiled for one problem; what problems share
    stays.
    """
    for compiled in (_init, _step, _step_many, evaluate):
        compiled.clear_cache()


def begin(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    seed: int,
    hyper: dict[str, Array] | None = None,
    theta: Theta | None = None,
) -> Any:
    """The outer state before the first step; theta: where the search starts, if not at
    `problem.init`.

    Raises: BadInput for what cannot live together, in any stage.
    """
    problem.check()
    outer.check(problem, stream(seed, "theta"))
    given = (
        stream(seed, "theta"),
        stream(seed, "outer"),
        outer.hyper() if hyper is None else hyper,
    )
    stages = [
        jax.eval_shape(partial(_init, problem.at(index), outer), *given)
        for index, _ in problem.curriculum
    ]
    if any(jax.tree.leaves(stage) != jax.tree.leaves(stages[0]) for stage in stages):
        raise BadInput(
            "problem.curriculum",
            "an outer loop whose state has one shape for all lengths",
            "remove it",
        )
    if theta is not None:
        return _init_at(problem.at(0), outer, theta, *given[1:])
    return _init(problem.at(0), outer, *given)


def steps(
    problem: MetaProblem, outer: AbstractOuterLoop, seed: int, state: Any, start: int, stop: int
) -> Iterator[tuple[int, Any, Metrics]]:
    """Outer steps `start` .. `stop - 1` from `state`: yields (steps done, state, metrics).

    Stopping, saving and going on from a yielded state changes no bit. Where training lives are cut
    short, or are so at times, the metric `unroll` says after how many steps.
    """
    for step, run, metrics in _alone(problem, outer, OuterRun(seed, state), start, stop):
        yield step, run.state, metrics


def _alone(
    problem: MetaProblem, outer: AbstractOuterLoop, run: "OuterRun", start: int, stop: int
) -> Iterator[tuple[int, "OuterRun", Metrics]]:
    for index in range(start, stop):
        now = problem.at(index)
        tasks = stream(run.seed, "tasks", index)
        batch = sample(problem.lifetime.task, tasks, problem.n_tasks, "train")
        key = stream(run.seed, "step", index)
        before = _as_compared(problem, run, index)
        state, metrics = _step(now, outer, before.state, batch, key)
        regrown = outer.regrown(state, key)
        run, metrics = _watched(outer, before, state, regrown, metrics)
        yield index + 1, run, {**metrics, **_cut(now)}


def _as_compared(problem: MetaProblem, run: "OuterRun", index: int) -> "OuterRun":
    """The run before step `index`: its watch begins anew where lives change their length."""
    if run.watch is None or index == 0 or problem.at(index) == problem.at(index - 1):
        return run
    return run._replace(watch=watch.anew(run.watch, run.state))


def _watched(
    outer: AbstractOuterLoop, before: "OuterRun", state: Any, regrown: Any, metrics: Metrics
) -> tuple["OuterRun", Metrics]:
    """(the run after a step, metrics): led back where the search got lost (metaplast/watch.py)."""
    if before.watch is None:
        return before._replace(state=regrown), metrics
    if regrown is not state:
        known = watch.anew(before.watch, regrown)
        return before._replace(state=regrown, watch=known), {**metrics, **watch.told(known)}
    known, state, metrics = watch.after(before.watch, outer, state, metrics)
    return before._replace(state=state, watch=known), metrics


def _cut(problem: MetaProblem) -> Metrics:
    return (
        {"unroll": jnp.asarray(problem.shape().n_steps)}
        if problem.unroll or problem.curriculum
        else {}
    )


class OuterRun(NamedTuple):
    """One of several runs of a problem under an outer loop.

    seed: of all its random numbers
    state: its outer state, as `begin` gives it, with numbers of the outer loop (`hyper`) of its own
    or not
    watch: what leads it back where it gets lost (metaplast/watch.py); None: it is left to itself
    """

    seed: int
    state: Any
    watch: Watch | None = None


def steps_many(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    runs: Sequence[OuterRun],
    start: int,
    stop: int,
    lockstep: bool | None = None,
) -> Iterator[tuple[int, list[OuterRun], list[Metrics]]]:
    """`steps` of several runs by one compiled program: yields (steps done, runs, metrics of each).

    lockstep: all runs at once (default: several, on an accelerator, whose state keeps its shape):
    steps are faster on a CPU too (benchmarks/README.md), but last digits change. Else one after the
    other in every step, each with the bits that it has alone, which a loop over runs inside the
    program would not keep.
    Raises: BadInput in lockstep for an outer loop whose state changes its shape, such as es with
    restarts.
    """
    steady = all(len(outer.forms(run.state)) == 1 for run in runs)
    if not (
        steady and len(runs) > 1 and jax.default_backend() != "cpu"
        if lockstep is None
        else lockstep
    ):
        alone = [_alone(problem, outer, run, start, stop) for run in runs]
        for every in zip(*alone, strict=True):
            yield every[0][0], [run for _, run, _ in every], [metrics for _, _, metrics in every]
        return
    if not steady:
        raise BadInput(
            "runs in lockstep", "an outer loop whose state keeps its shape", "set restarts=0"
        )
    seeds = jnp.asarray([run.seed for run in runs])
    for index in range(start, stop):
        now, at = problem.at(index), jnp.asarray(index)
        runs = [_as_compared(problem, run, index) for run in runs]
        batches = _sample_many(problem.lifetime.task, seeds, at, problem.n_tasks)
        states, metrics = _step_many(now, outer, ([run.state for run in runs], batches, seeds), at)
        moved = [_watched(outer, *each) for each in zip(runs, states, states, metrics, strict=True)]
        runs = [run for run, _ in moved]
        yield index + 1, runs, [{**m, **_cut(now)} for _, m in moved]


@program("family", "n")
def _sample_many(family: AbstractTaskFamily, seeds: Array, index: Array, n: int) -> Batch:
    return jax.vmap(lambda seed: sample(family, stream(seed, "tasks", index), n, "train"))(seeds)


@program("problem", "outer")
def _step_many(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    runs: tuple[list[Any], Batch, Array],
    index: Array,
) -> tuple[list[Any], list[Metrics]]:
    states, batches, seeds = runs
    one = lambda state, batch, seed: _step(
        problem, outer, state, batch, stream(seed, "step", index)
    )
    stacked = jax.vmap(one)(jax.tree.map(lambda *x: jnp.stack(x), *states), batches, seeds)
    apart = [jax.tree.map(lambda x: x[i], stacked) for i in range(len(states))]  # noqa: B023
    return [state for state, _ in apart], [metrics for _, metrics in apart]
