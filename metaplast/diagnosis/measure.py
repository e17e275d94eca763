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
from metaplast.problem.around import ThroughProblem
from metaplast.problem.held import Held
from metaplast.problem.layout import Layout, spread
from metaplast.problem.lives import leading, take
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.protocol import Problem
from metaplast.problem.unroll import shortened
from metaplast.registry import BadInput
from metaplast.search_loop import sample
from metaplast.signals import Key, Theta
from metaplast.space import SearchedProblem, Space, coordinates, decode, searched, theta_at

# Random directions; each is tried forward and back.
N_DIRECTIONS = 16
# Thetas around the first at which gradients are measured too.
N_NEARBY = 2
# Lives whose exponents are measured.
N_FOLLOWED = 8
# The short step along the gradient, as a share of the long step.
NEAR = 0.1
# Thetas at which losses are measured.
N_TRIED = 1 + 2 * (2 + N_DIRECTIONS)


class Agreement(NamedTuple):
    """The agreement of changes of loss with the gradient g.

    L: mean loss over lives.
    L_i: loss of life i.
    s: standard deviation of the members of an evolution strategy.
    u = g / |g|
    x ~ N(0, 1): a random direction.

    along: (L(theta + s u) - L(theta - s u)) / (2 s |g|). It is 1 where the loss changes as the
        gradient predicts, and below 0 where a step against the gradient raises the loss.
    along_error: standard error of `along` over lives.
    near: the same ratio for a step of NEAR s.
    near_error: standard error of `near` over lives.
    cosine: cosine of the vectors g . x and (L(theta + s x) - L(theta - s x)) / 2s over the
        directions x.
    linear: odd share of the changes of loss under +- s x. It is 1 for a plane, and 0 for the floor
        of a valley or for noise.
    signal: signal of (L_i(theta + s x) - L_i(theta - s x)) / 2s over the directions x. Evolution
        moves by these differences.
    """

    along: float
    along_error: float
    near: float
    near_error: float
    cosine: float
    linear: float
    signal: Signal


