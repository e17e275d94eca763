"""Synapses from spike to spike: only those of neurons that spiked in this step are touched.

The plain maps of a connection do the same work at every synapse; these are equal to them, and only
faster. Under a derivative the plain maps are used.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap

from metaplast.connections._access import Access, New, Of

CROWDED = 0.25  # of a population; where more spike, one walk over all synapses is faster
_BITS = 32


class Kinds(NamedTuple):
    """Of every term, its power of the weight and its sparse side."""

    powers: tuple[int, ...]
    sparse: tuple[str, ...]


def packed(on: Array) -> Array:
    """The neurons [n] that are on, as bits of words, uint32 [n / 32]."""
    n_words = -(-on.size // _BITS)
    bits = jnp.pad(on, (0, n_words * _BITS - on.size)).astype(jnp.uint32).reshape(n_words, _BITS)
    return jnp.sum(bits << np.arange(_BITS, dtype=np.uint32)[None, :], axis=1, dtype=jnp.uint32)


def pop(words: Array, n: int) -> tuple[Array, Array]:
    """(the words without their first neuron, that neuron; n where there is none)."""
    at = jnp.argmax(words != 0).astype(jnp.int32)
    lowest = words[at] & (~words[at] + jnp.uint32(1))
    neuron = at * _BITS + (_BITS - 1) - lax.clz(lowest).astype(jnp.int32)
    return words.at[at].set(words[at] ^ lowest), jnp.where(lowest == 0, n, neuron)


class Visit(NamedTuple):
    """What is done at each spike of a population of n: step(neuron, carry, aside) -> carry; nothing
    for neuron n.
    """

    n: int
    step: Callable[[Array, Any, Any], Any]

    def pop(self, state: tuple[Array, Any], aside: Any) -> tuple[Array, Any]:
        words, neuron = pop(state[0], self.n)
        return words, self.step(neuron, state[1], aside)


def over_spikes(
    begin: Callable[..., tuple[Any, Any, tuple[Array, ...]]], visits: tuple[Visit, ...]
) -> Callable[..., Any]:
    """A function of arrays that, from `begin(*args)` = (carry, aside, packed spikes of each visit),
    makes each of `visits` at its spikes, in order. Under vmap one loop serves all lives: a life
    without a spike left touches nothing, so that no select ever copies the weights."""

    def walk(state: Any, visit: Callable[[Any], Any]) -> Any:
        return lax.while_loop(lambda state: jnp.any(state[0] != 0), visit, state)[1]

    @custom_vmap
    def run(*args: Any) -> Any:
        carry, aside, words = begin(*args)
        for visit, own in zip(visits, words, strict=True):
            carry = walk((own, carry), lambda state, visit=visit: visit.pop(state, aside))
        return carry

    @run.def_vmap
    def _(axis_size: int, batched: Any, *args: Any) -> Any:
        spread = lambda x, is_batched: (
            x if is_batched else jnp.broadcast_to(x, (axis_size, *jnp.shape(x)))
        )
        args = tuple(jax.tree.map(spread, args, tuple(batched)))
        if axis_size == 1:  # a batched look-up of one life takes twice the time of that life alone
            alone = jax.tree.map(lambda x: x[0], args)
            return jax.tree.map(lambda x: x[None], run(*alone)), True
        carry, aside, words = jax.vmap(begin)(*args)
        for visit, own in zip(visits, words, strict=True):
            carry = walk((own, carry), lambda state, visit=visit: jax.vmap(visit.pop)(state, aside))
        return carry, True

    return run


def twin(fast: Callable[..., Array], plain: Callable[..., Array]) -> Callable[..., Array]:
    """`fast` on a CPU where only values are asked for; `plain` with its derivatives where those
    are, and on an accelerator, which a walk from spike to spike would keep waiting."""
    both = jax.custom_jvp(lambda *args: lax.platform_dependent(*args, cpu=fast, default=plain))
    both.defjvp(partial(jax.jvp, plain))
    return both


def propagation(access: Access) -> Callable[[Array, Array], Array]:
    """(weights, pre [n_pre]) -> sum_i w_ji pre_i [n_post], over the i where pre_i is not 0, in
    their order.
    """
    n_post, n_pre, _ = access.sizes

    def begin(weights: Array, pre: Array) -> Any:
        return jnp.zeros(n_post, weights.dtype), (weights, pre), (packed(pre != 0),)

    return over_spikes(
        begin, (Visit(n_pre, lambda i, drive, aside: access.send(i, aside[0], aside[1], drive)),)
    )


def change(access: Access, kinds: Kinds, bounds: tuple[float, float]) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> clip(w + factor sum_r post_r,j pre_r,i w^k_r, bounds),
    touching only the synapses of neurons where a term's `sparse` side is not 0.

    posts, pres: one vector a term. Presynaptic spikes change the synapses onto silent neurons, by
    the terms that are sparse there; postsynaptic spikes change all theirs, by all terms. Where many
    spike, all synapses are changed.
    """
    n_post, n_pre, n_stretches = access.sizes
    of_pre = [r for r, side in enumerate(kinds.sparse) if side == "pre"]
    every = range(len(kinds.sparse))

    def begin(
        weights: Array, factor: Array, posts: tuple[Array, ...], pres: tuple[Array, ...]
    ) -> Any:
        on_post, on_pre = _any(posts, kinds, "post", n_post), _any(pres, kinds, "pre", n_pre)
        crowded = (
            jnp.mean(on_post.astype(jnp.float32)) + jnp.mean(on_pre.astype(jnp.float32)) > CROWDED
        )
        silent = tuple(jnp.where(on_post, 0.0, y) for y in posts)
        all_of_it = jnp.broadcast_to(crowded, (n_stretches,))
        return (
            weights,
            (factor, posts, pres, silent),
            tuple(map(packed, (on_pre & ~crowded, on_post & ~crowded, all_of_it))),
        )

    def new(aside: Any, posts: tuple[Array, ...], which: Sequence[int]) -> New:
        factor, _, pres, _ = aside

        def moved(old: Array, of_post: Of, of_pre: Of) -> Array:
            parts = [(of_post(posts[r]) * of_pre(pres[r]), kinds.powers[r]) for r in which]
            total = sum((part * old**k if k else part for part, k in parts), jnp.zeros(()))
            return jnp.clip(old + factor * total, *bounds).astype(old.dtype)

        return moved

    pre = Visit(n_pre, lambda i, w, aside: access.pre(i, w, new(aside, aside[3], of_pre)))
    post = Visit(n_post, lambda j, w, aside: access.post(j, w, new(aside, aside[1], every)))
    stretch = Visit(
        n_stretches, lambda k, w, aside: access.stretch(k, w, new(aside, aside[1], every))
    )
    return over_spikes(begin, (pre, post, stretch))


def _any(vectors: tuple[Array, ...], kinds: Kinds, side: str, n: int) -> Array:
    """Where a vector that is sparse on this side is not 0."""
    on = jnp.zeros(n, bool)
    for values, which in zip(vectors, kinds.sparse, strict=True):
        on = on | (values != 0) if which == side else on
    return on
