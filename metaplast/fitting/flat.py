"""A theta as one vector of numbers in double precision, and back."""

import jax
import numpy as np

from metaplast.signals import Theta


def flattened(theta: Theta) -> np.ndarray:
    """[n_numbers], leaf after leaf in the order of JAX."""
    leaves = [np.asarray(leaf, np.float64).reshape(-1) for leaf in jax.tree.leaves(theta)]
    return np.concatenate(leaves) if leaves else np.zeros(0)


def unflattened(like: Theta, numbers: np.ndarray) -> Theta:
    """A theta shaped as `like`."""
    leaves, shape = jax.tree.flatten(like)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])[:-1].astype(int)
    parts = np.split(numbers, ends)
    return jax.tree.unflatten(
        shape, [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)]
    )


def of_rules(theta: Theta) -> np.ndarray:
    """Which of the numbers [n_numbers] are the rules'."""
    marks = {
        name: jax.tree.map(
            lambda leaf, own=name == "rules": np.full(np.shape(leaf), float(own)), part
        )
        for name, part in theta.items()
    }
    return flattened(marks) > 0
