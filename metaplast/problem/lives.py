"""The data of many lives side by side: batches, lives under way, births, windows."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.life.lifetime import Life
from metaplast.registry import BadInput
from metaplast.signals import Key, Trace, pytree


@pytree
class Batch:
    """Sampled tasks and the keys of their lives.

    tasks: a tree of arrays [n_lives, ...]
    keys [n_lives]: one random key for each life
    """

    tasks: Any
    keys: Key


@pytree
class Lives:
    """A population of lives under way.

    life: the state of every life, a tree of arrays [n_lives, ...]
    member [n_lives]: the member whose theta each life has
    task [n_lives]: the task of each life, as an index into `tasks`
    tasks: the tasks, a tree of arrays [n_tasks, ...]
    """

    life: Life
    member: Array
    task: Array
    tasks: Any


@pytree
class Births:
    """The tasks of a population whose lives begin anew.

    due [n_tasks]: whether the lives of the task begin anew
    batch: for every task, the new task and the key of its life; unused where none is due
    """

    due: Array
    batch: Batch


@pytree
class Window:
    """The events of some consecutive steps.

    trace: the trace of every life, a tree of arrays [n_lives, n_steps, ...]
    """

    trace: Trace


def assign(n_members: int, n_lives: int, share: int | None) -> tuple[Array, Array]:
    """The member and the task of every life of a population.

    Args:
        n_members: the number of members.
        n_lives: the number of tasks.
        share: the number of consecutive members that live through the same tasks. None: all.

    Returns:
        (member [n], task [n]) of the n lives, members outermost.

    Raises:
        BadInput: the members, or the tasks, cannot be divided into equal groups.
    """
    share = share or n_members
    n_groups = n_members // share
    if n_groups * share != n_members or n_lives % n_groups:
        raise BadInput(
            f"share={share} of {n_members} members, {n_lives} lives",
            "equal groups",
            "choose divisors",
        )
    per_group = n_lives // n_groups
    index = jnp.arange(n_members * per_group)
    member = index // per_group
    task = (member // share) * per_group + index % per_group
    return member, task


def leading(tree: Any) -> int:
    """The length of the leading axis of a tree; 1 for a tree without leaves."""
    leaves = jax.tree.leaves(tree)
    return leaves[0].shape[0] if leaves else 1


def take(tree: Any, index: Any) -> Any:
    """The leaves of a tree at one place, or at several, of their leading axis."""
    return jax.tree.map(lambda x: x[index], tree)


def where(on: Array, new: Any, old: Any) -> Any:
    """The tree `new` where `on`, else the tree `old`.

    on: [], or [n] where the leaves are [n, ...].
    """

    def choose(a: Array, b: Array) -> Array:
        n_inner = a.ndim - on.ndim
        return jnp.where(on.reshape(on.shape + (1,) * n_inner), a, b)

    return jax.tree.map(choose, new, old)


def settle(lives: Lives, tasks: Any, life: Life, healthy: Array) -> Lives:
    """The lives after a window.

    Args:
        lives: the lives before the window.
        tasks: the tasks in the window, some of them new.
        life: the states of the lives after the window.
        healthy: [n_lives], whether the loss of the life is finite. A life that is not healthy stays
            as it was. A task stays as it was as soon as one of its lives is not healthy.
    """
    n_tasks = leading(lives.tasks)
    all_healthy = jnp.ones(n_tasks, jnp.int32).at[lives.task].min(healthy.astype(jnp.int32)) > 0
    return replace(
        lives,
        life=where(healthy, life, lives.life),
        tasks=where(all_healthy, tasks, lives.tasks),
    )
