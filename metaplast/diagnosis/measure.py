"""How far the gradient of a problem can be trusted: what it is measured by, before any outer loop
is chosen.
"""

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
from metaplast.problem.layout import Layout, spread
from metaplast.problem.lives import leading, take
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.protocol import Problem
from metaplast.problem.unroll import cut
from metaplast.registry import BadInput
from metaplast.signals import Key, Theta
from metaplast.space import SearchedProblem, Space, decode, encode
from metaplast.train import sample

N_DIRECTIONS = 16  # random directions, each tried both ways
N_NEARBY = 2  # of the thetas tried, how many get gradients of their own
N_FOLLOWED = 8  # lives whose exponents are measured
NEAR = 0.1  # the short step along the gradient, as a share of the long one
N_TRIED = 1 + 2 * (2 + N_DIRECTIONS)  # thetas whose losses are measured


class Agreement(NamedTuple):
    """Losses against what the gradient says of them; s: the standard deviation of an evolution
    strategy's members.

    along: (L(theta + s u) - L(theta - s u)) / (2 s |g|), u = g / |g|: 1 where the loss goes as the
    gradient says, below 0 where a step against it raises the loss; near: the same for NEAR s;
    _error: standard errors over lives.
    cosine: of g . x and (L(theta + s x) - L(theta - s x)) / 2s over random directions x ~ N(0, 1).
    linear: the share of the losses' changes under +- s x that is odd: 1 for a plane, 0 for a
    valley's floor or noise.
    signal: of (L_i(theta + s x) - L_i(theta - s x)) / 2s of life i over the directions x: what
    evolution goes by.
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

    n_steps, dt: of a life; n_numbers: in theta; n_tasks: lives of an outer step; std: s above, per
    number of theta in the coordinates of the search; differentiable: whether the task passes
    gradients; summable: whether the objective is a sum over steps, so that lives may be cut into
    windows. loss: mean over finite lives;
    resolution: the smallest slope of a life that losses s to either side can show
    (diagnosis_signal.py).
    here: gradients at theta; nearby: at thetas s away. lengths: (steps, typical gradient norm) of
    lives cut short, not a number where the steps so far are worth nothing; growth: slope of the
    norm's logarithm per
    step. diverged: share of lives without a finite loss at theta; diverged_nearby: s away.
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
    """n_lives: sampled from the training tasks, the same for every measurement; std: see
    `Diagnosis`.
    """

    n_lives: int = 32
    std: float = 0.1


PLAN = Plan()


def diagnose(
    problem: MetaProblem, theta: Theta, key: Key, space: Space = (), plan: Plan = PLAN
) -> Diagnosis:
    """Measure the lives, as long as training ever makes them, at theta and around it; unclipped,
    without a clock.

    Raises: BadInput where there is nothing to learn.
    """
    if not jax.tree.leaves(theta):
        raise BadInput(
            "diagnose: theta", "a number to learn", "let the rule, the genome or the neurons learn"
        )
    problem = longest(problem)
    seen = SearchedProblem(problem, space)
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
    tried = np.concatenate(
        [bad[3 : 1 + len(up)], bad[3 + len(up) :]]
    )  # without the steps along the gradient
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
    seen: SearchedProblem, zs: list[Theta], batch: Batch, size: int
) -> tuple[list[np.ndarray], Any]:
    """(the gradients of whole lives [n_lives, n_numbers] at each z, `Diagnosis.lengths` at the
    first); of a task that passes no gradient not numbers, at the first alone."""
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
def gradients(
    seen: SearchedProblem, z: Theta, batch: Batch, cuts: tuple[int, ...]
) -> tuple[Array, Array]:
    """(losses [n_lives, n_cuts], gradients [n_lives, n_cuts, n_numbers]) of each life, unclipped,
    as if it ended after
    so many steps, the last of them all: one pass forward, one back for every length."""
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
def losses(seen: SearchedProblem, zs: Theta, batch: Batch) -> Array:
    """The loss of every life at every z [n, n_lives]; zs: with a leading axis."""
    return seen.losses(zs, batch)[1]["life_loss"]


def around(flat: Array, directions: Array, grads: np.ndarray, std: float) -> tuple[Array, Array]:
    """The thetas tried on either side [2 + n_directions, n_numbers]: std along the mean gradient,
    NEAR of that, then std along every direction; theta itself where there is no gradient."""
    mean = finite_rows(grads).mean(axis=0) if len(finite_rows(grads)) else np.zeros(flat.size)
    norm = np.linalg.norm(mean)
    unit = jnp.asarray(mean / norm if norm > 0 else np.zeros(flat.size), flat.dtype)
    steps = std * jnp.concatenate([jnp.stack([unit, NEAR * unit]), directions])
    return flat[None] + steps, flat[None] - steps


def agreement(
    lives: np.ndarray, grads: np.ndarray, directions: np.ndarray, n_tasks: int, std: float
) -> Agreement:
    """lives: losses [1 + 2 (2 + n_directions), n_lives] at theta and as `around` orders the others,
    side by side.
    """
    up, back = np.split(lives[1:], 2)
    slopes = (up - back) / (2.0 * std)
    finite = finite_rows(grads)
    mean = finite.mean(axis=0) if len(finite) else np.full(directions.shape[1], np.nan)
    slopes[1] /= NEAR
    norm = np.linalg.norm(mean)
    said = grads @ (mean / norm if norm > 0 else np.full(len(mean), np.nan))
    along, near = (_ratio(row, said) for row in slopes[:2])
    told, found = directions @ mean, np.array([_mean(row) for row in slopes[2:]])
    both = np.isfinite(told) & np.isfinite(found)
    size = np.sqrt(np.sum(told[both] ** 2) * np.sum(found[both] ** 2))
    cosine = np.sum(told[both] * found[both]) / size if size > 0 else np.nan
    return Agreement(
        along=along[0],
        along_error=along[1],
        near=near[0],
        near_error=near[1],
        cosine=float(cosine),
        linear=_linear(_mean(lives[0]), up[2:], back[2:]),
        signal=signal(slopes[2:].T, n_tasks),
    )


def _ratio(found: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    """(mean found / mean said, the standard error of it as far as `found` varies) over the lives
    that have both.
    """
    both = np.isfinite(found) & np.isfinite(said)
    if both.sum() < 2 or not np.mean(said[both]):
        return np.nan, np.nan
    shares = found[both] / np.mean(said[both])
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(len(shares)))


def _linear(here: float, up: np.ndarray, back: np.ndarray) -> float:
    """sum (L+ - L-)^2 / (sum (L+ - L-)^2 + sum (L+ + L- - 2 L)^2), L the mean loss at theta; over
    the directions.
    """
    above, below = (np.array([_mean(row) for row in side]) - here for side in (up, back))
    odd, even = ((above + sign * below)[np.isfinite(above + below)] for sign in (-1.0, 1.0))
    total = np.sum(odd**2) + np.sum(even**2)
    return float(np.sum(odd**2) / total) if total > 0 else np.nan


def cut_lengths(problem: Problem) -> tuple[int, ...]:
    """An eighth, a quarter, half and all of the steps of a life; all alone where they are judged as
    a whole.
    """
    n_steps = problem.shape().n_steps
    parts = (1,) if "final_weights" in problem.objective.needs else (8, 4, 2, 1)
    return tuple(sorted({max(1, n_steps // part) for part in parts}))


def _typical(worth: np.ndarray, grads: np.ndarray) -> float:
    """The median norm of finite gradients [n_lives, n_numbers]; not a number where all lives are
    worth 0.
    """
    finite = finite_rows(grads)
    return (
        float(np.median(np.linalg.norm(finite, axis=1)))
        if len(finite) and np.any(worth != 0)
        else np.nan
    )


def slope(lengths: tuple[tuple[int, float], ...]) -> float:
    """d log(norm) / d steps, by least squares; not a number where fewer than two norms are finite
    and not zero.
    """
    usable = [(steps, np.log(norm)) for steps, norm in lengths if np.isfinite(norm) and norm > 0]
    if len(usable) < 2:
        return np.nan
    steps, logs = np.array(usable).T
    away = steps - steps.mean()
    return float(np.sum(away * logs) / np.sum(away**2))


def _mean(values: np.ndarray) -> float:
    """Over the finite ones."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan


def _numbers(values: Any) -> Any:
    """For sums that a float32 of an exploding loss would not survive."""
    return jax.tree.map(lambda x: np.asarray(x, np.float64), values)
