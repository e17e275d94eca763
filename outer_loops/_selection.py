"""The selection of survivors among mu parents and their offspring, each function once."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import pytree
from outer_loops import _trees

LARGEST = 1e30
"""The loss of a life that blew up, at least."""

MEMORY = 16
"""Evaluations over which a parent's loss is averaged."""


@pytree
class Parents:
    """mu members, best first.

    flat [mu, n]: their thetas
    loss [mu]: the running mean over the lives of several outer steps
    count [mu]: the number of evaluations in that mean
    key [mu, 2], form [mu, 2], size [mu], n_nodes [mu]: the facts of each (see `_trees.TreeFacts`)
    """

    flat: Array
    loss: Array
    count: Array
    key: Array
    form: Array
    size: Array
    n_nodes: Array


@pytree
class Offspring:
    """The proposals of one outer step.

    flat [n_proposals, n]: their thetas
    key, form, size, n_nodes: the facts of each (see `_trees.TreeFacts`)
    twin [n_proposals]: the parent that does the same; -1 where none does
    examined [n_proposals]: whether the proposal is one of those up to the last chosen one
    chosen [lambda]: the first proposals with a function that no member had before
    real [lambda]: whether there are so many
    """

    flat: Array
    key: Array
    form: Array
    size: Array
    n_nodes: Array
    twin: Array
    examined: Array
    chosen: Array
    real: Array


class Entrants(NamedTuple):
    """The chosen proposals, each under its best rate.

    flat [lambda, n]: their thetas
    loss [lambda]: their losses, less `harder`
    """

    flat: Array
    loss: Array


class Moved(NamedTuple):
    """The best parents, moved by several lengths.

    flat [n_refined, n_lengths, n]: their thetas
    loss [n_refined, n_lengths]: their losses, less `harder`
    after [n_refined, n_lengths, n_tasks]: the losses of their lives
    before [n_refined, n_tasks]: the losses of the same lives before the move
    """

    flat: Array
    loss: Array
    after: Array
    before: Array


class Selection(NamedTuple):
    """The survivors of an outer step.

    parents: the best members of distinct functions
    first_is_new []: whether the first of them is new
    """

    parents: Parents
    first_is_new: Array


def newborn(where: _trees.Places, flat: Array, n: int) -> Parents:
    """n copies of one member [n_numbers] that never lived."""
    facts = _trees.facts(where, flat)

    def copies(x: Array) -> Array:
        return jnp.broadcast_to(x, (n, *x.shape))

    return Parents(
        flat=copies(flat),
        loss=jnp.full(n, LARGEST),
        count=jnp.zeros(n),
        key=copies(facts.key),
        form=copies(facts.form),
        size=copies(facts.size),
        n_nodes=copies(facts.n_nodes),
    )


def joined(*parents: Parents) -> Parents:
    """The members of all."""
    return jax.tree.map(lambda *x: jnp.concatenate(x), *parents)


def best_place(members: Parents, parsimony: Array) -> Array:
    """The place [] of the lowest loss + parsimony * nodes among those that lived as parents.

    The loss of a newcomer is the least of many on few lives, so it is too low. It counts where no
    member lived again.
    """
    score = members.loss + parsimony * members.n_nodes
    return jnp.lexsort((score, members.count == 0))[0]


def best(members: Parents, parsimony: Array) -> Parents:
    """The member at `best_place`, without the axis of members."""
    place = best_place(members, parsimony)
    return jax.tree.map(lambda x: x[place], members)


def lived(members: Parents, losses: Array) -> Parents:
    """The members after they lived once more.

    Args:
        members: the members before these lives.
        losses: their losses on these lives, less `harder`.
    """
    count = jnp.minimum(members.count + 1.0, float(MEMORY))
    return replace(members, loss=((count - 1.0) * members.loss + losses) / count, count=count)


def equal(a: Array, b: Array) -> Array:
    """Whether two keys are equal [len(a), len(b)]."""
    return jnp.all(a[:, None] == b[None, :], axis=2)


def harder(parents: Parents, losses: Array) -> Array:
    """The difference [] between the losses of the present lives and of the earlier ones.

    It is the median over the parents that have lived before, so that losses of different outer
    steps can be compared.

    Args:
        parents: the parents, with their losses on earlier lives.
        losses: their losses on these lives [mu].
    """
    comparable = (parents.count > 0) & (parents.loss < LARGEST) & (losses < LARGEST)
    median = jnp.nanmedian(jnp.where(comparable, losses - parents.loss, jnp.nan))
    return jnp.where(jnp.any(comparable), median, 0.0)


def updated(where: _trees.Places, parents: Parents, losses: Array, moves: Moved) -> Parents:
    """The parents after they lived once more.

    A parent takes the best of its moves that made it better on the same lives. These lives chose
    the move, so their loss after it is lucky and does not count. The parent keeps its loss of
    before, and later lives weigh the more, the more the move changed (`worth`).

    Args:
        where: the places of the genes and numbers.
        parents: the parents before these lives.
        losses: the losses of the parents on these lives [mu], less `harder`.
        moves: the moved parents.
    """
    again = lived(parents, losses)
    flat, count = again.flat, again.count
    n = len(moves.flat)
    if n:
        which = jnp.arange(n)
        length = jnp.argmin(moves.loss, axis=1)
        candidate = moves.flat[which, length]
        valid = jax.vmap(lambda x: _trees.facts(where, x).valid)(candidate)
        better = (moves.loss[which, length] < losses[:n]) & valid
        after = moves.after[which, length]
        new_count = jax.vmap(worth)(after, moves.before, count[:n])
        flat = flat.at[:n].set(jnp.where(better[:, None], candidate, flat[:n]))
        count = count.at[:n].set(jnp.where(better, new_count, count[:n]))
    facts = jax.vmap(lambda x: _trees.facts(where, x))(flat)
    return Parents(
        flat=flat,
        loss=again.loss,
        count=count,
        key=facts.key,
        form=facts.form,
        size=facts.size,
        n_nodes=facts.n_nodes,
    )


