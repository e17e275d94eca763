"""Programs as rules: the delta rule as a program, its words, and its evolution."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.connections.dense import Dense
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.program import Program, effective, genes_of, line_of
from metaplast.spec import decode
from metaplast.testing.base import quick_jit
from metaplast.testing.rule import Bench, check_equivariance, check_layouts, check_oracle
from outer_loops.program_evolution import ProgramEvolution, _parts, is_better
from tests.oracles import program as oracle

RULE = Program(setup=(), learn=(), n_setup=1, n_learn=4)
DELTA = ("s_2 = s_0 - s_1", "s_2 = s_3 * s_2", "v_2 = s_2 * v_0", "v_1 = v_1 + v_2")
TASK: Any = decode("task", {"name": "linear_regression", "shots": 20, "queries": 5})


def theta_of(rule: Program, setup: tuple[str, ...], learn: tuple[str, ...]) -> Any:
    genes = {
        "setup": [genes_of(rule, line) for line in setup],
        "learn": [genes_of(rule, line) for line in learn],
    }
    return {name: jnp.asarray(rows) for name, rows in genes.items()}


def problem_of(rule: Any) -> MetaProblem:
    network = Feedforward(hidden=())
    return MetaProblem(Lifetime(task=TASK, network=network, slots=(Slot(rule=rule),)))


def test_the_delta_rule_is_a_program() -> None:
    program = problem_of(RULE)
    delta = problem_of(Polynomial(terms=("error*pre",), initial=(-1.0,), rate=0.05, learn="none"))
    theta = program.init(jax.random.key(0))
    theta["rules"]["rule"] = theta_of(RULE, ("s_3 = 0.1",), DELTA)
    batch = program.sample(jax.random.key(1), 8, "train")
    one = jax.tree.map(lambda leaf: leaf[None], theta)
    ours = program.losses(one, batch)[0]
    plain = jax.tree.map(lambda leaf: leaf[None], delta.init(jax.random.key(0)))
    np.testing.assert_allclose(ours, delta.losses(plain, batch)[0], rtol=1e-5)


@pytest.mark.parametrize(
    "line",
    [*DELTA, "s_3 = v_0 . v_2", "s_2 = 0.25", "v_2 = -3", "v_0 = v_1 * v_2", "s_1 = s_2 + s_3"],
)
def test_an_instruction_is_read_as_it_is_written(line: str) -> None:
    assert line_of(RULE, genes_of(RULE, line)) == line


@pytest.mark.parametrize("line", ["s_9 = s_0 + s_1", "s_0 = v_1 + v_2", "v_1", "s_0 = s_1 / s_2"])
def test_what_is_no_instruction_is_refused(line: str) -> None:
    with pytest.raises(BadInput, match=r"instruction '.*' - expected one such as"):
        genes_of(RULE, line)


def test_an_empty_program_changes_nothing() -> None:
    theta = RULE.init(jax.random.key(0), Dense(2, 3))
    assert line_of(RULE, np.asarray(theta["learn"][0]).tolist()) == "nothing"
    problem = problem_of(RULE)
    lifetime = problem.lifetime
    theta = problem.init(jax.random.key(0))
    task = TASK.sample(jax.random.key(1), "train")
    born = lifetime.begin(theta, task, jax.random.key(2))
    life, _ = lifetime.advance(theta, task, born, 20)
    edge = "input_to_output"
    np.testing.assert_array_equal(life.synapses[edge].weight, born.synapses[edge].weight)


def test_every_kind_of_mutation_changes_a_program_as_it_says() -> None:
    program = theta_of(RULE, ("s_3 = 0.1",), DELTA)["learn"]
    keys = jax.random.split(jax.random.key(0), 400)
    same_rows = lambda mutant: np.asarray((mutant == program).all(axis=1))
    one_gene = ProgramEvolution(p_insert=0.0, p_part=0.0)
    for mutant in jax.vmap(lambda key: one_gene._mutated(key, program))(keys):
        assert np.sum(np.asarray(mutant != program)) == 1
    moves = ProgramEvolution(p_insert=1.0, p_part=0.0)
    n_inserted = 0
    for mutant in jax.vmap(lambda key: moves._mutated(key, program))(keys):
        first = int(np.argmin(same_rows(mutant)))
        if not np.asarray(mutant[-1]).any():
            np.testing.assert_array_equal(mutant[first:-1], program[first + 1 :])
        else:
            n_inserted += 1
            np.testing.assert_array_equal(mutant[first + 1 :], program[first:-1])
    assert 140 < n_inserted < 260
    anew = ProgramEvolution(p_insert=0.0, p_part=1.0)
    mutant = anew._mutated(keys[0], program)
    assert not same_rows(mutant).any()


def test_one_part_of_theta_is_mutated_at_a_time() -> None:
    problem = problem_of(RULE)
    theta = problem.init(jax.random.key(0))
    parts = _parts(theta)
    assert [part.n for part in parts] == [4, 1]
    outer = ProgramEvolution(population=8, offspring=4, tournament=2)
    wider = {"a": jnp.ones(2), **theta}
    state = outer.init(problem, wider, jax.random.key(0), outer.hyper())
    keys = jax.random.split(jax.random.key(1), 200)
    born = np.asarray(jax.vmap(lambda key: outer._born(key, state, _parts(wider)))(keys))
    changed = born != np.asarray(state.members[0])
    by_part = np.stack([changed[:, :2].any(1), changed[:, 2:22].any(1), changed[:, 22:].any(1)])
    assert (by_part.sum(axis=0) <= 1).all()  # a mutant may be its parent: an empty line removed
    assert (by_part.sum(axis=1) > 30).all()


def test_a_searched_program_is_its_plain_program() -> None:
    rule = Program(setup=(), learn=(), n_setup=2, n_learn=8)
    step: Any = oracle.step
    with jax.enable_x64(True):
        bench = Bench(rule)
        n_changing = 0
        for seed in range(8):
            draw = np.random.default_rng(seed)
            genes = {"setup": draw.normal(size=(2, 5)), "learn": draw.normal(size=(8, 5))}
            bench.theta = jax.tree.map(jnp.asarray, genes)
            bench.base = bench.live()
            n_changing += bool(bench.base["deltas"].any())
            check_oracle(bench, step)
            text, nothing = rule.settled(bench.theta)
            assert nothing == {}
            settled = Bench(text).base["deltas"]
            np.testing.assert_allclose(settled, bench.base["deltas"], atol=1e-9)
        check_equivariance(bench)
        check_layouts(bench)
        assert n_changing > 2


def test_instructions_without_an_effect_are_left_out() -> None:
    setup = ("s_3 = 0.1", "s_2 = 5", "v_2 = 1")
    learn = ("s_2 = s_0 + s_0", *DELTA, "s_2 = v_0 . v_1", "v_0 = v_1 * v_1")
    assert effective(setup, learn) == (("s_3 = 0.1",), DELTA)
    assert effective(("s_2 = 1",), ("v_1 = s_2 * v_0", "s_2 = s_2 + s_3")) == (
        ("s_2 = 1",),
        ("v_1 = s_2 * v_0", "s_2 = s_2 + s_3"),
    )
    assert effective(("s_2 = 1",), ("s_2 = s_2 + s_3",)) == ((), ())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n_vectors": 1}, "n_vectors=1 - expected two of each at least"),
        ({"n_setup": 1}, "n_setup=1 without n_learn"),
        ({"n_learn": 5}, "setup of 1 instructions, n_setup=0 - expected at most 0"),
        ({"learn": ("v_1 = v_9 + v_0",)}, "instruction 'v_1 = v_9"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Program(**fields)


def test_a_theta_without_numbers_and_too_many_offspring_are_refused() -> None:
    outer = ProgramEvolution(population=8, offspring=4, tournament=2)
    with pytest.raises(BadInput, match="theta - expected a number to learn"):
        outer.check(problem_of(Program()), jax.random.key(0))
    with pytest.raises(BadInput, match=r"outer\.offspring=9 - expected at most population=8"):
        replace(outer, offspring=9).check(problem_of(RULE), jax.random.key(0))


def test_evolution_goes_on_where_it_stopped() -> None:
    problem = problem_of(RULE)
    outer = ProgramEvolution(steps=6, population=32, offspring=32, tournament=4)
    begun = search_loop.begin(problem, outer, 0)
    whole = list(search_loop.steps(problem, outer, 0, begun, 0, 6))
    half = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), whole[2][1])
    *_, (_, resumed, _) = search_loop.steps(problem, outer, 0, half, 3, 6)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole[-1][1])


def test_a_challenger_needs_a_gain_of_two_errors_on_lives_that_did_not_choose_it() -> None:
    draw = np.random.default_rng(0)
    agree = 0
    for _ in range(200):
        losses, others = draw.normal(size=(2, 8))
        others += draw.uniform(0.0, 2.0)
        by_hand = np.mean(others - losses) > 2 * np.std(others - losses, ddof=1) / np.sqrt(8)
        assert bool(is_better(jnp.asarray(losses), jnp.asarray(others))) == by_hand
        agree += by_hand
    assert 20 < agree < 180
    blown = jnp.asarray([1.0, jnp.nan])
    assert is_better(jnp.ones(2), blown)
    assert not is_better(blown, blown)
    assert not is_better(blown, jnp.ones(2))


def test_the_champion_is_held_against_the_best_of_the_step_before() -> None:
    """The challenger, a delta rule, beats the empty program; its lives are those of this step."""
    problem = problem_of(RULE)
    outer = ProgramEvolution(population=4, offspring=2, tournament=2)
    empty = problem.init(jax.random.key(0))
    state = outer.init(problem, empty, jax.random.key(0), outer.hyper())
    delta = Program(setup=("s_3 = 0.1",), learn=DELTA, n_setup=RULE.n_setup, n_learn=RULE.n_learn)
    known = ravel_pytree(problem_of(delta).init(jax.random.key(0)))[0]
    batch = problem.sample(jax.random.key(1), 4, "train")
    step = quick_jit(lambda state, key: outer.step(problem, state, batch, key))
    after, _ = step(
        replace(state, challenger=known, step=jnp.ones_like(state.step)), jax.random.key(2)
    )
    np.testing.assert_array_equal(ravel_pytree(after.theta)[0], known)
    assert after.loss == pytest.approx(
        float(problem.losses(jax.tree.map(lambda x: x[None], empty), batch)[0][0])
    )
    kept, _ = step(after, jax.random.key(3))
    np.testing.assert_array_equal(ravel_pytree(kept.theta)[0], known)


def test_offspring_without_a_parent_inherit_nothing() -> None:
    """Of members that hold 7 everywhere no number comes back; with a parent most of them do."""
    problem = problem_of(RULE)
    outer = ProgramEvolution(population=8, offspring=8, tournament=2, fresh=1.0)
    state = outer.init(problem, problem.init(jax.random.key(0)), jax.random.key(0), outer.hyper())
    state = replace(state, members=jnp.full_like(state.members, 7.0))
    batch = problem.sample(jax.random.key(1), 4, "train")
    step = quick_jit(lambda state: outer.step(problem, state, batch, jax.random.key(2)))
    after, _ = step(state)
    assert not (np.asarray(after.members) == 7.0).any()
    with_parents = replace(outer, fresh=0.0)
    step = quick_jit(lambda state: with_parents.step(problem, state, batch, jax.random.key(2)))
    after, _ = step(state)
    assert (np.asarray(after.members) == 7.0).mean() > 0.3


def test_the_best_of_a_tournament_is_the_parent_and_the_oldest_die() -> None:
    problem = problem_of(RULE)
    outer = ProgramEvolution(population=6, offspring=2, tournament=200, p_insert=0.0, p_part=0.0)
    state = outer.init(problem, problem.init(jax.random.key(0)), jax.random.key(0), outer.hyper())
    members = jnp.arange(6.0)[:, None] + jnp.zeros_like(state.members)
    fitness = jnp.asarray([3.0, 2.0, 1.0, 5.0, 6.0, 4.0])
    state = replace(state, members=members, fitness=fitness)
    batch = problem.sample(jax.random.key(1), 4, "train")
    after, _ = outer.step(problem, state, batch, jax.random.key(2))
    np.testing.assert_array_equal(after.members[:4], members[2:])
    np.testing.assert_array_equal(after.fitness[:4], fitness[2:])
    assert (np.sum(np.asarray(after.members[4:]) != 2.0, axis=1) == 1).all()
