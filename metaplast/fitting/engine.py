"""Many fits at once: starts, penalties, refits and bootstrap samples are members of one compiled
program.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast import train
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.penalised import Penalised, member, stack
from metaplast.recording import Session
from metaplast.settings.fit import Fit
from metaplast.signals import Theta

CALL = 10  # outer steps between two looks at the coefficients
CACHE_BYTES = 512 * 1024  # of the weights of all sessions that run in lockstep
Tick = Callable[[int, int], None]  # (outer steps done, of all)


class Member(NamedTuple):
    """Where one fit starts, what it holds at 0, what its penalty is, and what it is fitted to
    (None: the recording).
    """

    theta: Theta
    mask: Theta
    strength: float
    targets: Any = None


class SearchResult(NamedTuple):
    """theta: what the fit ended with, masked; path: the numbers of its rules after every CALL steps
    [n_calls, n_numbers]; steps: outer steps done; stable: the numbers had come to rest; loss: mean
    over the last call, penalty included; diverged: lives that were not finite."""

    theta: Theta
    path: np.ndarray
    steps: int
    stable: bool
    loss: float
    diverged: int


def fit(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    sessions: Session,
    members: list[Member],
    settings: Fit,
    seed: int,
    tick: Tick = lambda *_: None,
) -> list[SearchResult]:
    """Every member brought to rest by the outer loop, all on the same sessions [n_sessions, ...].

    Members run in groups of one width, so that every group of a fit is the same program.
    Deterministic in (members, sessions, seed).
    """
    problem = in_one_chunk(problem, min(problem.n_tasks, len(sessions.subject)))
    width = settings.chunk or width_of()
    done: list[SearchResult] = []
    for first in range(0, len(members), width):
        group = members[first : first + width]
        padded = [*group, *[group[-1]] * (width - len(group))]

        def ticked(steps: int, total: int, before: int = first // width) -> None:
            tick(before * total + steps, -(-len(members) // width) * total)

        found = _group(problem, outer, sessions, padded, settings, seed, ticked)
        done += found[: len(group)]
    return done


def width_of() -> int:
    """Members that run in lockstep. On a CPU one: in lockstep four members take 0.8 of the time on
    20 synapses, but 5 times as long on 1,000, and one by one each stops when it is at rest. An
    accelerator has room for more.
    """
    return 1 if jax.default_backend() == "cpu" else 16


def in_one_chunk(problem: MetaProblem, n_sessions: int) -> MetaProblem:
    """All sessions of a small network in lockstep (18 lives of 240 steps on 20 synapses: 6.0 ms,
    9.1 ms in two).
    """
    size = sum(4 * math.prod(e.connection.shape) for e in problem.lifetime.wiring().edges)
    room = min(64, CACHE_BYTES // max(1, size))
    return problem if problem.chunk else replace(problem, chunk=max(1, min(n_sessions, room)))


def _group(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    sessions: Session,
    group: list[Member],
    settings: Fit,
    seed: int,
    tick: Tick,
) -> list[SearchResult]:
    masks, strengths = (
        stack([m.mask for m in group]),
        jnp.asarray([m.strength for m in group], float),
    )
    own = None if group[0].targets is None else stack([m.targets for m in group])
    tasks = jax.tree.map(
        lambda x: jnp.asarray(x, float if np.issubdtype(x.dtype, np.floating) else None), sessions
    )
    states = _begin(problem, outer, stack([m.theta for m in group]), train.stream(seed, "outer"))
    thetas = stack([m.theta for m in group])
    paths, others, losses, diverged, total = (
        [],
        [],
        jnp.zeros(len(group)),
        np.zeros(len(group), int),
        outer.n_steps,
    )
    window, done, stable = max(1, round(settings.window / CALL)), 0, np.zeros(len(group), bool)
    while done < total and not stable.all():
        states, thetas, losses, blown = _advance(
            problem,
            outer,
            (states, masks, strengths, own),
            tasks,
            (seed, jnp.asarray(done), jnp.asarray(total)),
        )
        done = min(total, done + CALL)
        diverged += np.asarray(blown)
        paths.append(_flat(thetas["rules"], len(group)))
        others = [*others[-window:], _flat({**thetas, "rules": {}}, len(group))]
        stable = _at_rest(paths, window, settings.tolerance) & _at_rest(
            others, window, settings.tolerance
        )
        tick(done, total)
    path, stable = np.stack(paths, axis=1), stable & np.isfinite(np.asarray(losses))
    return [
        SearchResult(
            member(thetas, i), path[i], done, bool(stable[i]), float(losses[i]), int(diverged[i])
        )
        for i in range(len(group))
    ]


def _flat(stacked: Any, n_members: int) -> np.ndarray:
    """All the numbers of every member [n_members, n_numbers]."""
    leaves = [np.asarray(leaf).reshape(n_members, -1) for leaf in jax.tree.leaves(stacked)]
    return np.concatenate(leaves, axis=1) if leaves else np.zeros((n_members, 0))


def _at_rest(paths: list[np.ndarray], window: int, tolerance: float) -> np.ndarray:
    """Whether no number of a member moved by more than `tolerance` of the largest in the last
    `window` calls.
    """
    if len(paths) <= window:
        return np.zeros(len(paths[0]), bool)
    recent = np.stack(paths[-window - 1 :])
    with np.errstate(invalid="ignore"):  # a fit that diverged
        moved = np.abs(recent - recent[-1]).max(axis=(0, 2), initial=0.0)
    largest = np.abs(recent[-1]).max(axis=1, initial=0.0)
    return np.isfinite(moved) & (moved <= tolerance * largest)


@partial(jax.jit, static_argnames=("problem", "outer"))
def _begin(problem: MetaProblem, outer: AbstractOuterLoop, thetas: Theta, key: Array) -> Any:
    return lax.map(lambda theta: outer.init(problem, theta, key, outer.hyper()), thetas)


@partial(jax.jit, static_argnames=("problem", "outer"))
def _advance(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    members: Any,
    tasks: Session,
    clock: tuple[Any, Array, Array],
) -> tuple[Any, Theta, Array, Array]:
    """CALL outer steps of every member, none beyond the last: (states, masked thetas, mean losses,
    diverged lives).
    """
    seed, start, total = clock
    whole = problem.n_tasks >= tasks.subject.shape[0]

    def one(args: Any) -> Any:
        state, mask, strength, targets = args
        mine = tasks if targets is None else replace(tasks, **targets)
        penalised = Penalised(problem, mask, strength)

        def step(state: Any, index: Array) -> tuple[Any, tuple[Array, Array]]:
            draw = jnp.where(
                whole, 0, index
            )  # the same lives at every step: the loss is one function of theta
            batch: Batch = train.take(mine, train.stream(seed, "tasks", draw), problem.n_tasks)
            new, metrics = outer.step(penalised, state, batch, train.stream(seed, "step", index))  # pyright: ignore[reportArgumentType]
            new = jax.tree.map(lambda a, b: jnp.where(index < total, a, b), new, state)
            counts = index < total
            return new, (
                jnp.where(counts, metrics["loss"], 0.0),
                jnp.where(counts, metrics["diverged"], 0),
            )

        state, (losses, diverged) = lax.scan(step, state, start + jnp.arange(CALL))
        n = jnp.minimum(CALL, total - start).astype(losses.dtype)
        return state, penalised.masked(outer.theta(state)), jnp.sum(losses) / n, jnp.sum(diverged)

    if members[2].shape[0] == 1:  # a vmap over one member costs what a vmap costs
        return jax.tree.map(lambda x: x[None], one(jax.tree.map(lambda x: x[0], members)))
    return jax.vmap(one)(members)
