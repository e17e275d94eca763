"""Who survives: mu parents and their offspring, each doing once."""

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import pytree
from outer_loops import _trees

LARGEST, DOUBLE = (
    1e30,
    1e35,
)  # the loss of a life that blew up, at least; the rank of what another member does already
MEMORY = 16  # evaluations over which a parent's loss is averaged


@pytree
class Parents:
    """mu members, best first. flat [mu, n]; loss [mu]: running mean over the lives of several outer
    steps, of which `count` were evaluated; facts of each (see _trees.Facts)."""

    flat: Array
    loss: Array
    count: Array
    key: Array
    form: Array
    size: Array
    n_nodes: Array


@pytree
class Offspring:
    """The proposals of one outer step. twin: the parent that does the same, -1 where none does;
    chosen [lambda]: the first that nobody has done before, real where there are that many;
    examined: those up to the last of them.
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


def equal(a: Array, b: Array) -> Array:
    """[len(a), len(b)]: whether two keys are equal."""
    return jnp.all(a[:, None] == b[None, :], axis=2)


def harder(parents: Parents, own: Array) -> Array:
    """How much worse [] these lives are than those before, by the median of the parents that have
    lived before: losses of different outer steps are compared."""
    lived = (parents.count > 0) & (parents.loss < LARGEST) & (own < LARGEST)
    middle = jnp.nanmedian(jnp.where(lived, own - parents.loss, jnp.nan))
    return jnp.where(jnp.any(lived), middle, 0.0)


def updated(
    where: _trees.Layout, parents: Parents, own: Array, moves: Array, moved: Array
) -> Parents:
    """The parents after living once more; those that a move made better on the same lives have
    moved. own, moved: their losses on these lives, less how much harder these are than those
    before."""
    count = jnp.minimum(parents.count + 1.0, float(MEMORY))
    loss = ((count - 1.0) * parents.loss + own) / count
    flat = parents.flat
    if n := len(moves):
        best = jnp.argmin(moved, axis=1)
        at = moves[jnp.arange(n), best]
        valid = jax.vmap(lambda x: _trees.facts(where, x).valid)(at)
        better = (jnp.min(moved, axis=1) < own[:n]) & valid
        flat = flat.at[:n].set(jnp.where(better[:, None], at, flat[:n]))
        loss = loss.at[:n].set(jnp.where(better, jnp.min(moved, axis=1), loss[:n]))
        count = count.at[:n].set(jnp.where(better, 1.0, count[:n]))
    seen = jax.vmap(lambda x: _trees.facts(where, x))(flat)
    return Parents(
        flat=flat,
        loss=loss,
        count=count,
        key=seen.key,
        form=seen.form,
        size=seen.size,
        n_nodes=seen.n_nodes,
    )


def selected(
    where: _trees.Layout,
    parents: Parents,
    offspring: Offspring,
    entered: tuple[Array, Array],
    parsimony: Array,
) -> tuple[Parents, Array]:
    """(The best members of distinct doings, whether the first of them is new). entered: what was
    tried, its losses.
    """
    twins = _twins(where, parents, offspring)
    at = offspring.chosen
    new = Parents(
        flat=entered[0],
        loss=entered[1],
        count=jnp.zeros_like(entered[1]),
        key=offspring.key[at],
        form=offspring.form[at],
        size=offspring.size[at],
        n_nodes=offspring.n_nodes[at],
    )
    # Twins stand first: of equal members the newest survives.
    pool = jax.tree.map(lambda *x: jnp.concatenate(x), twins, new, parents)
    real = jnp.concatenate(
        [jnp.isfinite(twins.loss), offspring.real, jnp.ones(len(parents.loss), bool)]
    )
    score = jnp.where(real, pool.loss + parsimony * pool.n_nodes, jnp.inf)
    order = jnp.argsort(score, stable=True)
    repeated = jnp.any(jnp.tril(equal(pool.form[order], pool.form[order]), -1), axis=1)
    ranks = jnp.where(repeated & jnp.isfinite(score[order]), DOUBLE, score[order])
    order = order[jnp.argsort(ranks, stable=True)][: len(parents.loss)]
    n_twins = len(twins.loss)
    first = (order[0] >= n_twins) & (order[0] < n_twins + len(at))
    return jax.tree.map(lambda x: x[order], pool), first


def _twins(where: _trees.Layout, parents: Parents, offspring: Offspring) -> Parents:
    """The proposals that do what a parent does, with its loss and rates; loss inf: none."""
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
