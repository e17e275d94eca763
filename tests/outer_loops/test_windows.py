"""Lives that go on between outer steps: their births, their metrics, and lives that blow up."""

import dataclasses
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError

from metaplast import search_loop
from metaplast.objectives.final_weights import FinalWeights
from metaplast.problem.searched import SearchedProblem
from metaplast.registry import BadInput, find
from metaplast.testing.base import quick_jit
from metaplast.testing.outer_loop import N_STEPS, quadratic
from outer_loops import _windows
from outer_loops.nres import Nres
from outer_loops.pes import Pes
from outer_loops.truncated_bptt import TruncatedBptt
from tests.outer_loops import _bench as bench

LOOPS = (TruncatedBptt, Pes, Nres)
PROBLEM = quadratic(n_tasks=10)


@dataclasses.dataclass(frozen=True, eq=False)
class Spoilt(SearchedProblem):
    """A problem of which some members have no loss, whatever they do.

    broken [n_members]: whether a member is one of them
    """

    broken: Any

    def window_losses(self, thetas: Any, lives: Any, births: Any, n_steps: int) -> Any:
        lives, metrics = super().window_losses(thetas, lives, births, n_steps)
        is_broken = self.broken[lives.member]
        life_loss = jnp.where(is_broken, jnp.nan, metrics["life_loss"])
        return lives, {**metrics, "life_loss": life_loss}


class Searches(NamedTuple):
    """Searches in which some members or lives are broken, stacked.

    start [n_searches, n_out, n_in]: W before the first step
    end [n_searches, n_out, n_in]: W after the last step
    state: the outer state after the last step
    metrics: of every step, [n_searches, n_steps]
    """

    start: Any
    end: Any
    state: Any
    metrics: Any


def _run(outer: Any, spoil: Any, broken: list[int], n_steps: int) -> Searches:
    """A search for each number of broken members or lives.

    Args:
        outer: the outer loop.
        spoil: (n, state, batch) -> (problem, state, batch) of a step, n of them broken.
        broken: the numbers n.
        n_steps: the steps of a search.
    """

    def one(n: Any) -> Any:
        def step(state: Any, index: Any) -> Any:
            batch = PROBLEM.sample(search_loop.stream(0, "tasks", index), PROBLEM.n_tasks, "train")
            return outer.step(*spoil(n, state, batch), search_loop.stream(0, "step", index))

        theta = PROBLEM.init(jax.random.key(0))
        start = outer.init(PROBLEM, theta, jax.random.key(1), outer.hyper())
        state, metrics = jax.lax.scan(step, start, jnp.arange(n_steps))
        genome = lambda state: outer.theta(state)["genome"]["input_to_output"]
        return Searches(genome(start), genome(state), state, metrics)

    return jax.tree.map(np.asarray, quick_jit(jax.vmap(one))(jnp.asarray(broken)))


def _demand_robust(searches: Searches, lives_blown: list[int]) -> None:
    """Demand exact counts, and a search that goes by the healthy ones.

    Without a healthy one, in the last search, theta stays and every step is skipped.
    """
    start, end, state, metrics = searches
    n_steps = metrics["loss"].shape[1]
    np.testing.assert_array_equal(metrics["diverged"], np.outer(lives_blown, np.ones(n_steps)))
    assert np.isfinite(metrics["loss"][:3]).all()
    assert np.isfinite(metrics["grad_norm"][:3]).all()
    np.testing.assert_array_equal(metrics["skipped"][:, -1], [0, 0, 0, n_steps])
    size = lambda w: np.sum(w**2, axis=(1, 2))
    assert (size(end)[:3] < 0.3 * size(start)[:3]).all(), size(end) / size(start)
    np.testing.assert_array_equal(end[3], start[3])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state))


def test_a_tenth_half_or_all_of_the_members_may_blow_up():
    """Of 20 members, both or one of a pair are broken; the twin is left out with it."""
    outer = Pes(steps=80, population=20, learning_rate=0.05, window=8)
    order = jnp.asarray(np.random.default_rng(0).permutation(20))
    spoil = lambda n, state, batch: (Spoilt(PROBLEM, (), order < n), state, batch)
    _demand_robust(_run(outer, spoil, [0, 2, 10, 20], 80), [0, 20, 100, 200])


@pytest.mark.system
def test_a_tenth_half_or_all_of_the_lives_may_blow_up():
    """Every life is born at every step: each window is a life."""
    outer = TruncatedBptt(steps=60, learning_rate=0.05, window=N_STEPS)

    def spoil(n: Any, state: Any, batch: Any) -> Any:
        broken = jnp.arange(10) < n
        nan = lambda x: jnp.where(broken.reshape(10, *(1,) * (x.ndim - 1)), jnp.nan, x)
        return PROBLEM, state, batch.replace(tasks=jax.tree.map(nan, batch.tasks))

    _demand_robust(_run(outer, spoil, [0, 1, 5, 10], 60), [0, 1, 5, 10])


class Course(NamedTuple):
    """The steps of antithetic pairs.

    left [n_steps, n_pairs]: the windows still to live
    age [n_steps, n_pairs, 2]: the steps lived by both members of a pair
    metrics: of every step
    state: the outer state after the last step
    """

    left: np.ndarray
    age: np.ndarray
    metrics: Any
    state: Any


