"""MAP-Elites: an archive of expression trees, the best of every size and stability."""

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
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, NonNegative, Positive, Probability, spec
from outer_loops import _selection, _trees
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._grades import graded, summary
from outer_loops._nested import scaled
from outer_loops.genetic_programming import GeneticProgramming, GpState


@pytree
class Archive:
    """The elites, one for each cell; cell = size * n_stabilities + stability.

    flat [n_cells, n]: their thetas
    loss [n_cells]: the mean over the lives of several outer steps; LARGEST where a cell is empty
    count [n_cells]: the number of evaluations in that mean; 0 where a cell is empty
    key [n_cells, 2], n_nodes [n_cells]: the facts of each (see `_trees.TreeFacts`)
    stability [n_cells]: of the step in which it was new
    """

    flat: Array
    loss: Array
    count: Array
    key: Array
    n_nodes: Array
    stability: Array


class Entrants(NamedTuple):
    """Members that ask for a place in an archive.

    flat [n_members, n]: their thetas
    loss [n_members]: their losses
    cell [n_members]: the cell of each
    accepted [n_members]: whether it may have a place at all
    key [n_members, 2], n_nodes [n_members], stability [n_members]: as in `Archive`
    """

    flat: Array
    loss: Array
    cell: Array
    accepted: Array
    key: Array
    n_nodes: Array
    stability: Array