def worth(after: Array, before: Array, count: Array) -> Array:
    """The number [] of evaluations that a parent's mean loss is worth after a move.

        worth = 1 / (1 - r^2 + r^2 / n)

    r: the correlation of `after` and `before` over lives; 0 where it is not positive or not finite
    n: the argument `count`

    The earlier lives say as much of the moved parent as a control variate of this correlation: a
    small move keeps nearly all of them, and a move to another behaviour keeps one.

    Args:
        after: the losses of the same lives after the move [n_tasks].
        before: and before it [n_tasks].
        count: the number of evaluations in the mean [], at least 1.

    Source: elementary (control variates).
    """
    all_finite = jnp.all(jnp.isfinite(after) & jnp.isfinite(before))
    after = jnp.where(all_finite, after, 0.0)
    before = jnp.where(all_finite, before, 0.0)
    after = after - jnp.mean(after)
    before = before - jnp.mean(before)
    covariance = jnp.mean(after * before)
    scale = jnp.mean(after**2) * jnp.mean(before**2)
    has_both = (scale > 0) & jnp.isfinite(scale) & (covariance > 0)
    r2 = jnp.where(has_both, covariance**2 / jnp.where(has_both, scale, 1.0), 0.0)
    r2 = jnp.minimum(r2, 1.0)
    return 1.0 / (1.0 - r2 + r2 / count)


def selected(
    where: _trees.Places,
    parents: Parents,
    offspring: Offspring,
    entrants: Entrants,
    parsimony: Array,
) -> Selection:
    """The Pareto front of loss and nodes, then the best others, each function once.

    Args:
        where: the places of the genes and numbers.
        parents: the parents after these lives.
        offspring: the proposals.
        entrants: the proposals that lived.
        parsimony: the price of a node [].
    """
    twins = _twins(where, parents, offspring)
    chosen = offspring.chosen
    new = Parents(
        flat=entrants.flat,
        loss=entrants.loss,
        count=jnp.zeros_like(entrants.loss),
        key=offspring.key[chosen],
        form=offspring.form[chosen],
        size=offspring.size[chosen],
        n_nodes=offspring.n_nodes[chosen],
    )
    # Twins stand first: of equal members the newest survives.
    pool = joined(twins, new, parents)
    all_parents = jnp.ones(len(parents.loss), bool)
    real = jnp.concatenate([jnp.isfinite(twins.loss), offspring.real, all_parents])
    score = jnp.where(real, pool.loss + parsimony * pool.n_nodes, jnp.inf)
    order = jnp.argsort(score, stable=True)
    order = order[jnp.argsort(_dominated(pool)[order], stable=True)]
    forms, keys = pool.form[order], pool.key[order]
    repeated = jnp.any(jnp.tril(equal(forms, forms) | equal(keys, keys), -1), axis=1)
    last = jnp.where(repeated & jnp.isfinite(score[order]), 1.0, 0.0)
    order = order[jnp.argsort(jnp.where(real[order], last, 2.0), stable=True)][: len(parents.loss)]
    order = order[jnp.argsort(score[order], stable=True)]
    n_twins = len(twins.loss)
    first_is_new = (order[0] >= n_twins) & (order[0] < n_twins + len(chosen))
    return Selection(jax.tree.map(lambda x: x[order], pool), first_is_new)


def _dominated(pool: Parents) -> Array:
    """Whether a member of another form is no larger and no worse, and not equal in both [n]."""
    no_larger = pool.n_nodes[None, :] <= pool.n_nodes[:, None]
    no_worse = pool.loss[None, :] <= pool.loss[:, None]
    is_less = (pool.n_nodes[None, :] < pool.n_nodes[:, None]) | (
        pool.loss[None, :] < pool.loss[:, None]
    )
    return jnp.any(no_larger & no_worse & is_less & ~equal(pool.form, pool.form), axis=1)


def _twins(where: _trees.Places, parents: Parents, offspring: Offspring) -> Parents:
    """The proposals with the function of a parent, at its loss and rates.

    The loss of a proposal without such a parent is infinite.
    """
    twin = jnp.maximum(offspring.twin, 0)
    same = (offspring.twin >= 0) & jnp.all(parents.key[twin] == offspring.key, axis=1)
    shift = jnp.log(parents.size[twin] / offspring.size) / _trees.RATE_UNIT
    old = parents.flat[twin]
    flat = offspring.flat.at[:, where.rates].set(old[:, where.rates])
    flat = flat.at[:, where.own_rate].set(old[:, where.own_rate] + shift[:, None])
    return Parents(
        flat=flat,
        loss=jnp.where(same, parents.loss[twin], jnp.inf),
        count=parents.count[twin],
        key=offspring.key,
        form=offspring.form,
        size=offspring.size,
        n_nodes=offspring.n_nodes,
    )
