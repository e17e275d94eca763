"""Members drawn again for the update: the same search as with all of them held."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.runs import checkpoint
from metaplast.space import Coordinate, decode, within
from metaplast.testing import check_outer_loop
from metaplast.testing.base import quick_jit
from metaplast.testing.outer_loop import blown, quadratic
from outer_loops import _evosax, _redrawn
from outer_loops.es import Es, _Held
from tests._devices import on_devices
from tests._written_problem import NO_BATCH, WrittenProblem

N = 7
MEMBERS = 10
PROBLEM = replace(quadratic(n_tasks=3), chunk=4)


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """Every population counts as large."""
    monkeypatch.setattr(_redrawn, "LARGE", 0)


def _hyper(std: float, rate: float) -> dict[str, Any]:
    return {"std": jnp.asarray(std), "learning_rate": jnp.asarray(rate)}


def _members(redrawn: _redrawn.Redrawn, n_members: int) -> Any:
    return jax.vmap(redrawn.cloud.member)(jnp.arange(n_members))


@pytest.mark.parametrize("strategy", _redrawn.STRATEGIES)
@pytest.mark.parametrize(("wide", "tolerance"), [(True, 1e-11), (False, 1e-5)])
def test_the_update_is_the_one_of_evosax_told_the_same_members(strategy, wide, tolerance):
    """Five generations, each from evosax's own state. evosax recovers the noise from the members:

    in float32 that alone costs 1e-6 of a mean of 1 where std is 0.3.
    """
    with jax.enable_x64(wide):
        hyper = _hyper(0.3, 0.7)
        theta = jnp.linspace(-1.0, 1.0, N)
        key = jax.random.key(3)
        state = _evosax.begin(strategy, MEMBERS, theta, hyper["std"], key)

        @quick_jit
        def both(state: Any, key: Any) -> Any:
            redrawn = _redrawn.ask(strategy, state, MEMBERS, key)
            members = _members(redrawn, MEMBERS)
            fitness = jnp.sum(members**2, axis=1) + jnp.sum(members, axis=1)
            ours = redrawn.tell(fitness, hyper, key)
            width = redrawn.width(ours[0])
            theirs = _evosax.tell(strategy, redrawn.asked, members, fitness, hyper, key)
            return (*ours, width), (*theirs, _evosax.width(theirs[0], members))

        for index in range(5):
            ours, theirs = both(state, jax.random.fold_in(key, index))
            assert jax.tree.structure(ours) == jax.tree.structure(theirs)
            for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
            state = theirs[0]
        assert np.abs(state.mean - theta).max() > 1e-2


@pytest.mark.parametrize("strategy", _redrawn.STRATEGIES)
def test_members_are_normal_around_the_mean_and_mirrored_where_the_strategy_says_so(strategy):
    n_members = 2000
    state = _evosax.begin(strategy, n_members, jnp.ones(N), jnp.asarray(0.3), jax.random.key(0))
    redrawn = _redrawn.ask(strategy, state, n_members, jax.random.key(1))
    noise = (np.asarray(_members(redrawn, n_members)) - 1.0) / 0.3
    if len(redrawn.cloud.signs) == 2:
        plus, minus = np.split(noise, 2)
        np.testing.assert_allclose(plus, -minus, atol=1e-5)
        noise = plus
    bound = 4.5 / np.sqrt(len(noise))
    covariance = noise.T @ noise / len(noise)
    assert np.abs(noise.mean(axis=0)).max() < bound
    assert np.abs(covariance - np.eye(N)).max() < np.sqrt(2) * bound


def _step(es: Es, problem: Any, state: Any, batch: Any, key: Any) -> Any:
    """A step of a fresh program."""
    return quick_jit(lambda *given: es.step(problem, *given))(state, batch, key)


def _ask_held(es: Es, state: Any, n_members: int, key: Any) -> Any:
    """The members of `_redrawn`, held as a whole and told to evosax."""
    redrawn = _redrawn.ask(es.strategy, state.strategy, n_members, key)
    return _Held(es.strategy, redrawn.asked, _members(redrawn, n_members))


def _es(strategy: str, population: int) -> Es:
    return Es(strategy=strategy, population=population, std=0.3)


def _begin(es: Es, problem: Any = PROBLEM) -> Any:
    theta = problem.init(jax.random.key(0))
    return es.init(problem, theta, jax.random.key(1), es.hyper())


def _agree(one: Any, other: Any, tolerance: float = 1e-6) -> None:
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("strategy", "population", "chunk"),
    [
        ("SNES", 13, 4),
        ("Open_ES", 14, 4),
        pytest.param("SNES", 12, 5, marks=pytest.mark.system),
        pytest.param("SNES", 4, 16, marks=pytest.mark.system),
        pytest.param("Sep_CMA_ES", 9, 4, marks=pytest.mark.system),
        pytest.param("PGPE", 10, 1, marks=pytest.mark.system),
    ],
)
def test_a_step_is_the_one_of_the_whole_population(monkeypatch, strategy, population, chunk):
    """Losses, metrics and the state agree, also where the last group is filled up."""
    problem = replace(PROBLEM, chunk=chunk)
    batch = problem.sample(jax.random.key(2), 3, "train")
    es = _es(strategy, population)
    state = _begin(es)
    key = jax.random.key(5)
    after, metrics = _step(es, problem, state, batch, key)
    spoilt = blown(batch, slice(1, 2))
    nothing, counts = _step(es, problem, state, spoilt, key)
    monkeypatch.setattr(Es, "_ask", _ask_held)
    _agree((after, metrics), _step(es, problem, state, batch, key), 1e-5)
    assert metrics["lives"] == 3 * population
    assert counts["diverged"] == counts["diverged_members"] == population
    np.testing.assert_array_equal(nothing.strategy.mean, state.strategy.mean)


def test_a_member_depends_on_its_index_alone_and_not_on_the_group_that_it_lives_in():
    batch = PROBLEM.sample(jax.random.key(2), 3, "train")
    unravel = ravel_pytree(PROBLEM.init(jax.random.key(0)))[1]
    es = _es("SNES", 9)
    redrawn = _redrawn.ask("SNES", _begin(es).strategy, 9, jax.random.key(4))
    losses = []
    for chunk in (1, 4):
        problem = replace(PROBLEM, chunk=chunk)
        losses.append(quick_jit(lambda p=problem: redrawn.losses(p, batch, unravel)[0])())
    np.testing.assert_allclose(*losses, rtol=1e-6)


@pytest.mark.system  # one compilation of every contract for each strategy
@pytest.mark.parametrize("strategy", _redrawn.STRATEGIES)
def test_es_keeps_its_promises_with_members_drawn_again(strategy):
    # A population of its own: the programs of other tests hold their members.
    check_outer_loop(Es(strategy=strategy, population=62))


def test_a_resumed_search_has_the_same_bits_and_its_state_holds_no_member(tmp_path):
    es = Es(population=13, std=0.3, learning_rate=0.9)
    start = search_loop.begin(PROBLEM, es, 0)
    steps = [state for _, state, _ in search_loop.steps(PROBLEM, es, 0, start, 0, 6)]
    n = steps[-1].strategy.mean.size
    assert all(leaf.size <= max(n, 13) for leaf in jax.tree.leaves(steps[-1]))
    checkpoint.write(tmp_path, 3, steps[2], "d")
    restored = checkpoint.restore(tmp_path, es.forms(start), "d", 99)
    assert restored is not None
    *_, (_, resumed, _) = search_loop.steps(PROBLEM, es, 0, restored[1], 3, 6)
    for a, b in zip(jax.tree.leaves(resumed), jax.tree.leaves(steps[-1]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_runs_in_lockstep_are_the_runs_one_by_one():
    es = _es("SNES", 11)
    batch = PROBLEM.sample(jax.random.key(2), 3, "train")
    states = [_begin(es) for _ in range(3)]
    keys = jax.random.split(jax.random.key(8), 3)
    together = jax.tree.map(lambda *x: jnp.stack(x), *states)
    step = lambda state, key: es.step(PROBLEM, state, batch, key)
    after, metrics = quick_jit(jax.vmap(step))(together, keys)
    alone = quick_jit(step)
    for i, state in enumerate(states):
        _agree(jax.tree.map(lambda x, i=i: x[i], (after, metrics)), alone(state, keys[i]))


def test_the_best_member_is_found_again_by_its_key_in_the_coordinates_of_a_search():
    space = (("w", Coordinate(leaves="genome/*", transform="box", low=-2.0, high=2.0)),)
    es = within(_es("SNES", 13), space)
    batch = PROBLEM.sample(jax.random.key(2), 3, "train")
    start = PROBLEM.init(jax.random.key(0))
    state = es.init(PROBLEM, start, jax.random.key(1), es.hyper())
    after, metrics = _step(es, PROBLEM, state, batch, jax.random.key(5))
    best = decode(space, ravel_pytree(start)[1](after.strategy.best_solution))
    losses, _ = PROBLEM.losses(jax.tree.map(lambda x: x[None], best), batch)
    assert float(losses[0]) == pytest.approx(float(metrics["best_loss"]), rel=1e-5)


def test_small_populations_and_other_strategies_keep_the_draw_of_evosax(monkeypatch):
    monkeypatch.undo()
    most = _redrawn.LARGE // 64
    for name in _redrawn.STRATEGIES:
        assert not _redrawn.serves(name, 64, most)
        assert _redrawn.serves(name, 64, most + 1)
    for name in {*_evosax.TESTED, *_evosax.UNTESTED} - set(_redrawn.STRATEGIES):
        assert not _redrawn.serves(name, 10**4, 10**6)
    assert set(_redrawn.STRATEGIES) < set(_evosax.TESTED)


class _Squares(WrittenProblem):
    """The loss is the sum of squares."""

    def loss(self, theta: Any, batch: Any) -> jax.Array:
        return jnp.sum(theta**2)


@pytest.mark.parametrize("strategy", _redrawn.STRATEGIES)
def test_memory_does_not_grow_with_the_population(strategy):
    """The scratch of a compiled generation, with 2,000 numbers in theta."""
    theta = jnp.zeros(2000)

    def scratch(n_members: int) -> int:
        def generation(key: Any) -> Any:
            state = _evosax.begin(strategy, n_members, theta, jnp.asarray(0.1), key)
            redrawn = _redrawn.ask(strategy, state, n_members, key)
            losses, _ = redrawn.losses(_Squares(), NO_BATCH, lambda flat: flat)
            return redrawn.tell(losses, _hyper(0.1, 1.0), key)

        compiled = jax.jit(generation).lower(jax.random.key(0)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    few = scratch(64)
    assert few < 64 * theta.nbytes / 2
    assert scratch(1024) - few < 1024 * theta.nbytes / 50  # numbers of members, not of theta


PROGRAM = """
import dataclasses, json
import jax, numpy as np
from metaplast.testing.outer_loop import quadratic
from outer_loops import _redrawn
from outer_loops.es import Es

_redrawn.LARGE = 0
problem = dataclasses.replace(quadratic(n_tasks=3), chunk=4)
batch = problem.sample(jax.random.key(2), 3, "train")
es = Es(population=14, std=0.3)
out = {"devices": jax.device_count()}
for n in (1, 2):
    spread = dataclasses.replace(problem, n_devices=n)
    state = es.init(spread, spread.init(jax.random.key(0)), jax.random.key(1), es.hyper())
    for i in range(2):
        step = jax.jit(lambda s, k: es.step(spread, s, batch, k))
        state, metrics = step(state, jax.random.fold_in(jax.random.key(3), i))
    numbers = [*jax.tree.leaves(state), *metrics.values()]
    out[n] = [np.asarray(x, float).reshape(-1).tolist() for x in numbers]
print(json.dumps(out))
"""


@pytest.mark.system
def test_on_two_devices_the_search_is_the_one_on_one():
    out = on_devices(PROGRAM, 2)
    for on_two, on_one in zip(out["2"], out["1"], strict=True):
        assert on_two == pytest.approx(on_one, rel=1e-5, abs=1e-6)