@pytest.fixture(scope="module")
def course() -> Course:
    """The course of 3 pairs on 3 windows, 9 steps long."""
    outer = Pes(population=6, window=4, sigma=1e-3)
    task = jax.tree.map(lambda x: x[0], bench.tasks(["cubic"]))

    def step(state: Any, key: Any) -> Any:
        carried, _, metrics = outer.gradient(bench.PROBLEM, state, bench.lives(task, key), key)
        going = carried.going
        after = dataclasses.replace(state, carried=carried)
        return after, (going.left, going.lives.life.t, metrics)

    @quick_jit
    def run(key: Any) -> Any:
        theta = bench.theta_of(jnp.asarray(bench.THETA, float))
        state = outer.init(bench.PROBLEM, theta, key, outer.hyper())
        return jax.lax.scan(step, state, jax.random.split(key, 9))

    state, (left, age, metrics) = run(jax.random.key(0))
    return Course(
        left=np.asarray(left),
        age=np.asarray(age).reshape(9, 3, 2),
        metrics=jax.tree.map(np.asarray, metrics),
        state=state,
    )


def test_first_lives_are_short_so_that_lives_end_in_turn(course):
    left = course.left
    age = course.age
    np.testing.assert_array_equal(left[:4], [[2, 1, 0], [1, 0, 2], [0, 2, 1], [2, 1, 0]])
    np.testing.assert_array_equal(age[..., 0], age[..., 1])
    np.testing.assert_array_equal(age[:4, :, 0], [[4, 4, 4], [8, 8, 4], [12, 4, 8], [4, 8, 12]])
    np.testing.assert_array_equal(left[3:6], left[6:9])


def test_the_loss_is_of_a_whole_life_and_lives_are_counted_by_steps(course):
    metrics = course.metrics
    whole = bench.smoothed(bench.THETA, "cubic", 12, 0.0)
    np.testing.assert_allclose(metrics["loss"][2:], whole, rtol=1e-3)
    np.testing.assert_allclose(metrics["lives"], 6 / 3)
    assert (metrics["diverged"] == 0).all()


def test_the_state_is_plain_numbers(course):
    for leaf in jax.tree.leaves(course.state):
        assert not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        assert np.isfinite(leaf).all()


def test_a_curriculum_begins_all_lives_anew_in_turn(course):
    going = course.state.carried.going
    longer = dataclasses.replace(bench.PROBLEM, unroll=6)
    np.testing.assert_array_equal(_windows.resume(going, bench.PROBLEM, 2).left, going.left)
    anew = _windows.resume(going, longer, 2)
    np.testing.assert_array_equal(anew.left, [0, -1, -2])
    assert int(anew.steps) == 6
    assert not anew.seen.any()


@pytest.mark.parametrize(
    ("steps", "size"), [(1, 1), (7, 7), (12, 4), (16, 4), (20, 5), (100, 10), (150, 15)]
)
def test_the_window_by_default_is_a_divisor_near_the_square_root(steps, size):
    problem: Any = SimpleNamespace(shape=lambda: SimpleNamespace(n_steps=steps))
    assert _windows.cut(problem, 0) == (size, steps // size)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_life_that_cannot_be_cut_is_refused_by_name(kind):
    theta = PROBLEM.init(jax.random.key(0))

    def begin(problem: Any, outer: Any) -> None:
        init = lambda key: outer.init(problem, theta, key, outer.hyper())
        jax.eval_shape(init, jax.random.key(0))

    divisor = "of a life of 16 steps - expected a divisor of 16 - set window="
    with pytest.raises(BadInput, match=f"window=5 {divisor}4 or 8"):
        begin(PROBLEM, kind(window=5))
    with pytest.raises(BadInput, match=f"window=17 {divisor}16"):
        begin(PROBLEM, kind(window=17))
    with pytest.raises(BadInput, match="not a sum over steps"):
        begin(dataclasses.replace(PROBLEM, objective=FinalWeights()), kind())
    if kind is not TruncatedBptt:
        with pytest.raises(ValidationError, match=r"population=5.* an even number"):
            kind(population=5)
        with pytest.raises(BadInput, match="a number to learn"):
            kind().init(PROBLEM, {}, jax.random.key(0), kind().hyper())


@pytest.mark.system
@pytest.mark.parametrize("name", ["hybrid", "multi_start"])
def test_loops_of_loops_take_them(name):
    field = "then" if name == "hybrid" else "inner"
    outer = find("outer", name)(**{field: Pes(steps=2, population=4)})
    key = jax.random.key(0)
    init = lambda key: outer.init(PROBLEM, PROBLEM.init(key), key, outer.hyper())
    state = jax.eval_shape(init, key)
    batch = search_loop.sample(PROBLEM.lifetime.task, key, PROBLEM.n_tasks, "train")
    step = lambda state, batch, key: outer.step(PROBLEM, state, batch, key)
    after, _ = jax.eval_shape(step, state, batch, key)
    assert jax.tree.map(lambda x: x.shape, after) == jax.tree.map(lambda x: x.shape, state)
