"""Lives that go on between outer steps, a window at a time: the common part of truncated loops."""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast import search_loop
from metaplast.problem.lives import Batch, Births, Lives
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, Score, Theta, pytree
from metaplast.spec import Members, Natural, Positive, spec
from outer_loops._descent import AbstractDescent, DescentState, Estimate, demand_floats


@pytree
class Bits:
    """A random key as numbers: saved states hold nothing but numbers.

    data: the numbers of the key
    """

    data: Array


@pytree
class UnderWay:
    """Lives under way, in units that are born and end together.

    A unit is a life, or all lives of an antithetic pair.

    lives: the lives, with their keys as `Bits`
    left [n_units]: the windows still to live; 0: the unit is born anew at the next step; -k: it
        is born for the first time at the next step, to a life that is k windows short
    latest [steps of the longest life]: for each window of a life, the loss of the last window lived
        there, times n_windows
    seen [steps of the longest life]: whether a window was ever lived there
    steps []: the steps of a life when this was last used
    """

    lives: Lives
    left: Array
    latest: Array
    seen: Array
    steps: Array


class Cut(NamedTuple):
    """The division of a life into windows.

    size: the steps of a window
    n: the windows of a life
    """

    size: int
    n: int


def cut(problem: Problem, window: int) -> Cut:
    """The division of a life into windows.

    Args:
        problem: the problem; its `shape` gives the steps of a life.
        window: the steps of a window; 0: the smallest divisor of a life's steps that is at least
            their square root.

    Raises:
        BadInput: the window does not divide a life. The error names the divisors next to it.
    """
    n_steps = problem.shape().n_steps
    divisors = [d for d in range(1, n_steps + 1) if n_steps % d == 0]
    size = window or min(d for d in divisors if d * d >= n_steps)
    if size not in divisors:
        smaller = [d for d in divisors if d < size]
        larger = [d for d in divisors if d > size]
        near = [max(smaller), *larger[:1]]
        raise BadInput(
            f"window={size} of a life of {n_steps} steps",
            f"a divisor of {n_steps}",
            f"set window={' or '.join(map(str, near))}",
        )
    return Cut(size, n_steps // size)


def embark(problem: Problem, theta: Theta, window: int, n_pairs: int = 0) -> UnderWay:
    """The lives before the first step: none is born yet.

    Args:
        problem: the problem of the lives.
        theta: a theta; its shapes matter.
        window: the steps of a window, see `cut`.
        n_pairs: the number of antithetic pairs of members, whose lives are one unit each. 0: one
            member, each of whose lives is a unit.

    Raises:
        BadInput: a window that does not divide a life, or an objective that is no sum over steps.
    """
    size, n_windows = cut(problem, window)
    shape = problem.shape()
    longest = problem.whole().shape().n_steps
    _check_objective(problem, theta, size)
    batch = _batch_shape(problem)
    n_lives = batch.keys.shape[0]  # fewer than n_tasks where there are fewer
    if n_pairs:
        n_units = n_pairs
        n_slots = n_pairs * n_lives
        n_members = 2 * n_pairs
    else:
        n_units = n_lives
        n_slots = n_lives
        n_members = 1
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((n_slots, *x.shape[1:]), x.dtype), batch)
    thetas = jax.tree.map(lambda x: jnp.broadcast_to(x, (n_members, *x.shape)), theta)
    lives = problem.unborn(thetas, batch, share=2 if n_pairs else None)
    return UnderWay(
        lives=_with_plain_keys(lives),
        left=_staggered(n_units, n_windows),
        latest=jnp.zeros(longest),
        seen=jnp.zeros(longest, bool),
        steps=jnp.full((), shape.n_steps, jnp.int32),
    )


def _check_objective(problem: Problem, theta: Theta, size: int) -> None:
    """Raises: BadInput for an objective that is no sum over steps."""
    blank = Score(loss=jnp.zeros(size), weight=jnp.ones(size), metrics={})
    shape = problem.shape()
    jax.eval_shape(
        lambda t: problem.objective.window(t, blank, shape, jnp.zeros((), jnp.int32)), theta
    )


def _batch_shape(problem: Problem) -> Batch:
    """The shapes of the batch of an outer step."""
    family = problem.lifetime.task
    n_tasks = problem.n_tasks
    sample = lambda key: search_loop.sample(family, key, n_tasks, "train")
    return jax.eval_shape(sample, jax.random.key(0))


