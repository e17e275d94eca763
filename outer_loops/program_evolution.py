"""Regularised evolution of programs: tournaments, mutation, and the death of the oldest."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput, register
from metaplast.rules.program import N_GENES
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Positive, Probability, spec
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import accepted, graded, summary
from outer_loops._nested import scaled

NUMBER = N_GENES - 1
"""The gene that is a number itself; all others choose one of a few things."""
WORST = 1e30
"""The loss of a member that blew up, or has not lived yet."""


@pytree
class ProgramsState:
    """The state of an evolution of programs.

    theta: the champion
    challenger [n]: the flat theta of the member that asks to be the next champion
    start [n]: the flat theta of the given rule
    loss []: the loss of the champion in the last step
    members [population, n]: their flat thetas, the oldest first
    fitness [population]: the loss of each in the step in which it was new
    hyper: the numbers of `hyper`
    step []: the number of steps done
    skipped []: the number of steps without a healthy offspring
    """

    theta: Theta
    challenger: Array
    start: Array
    loss: Array
    members: Array
    fitness: Array
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "program_evolution")
@spec
class ProgramEvolution(AbstractOuterLoop):
    """Evolve the instructions of rules `program`, and the other numbers of theta.

    steps: outer steps of a run
    population: the members that are alive
    offspring: members that are born in a step; as many of the oldest die
    tournament: the members among which the best one becomes a parent
    p_insert: the probability that a mutation inserts or removes an instruction
    p_part: the probability that it draws a whole part of the program anew
    fresh: the share of offspring without a parent
    spread: the width of a new number of an instruction
    std: the other numbers of theta move by std N(0, 1)

    A parent is the best of `tournament` members that are drawn at random. Its offspring has one
    mutation, of one of the parts of theta: setup, learn, or all numbers outside a program. In a
    part of a program an instruction is inserted or removed at random, all instructions are drawn
    anew, or else one gene of one instruction is. A number is multiplied by a factor of between 1/2
    and 2, and at times gets another sign; where it was 0 it is drawn from N(0, spread^2). Age
    decides who dies, so a member that was lucky once does not stay. Of an offspring without a
    parent all instructions are drawn anew, and the other numbers are those of the given rule, moved
    once. With fresh=1 this is a random search.

    Every life of a step is shared by all offspring of it. theta is the champion, at first the given
    rule. The best offspring of a step is a lucky one, so it is the challenger: it lives again in
    the next step, beside the champion, and takes its place where it is better on these lives by
    more than twice the standard error of the difference. In the first step, in which none waits, it
    is the best offspring of that step. Candidates of a run are judged on validation lives.

    Metrics: `best_loss`, of the best offspring; `fitness`, the least of the population.

    Raises:
        BadInput: from `check`, a theta with nothing to learn, or more offspring than members.

    Source: Real, Aggarwal, Huang & Le 2019 for the evolution; Real, Liang, So & Le 2020 for the
    mutations.
    """

    steps: Count = 1000
    population: Members = 200
    offspring: Members = 100
    tournament: Count = 10
    p_insert: Probability = 0.4
    p_part: Probability = 0.1
    fresh: Probability = 0.0
    spread: Positive = 1.0
    std: Positive = 0.2

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        return {"std": jnp.asarray(self.std)}

    def check(self, problem: Problem, key: Key) -> None:
        if not jax.tree.leaves(jax.eval_shape(problem.init, key)):
            fix = "rule.n_learn=6 searches a program"
            raise BadInput("outer program_evolution: theta", "a number to learn", fix)
        if self.offspring > self.population:
            what = f"outer.offspring={self.offspring}"
            raise BadInput(what, f"at most population={self.population}", "lower it")

    def init(
        self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]
    ) -> ProgramsState:
        demand_floats(self, theta)
        flat, _ = ravel_pytree(theta)
        zero = jnp.zeros((), jnp.int32)
        worst = jnp.asarray(WORST, flat.dtype)
        state = ProgramsState(
            theta=theta,
            challenger=flat,
            start=flat,
            loss=worst,
            members=jnp.broadcast_to(flat, (self.population, flat.size)),
            fitness=jnp.broadcast_to(worst, (self.population,)),
            hyper=hyper,
            step=zero,
            skipped=zero,
        )
        return strong(state)

    def step(
        self, problem: Problem, state: ProgramsState, batch: Batch, key: Key
    ) -> tuple[ProgramsState, Metrics]:
        champion, unravel = ravel_pytree(state.theta)
        parts = _parts(state.theta)
        keys = jax.random.split(key, self.offspring)
        born = jax.vmap(lambda key: self._born(key, state, parts))(keys)
        everyone = jnp.concatenate([born, jnp.stack([champion, state.challenger])])
        losses, metrics = problem.losses(jax.vmap(unravel)(everyone), batch)
        of_champion, of_challenger = metrics["life_loss"][self.offspring :]
        losses = losses[: self.offspring]
        of_born: dict[str, Array] = {}
        for name, values in metrics.items():
            of_born[name] = values[: self.offspring] if values.ndim else values
        grades = graded(losses, jnp.mean(of_born["survived"], axis=1))
        fitness = jnp.where(grades.healthy, losses, WORST)
        best = jnp.argmin(fitness)
        is_first = state.step == 0  # no offspring waits
        challenger = jnp.where(is_first, born[best], state.challenger)
        of_challenger = jnp.where(is_first, of_born["life_loss"][best], of_challenger)
        champion = jnp.where(is_better(of_challenger, of_champion), challenger, champion)
        loss = jnp.mean(jnp.where(jnp.isfinite(of_champion), of_champion, WORST))
        after = replace(
            state,
            theta=unravel(champion),
            challenger=born[best],
            loss=loss,
            members=jnp.concatenate([state.members[self.offspring :], born]),
            fitness=jnp.concatenate([state.fitness[self.offspring :], fitness]),
        )
        after = accepted(state, after, grades.healthy, born)
        counts = {"fitness": jnp.min(after.fitness), "skipped": after.skipped}
        return after, {**summary(losses, grades.healthy, of_born), **counts}

    def slower(self, state: ProgramsState, factor: float) -> ProgramsState:
        return scaled(state, "std", factor)

    def theta(self, state: ProgramsState) -> Theta:
        return state.theta

    def _born(self, key: Key, state: ProgramsState, parts: list["Part"]) -> Array:
        """A mutant of the winner of a tournament [n], or a member without a parent."""
        k_drawn, k_part, k_mutant, k_move, k_whether, k_fresh = jax.random.split(key, 6)
        drawn = jax.random.randint(k_drawn, (self.tournament,), 0, self.population)
        flat = state.members[drawn[jnp.argmin(state.fitness[drawn])]]
        is_rest = _is_rest(flat.size, parts)
        n_choices = len(parts) + bool(is_rest.any())
        which = jax.random.randint(k_part, (), 0, n_choices)
        moves = state.hyper["std"] * jax.random.normal(k_move, flat.shape)
        flat = flat + jnp.where(is_rest & (which == len(parts)), moves, 0.0)
        for index, part in enumerate(parts):
            program = flat[part.start : part.end].reshape(part.n, N_GENES)
            mutant = self._mutated(jax.random.fold_in(k_mutant, index), program)
            kept = jnp.where(which == index, mutant, program)
            flat = flat.at[part.start : part.end].set(kept.reshape(-1))
        fresh = state.start + jnp.where(is_rest, moves, 0.0)
        for part, k_part in zip(parts, jax.random.split(k_fresh, len(parts)), strict=True):
            program = self._drawn(k_part, (part.n, N_GENES))
            fresh = fresh.at[part.start : part.end].set(program.reshape(-1))
        is_fresh = jax.random.uniform(k_whether) < self.fresh
        return jnp.where(is_fresh, fresh, flat)

    def _mutated(self, key: Key, program: Array) -> Array:
        """A list of instructions [n, 5] after one mutation."""
        n = program.shape[0]
        k_kind, k_row, k_gene, k_new, k_side, k_number = jax.random.split(key, 6)
        fresh = self._drawn(k_new, program.shape)
        row = jax.random.randint(k_row, (), 0, n)
        places = jnp.arange(n, dtype=row.dtype)
        inserted = jnp.where((places == row)[:, None], fresh, program)
        inserted = jnp.where((places > row)[:, None], jnp.roll(program, 1, axis=0), inserted)
        removed = jnp.where((places >= row)[:, None], jnp.roll(program, -1, axis=0), program)
        removed = removed.at[-1].set(0.0)
        side = jnp.where(jax.random.bernoulli(k_side), inserted, removed)
        gene = jax.random.randint(k_gene, (), 0, N_GENES)
        changed_row = fresh.at[:, NUMBER].set(self._number(k_number, program[:, NUMBER]))
        is_gene = (places == row)[:, None] & (jnp.arange(N_GENES, dtype=row.dtype) == gene)[None]
        altered = jnp.where(is_gene, changed_row, program)
        kind = jax.random.uniform(k_kind)
        mutant = jnp.where(kind < self.p_insert, side, altered)
        return jnp.where(kind > 1.0 - self.p_part, fresh, mutant)

    def _drawn(self, key: Key, shape: tuple[int, ...]) -> Array:
        """Instructions drawn at random."""
        k_genes, k_numbers = jax.random.split(key)
        genes = jax.random.uniform(k_genes, shape)
        numbers = self.spread * jax.random.normal(k_numbers, shape[:1])
        return genes.at[:, NUMBER].set(numbers)

    def _number(self, key: Key, numbers: Array) -> Array:
        """Mutated numbers [n]."""
        k_factor, k_sign, k_new = jax.random.split(key, 3)
        factors = 2.0 ** jax.random.uniform(k_factor, numbers.shape, minval=-1.0)
        signs = jnp.where(jax.random.uniform(k_sign, numbers.shape) < 0.1, -1.0, 1.0)
        drawn = self.spread * jax.random.normal(k_new, numbers.shape)
        return jnp.where(numbers == 0.0, drawn, numbers * factors * signs)


def is_better(losses: Array, others: Array) -> Array:
    """Whether a member is better than another on the same lives [].

    The mean difference has to be above twice its standard error. Where a loss of the other is not
    finite, all losses of the member have to be.

    Args:
        losses: of the member [n_lives].
        others: of the other member [n_lives].
    """
    differences = others - losses
    n = differences.shape[0]
    error = jnp.std(differences) * jnp.sqrt(1.0 / max(n - 1, 1))
    is_sound = jnp.all(jnp.isfinite(losses))
    is_other_sound = jnp.all(jnp.isfinite(others))
    is_above = jnp.mean(differences) > 2.0 * error
    return is_sound & jnp.where(is_other_sound, is_above, True)


class Part(NamedTuple):
    """A list of instructions in the flat theta.

    start: of its first gene.
    n: the number of its instructions.
    """

    start: int
    n: int

    @property
    def end(self) -> int:
        """The place behind its last gene."""
        return self.start + self.n * N_GENES


def _parts(theta: Any) -> list[Part]:
    """The lists of instructions of all rules `program` in a theta."""
    parts = []
    start = 0
    for path, leaf in jax.tree.leaves_with_path(theta):
        name = jax.tree_util.keystr(path[-1:], simple=True)
        is_list = name in ("setup", "learn") and leaf.ndim == 2 and leaf.shape[1] == N_GENES
        if is_list and leaf.shape[0]:
            parts.append(Part(start, leaf.shape[0]))
        start += leaf.size
    return parts


def _is_rest(size: int, parts: list[Part]) -> np.ndarray:
    """Whether a number of the flat theta lies outside all programs [n]."""
    is_rest = np.ones(size, bool)
    for part in parts:
        is_rest[part.start : part.end] = False
    return is_rest
