"""Measurements of how far the gradient of a problem can be trusted, before a search."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.diagnosis.exponents import Exponents, exponents
from metaplast.diagnosis.signal import Signal, finite_rows, resolution, signal
from metaplast.objectives.base import Lived
from metaplast.problem.lives import Layout, leading, spread, take
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.unroll import cut
from metaplast.registry import BadInput
from metaplast.signals import Key, Theta
from metaplast.space import Seen, Space, decode, encode
from metaplast.train import sample

N_DIRECTIONS = 16  # random directions, each tried both ways
N_NEARBY = 2  # of the thetas tried, how many get gradients of their own
N_FOLLOWED = 8  # lives whose exponents are measured
NEAR = 0.1  # the short step along the gradient, as a share of the long one
N_TRIED = 1 + 2 * (2 + N_DIRECTIONS)  # thetas whose losses are measured


class Agreement(NamedTuple):
    """How far losses change as the gradient g predicts.

    s is the standard deviation of an evolution strategy's members, u = g / |g|, x ~ N(0, 1) a
    random direction.

    along: (L(theta + s u) - L(theta - s u)) / (2 s |g|): 1 where the loss changes as the gradient
        predicts, below 0 where a step against the gradient raises the loss
    near: the same for NEAR s
    along_error, near_error: their standard errors over lives
    cosine: of g . x and (L(theta + s x) - L(theta - s x)) / 2s over the directions x
    linear: the odd share of the losses' changes under +- s x: 1 for a plane, 0 for a valley's floor
        or noise
    signal: of (L_i(theta + s x) - L_i(theta - s x)) / 2s of life i over the directions x, the
        differences by which evolution moves
    """

    along: float
    along_error: float
    near: float
    near_error: float
    cosine: float
    linear: float
    signal: Signal


class Diagnosis(NamedTuple):
    """Everything measured at one theta.

    n_steps: of a life
    dt: seconds of a step
    n_numbers: in theta
    n_tasks: lives of an outer step
    std: s of `Agreement`, per number of theta in the coordinates of the search
    differentiable: whether the task passes gradients
    summable: whether the objective is a sum over steps, so that lives may be cut into windows
    loss: mean over finite lives
    resolution: the smallest slope of a life that losses s to either side can show (signal.py)
    here: the gradients at theta
    nearby: the gradients at thetas s away
    lengths: (steps, typical gradient norm) of lives cut short; not a number where the steps so far
        have no loss
    growth: slope of the norm's logarithm per step
    exponents: of the inner dynamics
    agreement: of the losses with the gradient
    diverged: share of lives without a finite loss at theta
    diverged_nearby: the same s away
    """

    n_steps: int
    dt: float
    n_numbers: int
    n_tasks: int
    std: float
    differentiable: bool
    summable: bool
    loss: float
    resolution: float
    here: Signal
    nearby: tuple[Signal, ...]
    lengths: tuple[tuple[int, float], ...]
    growth: float
    exponents: Exponents
    agreement: Agreement
    diverged: float
    diverged_nearby: float


class Plan(NamedTuple):
    """How to measure.

    n_lives: lives of training tasks, the same for every measurement
    std: see `Diagnosis`
    """

    n_lives: int = 32
    std: float = 0.1


PLAN = Plan()


def diagnose(
    problem: MetaProblem, theta: Theta, key: Key, space: Space = (), plan: Plan = PLAN
) -> Diagnosis:
    """Measure lives at theta and around it, unclipped and without a clock.

    The lives are as long as the longest lives of training.

    Args:
        problem: to be diagnosed.
        theta: the point at which it is measured.
        key: of all draws.
        space: the coordinates of the search.
        plan: how many lives, how far away.

    Raises: BadInput where there is nothing to learn.
    """
    if not jax.tree.leaves(theta):
        raise BadInput(
            "diagnose: theta", "a number to learn", "let the rule, the genome or the neurons learn"
        )
    problem = longest(problem)
    seen = Seen(problem, space)
    k_lives, k_directions, k_state = jax.random.split(key, 3)
    batch = sample(problem.lifetime.task, k_lives, plan.n_lives, "train")
    flat, unravel = ravel_pytree(encode(space, theta))
    directions = jax.random.normal(k_directions, (N_DIRECTIONS, flat.size), flat.dtype)
    thetas = [flat, *(flat + plan.std * x for x in directions[:N_NEARBY])]
    grads, lengths = _gradients_at(seen, [unravel(x) for x in thetas], batch, flat.size)
    here, *nearby = grads
    up, back = around(flat, directions, here, plan.std)
    lived = np.asarray(
        losses(seen, jax.vmap(unravel)(jnp.concatenate([flat[None], up, back])), batch)
    )
    lives = _numbers(lived)
    n_steps = problem.shape().n_steps
    few = jax.tree.map(lambda x: x[:N_FOLLOWED], batch)
    bad = ~np.isfinite(lives)
    # Without the two steps along the gradient.
    tried = np.concatenate([bad[3 : 1 + len(up)], bad[3 + len(up) :]])
    return Diagnosis(
        n_steps=n_steps,
        dt=problem.lifetime.dt,
        n_numbers=flat.size,
        n_tasks=problem.n_tasks,
        std=plan.std,
        differentiable=problem.lifetime.task.shape().differentiable,
        summable="final_weights" not in problem.objective.needs,
        loss=_mean(lives[0]),
        resolution=resolution(lived[0], plan.std),
        here=signal(here, problem.n_tasks),
        nearby=tuple(signal(grads, problem.n_tasks) for grads in nearby),
        lengths=lengths,
        growth=slope(lengths),
        exponents=exponents(problem.lifetime, decode(space, unravel(flat)), few, k_state, n_steps),
        agreement=agreement(
            lives, here, np.asarray(directions, np.float64), problem.n_tasks, plan.std
        ),
        diverged=float(bad[0].mean()),
        diverged_nearby=float(tried.mean()),
    )


def _gradients_at(
    seen: Seen, zs: list[Theta], batch: Batch, size: int
) -> tuple[list[np.ndarray], Any]:
    """(gradients of whole lives [n_lives, n_numbers] at each z, `Diagnosis.lengths` at the first).

    For a task that passes no gradient: NaN, at the first z alone.
    """
    if not seen.lifetime.task.shape().differentiable:
        return [np.full((leading(batch.keys), size), np.nan)], ()
    cuts = cut_lengths(seen.problem)
    found = [_numbers(gradients(seen, z, batch, cuts)) for z in zs]
    worth, grads = found[0]
    lengths = tuple((n, _typical(worth[:, i], grads[:, i])) for i, n in enumerate(cuts))
    return [grads[:, -1] for _, grads in found], lengths


def longest(problem: MetaProblem) -> MetaProblem:
    """The problem of the longest lives that training has."""
    length = problem.lengths()[-1]
    whole = length == problem.lifetime.task.shape().n_steps
    return replace(problem, unroll=0 if whole else length, curriculum=())


@partial(jax.jit, static_argnames=("seen", "cuts"))
def gradients(seen: Seen, z: Theta, batch: Batch, cuts: tuple[int, ...]) -> tuple[Array, Array]:
    """(losses [n_lives, n_cuts], gradients [n_lives, n_cuts, n_numbers]), unclipped.

    Each life is judged as if it ended after so many steps; the last cut is the whole life. It takes
    one pass forward, and one back for every length.
    """
    problem, shape = seen.problem, seen.shape()
    flat, unravel = ravel_pytree(z)

    def one(i: Array) -> tuple[Array, Array]:
        task, key, lifetime = take(batch.tasks, i), batch.keys[i], problem.lifetime

        def worth(flat: Array) -> Array:
            theta = decode(seen.space, unravel(flat))
            life = lifetime.begin(theta, task, key)
            life, trace = lifetime.advance(theta, task, life, shape.n_steps, start=0, gradient=True)
            ends = [
                (
                    jax.tree.map(lambda x, n=n: x[:n], trace),
                    shape._replace(phases=cut(shape.phases, n)),
                )
                for n in cuts
            ]
            return jnp.stack(
                [
                    problem.objective.loss(theta, Lived(task, seen, life.synapses, at))
                    for seen, at in ends
                ]
            )

        values, back = jax.vjp(worth, flat)
        return values, jax.vmap(back)(jnp.eye(len(cuts), dtype=values.dtype))[0]

    return spread(one, Layout(leading(batch.keys), problem.chunk_size(), 1))


@partial(jax.jit, static_argnames=("seen",))
def losses(seen: Seen, zs: Theta, batch: Batch) -> Array:
    """The loss of every life at every z [n, n_lives]; zs: with a leading axis."""
    return seen.losses(zs, batch)[1]["life_loss"]


def around(flat: Array, directions: Array, grads: np.ndarray, std: float) -> tuple[Array, Array]:
    """The thetas tried on either side, two arrays [2 + n_directions, n_numbers].

    The first is std along the mean gradient, the second NEAR of that, the others std along every
    direction. Without a gradient the first two are theta itself.
    """
    mean = finite_rows(grads).mean(axis=0) if len(finite_rows(grads)) else np.zeros(flat.size)
    norm = np.linalg.norm(mean)
    unit = jnp.asarray(mean / norm if norm > 0 else np.zeros(flat.size), flat.dtype)
    steps = std * jnp.concatenate([jnp.stack([unit, NEAR * unit]), directions])
    return flat[None] + steps, flat[None] - steps


def agreement(
    lives: np.ndarray, grads: np.ndarray, directions: np.ndarray, n_tasks: int, std: float
) -> Agreement:
    """The agreement of losses with gradients.

    Args:
        lives: losses [1 + 2 (2 + n_directions), n_lives] at theta, then at the two sides in the
            order of `around`.
        grads: gradients at theta [n_lives, n_numbers].
        directions: [n_directions, n_numbers].
        n_tasks: lives of an outer step.
        std: the length of a step.
    """
    up, back = np.split(lives[1:], 2)
    slopes = (up - back) / (2.0 * std)
    finite = finite_rows(grads)
    mean = finite.mean(axis=0) if len(finite) else np.full(directions.shape[1], np.nan)
    slopes[1] /= NEAR
    norm = np.linalg.norm(mean)
    unit = mean / norm if norm > 0 else np.full(len(mean), np.nan)
    along, along_error = _ratio(slopes[0], grads @ unit)
    near, near_error = _ratio(slopes[1], grads @ unit)
    cosine = _cosine(directions @ mean, np.array([_mean(row) for row in slopes[2:]]))
    return Agreement(
        along=along,
        along_error=along_error,
        near=near,
        near_error=near_error,
        cosine=cosine,
        linear=_linear(_mean(lives[0]), up[2:], back[2:]),
        signal=signal(slopes[2:].T, n_tasks),
    )


def _ratio(slopes: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """(mean slope / mean prediction, its standard error as far as the slopes vary).

    Over the lives that have both.
    """
    both = np.isfinite(slopes) & np.isfinite(predicted)
    if both.sum() < 2 or not np.mean(predicted[both]):
        return np.nan, np.nan
    shares = slopes[both] / np.mean(predicted[both])
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine of two vectors over the elements that are finite in both."""
    both = np.isfinite(one) & np.isfinite(other)
    size = np.sqrt(np.sum(one[both] ** 2) * np.sum(other[both] ** 2))
    return float(np.sum(one[both] * other[both]) / size) if size > 0 else np.nan


