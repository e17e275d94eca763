"""A random graph drawn once from a seed: equal numbers give equal graphs, whatever their layout."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Graph(NamedTuple):
    """post, pre: the neurons of every synapse, int32 [n_synapses], ordered by pre, then post.
    Read-only.
    """

    post: np.ndarray
    pre: np.ndarray

    def fan_in(self, n_post: int) -> int:
        """Synapses onto one postsynaptic neuron, averaged and rounded, at least 1."""
        return max(1, round(len(self.post) / n_post))


@lru_cache(maxsize=64)
def graph(n_post: int, n_pre: int, probability: float, seed: int, self_connections: bool) -> Graph:
    """Each of the n_post * n_pre pairs is a synapse with `probability`; at least one always exists.

    Drawn as the gaps from one synapse to the next, which are geometric: memory goes with the
    synapses, not with the
    pairs. self_connections: False leaves out the pairs (i, i).
    """
    places = _places(n_post * n_pre, probability, np.random.default_rng(seed))
    pre, post = np.divmod(places, n_post)
    if not self_connections:
        post, pre = post[post != pre], pre[post != pre]
    if not len(post):
        post, pre = np.zeros(1), np.full(1, n_pre - 1)
    found = Graph(post.astype(np.int32), pre.astype(np.int32))
    for indices in found:
        indices.setflags(write=False)
    return found


def _places(n: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Which of n pairs are drawn, in order."""
    if probability == 0.0:
        return np.zeros(0, np.int64)
    mean = n * probability
    found, last = [], -1
    while last < n:
        gaps = rng.geometric(probability, int(mean + 4.0 * mean**0.5) + 16)
        gaps = np.minimum(
            gaps, n + 1
        )  # beyond the end all are alike, and the sum of the largest would overflow
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    places = np.concatenate(found)
    return places[places < n]


class Fan(NamedTuple):
    """Both sides of a graph, to be entered by a neuron; index n of either side is a neuron without
    synapses.

    start [n_pre + 2]: the synapses of presynaptic neuron i are start[i] to start[i + 1]; widest:
    the most of them; incoming, sources [n_post + 1, K]: the synapses onto a postsynaptic neuron and
    the neurons they come from, padded to the largest number K of them with n_synapses and 0. int32,
    read-only.
    """

    start: np.ndarray
    widest: int
    incoming: np.ndarray
    sources: np.ndarray


def fan(found: Graph, n_post: int, n_pre: int) -> Fan:
    n = len(found.post)
    leaving, arriving = (
        np.bincount(found.pre, minlength=n_pre),
        np.bincount(found.post, minlength=n_post),
    )
    start = np.concatenate([[0], np.cumsum(leaving), [n]]).astype(np.int32)
    order = np.argsort(found.post, kind="stable")
    column = np.arange(n) - np.repeat(np.cumsum(arriving) - arriving, arriving)
    incoming, sources = (np.full((n_post + 1, arriving.max()), fill, np.int32) for fill in (n, 0))
    incoming[found.post[order], column] = order
    sources[found.post[order], column] = found.pre[order]
    for values in (start, incoming, sources):
        values.setflags(write=False)
    return Fan(start, int(leaving.max()), incoming, sources)
