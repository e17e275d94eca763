"""Lives that go on from one outer step to the next, a window of steps at a time: what truncated
loops share.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast import train
from metaplast.problem.lives import Batch, Births, Lives
from metaplast.problem.protocol import Problem
from metaplast.registry import BadInput
from metaplast.signals import Key, Metrics, Score, Theta, pytree
from metaplast.spec import Members, Natural, Positive, spec
from outer_loops._descent import AbstractDescent, DescentState, demand_floats


@pytree
class Bits:
    """A random key as numbers: what is saved and loaded holds nothing else."""

    data: Array


@pytree
class UnderWay:
    """Lives in units that are born and end together: a life, or all lives of an antithetic pair.

    left [n_units]: windows still to live; 0: born anew at the next step; -k: likewise, for a first
    life that is k windows short. latest [steps of the longest life]: the loss in each window of a
    life when one was last lived there, times n_windows; seen: whether one ever was. steps []: those
    of a life when this was last used.
    """

    lives: Lives
    left: Array
    latest: Array
    seen: Array
    steps: Array


class Cut(NamedTuple):
    """How lives are cut: `size` steps a window, `n` windows a life."""

    size: int
    n: int


def cut(problem: Problem, window: int) -> Cut:
    """window 0: the smallest divisor of a life's steps that is at least their square root.

    Raises: BadInput, with the divisors next to it, for a window that does not divide a life.
    """
    n_steps = problem.shape().n_steps
    divisors = [d for d in range(1, n_steps + 1) if n_steps % d == 0]
    size = window or min(d for d in divisors if d * d >= n_steps)
    if size not in divisors:
        near = [max(d for d in divisors if d < size), *[d for d in divisors if d > size][:1]]
        given = f"window={size} of a life of {n_steps} steps"
        raise BadInput(
            given, f"a divisor of {n_steps}", f"set window={' or '.join(map(str, near))}"
        )
    return Cut(size, n_steps // size)


def embark(problem: Problem, theta: Theta, window: int, n_pairs: int = 0) -> UnderWay:
    """Nobody born yet. n_pairs: pairs of members, all lives of one a unit; 0: one member, each of
    its lives a unit.

    Raises: BadInput for a window that does not divide a life, and an objective that is no sum over
    steps.
    """
    size, n_windows = cut(problem, window)
    shape, longest = problem.shape(), problem.whole().shape().n_steps
    blank = Score(loss=jnp.zeros(size), weight=jnp.ones(size), metrics={})
    jax.eval_shape(
        lambda t: problem.objective.window(t, blank, shape, jnp.zeros((), jnp.int32)), theta
    )
    family, n_tasks = problem.lifetime.task, problem.n_tasks
    batch = jax.eval_shape(
        lambda key: train.sample(family, key, n_tasks, "train"), jax.random.key(0)
    )
    n = batch.keys.shape[0]  # fewer than n_tasks where there are fewer
    n_units, n_slots, n_members = (n_pairs, n_pairs * n, 2 * n_pairs) if n_pairs else (n, n, 1)
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct((n_slots, *x.shape[1:]), x.dtype), batch)
    thetas = jax.tree.map(lambda x: jnp.broadcast_to(x, (n_members, *x.shape)), theta)
    lives = problem.unborn(thetas, batch, share=2 if n_pairs else None)
    return UnderWay(
        lives=_plain(lives),
        left=_staggered(n_units, n_windows),
        latest=jnp.zeros(longest),
        seen=jnp.zeros(longest, bool),
        steps=jnp.full((), shape.n_steps, jnp.int32),
    )


def _staggered(n_units: int, n_windows: int) -> Array:
    return -(jnp.arange(n_units) * n_windows // n_units)


def resume(going: UnderWay, problem: Problem, window: int) -> UnderWay:
    """The lives as they were left; all are born anew where a curriculum has changed the length of a
    life.
    """
    n_steps = jnp.full_like(going.steps, problem.shape().n_steps)
    changed = going.steps != n_steps
    left = jnp.where(changed, _staggered(going.left.shape[0], cut(problem, window).n), going.left)
    return UnderWay(
        lives=going.lives, left=left, latest=going.latest, seen=going.seen & ~changed, steps=n_steps
    )


def births(going: UnderWay, batch: Batch, tasks_per_unit: int) -> tuple[Lives, Births]:
    """(lives, which tasks are born anew and from what): every unit takes the batch in its order."""
    due = jnp.repeat(going.left <= 0, tasks_per_unit)
    item = jnp.arange(due.shape[0]) % batch.keys.shape[0]
    return _keyed(going.lives), Births(due=due, batch=jax.tree.map(lambda x: x[item], batch))


def settle(going: UnderWay, lives: Lives, size: int, losses: Array) -> tuple[UnderWay, Metrics]:
    """What goes on after a window of `size` steps: (under way, metrics `loss` and `lives`).

    losses [n_units]: of the window; where it is not finite, the unit is born anew at the next step.
    loss: of a whole life, every window of it as last lived by anybody; `lives`: the steps lived, in
    whole lives.
    """
    n_units, healthy = going.left.shape[0], jnp.isfinite(losses)
    n_windows = going.steps // size
    left = jnp.where(going.left > 0, going.left, n_windows + going.left) - 1
    window = jnp.where(going.left > 0, going.lives.life.t.reshape(n_units, -1)[:, 0] // size, 0)
    here = (window[:, None] == jnp.arange(going.latest.shape[0])[None]) & healthy[:, None]
    count = jnp.sum(here, axis=0)
    total = jnp.sum(jnp.where(here, losses[:, None], 0.0), axis=0)
    latest = jnp.where(count > 0, total / jnp.maximum(count, 1).astype(total.dtype), going.latest)
    after = replace(
        going,  # pyright: ignore[reportAttributeAccessIssue]
        lives=_plain(lives),
        left=jnp.where(healthy, left, jnp.minimum(going.left, 0)),
        latest=latest,
        seen=going.seen | (count > 0),
    )
    loss = jnp.where(jnp.any(healthy), jnp.mean(latest, where=after.seen), jnp.nan)
    return after, {"loss": loss, "lives": lives.member.shape[0] / n_windows.astype(loss.dtype)}


@pytree
class Pairs:
    """noise [n_pairs, n]: what a window's losses are multiplied with, standard normal where it is
    of one window.
    """

    going: UnderWay
    noise: Array


@spec
class AbstractPairs(AbstractDescent):
    """Antithetic pairs of members whose lives go on; a file says which noise a window has, and with
    what it is weighed.

    Members 2 i, 2 i + 1 live a window of steps at theta + sigma x_i and theta - sigma x_i, through
    the same tasks with the same keys. Of the window's part l of the loss of a life, times n_windows
    = (steps of a life) / window,

        gradient = mean_i  w_i (l_i+ - l_i-) / (2 sigma)

    x, w [n_theta]: the noise that acts, and the weight that `noise` gives it. At any one theta, in
    the mean over the windows of a life, this is the gradient of the smoothed loss of whole lives.
    Pairs are spread over the windows of a
    life: all are born at the first step, and the first life of pair i is i n_windows / n_pairs
    windows short, so that for the first n_windows steps early windows weigh more. Where a life is
    not finite, its pair is left out, counted in `diverged`, and born anew at the next step.
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
    def noise(self, drawn: Array, kept: Array, due: Array) -> tuple[Array, Array]:
        """(x, w) of a window from new standard normal noise, the w before, and whether a life
        begins [n_pairs, 1].
        """

    def carry(self, problem: Problem, theta: Theta) -> Pairs:
        demand_floats(self, theta)
        n_pairs, flat = self.population // 2, ravel_pytree(theta)[0]
        return Pairs(
            going=embark(problem, theta, self.window, n_pairs),
            noise=jnp.zeros((n_pairs, flat.size), flat.dtype),
        )

    def gradient(
        self, problem: Problem, state: DescentState, batch: Batch, key: Key
    ) -> tuple[Pairs, Theta, Metrics]:
        flat, unravel = ravel_pytree(state.theta)
        going, kept = resume(state.carried.going, problem, self.window), state.carried.noise
        sigma, size = state.hyper["sigma"].astype(flat.dtype), cut(problem, self.window).size
        n_pairs, n = kept.shape[0], batch.keys.shape[0]
        x, weight = self.noise(
            jax.random.normal(key, kept.shape, flat.dtype), kept, going.left[:, None] <= 0
        )
        members = flat[None, None] + sigma * jnp.stack([x, -x], axis=1)
        thetas = jax.vmap(unravel)(members.reshape(2 * n_pairs, -1))
        lives, told = problem.window_losses(thetas, *births(going, batch, n), size)
        losses = told.pop("life_loss").reshape(n_pairs, 2, n)
        plus, minus = jnp.mean(losses, axis=2).T
        healthy = jnp.isfinite(plus) & jnp.isfinite(minus)
        slope = jnp.where(healthy, (plus - minus) / (2 * sigma), 0.0)
        count = jnp.sum(healthy.astype(flat.dtype))
        gradient = unravel(slope @ weight / jnp.where(count > 0, count, jnp.nan))
        going, metrics = settle(going, lives, size, jnp.where(healthy, (plus + minus) / 2, jnp.nan))
        metrics |= {name: jnp.mean(values) for name, values in told.items()}
        metrics["diverged"] = jnp.sum(~jnp.isfinite(losses))
        return (
            Pairs(going=going, noise=jnp.where(healthy[:, None], weight, kept)),
            gradient,
            metrics,
        )


def _plain(tree: Any) -> Any:
    key = lambda x: jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.tree.map(lambda x: Bits(data=jax.random.key_data(x)) if key(x) else x, tree)


def _keyed(tree: Any) -> Any:
    bits = lambda x: isinstance(x, Bits)
    return jax.tree.map(
        lambda x: jax.random.wrap_key_data(x.data) if bits(x) else x, tree, is_leaf=bits
    )
