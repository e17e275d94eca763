"""Synapses from spike to spike: a step touches only synapses of neurons that spiked in it.

The plain maps of a connection do the same work at every synapse. The functions here are equal to
them, and only faster. Under a derivative, the plain maps are used."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap

from metaplast.connections._access import Access, New, Of

CROWDED = 0.25
"""A share of a population. Where more neurons spike, one walk over all synapses is faster."""
_BITS = 32


class Kinds(NamedTuple):
    """The power of the weight and the sparse side of every term."""

    powers: tuple[int, ...]
    sparse: tuple[str, ...]


def packed(on: Array) -> Array:
    """The neurons that are on, as bits of words: bool [n] -> uint32 [n / 32]."""
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
    """The work at each spike of a population.

    n: the size of the population.
    step: (neuron, carry, constants) -> carry. It changes nothing for neuron n.
    """

    n: int
    step: Callable[[Array, Any, Any], Any]

    def pop(self, state: tuple[Array, Any], constants: Any) -> tuple[Array, Any]:
        """(packed spikes, carry) after the work at the first of the spikes."""
        words, carry = state
        words, neuron = pop(words, self.n)
        return words, self.step(neuron, carry, constants)


def over_spikes(
    begin: Callable[..., tuple[Any, Any, tuple[Array, ...]]], visits: tuple[Visit, ...]
) -> Callable[..., Any]:
    """A function of arrays that does the work of each visit at its spikes, in order.

    Under vmap, one loop serves all lives. A life without a spike left touches nothing, so that no
    select ever copies the weights.

    Args:
        begin: arrays -> (carry, constants, packed spikes of each visit).
        visits: the work at the spikes.

    Returns: a function of the same arrays, whose result is the last carry.
    """

    def walk(state: Any, visit: Callable[[Any], Any]) -> Any:
        return lax.while_loop(lambda state: jnp.any(state[0] != 0), visit, state)[1]

    @custom_vmap
    def run(*args: Any) -> Any:
        carry, constants, words = begin(*args)
        for visit, spikes in zip(visits, words, strict=True):
            carry = walk((spikes, carry), lambda state, visit=visit: visit.pop(state, constants))
        return carry

    @run.def_vmap
    def _(axis_size: int, batched: Any, *args: Any) -> Any:
        spread = lambda x, is_batched: (
            x if is_batched else jnp.broadcast_to(x, (axis_size, *jnp.shape(x)))
        )
        args = tuple(jax.tree.map(spread, args, tuple(batched)))
        # a batched look-up of one life takes twice the time of that life alone
        if axis_size == 1:
            alone = jax.tree.map(lambda x: x[0], args)
            return jax.tree.map(lambda x: x[None], run(*alone)), True
        carry, constants, words = jax.vmap(begin)(*args)
        for visit, spikes in zip(visits, words, strict=True):
            pop_each = jax.vmap(visit.pop)
            carry = walk((spikes, carry), lambda state, pop=pop_each: pop(state, constants))
        return carry, True

    return run


def twin(fast: Callable[..., Array], plain: Callable[..., Array]) -> Callable[..., Array]:
    """`fast` on a CPU where only values are asked for, else `plain`.

    `plain` gives the derivatives. It also runs on an accelerator, which a walk from spike to spike
    would keep waiting.
    """
    both = jax.custom_jvp(lambda *args: lax.platform_dependent(*args, cpu=fast, default=plain))
    both.defjvp(partial(jax.jvp, plain))
    return both


def propagation(access: Access) -> Callable[[Array, Array], Array]:
    """(weights, pre [n_pre]) -> sum_i w_ji pre_i [n_post].

    The sum goes over the i where pre_i is not 0, in their order.
    """
    sizes = access.sizes

    def begin(weights: Array, pre: Array) -> Any:
        return jnp.zeros(sizes.n_post, weights.dtype), (weights, pre), (packed(pre != 0),)

    def send(i: Array, drive: Array, constants: Any) -> Array:
        weights, pre = constants
        return access.send(i, weights, pre, drive)

    return over_spikes(begin, (Visit(sizes.n_pre, send),))


def change(access: Access, kinds: Kinds, bounds: tuple[float, float]) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> clip(w + factor sum_r post_r,j pre_r,i w^k_r, bounds).

    posts, pres: one vector a term, [n_post] and [n_pre].

    Only synapses of neurons where the `sparse` side of a term is not 0 are touched. Presynaptic
    spikes change the synapses onto silent neurons, by the terms that are sparse on the pre side.
    Postsynaptic spikes change all synapses of their neuron, by all terms. Where many neurons spike,
    all synapses are changed.

    Args:
        access: the access to the synapses of one neuron.
        kinds: the powers and sparse sides of the terms.
        bounds: (low, high) of the weights.
    """
    n_post, n_pre, n_stretches = access.sizes
    of_pre = [r for r, side in enumerate(kinds.sparse) if side == "pre"]
    every = range(len(kinds.sparse))

    def begin(
        weights: Array, factor: Array, posts: tuple[Array, ...], pres: tuple[Array, ...]
    ) -> Any:
        on_post = _any(posts, kinds, "post", n_post)
        on_pre = _any(pres, kinds, "pre", n_pre)
        share_post = jnp.mean(on_post.astype(jnp.float32))
        share_pre = jnp.mean(on_pre.astype(jnp.float32))
        crowded = share_post + share_pre > CROWDED
        silent_posts = tuple(jnp.where(on_post, 0.0, y) for y in posts)
        every_stretch = jnp.broadcast_to(crowded, (n_stretches,))
        spikes = (on_pre & ~crowded, on_post & ~crowded, every_stretch)
        constants = _Constants(factor, posts, pres, silent_posts)
        return weights, constants, tuple(map(packed, spikes))

    def new(constants: _Constants, posts: tuple[Array, ...], which: Sequence[int]) -> New:
        def moved(old: Array, at_post: Of, at_pre: Of) -> Array:
            total = jnp.zeros(())
            for r in which:
                part = at_post(posts[r]) * at_pre(constants.pres[r])
                power = kinds.powers[r]
                total = total + (part * old**power if power else part)
            return jnp.clip(old + constants.factor * total, *bounds).astype(old.dtype)

        return moved

    def at_pre_spike(i: Array, weights: Array, constants: _Constants) -> Array:
        return access.pre(i, weights, new(constants, constants.silent_posts, of_pre))

    def at_post_spike(j: Array, weights: Array, constants: _Constants) -> Array:
        return access.post(j, weights, new(constants, constants.posts, every))

    def at_stretch(k: Array, weights: Array, constants: _Constants) -> Array:
        return access.stretch(k, weights, new(constants, constants.posts, every))

    visits = (
        Visit(n_pre, at_pre_spike),
        Visit(n_post, at_post_spike),
        Visit(n_stretches, at_stretch),
    )
    return over_spikes(begin, visits)


class _Constants(NamedTuple):
    """The arrays that stay during a step.

    factor: of the change [].
    posts, pres: one vector a term, [n_post] and [n_pre].
    silent_posts: `posts`, with 0 at neurons where a term that is sparse on the post side is not 0.
    """

    factor: Array
    posts: tuple[Array, ...]
    pres: tuple[Array, ...]
    silent_posts: tuple[Array, ...]


def _any(vectors: tuple[Array, ...], kinds: Kinds, side: str, n: int) -> Array:
    """The neurons at which a vector that is sparse on this side is not 0."""
    on = jnp.zeros(n, bool)
    for values, which in zip(vectors, kinds.sparse, strict=True):
        on = on | (values != 0) if which == side else on
    return on
