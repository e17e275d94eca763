"""Evolution strategies on losses written by hand: no network is needed to see the mean move."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evosax.algorithms import algorithms

from metaplast.problem.protocol import same_theta
from metaplast.registry import BadInput
from metaplast.testing.base import quick_jit
from outer_loops._evosax import TESTED, UNTESTED, begin
from outer_loops._grades import graded
from outer_loops.es import Es
from tests._written_problem import WrittenProblem, metrics_of

STRATEGIES = ("SNES", "CMA_ES", "Sep_CMA_ES", "Open_ES", "PGPE", "SimpleGA")
THETA = {"a": jnp.full((2, 2), 1.0), "b": jnp.asarray(-1.0)}
MEMBERS = 16


def _squares(theta: Any) -> jax.Array:
    return sum(jnp.sum((leaf - 0.3) ** 2) for leaf in jax.tree.leaves(theta))


def _cliff(broken: float, theta: Any) -> jax.Array:
    """Falls towards b = +infinity, but beyond b = 0 there is no number."""
    return jnp.where(theta["b"] > 0, broken, -theta["b"])


LOSSES = {
    "squares": _squares,
    "nan": partial(_cliff, jnp.nan),
    "inf": partial(_cliff, jnp.inf),
    "-inf": partial(_cliff, -jnp.inf),
    "some broken": lambda theta: jnp.where(theta["b"] > -0.95, jnp.nan, _squares(theta)),
    "some bad": lambda theta: jnp.where(theta["b"] > -0.95, 1e3 - theta["b"], _squares(theta)),
    "all broken": lambda theta: jnp.nan * theta["b"],
    "a tenth": _squares,
    "half": _squares,
    "slope": lambda theta: jnp.where(theta["b"] < 0, jnp.nan, (theta["b"] - 0.5) ** 2),
}
N_FAILED = {"a tenth": 2, "half": 8}  # members


class Written(WrittenProblem):
    """A problem whose batch is the index of one of LOSSES; a life survives to the share 1 + b."""

    def loss(self, theta: Any, batch: Any) -> jax.Array:
        return jnp.stack([function(theta) for function in LOSSES.values()])[batch]

    def losses(
        self, thetas: Any, batch: Any, share: int | None = None, unravel: Any = same_theta
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        thetas = jax.vmap(unravel)(thetas)
        every = jnp.stack([jax.vmap(function)(thetas) for function in LOSSES.values()])
        n_failed = jnp.asarray([N_FAILED.get(name, 0) for name in LOSSES])[batch]
        fails = 7 * jnp.arange(MEMBERS) % MEMBERS < n_failed  # whatever their theta
        loss = jnp.where(fails, jnp.nan, every[batch])
        survived = jnp.clip(1.0 + thetas["b"], 0.0, 1.0)
        survived = jnp.where(jnp.isfinite(loss), 1.0, survived)
        own_metrics = {"survived": survived[:, None], "accuracy": jnp.ones((MEMBERS, 1))}
        return loss, {**metrics_of(loss), **own_metrics}


PROBLEM = Written()


@partial(quick_jit, static_argnums=0)
def _init(es: Es, theta: Any, hyper: Any) -> Any:
    return es.init(PROBLEM, theta, jax.random.key(0), hyper)


@partial(quick_jit, static_argnums=0)
def _step(es: Es, state: Any, batch: Any, key: Any) -> Any:
    return es.step(PROBLEM, state, batch, key)


def _es(strategy: str) -> Es:
    return Es(strategy=strategy, population=MEMBERS, std=0.1)


def _run(es: Es, loss: str, n: int, state: Any = None, b: float = -1.0) -> tuple[Any, list]:
    if state is None:
        state = _init(es, {**THETA, "b": jnp.asarray(b)}, es.hyper())
    metrics = []
    for _ in range(n):
        key = jax.random.fold_in(jax.random.key(1), state.step)
        state, now = _step(es, state, jnp.asarray(list(LOSSES).index(loss)), key)
        metrics.append({name: np.asarray(value) for name, value in now.items()})
    return state, metrics


def _type(leaf: Any) -> tuple[Any, ...]:
    return leaf.shape, leaf.dtype, leaf.weak_type


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_quadratic_goes_down_in_one_compilation_for_any_width_and_rate(strategy):
    es = _es(strategy)
    before = _step._cache_size()
    hyper = es.hyper()
    for scale in (1.0, 2.0):
        # The rate of SimpleGA is the one of an average of theta, which must not overshoot.
        rate = 1.0 / scale if strategy == "SimpleGA" else scale
        scaled = {"std": scale * hyper["std"], "learning_rate": rate * hyper["learning_rate"]}
        state = _init(es, THETA, scaled)
        types = jax.tree.map(_type, state)
        state, metrics = _run(es, "squares", 80, state)
        assert jax.tree.map(_type, state) == types
        assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
        assert _squares(es.theta(state)) < 0.05 * _squares(THETA)
        last = metrics[-1]
        assert last["lives"] == MEMBERS
        assert last["diverged"] == 0
        assert last["skipped"] == 0
        assert last["best_loss"] <= last["loss"]
        assert last["accuracy"] == 1
    assert _step._cache_size() <= before + 1
    chex.assert_trees_all_equal_shapes_and_dtypes(es.theta(state), THETA)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("broken", ["nan", "inf", "-inf"])
def test_members_that_blow_up_count_as_the_worst_and_never_as_the_best(strategy, broken):
    state, metrics = _run(_es(strategy), broken, 60, b=-0.3)
    assert any(m["diverged_members"] > 0 for m in metrics)
    assert all(m["diverged_members"] == m["diverged"] for m in metrics)
    assert -0.25 < state.theta["b"] < 0.1  # it came to the edge and stayed
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert all(np.isfinite(m["loss"]) for m in metrics if m["diverged_members"] < MEMBERS)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_broken_member_moves_the_mean_exactly_as_a_finite_worst_one_would(strategy):
    after_broken, metrics = _run(_es(strategy), "some broken", 1)
    after_bad, _ = _run(_es(strategy), "some bad", 1)
    assert 0 < metrics[0]["diverged_members"] <= MEMBERS / 2
    chex.assert_trees_all_equal(after_broken.theta, after_bad.theta)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("share", "failed"), [("a tenth", 2), ("half", 8)])
def test_with_a_tenth_or_half_of_every_generation_lost_the_search_still_arrives(
    strategy, share, failed
):
    state, metrics = _run(_es(strategy), share, 120)
    assert {int(m["diverged_members"]) for m in metrics} == {failed}
    assert {int(m["diverged"]) for m in metrics} == {failed}
    assert np.isfinite([m["loss"] for m in metrics]).all()
    assert metrics[-1]["skipped"] == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert _squares(state.theta) < 0.1 * _squares(THETA)
    lowest = min(m["best_loss"] for m in metrics)
    assert state.strategy.best_fitness == lowest  # the archive holds no failed member
    np.testing.assert_allclose(
        np.sum((state.strategy.best_solution - 0.3) ** 2), lowest, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_generation_without_a_healthy_member_changes_nothing_and_is_counted(strategy):
    state, _ = _run(_es(strategy), "squares", 3)
    after, metrics = _run(_es(strategy), "all broken", 2, state)
    chex.assert_trees_all_equal((after.theta, after.strategy), (state.theta, state.strategy))
    assert int(after.step) == 5
    assert int(after.skipped) == 2
    assert np.isnan(metrics[-1]["loss"])
    assert metrics[-1]["skipped"] == 2
    onward, metrics = _run(_es(strategy), "squares", 1, after)
    assert metrics[-1]["skipped"] == 2
    assert not np.array_equal(onward.theta["a"], state.theta["a"])


def test_evolution_sees_a_slope_where_nearly_every_life_ends_early():
    """Most members are broken at first. They differ in how long they lived: that leads upwards."""
    state, metrics = _run(_es("SNES"), "slope", 80, b=-0.15)
    assert MEMBERS / 2 < metrics[0]["diverged_members"] < MEMBERS
    assert state.theta["b"] == pytest.approx(0.5, abs=0.15)


def test_the_width_is_std_at_the_start_and_for_two_strategies_always():
    for strategy in STRATEGIES:
        es = _es(strategy)
        state = _init(es, THETA, {**es.hyper(), "std": jnp.asarray(0.37)})
        np.testing.assert_allclose(state.strategy.std, 0.37)
        state, metrics = _run(es, "squares", 3, state)
        if strategy in ("Open_ES", "SimpleGA"):
            assert metrics[-1]["std"] == pytest.approx(0.37)


def test_the_penalty_is_graded_by_how_long_the_lives_lasted():
    losses = jnp.asarray([1.0, jnp.nan, 3.0, -jnp.inf, jnp.inf, 3.0])
    survived = jnp.asarray([1.0, 0.2, 1.0, 0.9, 0.0, 1.0])
    fitness, healthy, worst = graded(losses, survived)
    np.testing.assert_array_equal(healthy, [True, False, True, False, False, True])
    np.testing.assert_array_equal(fitness[healthy], [1.0, 3.0, 3.0])
    assert 3.0 < fitness[3] < fitness[1] < fitness[4]
    assert worst == 3.0
    later, *_ = graded(losses, survived, before=jnp.asarray(50.0))
    # An archive of earlier generations does not take a broken member for better either.
    assert (later[~healthy] > 50.0).all()
    huge, *_ = graded(jnp.asarray([3e38, -3e38, jnp.nan]), jnp.asarray([1.0, 1.0, 0.5]))
    assert np.isfinite(huge).all()
    assert huge[1] < huge[0] < huge[2]


def test_a_population_is_raised_for_the_strategy_and_the_devices_with_a_warning(caplog):
    problem: Any = SimpleNamespace(n_devices=4)
    with caplog.at_level("WARNING", "metaplast"):
        Es(strategy="SNES", population=15).check(PROBLEM, jax.random.key(0))
        Es(strategy="Open_ES", population=16).check(problem, jax.random.key(0))
        assert not caplog.records
        Es(strategy="Open_ES", population=15).check(PROBLEM, jax.random.key(0))
        Es(strategy="SNES", population=15).check(problem, jax.random.key(0))
        Es(strategy="PGPE", population=9).check(problem, jax.random.key(0))
    assert [record.args[1] for record in caplog.records] == [16, 16, 12]
    es = Es(strategy="Open_ES", population=MEMBERS - 1)
    assert len(_init(es, THETA, es.hyper()).fitness) == MEMBERS


def test_every_strategy_that_evosax_registers_is_known_and_an_unknown_one_is_answered_with_all():
    assert set(STRATEGIES) == set(TESTED)
    for name in UNTESTED:
        Es(strategy=name)
    with pytest.raises(
        ValueError, match=r"SNES, CMA_ES.*untested here: ARS.*did you mean 'CMA_ES'"
    ) as caught:
        Es(strategy="CMAES")
    assert all(name in str(caught.value) for name in UNTESTED)
    for name in set(algorithms) - {*TESTED, *UNTESTED}:
        with pytest.raises(ValueError, match=r"use outer=random_search|several populations"):
            Es(strategy=name)


def test_what_cannot_evolve_is_refused_in_one_line():
    es = Es()
    with pytest.raises(BadInput, match="a number to learn"):
        es.init(PROBLEM, {}, jax.random.key(0), es.hyper())
    with pytest.raises(BadInput, match="floats"):
        es.init(PROBLEM, {"n": jnp.asarray(3)}, jax.random.key(0), es.hyper())


@pytest.mark.parametrize(
    ("strategy", "sd"), [("SimpleGA", 0.0), ("DifferentialEvolution", 0.5), ("PSO", 0.5)]
)
def test_a_population_begins_with_theta_itself_and_others_around_it(strategy, sd):
    theta = jnp.linspace(-1.0, 1.0, 50)
    state = begin(strategy, MEMBERS, theta, jnp.asarray(0.5), jax.random.key(0))
    population = np.asarray(state.population)
    np.testing.assert_array_equal(population[0], theta)
    noise = population[1:] - np.asarray(theta)
    assert noise.std() == pytest.approx(sd, rel=4.5 / np.sqrt(2 * noise.size))
    assert np.all(noise.std(axis=1) > 0.5 * sd) or sd == 0.0
