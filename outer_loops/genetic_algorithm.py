"""A genetic algorithm: a population of genomes whose every number is one of a few alleles."""

from dataclasses import replace
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Len
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput, register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Positive, Probability, spec
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import accepted, graded, summary


@pytree
class GeneticState:
    """The state of a genetic algorithm.

    theta: the fittest member of the newest generation that lived
    members [population, n]: the generation that lives next, over the flat vector of theta
    step []: the number of steps done
    skipped []: the number of steps that changed nothing
    """

    theta: Theta
    members: Array
    step: Array
    skipped: Array


@register("outer", "genetic_algorithm")
@spec
class GeneticAlgorithm(AbstractOuterLoop):
    """Breed a population whose loci hold alleles: fitter members have more offspring.

        fitness = max(0, ceiling - loss)
        P(member is a parent) = fitness / sum fitness

    steps: outer steps of a run: generations
    population: the number of members
    alleles: the values that a number of theta can take. A number of theta is a locus.
    shares: of the alleles in the first generation, and among mutants; empty: equal shares
    ceiling: the loss from which on a member has no offspring
    mutation: the probability that a locus of an offspring is drawn anew
    own_lives: whether every member lives through tasks of its own, `n_tasks` / `population` each.
        Otherwise all members live through the same tasks, with the same random numbers.

    Every offspring has two parents, drawn one by one by this roulette. It has the loci of the first
    one up to a point, and those of the second one from there on. Each point between two loci is
    equally likely. The offspring are the next generation: no member survives.

    The first member of the first generation is the start, each of its numbers at the nearest
    allele. All others are drawn. theta is the fittest member of a generation.
    A member of which a life blew up has no offspring. Where no member is fit, parents are drawn
    alike; without a healthy member nothing changes but counters.

    Metrics: `share_k`: the share of allele k, counted from 0, in the generation that lived.

    Raises:
        BadInput: shares that are not as many as the alleles, or do not add up to 1; a theta with
            nothing to learn; (from `check`) lives that the members cannot share out.

    Source: Holland 1975; fitness, roulette and crossover as in Hinton & Nowlan 1987.
    """

    steps: Count = 50
    population: Annotated[Members, Ge(2)] = 200
    alleles: Annotated[tuple[float, ...], Len(2)] = (-1.0, 0.0, 1.0)
    shares: tuple[Probability, ...] = ()
    ceiling: Positive = 20.0
    mutation: Probability = 0.0
    own_lives: bool = False

    def __post_init__(self) -> None:
        if not self.shares:
            return
        if len(self.shares) != len(self.alleles) or abs(sum(self.shares) - 1.0) > 1e-6:
            raise BadInput(
                f"shares={list(self.shares)} of {len(self.alleles)} alleles",
                "one share for each allele, 1 in all",
                "change shares, or leave them out",
            )

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return {}

    def check(self, problem: Problem, key: Key) -> None:
        if self.own_lives and problem.n_tasks % self.population:
            raise BadInput(
                f"problem.n_tasks={problem.n_tasks} for outer.population={self.population}",
                "as many lives for every member",
                f"set problem.n_tasks={self.population}, or own_lives=false",
            )

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> GeneticState:
        demand_floats(self, theta)
        flat, unravel = ravel_pytree(theta)
        alleles = self._alleles(flat)
        start = alleles[jnp.argmin(jnp.abs(flat[:, None] - alleles[None, :]), axis=1)]
        members = self._drawn(key, (self.population, flat.size), alleles)
        zero = jnp.zeros((), jnp.int32)
        state = GeneticState(
            theta=unravel(start),
            members=members.at[0].set(start),
            step=zero,
            skipped=zero,
        )
        return strong(state)

    def step(
        self, problem: Problem, state: GeneticState, batch: Batch, key: Key
    ) -> tuple[GeneticState, Metrics]:
        unravel = ravel_pytree(state.theta)[1]
        share = 1 if self.own_lives else None
        losses, metrics = problem.losses(state.members, batch, share, unravel)
        grades = graded(losses, jnp.mean(metrics["survived"], axis=1))
        fitness = jnp.where(grades.healthy, jnp.maximum(self.ceiling - losses, 0.0), 0.0)
        bred = replace(
            state,
            theta=unravel(state.members[jnp.argmin(grades.fitness)]),
            members=self._offspring(key, state.members, fitness),
        )
        after = accepted(state, bred, grades.healthy, bred.members)
        shares = {}
        for index, allele in enumerate(self._alleles(state.members)):
            shares[f"share_{index}"] = jnp.mean((state.members == allele).astype(losses.dtype))
        own_metrics = {**shares, "skipped": after.skipped}
        return after, {**summary(losses, grades.healthy, metrics), **own_metrics}

    def _offspring(self, key: Key, members: Array, fitness: Array) -> Array:
        """The next generation [population, n].

        Args:
            key: the randomness of the generation.
            members: the parents [population, n].
            fitness: of each parent [population], at least 0.
        """
        k_parents, k_points, k_where, k_mutants = jax.random.split(key, 4)
        n_members, n_loci = members.shape
        roulette = jnp.where(jnp.any(fitness > 0), fitness, 1.0)
        p = roulette / jnp.sum(roulette)
        first, second = jax.random.choice(k_parents, n_members, (2, n_members), p=p)
        points = jax.random.randint(k_points, (n_members, 1), 1, max(2, n_loci), jnp.int32)
        from_first = jnp.arange(n_loci, dtype=jnp.int32)[None, :] < points
        offspring = jnp.where(from_first, members[first], members[second])
        mutates = jax.random.uniform(k_where, members.shape) < self.mutation
        mutants = self._drawn(k_mutants, members.shape, self._alleles(members))
        return jnp.where(mutates, mutants, offspring)

    def _alleles(self, like: Array) -> Array:
        """The alleles [n_alleles], in the dtype of `like`."""
        return jnp.asarray(self.alleles, like.dtype)

    def _drawn(self, key: Key, shape: tuple[int, ...], alleles: Array) -> Array:
        """Alleles drawn by their shares."""
        shares = np.asarray(self.shares or np.full(len(alleles), 1.0 / len(alleles)))
        return jax.random.choice(key, alleles, shape, p=jnp.asarray(shares, alleles.dtype))

    def theta(self, state: GeneticState) -> Theta:
        return state.theta
