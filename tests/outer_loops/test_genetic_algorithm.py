"""A genetic algorithm breeds by roulette and crossover, and learning guides it to the needle."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast import search_loop
from metaplast.registry import BadInput
from metaplast.runs.config import Sources, compose
from metaplast.runs.job import parse
from metaplast.testing.base import quick_jit
from outer_loops.genetic_algorithm import GeneticAlgorithm
from tests.oracles.hinton_nowlan import evolution, left_after
from tests.outer_loops._written import Written, init, run

ROOT = Path(__file__).resolve().parents[2]
N = 5
START = {"w": jnp.linspace(-1.2, 1.2, N)}
FLAT = Written(lambda w, batch: 0.0 * w[0], N)
SMALL = (
    *("experiment=baldwin", "rows={}", "task.n_bits=6", "task.n_trials=20"),
    *("problem.n_tasks=200", "problem.chunk=200", "outer.population=200"),
)


def experiment(words: tuple[str, ...]) -> Any:
    """The config of the experiment `baldwin` under some words."""
    return parse(compose(words, Sources(ROOT / "configs"))).main


def shares_at(config: Any, seed: int, n_generations: int) -> np.ndarray:
    """The shares of wrong, open and right alleles in the last of some generations [3]."""
    problem, outer = config.meta_problem(), config.outer_loop()
    state = search_loop.begin(problem, outer, seed)
    *_, (_, _, metrics) = search_loop.steps(problem, outer, seed, state, 0, n_generations)
    return np.asarray([metrics[f"share_{index}"] for index in range(3)])


def demand_one_distribution(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Demand that the means over runs of two models agree within 4 standard errors.

    ours, theirs: [n_runs, n_numbers].
    """
    n = len(ours)
    error = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / n)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) <= 4 * error + 1e-6).all()


def test_the_first_generation_has_alleles_by_their_shares_and_the_rounded_start():
    outer = GeneticAlgorithm(population=4000, alleles=(-1.0, 0.0, 1.0), shares=(0.25, 0.5, 0.25))
    state = init(outer, FLAT, START)
    np.testing.assert_array_equal(state.members[0], [-1.0, -1.0, 0.0, 1.0, 1.0])
    np.testing.assert_array_equal(state.theta["w"], state.members[0])
    error = 0.5 / math.sqrt(4000 * N)
    for allele, share in ((-1.0, 0.25), (0.0, 0.5), (1.0, 0.25)):
        assert np.mean(state.members == allele) == pytest.approx(share, abs=4 * error)


def test_parents_are_drawn_by_fitness_and_cross_at_one_point():
    """Member k holds the allele k alone, with the loss k: P(parent = k) = (3 - k) / 6."""
    outer = GeneticAlgorithm(population=3, alleles=(0.0, 1.0, 2.0), ceiling=3.0)
    members = jnp.repeat(jnp.arange(3.0)[:, None], N, axis=1)
    breed = quick_jit(jax.vmap(lambda key: outer._offspring(key, members, 3.0 - members[:, 0])))
    children = np.asarray(breed(jax.random.split(jax.random.key(0), 2000))).reshape(-1, N)
    for parent, chance in enumerate((3 / 6, 2 / 6, 1 / 6)):
        for end in (0, -1):
            share = np.mean(children[:, end] == parent)
            assert share == pytest.approx(chance, abs=4 * 0.5 / math.sqrt(len(children)))
    changes = np.diff(children, axis=1) != 0
    assert changes.sum(axis=1).max() == 1
    mixed = changes[changes.any(axis=1)]
    error = 0.5 / math.sqrt(len(mixed))
    np.testing.assert_allclose(mixed.mean(axis=0), np.full(N - 1, 1 / (N - 1)), atol=4 * error)


