"""The layout of lives on the hardware: devices, chunks that run in lockstep, lanes."""

import logging
import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from metaplast import tuning
from metaplast.life.lifetime import Lifetime
from metaplast.signals import Key
from metaplast.tasks import some_task

log = logging.getLogger(__name__)


class Layout(NamedTuple):
    """The layout of a number of lives.

    n: the number of lives
    chunk: the largest number of lives in lockstep
    n_devices: the number of devices that share the lives, see `devices_for`
    """

    n: int
    chunk: int
    n_devices: int


def devices_for(layout: Layout) -> int:
    """The number of devices that share the lives of a layout.

    In a job of several processes all devices of all processes share them. Otherwise at most as many
    as are here do, so that a run goes on where there are fewer. A single life is not shared.
    """
    if layout.n == 1:
        return 1
    if jax.process_count() > 1:
        return jax.device_count()
    return min(layout.n_devices, jax.local_device_count(), layout.n)


class _Places(NamedTuple):
    """The places of lives in the chunks of all devices, each [n_devices n_chunks, chunk].

    life: the index of the life
    within: its place among the lives of its device
    is_real: whether the life counts; otherwise it fills a chunk
    """

    life: Array
    within: Array
    is_real: Array


def spread(
    one: Callable[..., Any],
    layout: Layout,
    shared: Any,
    own: Any = None,
    reduce_second: bool = False,
) -> Any:
    """The results of `one` for every life i < layout.n, stacked along a leading axis.

    Each device has a block of consecutive lives, and gets the `own` of these alone. Results stay on
    the device that made them, and `gathered` brings them to all. Chunks are filled with copies of
    the last life.

    Args:
        one: the program of one life, one(i, shared). With `own` it is one(i, shared, own of life
            i). All arrays of a program that it reads are among its arguments.
        layout: the number of lives, and where they run.
        shared: arrays that all lives read, a tree.
        own: arrays [layout.n, ...], of which life i reads place i, a tree. None: there are none.
        reduce_second: `one` returns (kept, summed). `kept` is stacked. `summed` is summed over all
            lives, chunk by chunk, so that memory does not grow with the number of lives.
    """
    n_devices = devices_for(layout)
    _tell_filled(layout.n, n_devices, own is not None)
    per_device = -(-layout.n // n_devices)
    chunk = _even_chunk(per_device, layout.chunk)
    places = _places(layout.n, n_devices, per_device, chunk)

    def run_block(places: _Places, shared: Any, own: Any) -> Any:
        """All lives of one device."""

        def of_life(index: Array, within: Array) -> Any:
            if own is None:
                return one(index, shared)
            return one(index, shared, jax.tree.map(lambda x: x[within], own))

        def run_chunk(places: _Places) -> Any:
            run = jax.vmap(of_life) if chunk > 1 else partial(_alone, of_life)
            out = run(places.life, places.within)
            if not reduce_second:
                return out

            def sum_of_real(leaf: Array) -> Array:
                mask = places.is_real.reshape(-1, *(1,) * (leaf.ndim - 1))
                return jnp.sum(jnp.where(mask, leaf, 0.0), axis=0)

            kept, summed = out
            return kept, jax.tree.map(sum_of_real, summed)

        def in_a_row(leaf: Array) -> Array:
            return leaf.reshape(-1, *leaf.shape[2:])[:per_device]

        out = lax.map(run_chunk, places)
        if not reduce_second:
            return jax.tree.map(in_a_row, out)
        kept, summed = out
        return jax.tree.map(in_a_row, kept), summed

    run = run_block
    if n_devices > 1:
        lives = PartitionSpec("lives")
        run = jax.shard_map(
            run_block,
            mesh=_mesh(n_devices),
            in_specs=(lives, PartitionSpec(), lives),
            out_specs=lives,
            check_vma=False,
        )
        own = _filled(own, n_devices * per_device)
        # The compiler would spread what it can, and gather it for the lives.
        shared = gathered(shared, layout)
    out = run(places, shared, own)

    def real(tree: Any) -> Any:
        return jax.tree.map(lambda x: x[: layout.n], tree)

    if not reduce_second:
        return real(out)
    kept, summed = out
    return real(kept), jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), summed)


