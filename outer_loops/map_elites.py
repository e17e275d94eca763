"""MAP-Elites: an archive of expression trees, the best of every size and stability."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem, same_theta
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, NonNegative, Positive, Probability, spec
from outer_loops import _selection, _trees
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import graded, summary
from outer_loops._nested import scaled
from outer_loops._selection import Parents
from outer_loops.genetic_programming import GeneticProgramming, GpState


@pytree
class Archive:
    """The elites, one for each cell; cell = size * n_stabilities + stability.

    elites [n_cells]: the members; the loss is LARGEST where a cell is empty
    stability [n_cells]: of the step in which each was new
    """

    elites: Parents
    stability: Array

    @property
    def is_filled(self) -> Array:
        """Whether a cell has an elite [n_cells]."""
        return self.elites.loss < _selection.LARGEST


class Entrants(NamedTuple):
    """Members that ask for a place in an archive.

    members [n_members]: their thetas, losses and facts; none has a count yet
    cell [n_members]: the cell of each
    accepted [n_members]: whether it may have a place at all
    stability [n_members]: as in `Archive`
    """

    members: Parents
    cell: Array
    accepted: Array
    stability: Array


@pytree
class ElitesState:
    """The state of MAP-Elites.

    theta: the elite of the lowest loss that lived again
    archive: the elites
    hyper: the numbers of `hyper`
    step []: the number of steps done
    skipped []: the number of steps without a healthy life
    """

    theta: Theta
    archive: Archive
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "map_elites")
@spec
class MapElites(AbstractOuterLoop):
    """The best tree of every size and stability, for one `symbolic` rule with size > 0.

    steps: outer steps of a run
    lambda_: proposals that live in an outer step
    n_sizes: cells along the size of a tree
    n_stabilities: cells along its stability
    n_rates: rates under which a proposal lives
    rate_factor: the ratio of neighbouring rates
    max_nodes: the largest tree
    mutation: the probability that a gene of a mutant is drawn anew
    edits: the share of mutants whose tree grows or shrinks by a node in place of that
    fresh: the share of random trees
    std: the numbers of a mutant move by std N(0, 1)
    offset: the loss above which an elite adds nothing to the QD score

    Every proposal is a mutant of an elite, drawn with equal probability from all, or a random tree;
    trees and mutations are those of `genetic_programming`. It lives under n_rates rates, powers of
    rate_factor around r rms(f) = rate, and keeps the best one, by the mean loss.

    stability = mean over rates and lives of survived (1 - at_bound)

    survived: the share of steps of a life before its loss is not finite
    at_bound: the share of plastic synapses that end at a bound of their weight

    So a rule of stability 1 can be raised to the highest rate of the grid without a weight that
    runs away. The cell of a proposal is that of its nodes, in n_sizes equal parts of 1 to
    max_nodes, and of its stability, in n_stabilities equal parts of 0 to 1.

    All elites live again in every step, so that a lucky one does not stay: their loss is a running
    mean. How much harder the lives of a step are than earlier ones, the median over elites, is
    taken off all losses. A proposal has its cell where its loss is below the mean of the elite and
    below the loss of the elite on the same lives. A tree that is not finite on the probes, or does
    the same as an elite that is no larger, has no place.

    The first step proposes the given theta and random trees. theta is the elite of the lowest loss
    among those that lived again. A step without a healthy life changes nothing but the counter
    `skipped`. A theta without a tree (a baseline of a fixed expression, say) is searched by
    `genetic_programming` with as many proposals.

    Metrics:
    `coverage`: the share of cells with an elite.
    `qd_score`: the sum over elites of offset - loss, where that is positive.
    `best_loss`: the lowest loss of the proposals.

    Raises:
        BadInput: from `check`, several searched rules, or one with a theta per edge.

    Source: Mouret & Clune 2015.
    """

    steps: Count = 200
    lambda_: Members = 16
    n_sizes: Count = 8
    n_stabilities: Count = 5
    n_rates: Count = 5
    rate_factor: Positive = 3.0
    max_nodes: Count = 31
    mutation: Probability = 0.08
    edits: Probability = 0.5
    fresh: Probability = 0.1
    std: Positive = 0.2
    offset: NonNegative = 1.0

    @property
    def n_steps(self) -> int:
        return self.steps

    @property
    def n_cells(self) -> int:
        """The cells of the archive."""
        return self.n_sizes * self.n_stabilities

    def hyper(self) -> dict[str, Array]:
        names = ("mutation", "edits", "fresh", "std")
        return {name: jnp.asarray(getattr(self, name), float) for name in names}

    def check(self, problem: Problem, key: Key) -> None:
        _trees.check(problem, jax.eval_shape(problem.init, key))

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> Any:
        demand_floats(self, theta)
        if not _trees.places(problem, theta, ()).code.size:
            rest = {**self._without_tree().hyper(), **hyper}
            return self._without_tree().init(problem, theta, key, rest)
        flat = ravel_pytree(theta)[0]
        where = _trees.places(problem, theta, ())
        archive = Archive(
            elites=_selection.newborn(where, flat, self.n_cells),
            stability=jnp.zeros(self.n_cells),
        )
        zero = jnp.zeros((), jnp.int32)
        state = ElitesState(theta=theta, archive=archive, hyper=hyper, step=zero, skipped=zero)
        return strong(state)

    def step(self, problem: Problem, state: Any, batch: Batch, key: Key) -> tuple[Any, Metrics]:
        if isinstance(state, GpState):
            return self._without_tree().step(problem, state, batch, key)
        where = _trees.places(problem, state.theta, ())
        drawn = self._drawn(where, state, key)
        facts = jax.vmap(lambda flat: _trees.facts(where, flat))(drawn)
        factors = self._factors(where)
        rated = jax.vmap(lambda flat, size: _trees.rated(where, flat, size, factors))
        flat = rated(drawn, facts.size)
        losses, metrics = problem.losses(
            jax.vmap(where.unravel)(flat.reshape(-1, flat.shape[-1])), batch
        )
        survived = metrics["survived"]
        fitness = graded(losses, jnp.mean(survived, axis=1)).fitness.reshape(flat.shape[:2])
        stable = jnp.mean(survived * (1.0 - metrics["at_bound"]), axis=1)
        stability = jnp.mean(stable.reshape(flat.shape[:2]), axis=1)
        best = jnp.argmin(fitness, axis=1)
        which = jnp.arange(self.lambda_)
        before = state.archive
        again, lived = problem.losses(jax.vmap(where.unravel)(before.elites.flat), batch)
        harder = _selection.harder(
            before.elites, jnp.where(jnp.isfinite(again), again, _selection.LARGEST)
        )
        entrants = Entrants(
            members=Parents(
                flat=flat[which, best],
                loss=losses.reshape(flat.shape[:2])[which, best] - harder,
                count=jnp.zeros(self.lambda_),
                key=facts.key,
                form=facts.form,
                size=facts.size,
                n_nodes=facts.n_nodes,
            ),
            cell=self.cell(facts.n_nodes, stability),
            accepted=facts.valid & (facts.n_nodes <= self.max_nodes),
            stability=stability,
        )
        now = again - harder
        archive = entered(relived(before, now), now, entrants)
        any_healthy = jnp.any(jnp.isfinite(losses))
        archive = jax.tree.map(
            lambda new, old: jnp.where(any_healthy, new, old), archive, state.archive
        )
        theta = where.unravel(_selection.best(archive.elites, jnp.zeros(())).flat)
        is_filled = archive.is_filled
        after = replace(
            state,
            theta=jax.tree.map(
                lambda new, old: jnp.where(jnp.any(is_filled), new, old), theta, state.theta
            ),
            archive=archive,
            step=state.step + 1,
            skipped=state.skipped + (~any_healthy).astype(jnp.int32),
        )
        gains = jnp.where(is_filled, jnp.maximum(self.offset - archive.elites.loss, 0.0), 0.0)
        of_archive = {
            "coverage": jnp.mean(is_filled.astype(losses.dtype)),
            "qd_score": jnp.sum(gains),
            "skipped": after.skipped,
            "lives": metrics["lives"] + lived["lives"],
            "diverged": metrics["diverged"] + lived["diverged"],
        }
        return after, {**summary(losses, jnp.isfinite(losses), metrics), **of_archive}

    def slower(self, state: Any, factor: float) -> Any:
        return scaled(state, "std", factor)

    def theta(self, state: Any) -> Theta:
        return state.theta

    def front(
        self, problem: Problem, state: Any, at: Callable[[Theta], Theta] = same_theta
    ) -> list[dict[str, Any]]:
        if isinstance(state, GpState):
            return []
        where = _trees.places(problem, state.theta, ())
        assert where.rule is not None
        archive = jax.device_get(state.archive)
        elites = archive.elites
        rows = []
        for cell in np.flatnonzero(archive.is_filled):
            theta = at(where.unravel(jnp.asarray(elites.flat[cell])))["rules"][where.slot]
            rule: Any = where.rule.settled(theta)[0]
            rows.append(
                {
                    "rule": rule.expression,
                    "nodes": int(elites.n_nodes[cell]),
                    "stability": float(archive.stability[cell]),
                    "loss": float(elites.loss[cell]),
                }
            )
        return rows

    def cell(self, n_nodes: Array, stability: Array) -> Array:
        """The cells of members with so many nodes and such a stability [n_members]."""
        size = jnp.floor((n_nodes - 1.0) * self.n_sizes / self.max_nodes)
        stable = jnp.floor(stability * self.n_stabilities)
        size = jnp.clip(size, 0, self.n_sizes - 1).astype(jnp.int32)
        stable = jnp.clip(stable, 0, self.n_stabilities - 1).astype(jnp.int32)
        return size * self.n_stabilities + stable

    def _drawn(self, where: _trees.Places, state: ElitesState, key: Key) -> Array:
        """The thetas of the proposals [lambda_, n]."""
        k_parent, k_mutate, k_fresh, k_tree = jax.random.split(key, 4)
        is_filled = state.archive.is_filled
        is_first = ~jnp.any(is_filled)
        logits = jnp.where(is_filled | is_first, 0.0, -jnp.inf)
        parents = jax.random.categorical(k_parent, logits, shape=(self.lambda_,))
        hyper = state.hyper
        mutated = jax.vmap(
            lambda flat, key: _trees.mutated(
                where, flat, key, hyper["mutation"], hyper["std"], hyper["edits"]
            )
        )
        flat = mutated(state.archive.elites.flat[parents], jax.random.split(k_mutate, self.lambda_))
        share = jnp.where(is_first, 1.0, hyper["fresh"])
        is_fresh = jax.random.uniform(k_fresh, (self.lambda_, 1)) < share
        trees = jax.vmap(lambda key: _trees.genes(where, key))(
            jax.random.split(k_tree, self.lambda_)
        )
        flat = flat.at[:, where.code].set(jnp.where(is_fresh, trees, flat[:, where.code]))
        return flat.at[0].set(jnp.where(is_first, state.archive.elites.flat[0], flat[0]))

    def _factors(self, where: _trees.Places) -> Array:
        """The factors of the rates; the single 1 where no rate is searched."""
        if not where.own_rate.size and not where.rates.size:
            return jnp.ones(1)
        powers = np.arange(self.n_rates) - (self.n_rates - 1) / 2
        return jnp.asarray(self.rate_factor**powers, float)

    def _without_tree(self) -> GeneticProgramming:
        """The loop of a theta without a tree."""
        return GeneticProgramming(
            steps=self.steps,
            lambda_=self.lambda_,
            n_rates=self.n_rates,
            rate_factor=self.rate_factor,
        )


def relived(archive: Archive, losses: Array) -> Archive:
    """The archive after all elites lived again; one whose life blew up leaves its cell.

    Args:
        archive: the archive.
        losses: the losses of the elites [n_cells], less `_selection.harder`.
    """
    is_sound = archive.is_filled & jnp.isfinite(losses)
    after = _selection.lived(archive.elites, jnp.where(is_sound, losses, 0.0))
    elites = replace(
        after,
        loss=jnp.where(is_sound, after.loss, _selection.LARGEST),
        count=jnp.where(is_sound, after.count, 0.0),
    )
    return replace(archive, elites=elites)


def entered(archive: Archive, now: Array, entrants: Entrants) -> Archive:
    """The archive with the best entrant of every cell that is better than its elite.

    It has to be below the mean loss of the elite, and below its loss on the same lives. An entrant
    with the function of an elite that is no larger, or of an earlier entrant that is no larger, is
    refused.

    Args:
        archive: the archive.
        now: the losses of the elites on the lives of the entrants [n_cells], less `harder`.
        entrants: the entrants [n_members].
    """
    elites, members = archive.elites, entrants.members
    known = _selection.equal(members.key, elites.key) & archive.is_filled[None, :]
    known &= elites.n_nodes[None, :] <= members.n_nodes[:, None]
    may = entrants.accepted & jnp.isfinite(members.loss) & ~jnp.any(known, axis=1)
    alike = _selection.equal(members.key, members.key) & may[None, :]
    alike &= members.n_nodes[None, :] <= members.n_nodes[:, None]
    may &= ~jnp.any(jnp.tril(alike, -1), axis=1)
    cells = jnp.arange(elites.loss.size, dtype=jnp.int32)
    in_cell = (entrants.cell[None, :] == cells[:, None]) & may[None, :]
    asked = jnp.where(in_cell, members.loss[None, :], jnp.inf)
    best = jnp.argmin(asked, axis=1)
    loss = jnp.min(asked, axis=1)
    is_weaker = ~archive.is_filled | (loss < now)
    is_better = (loss < elites.loss) & is_weaker

    def placed(new: Array, old: Array) -> Array:
        mask = is_better.reshape(-1, *(1 for _ in old.shape[1:]))
        return jnp.where(mask, new[best], old)

    return Archive(
        elites=jax.tree.map(placed, members, elites),
        stability=placed(entrants.stability, archive.stability),
    )
