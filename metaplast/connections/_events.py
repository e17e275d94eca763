"""Sparse synapses from spike to spike: only the synapses of neurons that spiked in this step are touched.

The plain maps of sparse.py do the same work at every synapse; these are equal to them, and only faster. Under a
derivative the plain maps are used. Synapses of one presynaptic neuron lie side by side: they are read and written as
one window (ten spikes at 100 synapses: 1.9 us, against 5.3 us where each synapse is looked up); those of one
postsynaptic neuron are looked up (3.1 us).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_batching import custom_vmap

from metaplast.connections._topology import Fan, Graph

FEW = 512  # synapses: so few are changed as fast all at once (450: 1.2 us, 0.9 to 1.4 from spike to spike)
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


def _at(values: Array, index: Array) -> Array:
    return values.at[index].get(mode="promise_in_bounds")


def _of(values: Array, neuron: Array) -> Array:
    """The value of one neuron; of any where there is none."""
    return values.at[neuron].get(mode="clip")


class Visit(NamedTuple):
    """What is done at each spike of a population of n: step(neuron, carry, aside) -> carry; nothing for neuron n."""

    n: int
    step: Callable[[Array, Any, Any], Any]

    def pop(self, state: tuple[Array, Any], aside: Any) -> tuple[Array, Any]:
        words, neuron = pop(state[0], self.n)
        return words, self.step(neuron, state[1], aside)


def over_spikes(
    begin: Callable[..., tuple[Any, Any, tuple[Array, ...]]], visits: tuple[Visit, ...]
) -> Callable[..., Any]:
    """A function of arrays that, from `begin(*args)` = (carry, aside, packed spikes of each visit), makes each of
    `visits` at its spikes, in order. Under vmap one loop serves all lives: a life without a spike left touches nothing,
    so that no select ever copies the weights."""

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
        spread = lambda x, is_batched: x if is_batched else jnp.broadcast_to(x, (axis_size, *jnp.shape(x)))  # noqa: E731
        args = tuple(jax.tree.map(spread, args, tuple(batched)))
        carry, aside, words = jax.vmap(begin)(*args)
        for visit, own in zip(visits, words, strict=True):
            carry = walk((own, carry), lambda state, visit=visit: jax.vmap(visit.pop)(state, aside))
        return carry, True

    return run


def twin(fast: Callable[..., Array], plain: Callable[..., Array]) -> Callable[..., Array]:
    """`fast` where only values are asked for, `plain` with its derivatives where those are."""
    both = jax.custom_jvp(fast)
    both.defjvp(partial(jax.jvp, plain))
    return both


class _Window(NamedTuple):
    """One stretch of synapses in which all those of a presynaptic neuron lie: where it starts, which are its own."""

    start: Array
    own: Array

    @classmethod
    def of(cls, i: Array, ways: Fan, n_synapses: int) -> "_Window":
        first, last = _at(jnp.asarray(ways.start), i), _at(jnp.asarray(ways.start), i + 1)
        start = jnp.minimum(first, n_synapses - ways.widest)
        place = start + jnp.arange(ways.widest, dtype=jnp.int32)
        return cls(start, (first <= place) & (place < last))

    def cut(self, values: Array) -> Array:
        return lax.dynamic_slice(values, (self.start,), self.own.shape)


def propagation(graph: Graph, ways: Fan) -> Callable[[Array, Array], Array]:
    """(weights, pre [n_pre]) -> sum_i w_ji pre_i [n_post], over the i where pre_i is not 0, in their order."""

    n_post, n_pre = len(ways.incoming) - 1, len(ways.start) - 2

    def begin(weights: Array, pre: Array) -> Any:
        return jnp.zeros(n_post, weights.dtype), (weights, pre), (packed(pre != 0),)

    def step(i: Array, drive: Array, aside: Any) -> Array:
        weights, pre = aside
        window = _Window.of(i, ways, len(graph.post))
        arriving = jnp.where(window.own, window.cut(weights) * _of(pre, i), 0.0)
        return drive.at[window.cut(jnp.asarray(graph.post))].add(arriving, mode="promise_in_bounds")

    return over_spikes(begin, (Visit(n_pre, step),))


def change(graph: Graph, ways: Fan, kinds: Kinds, bounds: tuple[float, float]) -> Callable[..., Array]:
    """(weights, factor [], posts, pres) -> clip(w + factor sum_r post_r,j pre_r,i w^k_r, bounds), touching only the
    synapses of neurons where a term's `sparse` side is not 0.

    posts, pres: one vector a term. Presynaptic spikes change the synapses onto silent neurons, by the terms that are
    sparse there; postsynaptic spikes change all theirs, by all terms.
    """
    n_post, n_pre = len(ways.incoming) - 1, len(ways.start) - 2
    of_pre = [r for r, side in enumerate(kinds.sparse) if side == "pre"]

    def begin(weights: Array, factor: Array, posts: tuple[Array, ...], pres: tuple[Array, ...]) -> Any:
        on_post, on_pre = _any(posts, kinds, "post", n_post), _any(pres, kinds, "pre", n_pre)
        crowded = jnp.mean(on_post.astype(jnp.float32)) + jnp.mean(on_pre.astype(jnp.float32)) > CROWDED
        silent = tuple(jnp.where(on_post, 0.0, posts[r]) for r in of_pre)
        return weights, (factor, posts, pres, silent), (packed(on_pre & ~crowded), packed(on_post | crowded))

    def moved(old: Array, factor: Array, terms: list[tuple[Array, Array, int]]) -> Array:
        total = sum((y * x * old**k if k else y * x for y, x, k in terms), jnp.zeros(()))
        return jnp.clip(old + factor * total, *bounds)

    def step_pre(i: Array, weights: Array, aside: Any) -> Array:
        factor, _, pres, silent = aside
        window = _Window.of(i, ways, len(graph.post))
        old, j = window.cut(weights), window.cut(jnp.asarray(graph.post))
        terms = [(_at(y, j), _of(pres[r], i), kinds.powers[r]) for y, r in zip(silent, of_pre, strict=True)]
        new = jnp.where(window.own, moved(old, factor, terms), old)
        return lax.dynamic_update_slice(weights, new, (window.start,))

    def step_post(j: Array, weights: Array, aside: Any) -> Array:
        factor, posts, pres, _ = aside
        synapse, i = _at(jnp.asarray(ways.incoming), j), _at(jnp.asarray(ways.sources), j)
        old = _at(weights, jnp.minimum(synapse, weights.size - 1))
        terms = [(_of(y, j), _at(x, i), k) for y, x, k in zip(posts, pres, kinds.powers, strict=True)]
        return weights.at[synapse].set(moved(old, factor, terms), mode="drop")

    return over_spikes(begin, (Visit(n_pre, step_pre), Visit(n_post, step_post)))


def _any(vectors: tuple[Array, ...], kinds: Kinds, side: str, n: int) -> Array:
    """Where a vector that is sparse on this side is not 0."""
    on = jnp.zeros(n, bool)
    for values, which in zip(vectors, kinds.sparse, strict=True):
        on = on | (values != 0) if which == side else on
    return on
