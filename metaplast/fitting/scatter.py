"""The places from which the starts of a fit begin."""

import jax.numpy as jnp
import numpy as np

from metaplast import search_loop
from metaplast.fitting.flat import flattened
from metaplast.problem.meta_problem import MetaProblem
from metaplast.problem.penalised import of_terms
from metaplast.signals import Theta

# of the largest number of a leaf of coefficients; of other leaves in their own unit
SCATTER = 0.3
ZEROS = 0.3  # the largest number that stands for a leaf of coefficients that are all 0


def starts(problem: MetaProblem, n: int, seed: int) -> list[Theta]:
    """n thetas as the problem draws them. One that repeats an earlier one is scattered around it.

    Constants begin where the rule says, and coefficients of `scale: 0` at 0. Without scatter, all
    starts of such a rule would be one point, and their agreement would say nothing.
    """
    thetas = []
    seen = set()
    for index in range(n):
        theta = problem.init(search_loop.stream(seed, "theta", jnp.asarray(index)))
        if _bits(theta) in seen:
            theta = scattered(theta, np.random.default_rng([seed, index]))
        seen.add(_bits(theta))
        thetas.append(theta)
    return thetas


def scattered(theta: Theta, rng: np.random.Generator) -> Theta:
    """theta + SCATTER size N(0, 1)

    size: the largest number of a leaf of coefficients, 1 for every other leaf.
    """

    def moved(leaf: np.ndarray, size: float) -> np.ndarray:
        values = np.asarray(leaf)
        return np.asarray(values + SCATTER * size * rng.normal(size=values.shape), values.dtype)

    def coefficients(leaf: np.ndarray) -> np.ndarray:
        largest = float(np.abs(leaf).max(initial=0.0))
        if largest > 0:
            return moved(leaf, largest)
        return moved(leaf, ZEROS)

    return of_terms(coefficients, lambda leaf: moved(leaf, 1.0), theta)


def _bits(theta: Theta) -> bytes:
    """The bits of a theta, in which -0 and 0 are the same."""
    return (flattened(theta) + 0.0).tobytes()