def _staggered(n_units: int, n_windows: int) -> Array:
    """The `left` of units whose first lives end spread over the windows of a life."""
    return -(jnp.arange(n_units) * n_windows // n_units)


def resume(going: UnderWay, problem: Problem, window: int) -> UnderWay:
    """The lives as they were left.

    All are born anew where a curriculum has changed the length of a life.

    Args:
        going: the lives after the last step.
        problem: the problem of the present step.
        window: the steps of a window, see `cut`.
    """
    n_steps = jnp.full_like(going.steps, problem.shape().n_steps)
    changed = going.steps != n_steps
    fresh = _staggered(going.left.shape[0], cut(problem, window).n)
    return UnderWay(
        lives=going.lives,
        left=jnp.where(changed, fresh, going.left),
        latest=going.latest,
        seen=going.seen & ~changed,
        steps=n_steps,
    )


def births(going: UnderWay, batch: Batch, tasks_per_unit: int) -> tuple[Lives, Births]:
    """The lives, and the tasks of those that are born anew.

    Every unit takes the tasks of the batch in their order.

    Args:
        going: the lives under way.
        batch: the new tasks.
        tasks_per_unit: the number of tasks of a unit.
    """
    due = jnp.repeat(going.left <= 0, tasks_per_unit)
    item = jnp.arange(due.shape[0]) % batch.keys.shape[0]
    new = jax.tree.map(lambda x: x[item], batch)
    return _with_keys(going.lives), Births(due=due, batch=new)


def settle(going: UnderWay, lives: Lives, size: int, losses: Array) -> tuple[UnderWay, Metrics]:
    """The lives under way after a window, and the metrics `loss` and `lives`.

    Args:
        going: the lives under way before the window.
        lives: the lives after the window.
        size: the steps of the window.
        losses: [n_units], of the window. Where it is not finite, the unit is born anew at the next
            step.

    Returns:
        (lives under way, metrics). `loss` is the loss of a whole life, every window of it as last
        lived by anybody. `lives` is the number of steps lived, in whole lives.
    """
    n_units = going.left.shape[0]
    healthy = jnp.isfinite(losses)
    n_windows = going.steps // size
    is_old = going.left > 0
    left = jnp.where(is_old, going.left, n_windows + going.left) - 1
    window = jnp.where(is_old, going.lives.life.t.reshape(n_units, -1)[:, 0] // size, 0)
    places = jnp.arange(going.latest.shape[0])
    here = (window[:, None] == places[None]) & healthy[:, None]
    count = jnp.sum(here, axis=0)
    total = jnp.sum(jnp.where(here, losses[:, None], 0.0), axis=0)
    mean = total / jnp.maximum(count, 1).astype(total.dtype)
    latest = jnp.where(count > 0, mean, going.latest)
    seen = going.seen | (count > 0)
    after = replace(
        going,
        lives=_with_plain_keys(lives),
        left=jnp.where(healthy, left, jnp.minimum(going.left, 0)),
        latest=latest,
        seen=seen,
    )
    loss = jnp.where(jnp.any(healthy), jnp.mean(latest, where=seen), jnp.nan)
    n_lives = lives.member.shape[0] / n_windows.astype(loss.dtype)
    return after, {"loss": loss, "lives": n_lives}


@pytree
class Pairs:
    """The lives of antithetic pairs, and their noise.

    going: the lives under way
    noise [n_pairs, n_theta]: the factor of a window's losses; standard normal where it is the noise
        of one window
    """

    going: UnderWay
    noise: Array


class WindowNoise(NamedTuple):
    """The noise of a window, each [n_pairs, n_theta].

    acting: the noise added to theta, in units of sigma
    weight: the factor of the window's losses
    """

    acting: Array
    weight: Array


@spec
class AbstractPairs(AbstractDescent):
    """Antithetic pairs of members whose lives go on; a concrete class gives the noise.

    Members 2 i and 2 i + 1 live a window of steps at theta + sigma x_i and theta - sigma x_i,
    through the same tasks with the same keys.

        gradient = mean_i  w_i (l_i+ - l_i-) / (2 sigma)

    l: the window's part of the loss of a life, times n_windows = (steps of a life) / window
    x [n_theta]: the noise that acts
    w [n_theta]: the weight of the window, from `noise`
    sigma: the standard deviation of the members, in units of theta
    population: the number of members, even
    window: the steps of a window, see `cut`

    At any one theta, in the mean over the windows of a life, this is the gradient of the smoothed
    loss of whole lives.

    Pairs are spread over the windows of a life. All are born at the first step, and the first life
    of pair i is i n_windows / n_pairs windows short, so that early windows weigh more for the first
    n_windows steps. Where a life is not finite, its pair is left out, counted in `diverged`, and
    born anew at the next step.

    Memory grows with the population, unlike in `es`: the weights and rule states of every life go
    on from one step to the next, and so does the noise. The noise of `pes` is a sum over windows,
    which one draw cannot give again.
    """

    sigma: Positive = 0.1
    population: Annotated[Members, Ge(2)] = 64
    window: Natural = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population % 2:
            raise BadInput(
                f"population={self.population}", "an even number: members come in pairs", "add one"
            )

    def hyper(self) -> dict[str, Array]:
        return {**super().hyper(), "sigma": jnp.asarray(self.sigma)}

    @abstractmethod
    def noise(self, drawn: Array, kept: Array, due: Array) -> WindowNoise:
        """The noise of a window.

        Args:
            drawn: [n_pairs, n_theta], new standard normal noise.
            kept: [n_pairs, n_theta], the weight of the window before.
            due: [n_pairs, 1], whether a life begins.
        """

    def carry(self, problem: Problem, theta: Theta) -> Pairs:
        demand_floats(self, theta)
        n_pairs = self.population // 2
        flat = ravel_pytree(theta)[0]
        return Pairs(
            going=embark(problem, theta, self.window, n_pairs),
            noise=jnp.zeros((n_pairs, flat.size), flat.dtype),
        )

    def gradient(self, problem: Problem, state: DescentState, batch: Batch, key: Key) -> Estimate:
        flat, unravel = ravel_pytree(state.theta)
        kept = state.carried.noise
        going = resume(state.carried.going, problem, self.window)
        size = cut(problem, self.window).size
        sigma = state.hyper["sigma"].astype(flat.dtype)
        n_pairs = kept.shape[0]
        n_tasks = batch.keys.shape[0]

        drawn = jax.random.normal(key, kept.shape, flat.dtype)
        x, weight = self.noise(drawn, kept, going.left[:, None] <= 0)
        members = flat[None, None] + sigma * jnp.stack([x, -x], axis=1)
        thetas = jax.vmap(unravel)(members.reshape(2 * n_pairs, -1))
        old_lives, due = births(going, batch, n_tasks)
        lives, metrics = problem.window_losses(thetas, old_lives, due, size)

        losses = metrics.pop("life_loss").reshape(n_pairs, 2, n_tasks)
        plus, minus = jnp.mean(losses, axis=2).T
        healthy = jnp.isfinite(plus) & jnp.isfinite(minus)
        slope = jnp.where(healthy, (plus - minus) / (2 * sigma), 0.0)
        count = jnp.sum(healthy.astype(flat.dtype))
        gradient = unravel(slope @ weight / jnp.where(count > 0, count, jnp.nan))

        loss_of_pairs = jnp.where(healthy, (plus + minus) / 2, jnp.nan)
        going, own_metrics = settle(going, lives, size, loss_of_pairs)
        own_metrics |= {name: jnp.mean(values) for name, values in metrics.items()}
        own_metrics["diverged"] = jnp.sum(~jnp.isfinite(losses))
        carried = Pairs(going=going, noise=jnp.where(healthy[:, None], weight, kept))
        return Estimate(carried, gradient, own_metrics)


def _with_plain_keys(tree: Any) -> Any:
    """The tree with its random keys as `Bits`."""

    def plain(leaf: Array) -> Any:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return Bits(data=jax.random.key_data(leaf)) if is_key else leaf

    return jax.tree.map(plain, tree)


def _with_keys(tree: Any) -> Any:
    """The tree with its `Bits` as random keys."""
    is_bits = lambda x: isinstance(x, Bits)

    def keyed(leaf: Any) -> Array:
        return jax.random.wrap_key_data(leaf.data) if is_bits(leaf) else leaf

    return jax.tree.map(keyed, tree, is_leaf=is_bits)
