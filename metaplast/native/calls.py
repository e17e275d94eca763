"""The two calls of the native step: what spikes send, and what they change.

Both are equal to the walks from spike to spike of metaplast/connections/_events.py. They take any
number of leading axes of lives, and work through the lives one after the other.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap

from metaplast.native import library

MOST_TERMS = 4
"""The largest number of terms of a change, as in synapses.cc."""


def matrix(n_post: int, n_pre: int) -> np.ndarray:
    """The table of an edge whose weights are a matrix [n_post, n_pre]."""
    return np.array([n_post, n_pre, n_post * n_pre, 0], np.int32)


def graph(post: np.ndarray, pre: np.ndarray, n_post: int, n_pre: int) -> np.ndarray:
    """The table of an edge whose weights are a list, ordered by presynaptic neuron.

    Args:
        post: the postsynaptic neuron of every synapse.
        pre: the presynaptic neuron of every synapse.
        n_post: the number of postsynaptic neurons.
        n_pre: the number of presynaptic neurons.
    """
    order = np.argsort(post, kind="stable")
    sizes = [n_post, n_pre, len(post), 1]
    parts = (sizes, _starts(pre, n_pre), post, _starts(post, n_post), pre[order], order)
    return np.concatenate(parts).astype(np.int32)


def _starts(neurons: np.ndarray, n: int) -> np.ndarray:
    """The first synapse of every neuron, and the end of the last one's [n + 1]."""
    return np.concatenate([[0], np.cumsum(np.bincount(neurons, minlength=n))])


def fits(*arrays: Array) -> bool:
    """Whether the native step is there, and works in the precision of these arrays."""
    return all(array.dtype == jnp.float32 for array in arrays) and registered() is not None


def takes(powers: Sequence[int]) -> bool:
    """Whether the native step knows a change by terms with these powers of the weight."""
    return len(powers) <= MOST_TERMS and set(powers) <= {0, 1}


def propagation(table: np.ndarray) -> Callable[[Array, Array], Array]:
    """(weights, pre [n_pre]) -> sum_i w_ji pre_i [n_post], over the i where pre_i is not 0."""
    n_post = int(table[0])

    def send(weights: Array, pre: Array) -> Array:
        result = jax.ShapeDtypeStruct((*pre.shape[:-1], n_post), weights.dtype)
        call = jax.ffi.ffi_call(_target("Send"), result)
        return call(jnp.asarray(table), weights, pre)

    return _over_lives(send)


def change(
    table: np.ndarray,
    powers: Sequence[int],
    sparse: Sequence[str],
    bounds: tuple[float, float],
) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> clip(w + factor sum_r post_r,j pre_r,i w^k_r, bounds).

    The weights are changed in place where nothing else reads them.

    Args:
        table: of the edge.
        powers: k_r, each 0 or 1.
        sparse: the side of each term whose factor is 0 at neurons without a spike.
        bounds: (low, high) of the weights.
    """
    kinds = list(np.array(bounds, np.float32).view(np.int32))
    for power, side in zip(powers, sparse, strict=True):
        kinds += [power, int(side == "pre")]
    kinds = np.array(kinds, np.int32)

    def changed(weights: Array, factor: Array, *vectors: Array) -> Array:
        result = jax.ShapeDtypeStruct(weights.shape, weights.dtype)
        call = jax.ffi.ffi_call(_target("Change"), result, input_output_aliases={2: 0})
        return call(jnp.asarray(table), jnp.asarray(kinds), weights, factor, *vectors)

    together = _over_lives(changed)
    return lambda weights, factor, posts, pres: together(weights, factor, *posts, *pres)


def _over_lives(call: Callable[..., Array]) -> Callable[..., Array]:
    """The call under vmap: one call for all lives, each array with the axis of lives in front."""
    run = custom_vmap(call)

    @run.def_vmap
    def _(axis_size: int, batched: Any, *args: Array) -> tuple[Array, bool]:
        full = []
        for array, is_batched in zip(args, batched, strict=True):
            shape = (axis_size, *jnp.shape(array))
            full.append(array if is_batched else jnp.broadcast_to(array, shape))
        return run(*full), True

    return run


def registered() -> str | None:
    """The hash of the library, whose calls XLA knows from here on; None where there is none."""
    built = library.available()
    return None if built is None else _register(built)


@lru_cache(maxsize=1)
def _register(built: library.Built) -> str:
    """The hash of a library, whose calls XLA knows from here on."""
    handlers = library.load(built.path)
    for call in ("Send", "Change"):
        handler = jax.ffi.pycapsule(getattr(handlers, f"Metaplast{call}"))
        jax.ffi.register_ffi_target(f"metaplast_{call}_{built.digest}", handler, platform="cpu")
    return built.digest


def _target(call: str) -> str:
    """The name of a call in programs. It holds the hash: a stored program keeps its library."""
    return f"metaplast_{call}_{registered()}"