class Diagnosis(NamedTuple):
    """All measurements at one theta.

    n_steps: steps of a life.
    dt: seconds of a step.
    n_numbers: numbers in theta.
    n_tasks: lives of an outer step.
    std: s of `Agreement`, per number of theta in the coordinates of the search.
    differentiable: whether the task passes gradients.
    summable: whether the objective is a sum over steps. Only then may lives be cut into windows.
    loss: mean loss over finite lives.
    resolution: smallest slope of a life that losses at +- s can show (signal.py).
    here: signal of the gradients at theta.
    nearby: signals of the gradients at thetas s away.
    lengths: (steps, typical gradient norm) of lives that are cut short. The norm is NaN where the
        first steps have no loss.
    growth: slope of log(gradient norm) per step.
    exponents: Lyapunov exponents of the inner dynamics.
    agreement: agreement of the losses with the gradient.
    diverged: share of lives without a finite loss at theta.
    diverged_nearby: the same share at thetas s away.
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
    """The size of the measurements.

    n_lives: lives of training tasks, the same for every measurement.
    std: see `Diagnosis`.
    """

    n_lives: int = 32
    std: float = 0.1


PLAN = Plan()


def diagnose(
    problem: MetaProblem,
    theta: Theta,
    key: Key,
    space: Space = (),
    plan: Plan = PLAN,
    held: Held = (),
) -> Diagnosis:
    """Measure lives at theta and around it.

    The lives are as long as the longest lives of training. Gradients are not clipped. The
    measurements are the same on every machine: no time is among them.

    Args:
        problem: the problem that is diagnosed.
        theta: the numbers at which it is measured.
        key: the key of all draws.
        space: the coordinates of the search.
        plan: the number of lives, and the distance of the other thetas.
        held: leaves of theta that the search does not move.

    Raises: BadInput for a theta without numbers.
    """
    if not jax.tree.leaves(theta):
        raise BadInput(
            "diagnose: theta", "a number to learn", "let the rule, the genome or the neurons learn"
        )
    problem = longest(problem)
    seen = searched(problem, space, held)
    k_lives, k_directions, k_state = jax.random.split(key, 3)
    batch = sample(problem.lifetime.task, k_lives, plan.n_lives, "train")
    flat, unravel = ravel_pytree(coordinates(space, held, theta))
    directions = jax.random.normal(k_directions, (N_DIRECTIONS, flat.size), flat.dtype)
    thetas = [flat, *(flat + plan.std * x for x in directions[:N_NEARBY])]
    gradients_at = _gradients_at(seen, [unravel(x) for x in thetas], batch, flat.size)
    here, *nearby = gradients_at.gradients
    up, back = around(flat, directions, here, plan.std)
    every_theta = jax.vmap(unravel)(jnp.concatenate([flat[None], up, back]))
    exact_losses = np.asarray(losses(seen, every_theta, batch))
    life_losses = _as_float64(exact_losses)
    n_steps = problem.shape().n_steps
    here_theta = theta_at(space, held, unravel(flat))
    few = jax.tree.map(lambda x: x[:N_FOLLOWED], batch)
    blown = ~np.isfinite(life_losses)
    # The two steps along the gradient do not count.
    blown_nearby = np.concatenate([blown[3 : 1 + len(up)], blown[3 + len(up) :]])
    return Diagnosis(
        n_steps=n_steps,
        dt=problem.lifetime.dt,
        n_numbers=flat.size,
        n_tasks=problem.n_tasks,
        std=plan.std,
        differentiable=problem.lifetime.task.shape().differentiable,
        summable="final_weights" not in problem.objective.needs,
        loss=_mean(life_losses[0]),
        resolution=resolution(exact_losses[0], plan.std),
        here=signal(here, problem.n_tasks),
        nearby=tuple(signal(gradients, problem.n_tasks) for gradients in nearby),
        lengths=gradients_at.lengths,
        growth=slope(gradients_at.lengths),
        exponents=exponents(problem.lifetime, here_theta, few, k_state, n_steps),
        agreement=agreement(
            life_losses, here, np.asarray(directions, np.float64), problem.n_tasks, plan.std
        ),
        diverged=float(blown[0].mean()),
        diverged_nearby=float(blown_nearby.mean()),
    )


class _Gradients(NamedTuple):
    """Gradients at several z.

    gradients: gradients of whole lives [n_lives, n_numbers] at each z.
    lengths: `Diagnosis.lengths` at the first z.
    """

    gradients: list[np.ndarray]
    lengths: tuple[tuple[int, float], ...]


def _gradients_at(seen: SearchedProblem, zs: list[Theta], batch: Batch, size: int) -> _Gradients:
    """The gradients at every z.

    A task that passes no gradient gives NaN at the first z alone.
    """
    if not seen.lifetime.task.shape().differentiable:
        return _Gradients([np.full((leading(batch.keys), size), np.nan)], ())
    cuts = cut_lengths(seen)
    by_z = []
    for z in zs:
        by_z.append(_as_float64(gradients(seen, z, batch, cuts)))
    first_losses, first_gradients = by_z[0]
    lengths = []
    for i, n_steps in enumerate(cuts):
        lengths.append((n_steps, _typical(first_losses[:, i], first_gradients[:, i])))
    whole_lives = [of_cuts[:, -1] for _, of_cuts in by_z]
    return _Gradients(whole_lives, tuple(lengths))


def longest(problem: MetaProblem) -> MetaProblem:
    """The problem with lives of one length: the longest that training has."""
    length = problem.lengths()[-1]
    unroll = length
    if length == problem.lifetime.task.shape().n_steps:
        unroll = 0  # the whole life
    return replace(problem, unroll=unroll, curriculum=())


@partial(jax.jit, static_argnames=("seen", "cuts"))
def gradients(
    seen: SearchedProblem, z: Theta, batch: Batch, cuts: tuple[int, ...]
) -> tuple[Array, Array]:
    """The losses of lives that are cut short, and their gradients, unclipped.

    One pass goes forward, and one pass back for every length.

    Args:
        seen: the problem in the coordinates of the search.
        z: the coordinates of theta.
        batch: tasks and keys, one life each.
        cuts: steps after which each life is judged as if it ended. The last is the whole life.

    Returns: losses [n_lives, n_cuts] and gradients [n_lives, n_cuts, n_numbers].
    """
    problem = seen.problem
    shape = seen.shape()
    flat, unravel = ravel_pytree(z)

    def of_life(i: Array, shared: tuple[Array, Batch]) -> tuple[Array, Array]:
        flat, batch = shared
        task = take(batch.tasks, i)
        key = batch.keys[i]
        lifetime = problem.lifetime

        def losses_of_cuts(flat: Array) -> Array:
            theta = decode(seen.space, unravel(flat))
            if isinstance(problem, ThroughProblem):
                theta = problem.inner(theta)
            life = lifetime.begin(theta, task, key)
            life, trace = lifetime.advance(theta, task, life, shape.n_steps, start=0, gradient=True)
            losses = []
            for n in cuts:
                first_steps = jax.tree.map(lambda x, n=n: x[:n], trace)
                short = shape._replace(phases=shortened(shape.phases, n))
                lived = Lived(task, first_steps, life.synapses, short)
                losses.append(problem.objective.loss(theta, lived))
            return jnp.stack(losses)

        values, back = jax.vjp(losses_of_cuts, flat)
        return values, jax.vmap(back)(jnp.eye(len(cuts), dtype=values.dtype))[0]

    layout = Layout(leading(batch.keys), problem.chunk_size(), 1)
    return spread(of_life, layout, (flat, batch))


@partial(jax.jit, static_argnames=("seen",))
def losses(seen: SearchedProblem, zs: Theta, batch: Batch) -> Array:
    """The loss of every life at every z [n, n_lives].

    Args:
        seen: the problem in the coordinates of the search.
        zs: the coordinates of n thetas, on a leading axis.
        batch: tasks and keys, one life each.
    """
    return seen.losses(zs, batch)[1]["life_loss"]


def around(flat: Array, directions: Array, grads: np.ndarray, std: float) -> tuple[Array, Array]:
    """The thetas to try, forward and back.

    The first step goes std along the mean gradient. The second goes NEAR std along it. The others
    go std along every direction. Without a gradient the first two stay at theta.

    Args:
        flat: theta [n_numbers].
        directions: random directions [n_directions, n_numbers].
        grads: gradients [n_lives, n_numbers].
        std: the length of a step.

    Returns: the thetas forward and the thetas back, each [2 + n_directions, n_numbers].
    """
    finite = finite_rows(grads)
    mean = finite.mean(axis=0) if len(finite) else np.zeros(flat.size)
    norm = np.linalg.norm(mean)
    unit = jnp.asarray(mean / norm if norm > 0 else np.zeros(flat.size), flat.dtype)
    steps = std * jnp.concatenate([jnp.stack([unit, NEAR * unit]), directions])
    return flat[None] + steps, flat[None] - steps


def agreement(
    lives: np.ndarray, grads: np.ndarray, directions: np.ndarray, n_tasks: int, std: float
) -> Agreement:
    """The agreement of losses with gradients.

    Args:
        lives: losses [1 + 2 (2 + n_directions), n_lives] at theta, then forward and back in the
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
    """Mean slope / mean prediction over lives, and the standard error that the slopes give it.

    A life without a finite slope or prediction does not count.
    """
    both = np.isfinite(slopes) & np.isfinite(predicted)
    if both.sum() < 2 or not np.mean(predicted[both]):
        return np.nan, np.nan
    shares = slopes[both] / np.mean(predicted[both])
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """The cosine of two vectors. Only elements that are finite in both count."""
    both = np.isfinite(one) & np.isfinite(other)
    size = np.sqrt(np.sum(one[both] ** 2) * np.sum(other[both] ** 2))
    if size > 0:
        return float(np.sum(one[both] * other[both]) / size)
    return np.nan


