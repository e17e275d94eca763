"""A random graph drawn once from a seed: equal numbers give equal graphs, whatever their layout."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Graph(NamedTuple):
    """The two neurons of every synapse, ordered by pre, then post. Read-only.

    post: index of the postsynaptic neuron, int32 [n_synapses].
    pre: index of the presynaptic neuron, int32 [n_synapses].
    """

    post: np.ndarray
    pre: np.ndarray

    def fan_in(self, n_post: int) -> int:
        """Synapses onto one postsynaptic neuron, averaged and rounded, at least 1."""
        return max(1, round(len(self.post) / n_post))


@lru_cache(maxsize=64)
def graph(n_post: int, n_pre: int, probability: float, seed: int, self_connections: bool) -> Graph:
    """A graph in which each of the n_post * n_pre pairs is a synapse with `probability`.

    At least one synapse always exists. The gaps from one synapse to the next are drawn, which are
    geometric: memory grows with the synapses, not with the pairs.

    Args:
        n_post: the number of postsynaptic neurons.
        n_pre: the number of presynaptic neurons.
        probability: of every pair.
        seed: of the draw.
        self_connections: False leaves out the pairs (i, i).
    """
    places = _places(n_post * n_pre, probability, np.random.default_rng(seed))
    pre, post = np.divmod(places, n_post)
    if not self_connections:
        apart = post != pre
        post = post[apart]
        pre = pre[apart]
    if not len(post):
        post = np.zeros(1)
        pre = np.full(1, n_pre - 1)
    result = Graph(post.astype(np.int32), pre.astype(np.int32))
    for indices in result:
        indices.setflags(write=False)
    return result


def _places(n: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """The indices of the pairs that are drawn among n pairs, in order."""
    if probability == 0.0:
        return np.zeros(0, np.int64)
    mean = n * probability
    pieces = []
    last = -1
    while last < n:
        gaps = rng.geometric(probability, int(mean + 4.0 * mean**0.5) + 16)
        # Beyond the end all gaps are alike, and the sum of the largest ones would overflow.
        gaps = np.minimum(gaps, n + 1)
        pieces.append(last + np.cumsum(gaps))
        last = int(pieces[-1][-1])
    places = np.concatenate(pieces)
    return places[places < n]


class Fan(NamedTuple):
    """The synapses of every neuron of a graph, by either side.

    start: the synapses of presynaptic neuron i are start[i] to start[i + 1] [n_pre + 2].
    widest: the largest number of synapses of a presynaptic neuron.
    incoming: the synapses onto a postsynaptic neuron, padded with n_synapses [n_post + 1, K].
    sources: the presynaptic neurons of these, padded with 0 [n_post + 1, K].

    K is the largest number of synapses onto a postsynaptic neuron. Index n of either side is a
    neuron without synapses. All arrays are int32 and read-only.
    """

    start: np.ndarray
    widest: int
    incoming: np.ndarray
    sources: np.ndarray


def fan(topology: Graph, n_post: int, n_pre: int) -> Fan:
    """The synapses of every neuron of a graph.

    Args:
        topology: the graph.
        n_post: the number of postsynaptic neurons.
        n_pre: the number of presynaptic neurons.
    """
    n = len(topology.post)
    leaving = np.bincount(topology.pre, minlength=n_pre)
    arriving = np.bincount(topology.post, minlength=n_post)
    start = np.concatenate([[0], np.cumsum(leaving), [n]]).astype(np.int32)
    order = np.argsort(topology.post, kind="stable")
    column = np.arange(n) - np.repeat(np.cumsum(arriving) - arriving, arriving)
    shape = (n_post + 1, arriving.max())
    incoming = np.full(shape, n, np.int32)
    sources = np.full(shape, 0, np.int32)
    incoming[topology.post[order], column] = order
    sources[topology.post[order], column] = topology.pre[order]
    for values in (start, incoming, sources):
        values.setflags(write=False)
    return Fan(start, int(leaving.max()), incoming, sources)
