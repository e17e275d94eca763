"""Many fits at once: starts, penalties, refits and bootstrap samples are members of one program."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast import search_loop
from metaplast.fitting.data import arrays
from metaplast.outer import AbstractOuterLoop
from metaplast.problem.lives import take
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.problem.penalised import Penalised, stack
from metaplast.recording import Session
from metaplast.settings.fit import Fit
from metaplast.signals import Theta

CALL = 10  # outer steps between two looks at the coefficients
CACHE_BYTES = 512 * 1024  # of the weights of all sessions that run in lockstep
MOST_IN_LOCKSTEP = 64  # sessions
ON_ACCELERATOR = 16  # members in lockstep
Tick = Callable[[int, int], None]  # (outer steps done, of all)


class Member(NamedTuple):
    """One fit of many.

    theta: where it starts.
    mask: 0 for the numbers that it holds at 0, else 1.
    strength: of its L1 penalty.
    targets: fields of Session with the values it is fitted to; None: the recording.
    """

    theta: Theta
    mask: Theta
    strength: float
    targets: Any = None


class SearchResult(NamedTuple):
    """The end of one fit.

    theta: the last one, masked.
    path [n_calls, n_numbers]: the numbers of its rules after every CALL steps.
    steps: outer steps done.
    stable: whether the numbers had come to rest.
    loss: mean over the last call, penalty included.
    diverged: lives that were not finite.
    """

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
    """Bring every member to rest by the outer loop, all on the same sessions [n_sessions, ...].

    Members run in groups of one width, so that every group of a fit is the same program.
    Deterministic in (members, sessions, seed).

    Args:
        problem: the rule in its network and task.
        outer: the search.
        sessions: stacked.
        members: the fits.
        settings: window and tolerance of rest, and the width of groups.
        seed: of the search and its lives.
        tick: called with (outer steps done, of all).
    """
    problem = in_one_chunk(problem, min(problem.n_tasks, len(sessions.subject)))
    width = settings.chunk or width_of()
    n_groups = -(-len(members) // width)
    results: list[SearchResult] = []
    for first in range(0, len(members), width):
        group = members[first : first + width]
        padding = [group[-1]] * (width - len(group))

        def group_tick(steps: int, total: int, before: int = first // width) -> None:
            tick(before * total + steps, n_groups * total)

        lanes = [*group, *padding]
        of_group = _group(problem, outer, sessions, lanes, settings, seed, group_tick)
        results += of_group[: len(group)]
    return results


def width_of() -> int:
    """Members that run in lockstep: one on a CPU, more on an accelerator.

    On a CPU, four members in lockstep take 0.8 times as long as one by one on 20 synapses, but 5
    times as long on 1,000. One by one, each also stops when it is at rest. An accelerator has room
    for more.
    """
    return 1 if jax.default_backend() == "cpu" else ON_ACCELERATOR


def in_one_chunk(problem: MetaProblem, n_sessions: int) -> MetaProblem:
    """The problem with all sessions of a small network in lockstep.

    In one chunk, 18 lives of 240 steps on 20 synapses take 6.0 ms; in two chunks, 9.1 ms. A problem
    that says its chunk keeps it.
    """
    if problem.chunk:
        return problem
    size = 0  # bytes of the weights of one session
    for edge in problem.lifetime.wiring().edges:
        size += 4 * math.prod(edge.connection.shape)
    room = min(MOST_IN_LOCKSTEP, CACHE_BYTES // max(1, size))
    return replace(problem, chunk=max(1, min(n_sessions, room)))


class _Lanes(NamedTuple):
    """The members of a group side by side. Each leaf has a leading axis [n_members].

    states: of the outer loop.
    masks, strengths, targets: as of `Member`.
    """

    states: Any
    masks: Theta
    strengths: Array
    targets: Any


class _Clock(NamedTuple):
    """The place of a call in the search.

    seed: of the search.
    start []: outer steps that are done.
    total []: outer steps of the whole search.
    """

    seed: int
    start: Array
    total: Array


class _Call(NamedTuple):
    """The state of every member after one call [n_members, ...].

    states: of the outer loop.
    thetas: masked.
    losses: means over the call.
    diverged: lives that were not finite.
    """

    states: Any
    thetas: Theta
    losses: Array
    diverged: Array


def _group(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    sessions: Session,
    group: list[Member],
    settings: Fit,
    seed: int,
    tick: Tick,
) -> list[SearchResult]:
    """Bring the members of one group to rest, side by side."""
    n = len(group)
    total = outer.n_steps
    tasks = arrays(sessions)
    masks = stack([each.mask for each in group])
    strengths = jnp.asarray([each.strength for each in group], float)
    targets = None
    if group[0].targets is not None:
        targets = stack([each.targets for each in group])
    thetas = stack([each.theta for each in group])
    states = _begin(problem, outer, thetas, search_loop.stream(seed, "outer"))
    paths: list[np.ndarray] = []  # numbers of rules [n, n_numbers] after every call
    others: list[np.ndarray] = []  # the other numbers of theta, of the last calls
    losses = jnp.zeros(n)
    diverged = np.zeros(n, int)
    stable = np.zeros(n, bool)
    window = max(1, round(settings.window / CALL))
    done = 0
    while done < total and not stable.all():
        lanes = _Lanes(states, masks, strengths, targets)
        clock = _Clock(seed, jnp.asarray(done), jnp.asarray(total))
        states, thetas, losses, newly_diverged = _advance(problem, outer, lanes, tasks, clock)
        done = min(total, done + CALL)
        diverged += np.asarray(newly_diverged)
        paths.append(_flat(thetas["rules"], n))
        others = [*others[-window:], _flat({**thetas, "rules": {}}, n)]
        rules_rest = _at_rest(paths, window, settings.tolerance)
        stable = rules_rest & _at_rest(others, window, settings.tolerance)
        tick(done, total)
    path = np.stack(paths, axis=1)
    stable = stable & np.isfinite(np.asarray(losses))
    results = []
    for i in range(n):
        result = SearchResult(
            theta=take(thetas, i),
            path=path[i],
            steps=done,
            stable=bool(stable[i]),
            loss=float(losses[i]),
            diverged=int(diverged[i]),
        )
        results.append(result)
    return results


def _flat(stacked: Any, n_members: int) -> np.ndarray:
    """All the numbers of every member [n_members, n_numbers]."""
    leaves = []
    for leaf in jax.tree.leaves(stacked):
        leaves.append(np.asarray(leaf).reshape(n_members, -1))
    return np.concatenate(leaves, axis=1) if leaves else np.zeros((n_members, 0))


def _at_rest(paths: list[np.ndarray], window: int, tolerance: float) -> np.ndarray:
    """Whether the numbers of each member [n_members] are at rest.

    A member is at rest where in the last `window` calls none of its numbers moved by more than
    `tolerance` of the largest one.

    Args:
        paths: the numbers of every member [n_members, n_numbers] after every call.
        window: calls.
        tolerance: share of the largest number.
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
    """The outer states of all members before their first step."""
    return lax.map(lambda theta: outer.init(problem, theta, key, outer.hyper()), thetas)


