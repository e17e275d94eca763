"""Genetic programming: a population of expression trees, of which those that do the same are
evaluated once.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import Batch
from metaplast.problem.protocol import Problem
from metaplast.registry import register
from metaplast.signals import Key, Metrics, Theta, pytree
from metaplast.spec import Count, Members, Natural, NonNegative, Positive, Probability, spec
from outer_loops import _selection, _trees
from outer_loops._descent import demand_floats
from outer_loops._foreign import strong
from outer_loops._nested import scaled
from outer_loops._selection import Offspring, Parents


@pytree
class GpState:
    """known [cache, 2]: keys of all that was evaluated (the newest `cache`), n_known of them so
    far.
    """

    theta: Theta
    parents: Parents
    known: Array
    n_known: Array
    tally: dict[str, Array]
    hyper: dict[str, Array]
    step: Array
    skipped: Array


@register("outer", "genetic_programming")
@spec
class GeneticProgramming(AbstractOuterLoop):
    """mu + lambda over the tree of one `symbolic` rule with size > 0, its numbers and rates.

    Every outer step draws `proposals`: mutants of parents (each gene anew with probability
    `mutation`, numbers moved by std N(0, 1); the better of two parents drawn), and a share `fresh`
    of random trees. Of these the first `lambda_` that do what nobody did before live, each under
    `n_rates` rates a factor `rate_factor` apart (rate times rms(f) on probes = the rule's `rate`
    times the factor), and the best rate is kept. Two trees do the same where their outputs on 64
    fixed probes agree, up to a
    factor, to 1e-3: the functional-equivalence cache, which also refuses trees that are not finite
    there. Probes are standard normal; of the signals named in `signs`, -1 or 1, as on the task. A
    proposal that does what a parent does takes its place where loss + parsimony * nodes is no
    higher (neutral drift); any other known one is dropped. The parents live again in every step, so
    that a lucky
    one is found out: their loss is a running mean. Where the task is differentiable, the best
    `refine` take a line search down the gradient of their numbers and rates (lengths std 4^-k). mu
    parents of distinct doings survive, by loss + parsimony * nodes; `max_nodes` bounds a tree.
    theta is the best of them.
    Metrics: `proposed`, `evaluated` (lambda_ per step), `saved` = 1 - evaluated / proposed (both so
    far, proposals that
    were looked at and finite), `neutral`: share of proposals that do what a parent does; `plateau`,
    `longest_plateau`: outer steps since a new doing came first. Without a healthy life nothing
    changes but the counter `skipped`. A theta without a tree (a baseline of a fixed expression,
    say) is searched by its numbers and rates alone. Jordan et al. 2021; Miller & Thomson 2000 (the
    graph code and its neutral drift).
    Raises: BadInput (from `check`) for several searched rules, or one with a theta per edge.
    """

    steps: Count = 200
    mu: Members = 8
    lambda_: Members = 16
    proposals: Members = 256
    n_rates: Count = 5
    rate_factor: Positive = 3.0
    refine: Natural = 2
    lengths: Count = 5
    cache: Count = 8192
    max_nodes: Count = 31
    mutation: Probability = 0.08
    fresh: Probability = 0.1
    std: Positive = 0.2
    parsimony: NonNegative = 0.0
    signs: tuple[str, ...] = ()

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        names = ("mutation", "fresh", "std", "parsimony")
        return {name: jnp.asarray(getattr(self, name), float) for name in names}

    def check(self, problem: Problem, key: Key) -> None:
        _trees.check(problem, jax.eval_shape(problem.init, key))

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> GpState:
        demand_floats(self, theta)
        where, flat = _trees.layout(problem, theta, self.signs), ravel_pytree(theta)[0]
        known = _trees.facts(where, flat)
        zero, copies = jnp.zeros((), jnp.int32), lambda x: jnp.broadcast_to(x, (self.mu, *x.shape))
        parents = Parents(
            flat=copies(flat),
            loss=jnp.full(self.mu, _selection.LARGEST),
            count=jnp.zeros(self.mu),
            key=copies(known.key),
            form=copies(known.form),
            size=copies(known.size),
            n_nodes=copies(known.n_nodes),
        )
        counted = ("proposed", "evaluated", "neutral", "plateau", "longest_plateau")
        return strong(
            GpState(
                theta=theta,
                parents=parents,
                known=jnp.zeros((self.cache, 2), jnp.uint32),
                n_known=zero,
                tally=dict.fromkeys(counted, zero),
                hyper=hyper,
                step=zero,
                skipped=zero,
            )
        )

    def step(
        self, problem: Problem, state: GpState, batch: Batch, key: Key
    ) -> tuple[GpState, Metrics]:
        where = _trees.layout(problem, state.theta, self.signs)
        offspring = self._propose(where, state, key)
        factors = self.rate_factor ** (np.arange(self.n_rates) - (self.n_rates - 1) / 2)
        rates = factors if where.own_rate.size or where.rates.size else np.ones(1)
        rated = lambda flat, size: _trees.rated(where, flat, size, rates)
        tried = jax.vmap(rated)(offspring.flat[offspring.chosen], offspring.size[offspring.chosen])
        moves, seen = self._moves(problem, where, state, batch)
        groups = [x.reshape(-1, x.shape[-1]) for x in (state.parents.flat, moves, tried)]
        losses, metrics = problem.losses(jax.vmap(where.unravel)(jnp.concatenate(groups)), batch)
        healthy = jnp.isfinite(losses)
        worse = _selection.LARGEST * (2.0 - jnp.mean(metrics["survived"], axis=1))
        ranked = jnp.where(
            healthy, jnp.clip(losses, -_selection.LARGEST, _selection.LARGEST), worse
        )
        ranked = ranked - _selection.harder(state.parents, ranked[: self.mu])
        own, moved, new = jnp.split(ranked, np.cumsum([len(group) for group in groups[:-1]]))
        parents = _selection.updated(
            where, state.parents, own, moves, moved.reshape(moves.shape[:2])
        )
        new = new.reshape(tried.shape[:2])
        entered = tried[jnp.arange(self.lambda_), jnp.argmin(new, axis=1)], jnp.min(new, axis=1)
        survivors, first = _selection.selected(
            where, parents, offspring, entered, state.hyper["parsimony"]
        )
        after = GpState(
            theta=where.unravel(survivors.flat[0]),
            parents=survivors,
            **_remembered(state, offspring, parents),
            tally=_counted(state.tally, offspring, first),
            hyper=state.hyper,
            step=state.step,
            skipped=state.skipped,
        )
        usable = jnp.any(healthy)
        after = jax.tree.map(lambda a, b: jnp.where(usable, a, b), after, state)
        after = replace(
            after, step=state.step + 1, skipped=state.skipped + (~usable).astype(jnp.int32)
        )
        counts = {name: metrics[name] + extra for name, extra in seen.items()}
        return after, {**_summary(after, losses, metrics), **counts}

    def slower(self, state: GpState, factor: float) -> GpState:
        return scaled(state, "std", factor)

    def theta(self, state: GpState) -> Theta:
        return state.theta

    def _propose(self, where: _trees.Layout, state: GpState, key: Key) -> Offspring:
        """Mutants and random trees; the first step asks what the given theta is worth, and random
        trees alone.
        """
        k_parent, k_mutate, k_fresh, k_tree = jax.random.split(key, 4)
        drawn = jax.random.randint(k_parent, (2, self.proposals), 0, self.mu)
        keys = jax.random.split(k_mutate, self.proposals)
        mutate = lambda flat, k: _trees.mutated(
            where, flat, k, state.hyper["mutation"], state.hyper["std"]
        )
        flat = jax.vmap(mutate)(state.parents.flat[jnp.min(drawn, axis=0)], keys)
        if where.code.size:
            share = jnp.where(state.step == 0, 1.0, state.hyper["fresh"])
            fresh = jax.random.uniform(k_fresh, (self.proposals, 1)) < share
            trees = jax.vmap(lambda k: _trees.genes(where, k))(
                jax.random.split(k_tree, self.proposals)
            )
            flat = flat.at[:, where.code].set(jnp.where(fresh, trees, flat[:, where.code]))
        flat = flat.at[0].set(jnp.where(state.step == 0, state.parents.flat[0], flat[0]))
        seen = jax.vmap(lambda x: _trees.facts(where, x))(flat)
        valid = seen.valid & (seen.n_nodes <= self.max_nodes)
        like_parent, alike = (
            _selection.equal(seen.key, state.parents.key),
            _selection.equal(seen.key, seen.key),
        )
        earlier = jnp.any(jnp.tril(alike & valid[None, :], -1), axis=1)
        new = valid & ~earlier & ~jnp.any(_selection.equal(seen.key, state.known), axis=1)
        before = jnp.cumsum(new) - new.astype(jnp.int32)
        examined = valid & (before < self.lambda_)
        chosen = jnp.argsort(~(new & examined), stable=True)[: self.lambda_]
        twin = jnp.where(jnp.any(like_parent, axis=1) & ~new, jnp.argmax(like_parent, axis=1), -1)
        real = (new & examined)[chosen]
        return Offspring(
            flat=flat,
            key=seen.key,
            form=seen.form,
            size=seen.size,
            n_nodes=seen.n_nodes,
            twin=jnp.where(examined, twin, -1),
            examined=examined,
            chosen=chosen,
            real=real,
        )

    def _moves(
        self, problem: Problem, where: _trees.Layout, state: GpState, batch: Batch
    ) -> tuple[Array, dict[str, Array]]:
        """(The best parents moved down the gradient by several lengths [refine, lengths, n], lives
        that it took).
        """
        n, floats = (
            min(self.refine, self.mu),
            where.own_rate.size + where.rates.size + where.numbers.size,
        )
        if not n or not floats or not problem.lifetime.task.shape().differentiable:
            none = jnp.zeros((), jnp.int32)
            return jnp.zeros((0, self.lengths, state.parents.flat.shape[1])), {
                "lives": none,
                "diverged": none,
            }

        def slope(flat: Array) -> tuple[Array, Array, Array]:
            _, grad, metrics = problem.value_and_grad(where.unravel(flat), batch)
            return ravel_pytree(grad)[0], metrics["lives"], metrics["diverged"]

        slopes, lives, diverged = lax.map(slope, state.parents.flat[:n])
        norm = jnp.sqrt(jnp.sum(slopes**2, axis=1, keepdims=True))
        down = jnp.where(
            jnp.isfinite(norm) & (norm > 0), -slopes / jnp.where(norm > 0, norm, 1.0), 0.0
        )
        lengths = state.hyper["std"] * jnp.asarray(4.0 ** -np.arange(self.lengths))
        moves = state.parents.flat[:n, None] + lengths[None, :, None] * down[:, None]
        return moves, {"lives": jnp.sum(lives), "diverged": jnp.sum(diverged)}


def _remembered(state: GpState, offspring: Offspring, parents: Parents) -> dict[str, Array]:
    """The cache with what was evaluated in this step; the oldest entries make room."""
    keys = jnp.concatenate([offspring.key[offspring.chosen], parents.key])
    wanted = jnp.concatenate([offspring.real, jnp.ones(len(parents.key), bool)])
    missing = wanted & ~jnp.any(_selection.equal(keys, state.known), axis=1)
    size = len(state.known)
    at = jnp.where(missing, (state.n_known + jnp.cumsum(missing) - 1) % size, size)
    return {
        "known": state.known.at[at].set(keys, mode="drop"),
        "n_known": state.n_known + jnp.sum(missing).astype(jnp.int32),
    }


def _counted(tally: dict[str, Array], offspring: Offspring, first: Array) -> dict[str, Array]:
    count = lambda x: jnp.sum(x).astype(jnp.int32)
    plateau = jnp.where(first, 0, tally["plateau"] + 1)
    return {
        "proposed": tally["proposed"] + count(offspring.examined),
        "evaluated": tally["evaluated"] + len(offspring.chosen),
        "neutral": tally["neutral"] + count(offspring.twin >= 0),
        "plateau": plateau,
        "longest_plateau": jnp.maximum(tally["longest_plateau"], plateau),
    }


def _summary(state: GpState, losses: Array, metrics: Metrics) -> Metrics:
    """The loss and the task's own metrics of the member that was best before the step, what the
    cache saved, how long nothing new came first."""
    usable = jnp.any(jnp.isfinite(losses))
    proposed = jnp.maximum(state.tally["proposed"], 1).astype(losses.dtype)
    known = ("life_loss", "survived", "at_bound", "lives", "diverged")
    return {
        **{name: jnp.mean(values[0]) for name, values in metrics.items() if name not in known},
        "loss": jnp.where(usable, losses[0], jnp.nan),
        "best_loss": jnp.min(jnp.where(jnp.isfinite(losses), losses, jnp.inf)),
        "n_nodes": state.parents.n_nodes[0],
        "proposed": state.tally["proposed"],
        "evaluated": state.tally["evaluated"],
        "saved": 1.0 - state.tally["evaluated"].astype(losses.dtype) / proposed,
        "neutral": state.tally["neutral"].astype(losses.dtype) / proposed,
        "plateau": state.tally["plateau"],
        "longest_plateau": state.tally["longest_plateau"],
        "skipped": state.skipped,
    }