def _linear(here: float, up: np.ndarray, back: np.ndarray) -> float:
    """The odd share of the losses' changes, over the directions.

        sum (L+ - L-)^2 / (sum (L+ - L-)^2 + sum (L+ + L- - 2 L)^2)

    L: the mean loss at theta
    L+, L-: the mean losses to either side
    """
    above = np.array([_mean(row) for row in up]) - here
    below = np.array([_mean(row) for row in back]) - here
    finite = np.isfinite(above + below)
    odd = (above - below)[finite]
    even = (above + below)[finite]
    total = np.sum(odd**2) + np.sum(even**2)
    return float(np.sum(odd**2) / total) if total > 0 else np.nan


def cut_lengths(problem: MetaProblem) -> tuple[int, ...]:
    """An eighth, a quarter, half and all of the steps of a life.

    All alone where a life is judged as a whole.
    """
    n_steps = problem.shape().n_steps
    parts = (1,) if "final_weights" in problem.objective.needs else (8, 4, 2, 1)
    return tuple(sorted({max(1, n_steps // part) for part in parts}))


def _typical(worth: np.ndarray, grads: np.ndarray) -> float:
    """The median norm of finite gradients [n_lives, n_numbers]; NaN where all losses are 0."""
    finite = finite_rows(grads)
    if not len(finite) or not np.any(worth != 0):
        return np.nan
    return float(np.median(np.linalg.norm(finite, axis=1)))


def slope(lengths: tuple[tuple[int, float], ...]) -> float:
    """d log(norm) / d steps, by least squares; NaN for fewer than two finite norms above 0."""
    usable = [(steps, np.log(norm)) for steps, norm in lengths if np.isfinite(norm) and norm > 0]
    if len(usable) < 2:
        return np.nan
    steps, logs = np.array(usable).T
    away = steps - steps.mean()
    return float(np.sum(away * logs) / np.sum(away**2))


def _mean(values: np.ndarray) -> float:
    """The mean over the finite values; NaN where there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan


def _numbers(values: Any) -> Any:
    """The values in float64, for sums in which the float32 of an exploding loss would overflow."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64), values)
