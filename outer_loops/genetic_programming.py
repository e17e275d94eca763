"""Genetic programming: a population of expression trees; those that do the same live once."""

from dataclasses import replace
from typing import NamedTuple

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
    """The state of genetic programming.

    theta: the best member
    start [n]: the theta from which every try begins
    parents: the mu parents
    champion: the best member of the earlier tries, at first `start`; none where `tries` is 1
    known [cache, 2]: the keys of all members that lived, the newest `cache` of them
    n_known []: the number of such keys so far
    tally: the counts `proposed`, `evaluated`, `neutral`, `plateau`, `longest_plateau`
    hyper: the numbers of `hyper`
    step []: the number of steps done
    skipped []: the number of steps without a healthy life
    """

    theta: Theta
    start: Array
    parents: Parents
    champion: Parents
    known: Array
    n_known: Array
    tally: dict[str, Array]
    hyper: dict[str, Array]
    step: Array
    skipped: Array


class _Moves(NamedTuple):
    """The best parents, moved down the gradient.

    flat [n_refined, n_lengths, n]: the moved parents
    lives []: the number of lives that the gradients took
    diverged []: the number of them that blew up
    """

    flat: Array
    lives: Array
    diverged: Array


class _Grid(NamedTuple):
    """The lives of proposals under several rates.

    flat [lambda_, n_rates, n]: the proposals under each rate
    loss [lambda_, n_rates]: their losses, as `GeneticProgramming._ranked` gives them
    any_healthy []: whether any loss is finite
    lives []: the number of lives
    diverged []: the number of them that blew up
    """

    flat: Array
    loss: Array
    any_healthy: Array
    lives: Array
    diverged: Array


class _Slope(NamedTuple):
    """The gradient at one parent.

    gradient [n]: d loss / d theta
    lives []: the number of lives that it took
    diverged []: the number of them that blew up
    """

    gradient: Array
    lives: Array
    diverged: Array