@partial(jax.jit, static_argnames=("problem", "outer"))
def _advance(
    problem: MetaProblem,
    outer: AbstractOuterLoop,
    lanes: _Lanes,
    tasks: Session,
    clock: _Clock,
) -> _Call:
    """CALL outer steps of every member, none beyond the last."""
    seed, start, total = clock
    whole = problem.n_tasks >= tasks.subject.shape[0]

    def advance(lane: _Lanes) -> _Call:
        lane_tasks = tasks if lane.targets is None else replace(tasks, **lane.targets)
        penalised = Penalised(problem, lane.masks, lane.strengths)

        def step(state: Any, index: Array) -> tuple[Any, tuple[Array, Array]]:
            # the same lives at every step where all are drawn: the loss is one function of theta
            draw = jnp.where(whole, 0, index)
            key = search_loop.stream(seed, "tasks", draw)
            batch: Batch = search_loop.draw_tasks(lane_tasks, key, problem.n_tasks)
            new, metrics = outer.step(
                penalised, state, batch, search_loop.stream(seed, "step", index)
            )
            counts = index < total
            new = jax.tree.map(lambda a, b: jnp.where(counts, a, b), new, state)
            loss = jnp.where(counts, metrics["loss"], 0.0)
            diverged = jnp.where(counts, metrics["diverged"], 0)
            return new, (loss, diverged)

        state, (losses, diverged) = lax.scan(step, lane.states, start + jnp.arange(CALL))
        n = jnp.minimum(CALL, total - start).astype(losses.dtype)
        theta = penalised.inner(outer.theta(state))
        return _Call(state, theta, jnp.sum(losses) / n, jnp.sum(diverged))

    if lanes.strengths.shape[0] == 1:  # a vmap over one member costs what a vmap costs
        only = advance(jax.tree.map(lambda x: x[0], lanes))
        return jax.tree.map(lambda x: x[None], only)
    return jax.vmap(advance)(lanes)