def _linear(here: float, up: np.ndarray, back: np.ndarray) -> float:
    """The odd share of the changes of loss, summed over the directions.

        sum (L+ - L-)^2 / (sum (L+ - L-)^2 + sum (L+ + L- - 2 L)^2)

    L: mean loss at theta.
    L+: mean loss after a step forward
    L-: mean loss after a step back
    """
    above = np.array([_mean(row) for row in up]) - here
    below = np.array([_mean(row) for row in back]) - here
    finite = np.isfinite(above + below)
    odd = (above - below)[finite]
    even = (above + below)[finite]
    total = np.sum(odd**2) + np.sum(even**2)
    if total > 0:
        return float(np.sum(odd**2) / total)
    return np.nan


def cut_lengths(problem: Problem) -> tuple[int, ...]:
    """The lengths at which a life is cut: an eighth, a quarter, half and all of its steps.

    An objective that judges a life as a whole has one length: all steps.
    """
    n_steps = problem.shape().n_steps
    parts = (8, 4, 2, 1)
    if "final_weights" in problem.objective.needs:
        parts = (1,)
    return tuple(sorted({max(1, n_steps // part) for part in parts}))


def _typical(life_losses: np.ndarray, grads: np.ndarray) -> float:
    """The median norm of finite gradients [n_lives, n_numbers]; NaN where all losses are 0."""
    finite = finite_rows(grads)
    if not len(finite) or not np.any(life_losses != 0):
        return np.nan
    return float(np.median(np.linalg.norm(finite, axis=1)))


def slope(lengths: tuple[tuple[int, float], ...]) -> float:
    """d log(norm) / d steps by least squares; NaN for fewer than two finite norms above 0."""
    usable = [(steps, np.log(norm)) for steps, norm in lengths if np.isfinite(norm) and norm > 0]
    if len(usable) < 2:
        return np.nan
    steps, logs = np.array(usable).T
    away = steps - steps.mean()
    return float(np.sum(away * logs) / np.sum(away**2))


def _mean(values: np.ndarray) -> float:
    """The mean of the finite values; NaN where there are none."""
    finite = values[np.isfinite(values)]
    if len(finite):
        return float(finite.mean())
    return np.nan


def _as_float64(values: Any) -> Any:
    """The values in float64. In float32, a sum of exploding losses would overflow."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64), values)
