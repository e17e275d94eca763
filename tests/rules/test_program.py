"""Programs as rules: the delta rule as a program, its words, and its evolution."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.program import Program, genes_of, line_of
from metaplast.spec import decode
from outer_loops.program_evolution import ProgramEvolution, _parts

RULE = Program(n_setup=1, n_learn=4)
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


def test_other_numbers_of_theta_stay() -> None:
    problem = problem_of(RULE)
    theta = problem.init(jax.random.key(0))
    assert [part.n for part in _parts(theta)] == [4, 1]
    outer = ProgramEvolution(population=8, offspring=4, tournament=2)
    outer.check(problem, jax.random.key(0))
    with pytest.raises(BadInput, match="a rule `program`, whose instructions are searched"):
        outer.check(problem_of(Polynomial()), jax.random.key(0))