@pytree
class ElitesState:
    """The state of MAP-Elites.

    theta: the elite of the lowest loss
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
    max_nodes, and of its stability, in n_stabilities equal parts of 0 to 1. The elite of this cell
    lives through the same lives, and its loss becomes the mean over all its lives; the better one
    of both has the cell, so that luck in an earlier step holds no place. A tree that is not finite
    on the probes, or does the same as an elite that is no larger, has no place.

    The first step proposes the given theta and random trees. theta is the elite of the lowest loss.
    A step without a healthy life changes nothing but the counter `skipped`. A theta without a tree
    (a baseline of a fixed expression, say) is searched by `genetic_programming` with as many
    proposals.

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
        zeros = jnp.zeros(self.n_cells)
        archive = Archive(
            flat=jnp.broadcast_to(flat, (self.n_cells, flat.size)),
            loss=zeros + _selection.LARGEST,
            count=zeros,
            key=jnp.zeros((self.n_cells, 2), jnp.uint32),
            n_nodes=zeros,
            stability=zeros,
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
        entrants = Entrants(
            flat=flat[which, best],
            loss=losses.reshape(flat.shape[:2])[which, best],
            cell=self.cell(facts.n_nodes, stability),
            accepted=facts.valid & (facts.n_nodes <= self.max_nodes),
            key=facts.key,
            n_nodes=facts.n_nodes,
            stability=stability,
        )
        elites = state.archive.flat[entrants.cell]
        again, lived = problem.losses(jax.vmap(where.unravel)(elites), batch)
        archive = entered(relived(state.archive, entrants.cell, again), entrants)
        any_healthy = jnp.any(jnp.isfinite(losses))
        archive = jax.tree.map(
            lambda new, old: jnp.where(any_healthy, new, old), archive, state.archive
        )
        first = jnp.argmin(archive.loss)
        theta = where.unravel(archive.flat[first])
        is_filled = archive.count > 0
        after = replace(
            state,
            theta=jax.tree.map(
                lambda new, old: jnp.where(jnp.any(is_filled), new, old), theta, state.theta
            ),
            archive=archive,
            step=state.step + 1,
            skipped=state.skipped + (~any_healthy).astype(jnp.int32),
        )
        gains = jnp.where(is_filled, jnp.maximum(self.offset - archive.loss, 0.0), 0.0)
        own = {
            "coverage": jnp.mean(is_filled.astype(losses.dtype)),
            "qd_score": jnp.sum(gains),
            "skipped": after.skipped,
            "lives": metrics["lives"] + lived["lives"],
            "diverged": metrics["diverged"] + lived["diverged"],
        }
        return after, {**summary(losses, jnp.isfinite(losses), metrics), **own}

    def slower(self, state: Any, factor: float) -> Any:
        return scaled(state, "std", factor)

    def theta(self, state: Any) -> Theta:
        return state.theta

    def front(self, problem: Problem, state: Any) -> list[dict[str, Any]]:
        if isinstance(state, GpState):
            return []
        where = _trees.places(problem, state.theta, ())
        assert where.rule is not None
        archive = jax.device_get(state.archive)
        rows = []
        for cell in np.flatnonzero(archive.count > 0):
            theta = where.unravel(jnp.asarray(archive.flat[cell]))["rules"][where.slot]
            rule: Any = where.rule.settled(theta)[0]
            rows.append(
                {
                    "rule": rule.expression,
                    "nodes": int(archive.n_nodes[cell]),
                    "stability": float(archive.stability[cell]),
                    "loss": float(archive.loss[cell]),
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
        is_filled = state.archive.count > 0
        is_first = ~jnp.any(is_filled)
        logits = jnp.where(is_filled | is_first, 0.0, -jnp.inf)
        parents = jax.random.categorical(k_parent, logits, shape=(self.lambda_,))
        hyper = state.hyper
        mutated = jax.vmap(
            lambda flat, key: _trees.mutated(
                where, flat, key, hyper["mutation"], hyper["std"], hyper["edits"]
            )
        )
        flat = mutated(state.archive.flat[parents], jax.random.split(k_mutate, self.lambda_))
        share = jnp.where(is_first, 1.0, hyper["fresh"])
        is_fresh = jax.random.uniform(k_fresh, (self.lambda_, 1)) < share
        trees = jax.vmap(lambda key: _trees.genes(where, key))(
            jax.random.split(k_tree, self.lambda_)
        )
        flat = flat.at[:, where.code].set(jnp.where(is_fresh, trees, flat[:, where.code]))
        return flat.at[0].set(jnp.where(is_first, state.archive.flat[0], flat[0]))

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


def relived(archive: Archive, cells: Array, losses: Array) -> Archive:
    """The archive after the elites of some cells lived again.

    Their loss is the mean over the last `_selection.MEMORY` evaluations. One whose life blew up
    leaves its cell.

    Args:
        archive: the archive.
        cells: the cells [n]; one that stands here twice counts once.
        losses: the losses of their elites [n].
    """
    fresh = jnp.zeros_like(archive.loss).at[cells].set(losses)
    is_lived = jnp.zeros(archive.loss.shape, bool).at[cells].set(True) & (archive.count > 0)
    is_sound = jnp.isfinite(fresh)
    count = jnp.minimum(archive.count + 1.0, float(_selection.MEMORY))
    mean = ((count - 1.0) * archive.loss + jnp.where(is_sound, fresh, 0.0)) / count
    loss = jnp.where(is_lived, jnp.where(is_sound, mean, _selection.LARGEST), archive.loss)
    count = jnp.where(is_lived, jnp.where(is_sound, count, 0.0), archive.count)
    key = jnp.where((count > 0)[:, None], archive.key, 0)
    return replace(archive, loss=loss, count=count, key=key)


def entered(archive: Archive, entrants: Entrants) -> Archive:
    """The archive with the best entrant of every cell that is better than its elite.

    An entrant with the function of an elite that is no larger, or of an earlier entrant that is no
    larger, is refused.

    Args:
        archive: the archive.
        entrants: the entrants [n_members].
    """
    known = _selection.equal(entrants.key, archive.key) & (archive.count > 0)[None, :]
    known &= archive.n_nodes[None, :] <= entrants.n_nodes[:, None]
    may = entrants.accepted & jnp.isfinite(entrants.loss) & ~jnp.any(known, axis=1)
    alike = _selection.equal(entrants.key, entrants.key) & may[None, :]
    alike &= entrants.n_nodes[None, :] <= entrants.n_nodes[:, None]
    may &= ~jnp.any(jnp.tril(alike, -1), axis=1)
    cells = jnp.arange(archive.loss.size, dtype=jnp.int32)
    in_cell = (entrants.cell[None, :] == cells[:, None]) & may[None, :]
    asked = jnp.where(in_cell, entrants.loss[None, :], jnp.inf)
    best = jnp.argmin(asked, axis=1)
    loss = jnp.min(asked, axis=1)
    is_better = loss < archive.loss

    def placed(new: Array, old: Array) -> Array:
        mask = is_better.reshape(-1, *(1 for _ in old.shape[1:]))
        return jnp.where(mask, new[best], old)

    return Archive(
        flat=placed(entrants.flat, archive.flat),
        loss=jnp.where(is_better, loss, archive.loss),
        count=jnp.where(is_better, 1.0, archive.count),
        key=placed(entrants.key, archive.key),
        n_nodes=placed(entrants.n_nodes, archive.n_nodes),
        stability=placed(entrants.stability, archive.stability),
    )
