"""Lives side by side: what a population of them holds, and how it is laid out over devices, chunks
and lanes.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import AxisType, PartitionSpec

from metaplast.life.lifetime import Life, Lifetime
from metaplast.registry import BadInput
from metaplast.signals import Key, Trace, pytree
from metaplast.tasks import some_task


@pytree
class Batch:
    """Sampled tasks and the keys of their lives, leading axis [n_lives]."""

    tasks: Any
    keys: Key


@pytree
class Lives:
    """A population of lives under way. member, task: for each life, whose theta and which task of
    the batch it has.
    """

    life: Life
    member: Array
    task: Array
    tasks: Any


@pytree
class Births:
    """Which tasks of a population begin a new life [n_tasks], and the tasks and keys, as many, that
    it begins with.
    """

    due: Array
    batch: Batch


@pytree
class Window:
    """What happened in a stretch of steps: the trace of each life [n_lives, n_steps, ...]."""

    trace: Trace


class Layout(NamedTuple):
    """n: how many; chunk: how many in lockstep; n_devices: over how many they are spread."""

    n: int
    chunk: int
    n_devices: int


def spread(one: Callable[[Array], Any], layout: Layout, reduce_second: bool = False) -> Any:
    """`one(i)` for i < n, stacked; the last chunk is padded.

    reduce_second: `one` gives (kept, summed): the second is summed over all i, chunk by chunk.
    """
    n, chunk, n_devices = layout
    per_device = -(-n // n_devices)
    wanted = min(chunk, per_device)
    even = [c for c in range(wanted, wanted // 2, -1) if per_device % c == 0]
    chunk = even[0] if even else wanted  # rather a somewhat smaller chunk than padded lives
    n_chunks = -(-per_device // chunk)
    index = jnp.minimum(jnp.arange(n_devices * n_chunks * chunk), n - 1).reshape(-1, chunk)
    real = (jnp.arange(index.size) < n).reshape(index.shape)

    def block(args: tuple[Array, Array]) -> Any:
        out = jax.vmap(one)(args[0]) if chunk > 1 else _alone(one, args[0])
        if not reduce_second:
            return out
        mask = lambda g: jnp.where(args[1].reshape(-1, *(1,) * (g.ndim - 1)), g, 0.0)
        return out[0], jax.tree.map(lambda g: jnp.sum(mask(g), axis=0), out[1])

    run = lambda i, r: lax.map(block, (i, r))
    if n_devices > 1:
        lives = PartitionSpec("lives")
        mesh = jax.make_mesh((n_devices,), ("lives",), axis_types=(AxisType.Auto,))
        run = jax.shard_map(
            run, mesh=mesh, in_specs=(lives, lives), out_specs=lives, check_vma=False
        )
    out = run(index, real)
    flat = lambda tree: jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:n], tree)
    if reduce_second:
        return flat(out[0]), jax.tree.map(lambda g: jnp.sum(g, axis=0), out[1])
    return flat(out)


def _alone(one: Callable[[Array], Any], index: Array) -> Any:
    """A lockstep of one life without a batch axis inside: XLA compiles matrix-vector products of it
    far better.
    """
    return jax.tree.map(lambda leaf: leaf[None], one(index[0]))


# The weights and rule states of the lives advanced together stay within a core's cache. CPU ms of a
# gradient of 8 lives in chunks of 8, 4, 2, 1, by the numbers that 6,600 synapses keep each: one 78,
# 64, 75, 98; two (metaplastic) 227, 191, 158, 180; three (adam) 159, 120, 115, 129; 23,400 synapses
# that keep one: 201, 190, 164, 156.
CACHE_BYTES = 160 * 1024
MAX_CHUNK = 16


def fitting_chunk(lifetime: Lifetime, tangents: int = 0) -> int:
    """How many lives fit the cache; tangents: copies of a life that forward mode carries beside
    it.
    """
    size = 4 * (1 + tangents) * _numbers_kept(lifetime)
    return max(1, min(MAX_CHUNK, CACHE_BYTES // max(1, size)))


def _numbers_kept(lifetime: Lifetime) -> int:
    """How many numbers a life carries from step to step in its weights and in the states of its
    rules.
    """
    weights = sum(math.prod(edge.connection.shape) for edge in lifetime.wiring().edges)

    def states(key: Key) -> Any:
        return lifetime.begin(lifetime.init(key), some_task(lifetime.task, key), key).rules

    kept = jax.tree.leaves(jax.eval_shape(states, jax.random.key(0)))
    return weights + sum(leaf.size for leaf in kept)


def each(one: Callable[[Any], Any], xs: Any) -> Any:
    """`one` of every entry along the leading axis of `xs`, stacked, for programs that are large:
    one after the other on a CPU, which has no lanes to fill; in lockstep on an accelerator."""
    return lax.map(one, xs) if jax.default_backend() == "cpu" else jax.vmap(one)(xs)


def assign(n_members: int, n_lives: int, share: int | None) -> tuple[Array, Array]:
    """(member, task) of each of the members x lives pairs, flat, members outermost."""
    share = share or n_members
    groups = n_members // share
    if groups * share != n_members or n_lives % groups:
        raise BadInput(
            f"share={share} of {n_members} members, {n_lives} lives",
            "equal groups",
            "choose divisors",
        )
    per_group = n_lives // groups
    flat = jnp.arange(n_members * per_group)
    member = flat // per_group
    return member, (member // share) * per_group + flat % per_group


def leading(tree: Any) -> int:
    leaves = jax.tree.leaves(tree)
    return leaves[0].shape[0] if leaves else 1


def take(tree: Any, index: Array) -> Any:
    return jax.tree.map(lambda x: x[index], tree)


def where(on: Array, new: Any, old: Any) -> Any:
    """on: [], or [n] where the leaves are [n, ...]."""
    return jax.tree.map(
        lambda a, b: jnp.where(on.reshape(on.shape + (1,) * (a.ndim - on.ndim)), a, b), new, old
    )


def settled(lives: Lives, tasks: Any, life: Life, healthy: Array) -> Lives:
    """Lives after a window: what is not healthy stays as it was, a task as soon as one of its lives
    is not.
    """
    kept = (
        jnp.ones(leading(lives.tasks), jnp.int32).at[lives.task].min(healthy.astype(jnp.int32)) > 0
    )
    return replace(
        lives, life=where(healthy, life, lives.life), tasks=where(kept, tasks, lives.tasks)
    )