def test_mutation_draws_loci_anew():
    outer = GeneticAlgorithm(population=2000, alleles=(0.0, 1.0), mutation=0.2)
    ones = jnp.ones((2000, N))
    children = quick_jit(outer._offspring)(jax.random.key(0), ones, jnp.ones(2000))
    # Half of the loci that are drawn anew get their old allele.
    assert np.mean(children == 0.0) == pytest.approx(0.1, abs=4 * 0.3 / math.sqrt(2000 * N))


def test_a_member_that_blows_up_has_no_offspring():
    cliff = Written(lambda w, batch: jnp.where(w[0] > 0, jnp.nan, 0.0), N)
    outer = GeneticAlgorithm(population=50)
    state, history = run(outer, cliff, init(outer, cliff, START), [0.0])
    assert history[0]["diverged"] > 0
    assert (state.members[:, 0] <= 0).all()
    blown = replace(state, members=jnp.ones_like(state.members))
    after, history = run(outer, cliff, blown, [0.0])
    np.testing.assert_array_equal(after.members, blown.members)
    assert int(after.skipped) == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one share for each allele, 1 in all"):
        GeneticAlgorithm(shares=(0.5, 0.5))
    with pytest.raises(BadInput, match="as many lives for every member"):
        GeneticAlgorithm(population=3, own_lives=True).check(FLAT, jax.random.key(0))


def test_a_net_that_is_found_is_kept_and_its_fitness_is_the_published_one():
    """19 - loss is 19 times the share of guesses that are left, and an open net finds it by lot."""
    config = experiment((*SMALL, "task.n_trials=200"))
    problem = config.meta_problem()
    genomes = np.ones((3, 6), np.float32)
    genomes[1, :3] = 0.0
    genomes[2, 0] = -1.0
    n = 300
    theta = problem.init(jax.random.key(0))
    thetas = {**theta, "genome": {"input_to_output": jnp.asarray(genomes)[:, :, None]}}
    steps = replace(problem, lifetime=replace(problem.lifetime, measure=("steps",)))
    batch = steps.sample(jax.random.key(1), n, "train")
    losses, metrics = search_loop.evaluate(steps, thetas, batch)
    right = np.asarray(metrics["step.accuracy"])
    assert (np.diff(right, axis=2) >= 0).all()  # nothing that was found is lost again
    np.testing.assert_allclose(losses, 19.0 * (1.0 - right.mean(axis=(1, 2))), rtol=1e-5)
    np.testing.assert_array_equal(losses[::2], [0.0, 19.0])
    left = left_after(np.tile([1, 1, 1, 2, 2, 2], (n, 1)), 200, np.random.default_rng(0))
    error = math.hypot(left.std(), right[1].mean(axis=1).std()) / math.sqrt(n)
    assert right[1].mean() == pytest.approx(left.mean(), abs=4 * error)


@pytest.mark.system
def test_generations_are_those_of_a_numpy_program_of_the_paper():
    """A small needle, 16 seeds each: wrong, open and right alleles after 12 generations."""
    config = experiment(SMALL)
    ours = np.stack([shares_at(config, seed, 12) for seed in range(16)])
    theirs = []
    for seed in range(16):
        theirs.append(evolution(seed, 12, n_members=200, n_loci=6, n_trials=20)[-1].shares)
    demand_one_distribution(ours, np.stack(theirs))
    # The control: four generations less of selection are told apart.
    at_start = np.stack([evolution(s, 8, 200, 6, 20)[-1].shares for s in range(16)])
    with pytest.raises(AssertionError):
        demand_one_distribution(ours, at_start)


@pytest.mark.golden
def test_at_generation_50_loci_are_as_in_a_numpy_program_of_the_paper():
    """The published size, 10 seeds each. In every run no wrong allele is left."""
    config = experiment(("experiment=baldwin", "rows={}"))
    ours = np.stack([shares_at(config, seed, 50) for seed in range(10)])
    theirs = np.stack([evolution(seed, 50)[-1].shares for seed in range(10)])
    demand_one_distribution(ours, theirs)
    assert (ours[:, 0] < 0.05).all()
    assert (ours[:, 1] < 0.45).all()
