"""What every outer loop promises (metaplast.testing.check_outer_loop)."""

import copy
from dataclasses import replace
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from metaplast import train
from metaplast.genomes.direct import Direct
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.outer import AbstractOuterLoop, path_of
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.rules.polynomial import Polynomial
from metaplast.spec import decode
from metaplast.testing.base import demand, demand_close, demand_same_type

N_IN, N_OUT, N_STEPS = 3, 2, 16
STILL = Polynomial(terms=("post*pre",), initial=(0.0,), learn="none")


def quadratic(n_tasks: int = 8, life_clip: float = 0.0) -> MetaProblem:
    """A problem whose loss is mean_t |W x_t|^2 / n_out, x_t ~ N(0, 1): quadratic in
    theta["genome"], least at W = 0.

    A linear readout that never learns meets a teacher whose weights are all zero; the genome is
    learned directly.
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
    """W [n_out, n_in], all that `quadratic` has to learn."""
    return np.asarray(theta["genome"]["input_to_output"])


def blown(batch: Batch, lives: slice) -> Batch:
    """The batch with not-a-number stimuli in some of its lives."""

    def spoil(x: Any) -> Any:
        x = np.array(x)
        x[lives] = np.nan
        return x

    return replace(batch, tasks=jax.tree.map(spoil, batch.tasks))


def _batch(problem: MetaProblem, index: int) -> Batch:
    return train.sample(
        problem.lifetime.task,
        train.stream(0, "tasks", jnp.asarray(index)),
        problem.n_tasks,
        "train",
    )


def _key(index: int) -> Any:
    return train.stream(0, "step", jnp.asarray(index))


class _Given:
    """Stands for a number in a field: it can be asked whether it is one (not 0), and for nothing
    else.
    """

    def __bool__(self) -> bool:
        return True


def _numberless(outer: AbstractOuterLoop) -> AbstractOuterLoop:
    """The loop without the numbers that leave through `hyper`: runs that differ in them share a
    compiled program.
    """
    outer = copy.deepcopy(outer)
    for *above, name in filter(None, (path_of(outer, name) for name in outer.hyper())):
        object.__setattr__(reduce(getattr, above, outer), name, _Given())
    return outer


def check_state(problem: MetaProblem, outer: AbstractOuterLoop, state: Any) -> None:
    """The state that comes out has the type of the one that went in, all of it strongly typed;
    theta is in it. Numbers of `hyper` act through it alone."""
    bare = _numberless(outer)
    given = (train.stream(0, "theta"), train.stream(0, "outer"), outer.hyper())
    jax.eval_shape(
        lambda theta, key, hyper: bare.init(problem, problem.init(theta), key, hyper), *given
    )
    after, metrics = jax.eval_shape(
        lambda s, b, k: bare.step(problem, s, b, k), state, _batch(problem, 0), _key(0)
    )
    demand_same_type(state, after, "the outer state keeps its type")
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        demand(
            not leaf.weak_type,
            f"state{jax.tree_util.keystr(path)} is strongly typed (a weak type re-traces after a "
            f"resume)",
        )
    for name in ("loss", "lives", "diverged", "skipped"):
        demand(name in metrics and metrics[name].shape == (), f"metrics hold the scalar {name}")
    theta = jax.eval_shape(problem.init, jax.random.key(0))
    demand_same_type(theta, outer.theta(state), "theta of the state has the type of the problem's")


def check_progress(problem: MetaProblem, outer: AbstractOuterLoop, state: Any, n_steps: int) -> Any:
    """A quadratic gets smaller, in one compilation for several steps and two settings of every
    hyper-parameter.
    """
    fresh = _batch(problem, 10**6)
    loss = lambda s: float(
        train.evaluate(problem, jax.tree.map(lambda x: x[None], outer.theta(s)), fresh)[0][0]
    )
    compiled = train._step._cache_size()
    first = loss(state)
    *_, (_, moved, _) = train.steps(problem, outer, 0, state, 0, n_steps)
    last = loss(moved)
    demand(
        last < 0.7 * first,
        f"{n_steps} steps on a quadratic take the loss {first:.4g} below its 0.7-fold, not to "
        f"{last:.4g}",
    )
    half = {name: 0.5 * value for name, value in outer.hyper().items()}
    slower = train.begin(problem, outer, 0, half)
    other = train._step(problem, outer, slower, _batch(problem, 0), _key(0))[0]
    same = train._step(problem, outer, state, _batch(problem, 0), _key(0))[0]
    demand(
        train._step._cache_size() - compiled <= 1,
        "steps and other hyper-parameters share one compilation",
    )
    different = np.any(weights(outer.theta(other)) != weights(outer.theta(same)))
    demand(different or not half, "hyper-parameters act: halving them all changes the first step")
    again = train._step(problem, outer, state, _batch(problem, 0), _key(0))[0]
    demand_close(
        _numbers(again), _numbers(same), "the same state, batch and key give the same bits", 0.0
    )
    return moved


def check_divergence(problem: MetaProblem, outer: AbstractOuterLoop, state: Any) -> None:
    """A step in which every life blows up changes nothing but counters; one blown life does no
    harm.

    Lives that go on from one step to the next are let run out first, so that all are born of the
    blown batch.
    """
    _, harmed, told = _until(
        problem, outer, state, slice(0, 1), lambda told: int(told["diverged"]) > 0
    )
    state, after, metrics = _until(
        problem, outer, state, slice(None), lambda told: not np.isfinite(told["loss"])
    )
    demand(
        int(metrics["skipped"]) == 1,
        f"a step without a finite loss is counted as skipped, not as {metrics['skipped']}",
    )
    whole = jnp.issubdtype(
        metrics["lives"].dtype, jnp.integer
    )  # where lives go on, a step holds parts of them
    expected, found = float(metrics["lives"]), int(metrics["diverged"])
    demand(
        found == expected if whole else found >= expected,
        "every blown life is counted as diverged, each once",
    )
    for (path, a), b in zip(
        jax.tree_util.tree_flatten_with_path(_numbers(state))[0],
        jax.tree.leaves(_numbers(after)),
        strict=True,
    ):
        counter = np.issubdtype(a.dtype, np.integer) and np.all((b == a) | (b == a + 1))
        demand(
            counter or np.array_equal(a, b),
            f"a skipped step leaves state{jax.tree_util.keystr(path)} as it was",
        )
    demand_close(
        _numbers(outer.theta(after)),
        _numbers(outer.theta(state)),
        "a skipped step leaves theta as it was",
        0.0,
    )
    demand(int(told["diverged"]) > 0, "a blown life is counted as diverged")
    finite = all(np.isfinite(x).all() for x in jax.tree.leaves(_numbers(harmed)))
    demand(finite, "one blown life does not reach theta or the state")


def _until(
    problem: MetaProblem, outer: AbstractOuterLoop, state: Any, lives: slice, seen: Any
) -> tuple[Any, Any, Any]:
    """(state before, state after, metrics) of the first step whose blown lives are `seen`, or of
    the last of many.
    """
    spoilt = blown(_batch(problem, 0), lives)
    for _ in range(N_STEPS + 1):
        before, (state, metrics) = state, train._step(problem, outer, state, spoilt, _key(0))
        if seen(metrics):
            break
    return before, state, metrics


def _numbers(tree: Any) -> Any:
    key = lambda x: jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.tree.map(lambda x: np.asarray(jax.random.key_data(x) if key(x) else x), tree)


def check(outer: AbstractOuterLoop, n_steps: int = 40) -> None:
    """Everything above (metaplast.testing.check_outer_loop)."""
    problem = quadratic()
    demand(
        isinstance(outer.n_steps, int) and outer.n_steps > 0, "n_steps is a number of outer steps"
    )
    for name, value in outer.hyper().items():
        demand(
            value.shape == () and jnp.issubdtype(value.dtype, jnp.floating),
            f"hyper {name} is a float scalar",
        )
    state = train.begin(problem, outer, 0)
    check_state(problem, outer, state)
    moved = check_progress(problem, outer, state, n_steps)
    check_divergence(problem, outer, moved)
