"""The layout of lives on the hardware: devices, chunks that run in lockstep, lanes."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import AxisType, PartitionSpec

from metaplast.life.lifetime import Lifetime
from metaplast.signals import Key
from metaplast.tasks import some_task

# The weights and rule states of the lives that advance together stay within a core's cache.
# CPU ms of a gradient of 8 lives in chunks of 8, 4, 2, 1 on 6,600 synapses, by the numbers that
# each synapse keeps: one 78, 64, 75, 98; two (metaplastic) 227, 191, 158, 180; three (adam) 159,
# 120, 115, 129. On 23,400 synapses that keep one number: 201, 190, 164, 156.
CACHE_BYTES = 160 * 1024
MAX_CHUNK = 16


class Layout(NamedTuple):
    """The layout of a number of lives.

    n: the number of lives
    chunk: the largest number of lives in lockstep
    n_devices: the number of devices that share the lives
    """

    n: int
    chunk: int
    n_devices: int


def spread(one: Callable[[Array], Any], layout: Layout, reduce_second: bool = False) -> Any:
    """The results of `one(i)` for i < layout.n, stacked along a leading axis.

    The last chunk is padded.

    Args:
        one: the program of one life, as a function of its index [].
        layout: the number of lives, and where they run.
        reduce_second: `one` returns (kept, summed). `kept` is stacked. `summed` is summed over all
            lives, chunk by chunk, so that memory does not grow with the number of lives.
    """
    per_device = -(-layout.n // layout.n_devices)
    chunk = _even_chunk(per_device, layout.chunk)
    n_chunks = -(-per_device // chunk)
    n_padded = layout.n_devices * n_chunks * chunk
    index = jnp.minimum(jnp.arange(n_padded), layout.n - 1).reshape(-1, chunk)
    is_real = (jnp.arange(n_padded) < layout.n).reshape(index.shape)

    def run_chunk(args: tuple[Array, Array]) -> Any:
        chunk_index, chunk_is_real = args
        out = jax.vmap(one)(chunk_index) if chunk > 1 else _alone(one, chunk_index)
        if not reduce_second:
            return out

        def sum_of_real(leaf: Array) -> Array:
            mask = chunk_is_real.reshape(-1, *(1,) * (leaf.ndim - 1))
            return jnp.sum(jnp.where(mask, leaf, 0.0), axis=0)

        kept, summed = out
        return kept, jax.tree.map(sum_of_real, summed)

    def run_chunks(index: Array, is_real: Array) -> Any:
        return lax.map(run_chunk, (index, is_real))

    run = run_chunks
    if layout.n_devices > 1:
        lives = PartitionSpec("lives")
        mesh = jax.make_mesh((layout.n_devices,), ("lives",), axis_types=(AxisType.Auto,))
        run = jax.shard_map(
            run_chunks, mesh=mesh, in_specs=(lives, lives), out_specs=lives, check_vma=False
        )
    out = run(index, is_real)

    def unpadded(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[: layout.n], tree)

    if not reduce_second:
        return unpadded(out)
    kept, summed = out
    return unpadded(kept), jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), summed)


def _even_chunk(per_device: int, limit: int) -> int:
    """The size of a chunk: at most `limit`, and somewhat smaller where that avoids padded lives."""
    largest = min(limit, per_device)
    for size in range(largest, largest // 2, -1):
        if per_device % size == 0:
            return size
    return largest


def _alone(one: Callable[[Array], Any], index: Array) -> Any:
    """A chunk of one life, without a batch axis inside.

    XLA compiles the matrix-vector products of such a program far better.
    """
    return jax.tree.map(lambda leaf: leaf[None], one(index[0]))


def fitting_chunk(lifetime: Lifetime, tangents: int = 0) -> int:
    """The number of lives that fit the cache.

    tangents: the copies of a life that forward mode carries beside it.
    """
    size = 4 * (1 + tangents) * _numbers_kept(lifetime)
    return max(1, min(MAX_CHUNK, CACHE_BYTES // max(1, size)))


@lru_cache(maxsize=128)
def _numbers_kept(lifetime: Lifetime) -> int:
    """The count of numbers that a life carries in its weights and in the states of its rules."""
    n_weights = sum(math.prod(edge.connection.shape) for edge in lifetime.wiring().edges)

    def rule_states(key: Key) -> Any:
        return lifetime.begin(lifetime.init(key), some_task(lifetime.task, key), key).rules

    key = jax.eval_shape(jax.random.key, 0)
    shapes = jax.tree.leaves(jax.eval_shape(rule_states, key))
    return n_weights + sum(leaf.size for leaf in shapes)


def each(one: Callable[[Any], Any], xs: Any) -> Any:
    """The results of `one` for every entry along the leading axis of `xs`, stacked.

    This is for large programs. On a CPU, which has no lanes to fill, they run one after the other.
    On an accelerator they run in lockstep.
    """
    return lax.map(one, xs) if jax.default_backend() == "cpu" else jax.vmap(one)(xs)
