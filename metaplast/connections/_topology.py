"""A random graph drawn once from a seed: equal numbers give equal graphs, whatever their layout."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Graph(NamedTuple):
    """post, pre: the neurons of every synapse, int32 [n_synapses], ordered by post, then pre. Read-only."""

    post: np.ndarray
    pre: np.ndarray

    def fan_in(self, n_post: int) -> int:
        """Synapses onto one postsynaptic neuron, averaged and rounded, at least 1."""
        return max(1, round(len(self.post) / n_post))


@lru_cache(maxsize=64)
def graph(n_post: int, n_pre: int, probability: float, seed: int, self_connections: bool) -> Graph:
    """Each of the n_post * n_pre pairs is a synapse with `probability`; at least one always exists.

    Drawn as the gaps from one synapse to the next, which are geometric: memory goes with the synapses, not with the
    pairs. self_connections: False leaves out the pairs (i, i).
    """
    places = _places(n_post * n_pre, probability, np.random.default_rng(seed))
    post, pre = np.divmod(places, n_pre)
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
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    places = np.concatenate(found)
    return places[places < n]


class Table(NamedTuple):
    """The synapses of each of n neurons on one side, padded to the largest number of them, K.

    synapse [n + 1, K]: places in the graph's order, n_synapses where there is none; other [n + 1, K]: the neurons on
    their other side, that side's number of neurons where there is none. Row n is empty. Read-only, int32.
    """

    synapse: np.ndarray
    other: np.ndarray


def table(own: np.ndarray, n: int, other: np.ndarray, n_other: int) -> Table:
    """The table of the side whose neurons `own` [n_synapses] names."""
    order = np.argsort(own, kind="stable")
    counts = np.bincount(own, minlength=n)
    column = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    made = Table(*(np.full((n + 1, counts.max()), fill, np.int32) for fill in (len(own), n_other)))
    made.synapse[own[order], column] = order
    made.other[own[order], column] = other[order]
    for values in made:
        values.setflags(write=False)
    return made