@register("outer", "genetic_programming")
@spec
class GeneticProgramming(AbstractOuterLoop):
    """mu + lambda over the tree of one `symbolic` rule with size > 0, its numbers and rates.

    steps: outer steps of a run
    tries: equal parts of a run, each of which begins anew
    mu: parents
    lambda_: proposals that live in an outer step
    proposals: members drawn in an outer step: mutants of parents, and random trees
    n_rates: rates under which a proposal lives
    rate_factor: the ratio of neighbouring rates
    refine: the number of parents that take a line search
    lengths: the number of lengths of a line search
    cache: the number of functions in memory
    max_nodes: the largest tree
    mutation: the probability that a gene of a mutant is drawn anew
    edits: the share of mutants whose tree grows or shrinks by a node in place of that
    fresh: the share of random trees
    small: the share of the proposals that live for being the smallest new ones
    std: the numbers of a mutant move by std N(0, 1)
    parsimony: the price of a node, in units of the loss
    worst: the largest loss with which a life of finite loss counts; 0: any
    signs: the signals that are -1 or 1 at events and on the probes, and 0 at other times

    Every outer step draws `proposals`. A mutant comes from the better of two parents drawn. Half of
    the edits replace an operand x of the tree by `x operator y`, with a leaf or a new node y; the
    other half replace a node by one of its operands. Of the proposals with a new function `lambda_`
    live: the first ones, and for the share `small` of the places the smallest others; of equal
    ones, those of the best parent. So small trees are tried early. Each lives under `n_rates` rates
    a factor `rate_factor` apart:

        r rms(f) = rate factor

    r: the rate under which a proposal lives
    rms(f): the root mean square of its function f over the probes
    rate: the `rate` of the rule
    factor: one of the powers of rate_factor around 1

    With n_rates >= 4 the last rate is none of these. It is the one at which the parabola through
    the lowest loss and its neighbours is lowest. Without it a right form whose rate lies between
    would lose against a wrong one with tuned numbers, and be known from then on. The best rate is
    kept.

    Two trees have the same function where their outputs on 64 fixed probes agree, up to a factor,
    to 1e-3. Probes are standard normal, or `signs`. This is the functional-equivalence cache, which
    also refuses trees that are not finite there, or where all `signs` are 0. A proposal with the
    function of a parent takes its place where loss + parsimony * nodes is no higher (neutral
    drift). Any other known proposal is dropped.

    A rule whose rate is near its bound of stability has rare lives of a huge loss, and one of them
    outweighs all other lives of a parent. So a life of finite loss counts with at most `worst`, for
    example the loss without plasticity. A loss that is not finite still costs everything.

    The parents live again in every step, so that a lucky one does not stay: their loss is a running
    mean. mu parents of distinct functions survive: those that no smaller one beats (the Pareto
    front of loss and nodes), then others, each by loss + parsimony * nodes. So a simple form stays
    as a place to leave from. theta is the best of those that have lived as parents, since a
    newcomer may be lucky.

    Where the task is differentiable, the best `refine` parents take a line search down the gradient
    of their numbers and rates (lengths std 4^-k). The best of several lengths on few lives is
    lucky. So the loss of a parent that moves stays the mean of its earlier lives, and later lives
    weigh the more, the more the move changed.

    A search that succeeds does so early, and one that is caught between wrong forms stays there. So
    a run may be cut into `tries`. Each begins with the given theta, random trees and an empty
    cache. The best member of the earlier tries lives again in every step, and has no offspring.

    Without a healthy life nothing changes but the counter `skipped`. A theta without a tree (a
    baseline of a fixed expression, say) is searched by its numbers and rates alone.

    Metrics:
    `proposed`: the number of proposals so far that were looked at and finite.
    `evaluated`: the number of evaluations so far, lambda_ per step.
    `saved`: 1 - evaluated / proposed.
    `neutral`: the share of proposals with the function of a parent.
    `plateau`, `longest_plateau`: the outer steps since a new function came first in its try.

    Raises:
        BadInput: from `check`, several searched rules, or one with a theta per edge.

    Sources: Jordan et al. 2021; Miller & Thomson 2000 (the graph code and its neutral drift);
    Smits & Kotanchek 2005 (a front of loss and size).
    """

    steps: Count = 200
    tries: Count = 1
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
    edits: Probability = 0.5
    fresh: Probability = 0.1
    small: Probability = 0.5
    std: Positive = 0.2
    parsimony: NonNegative = 0.0
    worst: NonNegative = 0.0
    signs: tuple[str, ...] = ()

    @property
    def n_steps(self) -> int:
        return self.steps

    def hyper(self) -> dict[str, Array]:
        names = ("mutation", "edits", "fresh", "std", "parsimony")
        return {name: jnp.asarray(getattr(self, name), float) for name in names}

    def check(self, problem: Problem, key: Key) -> None:
        _trees.check(problem, jax.eval_shape(problem.init, key))

    def init(self, problem: Problem, theta: Theta, key: Key, hyper: dict[str, Array]) -> GpState:
        demand_floats(self, theta)
        where = _trees.places(problem, theta, self.signs)
        flat = ravel_pytree(theta)[0]
        zero = jnp.zeros((), jnp.int32)
        counts = ("proposed", "evaluated", "neutral", "plateau", "longest_plateau")
        state = GpState(
            theta=theta,
            start=flat,
            parents=_selection.newborn(where, flat, self.mu),
            champion=_selection.newborn(where, flat, min(self.tries - 1, 1)),
            known=jnp.zeros((self.cache, 2), jnp.uint32),
            n_known=zero,
            tally=dict.fromkeys(counts, zero),
            hyper=hyper,
            step=zero,
            skipped=zero,
        )
        return strong(state)

    def step(
        self, problem: Problem, state: GpState, batch: Batch, key: Key
    ) -> tuple[GpState, Metrics]:
        where = _trees.places(problem, state.theta, self.signs)
        if self.tries > 1:
            state = self._begun_anew(where, state)
        offspring = self._propose(where, state, key)
        grid = self._grid(problem, where, offspring, batch)
        between = self._between(where, offspring, grid)
        moves = self._moves(problem, where, state, batch)

        members = _selection.joined(state.parents, state.champion)
        groups = [x.reshape(-1, x.shape[-1]) for x in (members.flat, moves.flat, between)]
        thetas = jax.vmap(where.unravel)(jnp.concatenate(groups))
        losses, metrics = problem.losses(thetas, batch)
        any_healthy = jnp.any(jnp.isfinite(losses)) | grid.any_healthy
        ranked = self._ranked(losses, metrics)
        harder = _selection.harder(members, ranked[: len(members.loss)])
        n_moved = len(groups[1])
        sizes = [self.mu, len(state.champion.loss), n_moved]
        of_parents, of_champion, moved, of_between = jnp.split(ranked - harder, np.cumsum(sizes))
        life_loss = self._bounded(metrics["life_loss"])
        of_moved = life_loss[len(members.loss) : len(members.loss) + n_moved]
        moved_parents = _selection.Moved(
            flat=moves.flat,
            loss=moved.reshape(moves.flat.shape[:2]),
            after=of_moved.reshape(*moves.flat.shape[:2], life_loss.shape[1]),
            before=life_loss[: len(moves.flat)],
        )
        parents = _selection.updated(where, state.parents, of_parents, moved_parents)
        champion = _selection.lived(state.champion, of_champion)
        of_between = of_between.reshape(between.shape[:2])
        new = jnp.concatenate([grid.loss - harder, of_between], axis=1)
        tried = jnp.concatenate([grid.flat, between], axis=1)
        best_rate = jnp.argmin(new, axis=1)
        entrants = _selection.Entrants(
            flat=tried[jnp.arange(self.lambda_), best_rate], loss=jnp.min(new, axis=1)
        )
        survivors, first_is_new = _selection.selected(
            where, parents, offspring, entrants, state.hyper["parsimony"]
        )
        best = _selection.best(_selection.joined(survivors, champion), state.hyper["parsimony"])
        after = GpState(
            theta=where.unravel(best.flat),
            start=state.start,
            parents=survivors,
            champion=champion,
            **_remembered(state, offspring, parents),
            tally=_counted(state.tally, offspring, first_is_new),
            hyper=state.hyper,
            step=state.step,
            skipped=state.skipped,
        )
        after = jax.tree.map(lambda a, b: jnp.where(any_healthy, a, b), after, state)
        after = replace(
            after,
            step=state.step + 1,
            skipped=state.skipped + (~any_healthy).astype(jnp.int32),
        )
        counts = {
            "lives": metrics["lives"] + moves.lives + grid.lives,
            "diverged": metrics["diverged"] + moves.diverged + grid.diverged,
        }
        shown = _selection.best_place(members, state.hyper["parsimony"])
        return after, {**_summary(after, losses, metrics, shown), **counts}

    def slower(self, state: GpState, factor: float) -> GpState:
        return scaled(state, "std", factor)

    def theta(self, state: GpState) -> Theta:
        return state.theta

    def _is_begin(self, state: GpState) -> Array:
        """Whether the next step is the first of a try []."""
        return state.step % -(-self.steps // self.tries) == 0

    def _begun_anew(self, where: _trees.Places, state: GpState) -> GpState:
        """The state at the begin of a try; the state as it is within one.

        The best member of all earlier tries stays as the champion. Nothing else is remembered.
        """
        members = _selection.joined(state.parents, state.champion)
        best = _selection.best(members, state.hyper["parsimony"])
        anew = replace(
            state,
            parents=_selection.newborn(where, state.start, self.mu),
            champion=jax.tree.map(lambda x: x[None], best),
            known=jnp.zeros_like(state.known),
            n_known=jnp.zeros_like(state.n_known),
        )
        is_next = self._is_begin(state) & (state.step > 0)
        return jax.tree.map(lambda a, b: jnp.where(is_next, a, b), anew, state)

    def _propose(self, where: _trees.Places, state: GpState, key: Key) -> Offspring:
        """Mutants of parents and random trees.

        The first step of a try proposes the given theta and random trees alone.
        """
        flat, parent = self._drawn(where, state, key)
        facts = jax.vmap(lambda x: _trees.facts(where, x))(flat)
        valid = facts.valid & (facts.n_nodes <= self.max_nodes)
        like_parent = _selection.equal(facts.key, state.parents.key)
        alike = _selection.equal(facts.key, facts.key)
        like_earlier = jnp.any(jnp.tril(alike & valid[None, :], -1), axis=1)
        like_known = jnp.any(_selection.equal(facts.key, state.known), axis=1)
        new = valid & ~like_earlier & ~like_known
        n_new_before = jnp.cumsum(new) - new.astype(jnp.int32)
        n_first = self.lambda_ - round(self.small * self.lambda_)
        examined = valid & (n_new_before < n_first)
        size = jnp.where(new, facts.n_nodes + parent / (self.mu + 1), jnp.inf)
        chosen = jnp.argsort(jnp.where(new & examined, 0.0, size), stable=True)[: self.lambda_]
        examined = examined.at[chosen].max(new[chosen])
        has_twin = jnp.any(like_parent, axis=1) & ~new
        twin = jnp.where(has_twin, jnp.argmax(like_parent, axis=1), -1)
        return Offspring(
            flat=flat,
            key=facts.key,
            form=facts.form,
            size=facts.size,
            n_nodes=facts.n_nodes,
            twin=jnp.where(examined, twin, -1),
            examined=examined,
            chosen=chosen,
            real=new[chosen],
        )

    def _drawn(self, where: _trees.Places, state: GpState, key: Key) -> tuple[Array, Array]:
        """(The thetas of the proposals [n_proposals, n], the place of the parent of each).

        The best parent is the first. The place of a random tree is mu.
        """
        k_parent, k_mutate, k_fresh, k_tree = jax.random.split(key, 4)
        two_parents = jax.random.randint(k_parent, (2, self.proposals), 0, self.mu)
        parent = jnp.min(two_parents, axis=0)

        def mutated(flat: Array, key: Key) -> Array:
            hyper = state.hyper
            return _trees.mutated(where, flat, key, hyper["mutation"], hyper["std"], hyper["edits"])

        flat = jax.vmap(mutated)(
            state.parents.flat[parent], jax.random.split(k_mutate, self.proposals)
        )
        if where.code.size:
            share = jnp.where(self._is_begin(state), 1.0, state.hyper["fresh"])
            is_fresh = jax.random.uniform(k_fresh, (self.proposals, 1)) < share
            keys = jax.random.split(k_tree, self.proposals)
            trees = jax.vmap(lambda k: _trees.genes(where, k))(keys)
            flat = flat.at[:, where.code].set(jnp.where(is_fresh, trees, flat[:, where.code]))
            parent = jnp.where(is_fresh[:, 0], self.mu, parent)
        return flat.at[0].set(jnp.where(self._is_begin(state), state.start, flat[0])), parent

    def _grid(
        self, problem: Problem, where: _trees.Places, offspring: Offspring, batch: Batch
    ) -> _Grid:
        """The lives of the chosen proposals under all rates of the grid."""
        factors = self._factors(where)
        rated = lambda flat, size: _trees.rated(where, flat, size, factors)
        chosen = offspring.chosen
        flat = jax.vmap(rated)(offspring.flat[chosen], offspring.size[chosen])
        thetas = jax.vmap(where.unravel)(flat.reshape(-1, flat.shape[-1]))
        losses, metrics = problem.losses(thetas, batch)
        return _Grid(
            flat=flat,
            loss=self._ranked(losses, metrics).reshape(flat.shape[:2]),
            any_healthy=jnp.any(jnp.isfinite(losses)),
            lives=metrics["lives"],
            diverged=metrics["diverged"],
        )

    def _between(self, where: _trees.Places, offspring: Offspring, grid: _Grid) -> Array:
        """The chosen proposals, each under the rate of the lowest loss between those of the grid.

        [lambda_, 1, n]; [lambda_, 0, n] where the grid holds all n_rates.
        """
        factors = self._factors(where)
        if len(factors) == self.n_rates or len(factors) < 3:
            return grid.flat[:, :0]
        lowest = jax.vmap(lambda loss: _lowest(factors, loss))(grid.loss)
        rated = lambda flat, size, factor: _trees.rated(where, flat, size, factor[None])
        chosen = offspring.chosen
        return jax.vmap(rated)(offspring.flat[chosen], offspring.size[chosen], lowest)

    def _bounded(self, life_loss: Array) -> Array:
        """The losses of lives, finite ones at most `worst`."""
        if not self.worst:
            return life_loss
        return jnp.where(jnp.isfinite(life_loss), jnp.minimum(life_loss, self.worst), life_loss)

    def _ranked(self, losses: Array, metrics: Metrics) -> Array:
        """Finite losses, less all that single lives lose above `worst`.

        Other losses are larger, and grow as their lives end earlier.
        """
        life_loss = metrics["life_loss"]
        bounded = losses - jnp.mean(life_loss - self._bounded(life_loss), axis=1)
        largest = _selection.LARGEST
        worse = largest * (2.0 - jnp.mean(metrics["survived"], axis=1))
        return jnp.where(jnp.isfinite(bounded), jnp.clip(bounded, -largest, largest), worse)

    def _factors(self, where: _trees.Places) -> Array:
        """The rates of the grid; the single 1 where no rate is searched."""
        if not where.own_rate.size and not where.rates.size:
            return jnp.ones(1)
        n = self.n_rates - 1 if self.n_rates >= 4 else self.n_rates
        return jnp.asarray(self.rate_factor ** (np.arange(n) - (n - 1) / 2), float)

    def _moves(
        self, problem: Problem, where: _trees.Places, state: GpState, batch: Batch
    ) -> _Moves:
        """The best parents, moved down the gradient by several lengths.

        There are none without a number to move, or where the task passes no gradient.
        """
        n_refined = min(self.refine, self.mu)
        n_floats = where.own_rate.size + where.rates.size + where.numbers.size
        differentiable = problem.lifetime.task.shape().differentiable
        if not n_refined or not n_floats or not differentiable:
            zero = jnp.zeros((), jnp.int32)
            nothing = jnp.zeros((0, self.lengths, state.parents.flat.shape[1]))
            return _Moves(flat=nothing, lives=zero, diverged=zero)

        def slope(flat: Array) -> _Slope:
            _, gradient, metrics = problem.value_and_grad(where.unravel(flat), batch)
            return _Slope(ravel_pytree(gradient)[0], metrics["lives"], metrics["diverged"])

        parents = state.parents.flat[:n_refined]
        slopes = lax.map(slope, parents)
        norm = jnp.sqrt(jnp.sum(slopes.gradient**2, axis=1, keepdims=True))
        has_slope = jnp.isfinite(norm) & (norm > 0)
        down = jnp.where(has_slope, -slopes.gradient / jnp.where(norm > 0, norm, 1.0), 0.0)
        lengths = state.hyper["std"] * jnp.asarray(4.0 ** -np.arange(self.lengths))
        moved = parents[:, None] + lengths[None, :, None] * down[:, None]
        return _Moves(flat=moved, lives=jnp.sum(slopes.lives), diverged=jnp.sum(slopes.diverged))


def _lowest(rates: Array, losses: Array) -> Array:
    """The rate [] at the vertex of the parabola through the lowest loss and its two neighbours.

    Weights move in proportion to a small rate, so that a loss that is quadratic in weights is
    quadratic in the rate. The rate stays within one more step of the grid than the three.

    Args:
        rates: rising in equal ratios [n_rates], n_rates >= 3.
        losses: [n_rates].
    """
    middle = jnp.clip(jnp.argmin(losses), 1, len(rates) - 2)
    low, here, high = (rates[middle + k] for k in (-1, 0, 1))
    of_low, of_here, of_high = (losses[middle + k] for k in (-1, 0, 1))
    slope_below = (of_here - of_low) / (here - low)
    slope_above = (of_high - of_here) / (high - here)
    curvature = (slope_above - slope_below) / (high - low)
    vertex = (low + here) / 2 - slope_below / jnp.where(curvature > 0, 2 * curvature, 1.0)
    ratio = rates[1] / rates[0]
    vertex = jnp.clip(vertex, low / ratio, high * ratio)
    return jnp.where(curvature > 0, vertex, rates[jnp.argmin(losses)])


def _remembered(state: GpState, offspring: Offspring, parents: Parents) -> dict[str, Array]:
    """The fields `known` and `n_known` after this step; the oldest entries make room."""
    keys = jnp.concatenate([offspring.key[offspring.chosen], parents.key])
    wanted = jnp.concatenate([offspring.real, jnp.ones(len(parents.key), bool)])
    missing = wanted & ~jnp.any(_selection.equal(keys, state.known), axis=1)
    size = len(state.known)
    place = jnp.where(missing, (state.n_known + jnp.cumsum(missing) - 1) % size, size)
    return {
        "known": state.known.at[place].set(keys, mode="drop"),
        "n_known": state.n_known + jnp.sum(missing).astype(jnp.int32),
    }


def _counted(
    tally: dict[str, Array], offspring: Offspring, first_is_new: Array
) -> dict[str, Array]:
    """The counts after this step."""
    count = lambda x: jnp.sum(x).astype(jnp.int32)
    plateau = jnp.where(first_is_new, 0, tally["plateau"] + 1)
    return {
        "proposed": tally["proposed"] + count(offspring.examined),
        "evaluated": tally["evaluated"] + len(offspring.chosen),
        "neutral": tally["neutral"] + count(offspring.twin >= 0),
        "plateau": plateau,
        "longest_plateau": jnp.maximum(tally["longest_plateau"], plateau),
    }


def _summary(state: GpState, losses: Array, metrics: Metrics, shown: Array) -> Metrics:
    """The loss and the task's own metrics of the member that was best before the step, and counts.

    Args:
        state: the state after the step.
        losses: [n_members].
        metrics: the metrics of `Problem.losses`.
        shown: the place of the member that was best before the step [].
    """
    any_healthy = jnp.any(jnp.isfinite(losses))
    tally = state.tally
    proposed = jnp.maximum(tally["proposed"], 1).astype(losses.dtype)
    members = _selection.joined(state.parents, state.champion)
    not_of_task = ("life_loss", "survived", "at_bound", "lives", "diverged")
    of_task = {
        name: jnp.mean(values[shown]) for name, values in metrics.items() if name not in not_of_task
    }
    return {
        **of_task,
        "loss": jnp.where(any_healthy, losses[shown], jnp.nan),
        "best_loss": jnp.min(jnp.where(jnp.isfinite(losses), losses, jnp.inf)),
        "n_nodes": _selection.best(members, state.hyper["parsimony"]).n_nodes,
        "proposed": tally["proposed"],
        "evaluated": tally["evaluated"],
        "saved": 1.0 - tally["evaluated"].astype(losses.dtype) / proposed,
        "neutral": tally["neutral"].astype(losses.dtype) / proposed,
        "plateau": tally["plateau"],
        "longest_plateau": tally["longest_plateau"],
        "skipped": state.skipped,
    }
