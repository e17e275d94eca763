"""A random graph drawn once from a seed: equal numbers give equal graphs, whatever their layout."""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=64)
def support(n_post: int, n_pre: int, probability: float, seed: int, self_connections: bool) -> np.ndarray:
    """bool [n_post, n_pre]: each pair is a synapse with `probability`; at least one always exists. Read-only.

    self_connections: False leaves out the pairs (i, i).
    """
    present = np.random.default_rng(seed).random((n_post, n_pre)) < probability
    if not self_connections:
        np.fill_diagonal(present, False)
    if not present.any():
        present[0, -1] = True
    present.setflags(write=False)
    return present


def mean_fan_in(present: np.ndarray) -> int:
    """Synapses onto one postsynaptic neuron, averaged and rounded, at least 1."""
    return max(1, round(int(present.sum()) / len(present)))