def gathered(tree: Any, layout: Layout) -> Any:
    """Results of `spread` on all devices. It is for small ones, such as losses."""
    if devices_for(layout) == 1:
        return tree
    return jax.tree.map(lambda x: lax.with_sharding_constraint(x, on_each(layout)), tree)


def on_each(layout: Layout) -> NamedSharding:
    """Arrays of which each device of a layout has a copy."""
    return NamedSharding(_mesh(devices_for(layout)), PartitionSpec())


def shared_out(layout: Layout) -> NamedSharding:
    """Arrays [layout.n, ...] of which each device of a layout has the part of its lives."""
    return NamedSharding(_mesh(devices_for(layout)), PartitionSpec("lives"))


@lru_cache
def _tell_filled(n: int, n_devices: int, go_on: bool) -> None:
    """Log once that devices do not share some lives evenly; go_on: whether lives have a state."""
    missing = -n % n_devices
    if not missing:
        return
    log.info(
        "%d lives on %d devices: %d copies fill the rest, and count nowhere", n, n_devices, missing
    )
    if go_on:
        log.warning(
            "the states of %d lives go to all of %d devices at every outer step: a number of lives "
            "that %d divides keeps them apart",
            n,
            n_devices,
            n_devices,
        )


@lru_cache(maxsize=8)
def _mesh(n_devices: int) -> Mesh:
    return jax.make_mesh((n_devices,), ("lives",), axis_types=(AxisType.Auto,))


def _places(n: int, n_devices: int, per_device: int, chunk: int) -> _Places:
    n_filled = -(-per_device // chunk) * chunk
    slots = jnp.arange(n_filled)[None]
    first = per_device * jnp.arange(n_devices)[:, None]
    within = jnp.minimum(slots, per_device - 1)
    index = jnp.minimum(first + within, n - 1)
    is_real = (slots < per_device) & (first + slots < n)
    index, within, is_real = jnp.broadcast_arrays(index, within, is_real)
    return _Places(*(x.reshape(-1, chunk) for x in (index, within, is_real)))


def _filled(tree: Any, n: int) -> Any:
    """Arrays [m, ...] as [n, ...]: the last entry fills the rest."""

    def fill(leaf: Array) -> Array:
        missing = n - leaf.shape[0]
        return leaf if not missing else leaf[jnp.minimum(jnp.arange(n), leaf.shape[0] - 1)]

    return jax.tree.map(fill, tree)


def _even_chunk(per_device: int, limit: int) -> int:
    """The size of a chunk: at most `limit`, and somewhat smaller where that avoids padded lives."""
    largest = min(limit, per_device)
    for size in range(largest, largest // 2, -1):
        if per_device % size == 0:
            return size
    return largest


def _alone(of_life: Callable[..., Any], *places: Array) -> Any:
    """A chunk of one life, without a batch axis inside.

    XLA compiles the matrix-vector products of such a program far better.
    """
    return jax.tree.map(lambda leaf: leaf[None], of_life(*(x[0] for x in places)))


def fitting_chunk(lifetime: Lifetime, tangents: int = 0) -> int:
    """The number of lives that suit the device in use (metaplast/tuning.py).

    tangents: the copies of a life that forward mode carries beside it.
    """
    size = 4 * (1 + tangents) * numbers_kept(lifetime)
    suited = tuning.here()
    return max(1, min(suited.most_lives, suited.chunk_bytes // max(1, size)))


@lru_cache(maxsize=128)
def numbers_kept(lifetime: Lifetime) -> int:
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
    On another device they run in lockstep, unless the other way was measured to be faster.
    """
    return jax.vmap(one)(xs) if tuning.here().lockstep else lax.map(one, xs)
