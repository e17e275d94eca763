"""A theta as one vector of numbers in double precision, and back."""

import jax
import numpy as np

from metaplast.signals import Theta


def flattened(theta: Theta) -> np.ndarray:
    """The numbers [n_numbers] of theta, leaf after leaf in the order of JAX."""
    leaves = []
    for leaf in jax.tree.leaves(theta):
        leaves.append(np.asarray(leaf, np.float64).reshape(-1))
    return np.concatenate(leaves) if leaves else np.zeros(0)


def unflattened(like: Theta, numbers: np.ndarray) -> Theta:
    """A theta of these numbers [n_numbers], in the shape of `like`."""
    leaves, shape = jax.tree.flatten(like)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])[:-1].astype(int)
    filled = []
    for part, leaf in zip(np.split(numbers, ends), leaves, strict=True):
        filled.append(part.reshape(np.shape(leaf)))
    return jax.tree.unflatten(shape, filled)


def of_rules(theta: Theta) -> np.ndarray:
    """Marks [n_numbers] of the numbers that belong to rules."""
    marks = {}
    for name, part in theta.items():
        mark = float(name == "rules")
        marks[name] = jax.tree.map(lambda leaf, mark=mark: np.full(np.shape(leaf), mark), part)
    return flattened(marks) > 0
