"""The tasks of a family, drawn one at a time."""

import math
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from metaplast.problem.lives import Batch
from metaplast.signals import Key
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

ROOM = 256
"""The most lives that `sample_any` draws."""
LARGEST = 2**24
"""Bytes of the most room that is worth the compilation saved: each draw writes all of it."""


def sample_batch(family: AbstractTaskFamily, key: Key, n: int, split: Split) -> Batch:
    """`n` tasks of a family and the keys of their lives.

    The tasks of a family know nothing of rules: every variant of a problem shares this program. It
    is a plain map, one task at a time: 256 digit tasks in one vmap take 7.7 s to compile and save
    no run time.
    """
    return lax.map(lambda i: _life(family, key, i, split), jnp.arange(n))


def sample_any(
    family: AbstractTaskFamily, key: Key, n: int | Array, split: int | Array, task: Any
) -> Batch:
    """`sample_batch`, with room for ROOM lives: those after the first `n` are zeros.

    One program serves all numbers of lives and all splits. It has the bits of `sample_batch`.

    Args:
        family: the tasks.
        key: the key of the batch.
        n: the number of lives, at most ROOM.
        split: the index of the split in SPLITS.
        task: the shapes of a task, from `common_task`.
    """
    branches = [partial(_filled, family, task, name) for name in SPLITS]
    return lax.switch(split, branches, key, n)


def _filled(family: AbstractTaskFamily, task: Any, split: Split, key: Key, n: Array) -> Batch:
    """ROOM lives of a split, of which the first `n` are drawn."""

    def with_life(i: Array, drawn: Batch) -> Batch:
        life = _life(family, key, i, split)
        raw = Batch(tasks=life.tasks, keys=jax.random.key_data(life.keys))
        return jax.tree.map(lambda all_, one: all_.at[i].set(one), drawn, raw)

    room = jax.tree.map(lambda leaf: jnp.zeros((ROOM, *leaf.shape), leaf.dtype), task)
    n_words = jax.random.key_data(key).shape
    no_life = Batch(tasks=room, keys=jnp.zeros((ROOM, *n_words), jnp.uint32))
    drawn = lax.fori_loop(0, n, with_life, no_life)
    keys = jax.random.wrap_key_data(drawn.keys, impl=jax.random.key_impl(key))
    return Batch(tasks=drawn.tasks, keys=keys)


def _life(family: AbstractTaskFamily, key: Key, i: Array, split: Split) -> Batch:
    """The task and the key of life `i` of a batch."""
    k_task, k_life = jax.random.split(jax.random.fold_in(key, i))
    return Batch(tasks=family.sample(k_task, split), keys=k_life)


def common_task(family: AbstractTaskFamily) -> Any:
    """The shapes of a task, the same in all splits; None where `sample_any` cannot serve.

    It cannot serve a family that fails at a split, whose splits differ in shape, whose tasks hold
    random keys, or whose tasks take too much room.
    """
    return _common_task(family, jax.dtypes.canonicalize_dtype(float))


@lru_cache(maxsize=64)
def _common_task(family: AbstractTaskFamily, precision: Any) -> Any:
    """`common_task` in a precision, on which the dtypes of tasks depend."""
    del precision
    key = jax.eval_shape(jax.random.key, 0)
    try:
        tasks = [jax.eval_shape(partial(family.sample, split=split), key) for split in SPLITS]
    except Exception:  # a split that is never asked for; the error comes where it is
        return None
    if any(task != tasks[0] for task in tasks):
        return None
    leaves = jax.tree.leaves(tasks[0])
    if any(jnp.issubdtype(leaf.dtype, jax.dtypes.extended) for leaf in leaves):
        return None
    n_bytes = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)
    return tasks[0] if ROOM * n_bytes <= LARGEST else None
