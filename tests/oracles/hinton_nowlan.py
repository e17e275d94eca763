"""How learning can guide evolution (Hinton & Nowlan 1987), written from the paper in NumPy."""

from typing import NamedTuple

import numpy as np

WRONG, OPEN, RIGHT = 0, 1, 2


class Generation(NamedTuple):
    """A generation after its lives.

    shares [3]: of the wrong, the open and the right alleles.
    solved: the mean share of the guesses that are left when the net is found.
    best: the largest such share.
    """

    shares: np.ndarray
    solved: float
    best: float


def left_after(genomes: np.ndarray, n_trials: int, generator: np.random.Generator) -> np.ndarray:
    """The share of the guesses that is left to each genome [n] once it found the right net.

    Every guess sets all open loci of a genome at random. The guess that finds the net counts as
    left, so that a net which is right at birth has all of them.

    Args:
        genomes: alleles [n, n_loci].
        n_trials: guesses of a life.
        generator: of random numbers.
    """
    left = np.zeros(len(genomes))
    searching = np.flatnonzero(~(genomes == WRONG).any(axis=1))
    for trial in range(n_trials):
        guesses = generator.random((len(searching), genomes.shape[1])) < 0.5
        found = (guesses | (genomes[searching] == RIGHT)).all(axis=1)
        left[searching[found]] = n_trials - trial
        searching = searching[~found]
    return left / n_trials


def evolution(
    seed: int,
    n_generations: int,
    n_members: int = 1000,
    n_loci: int = 20,
    n_trials: int = 1000,
    shares: tuple[float, float, float] = (0.25, 0.5, 0.25),
) -> list[Generation]:
    """The generations of one evolution, each as it lived.

    A parent is drawn with a probability that is proportional to 1 + 19 left. A child has the loci
    of one parent up to a random point, and those of another one from there on.
    """
    generator = np.random.default_rng(seed)
    genomes = generator.choice(3, (n_members, n_loci), p=shares)
    generations = []
    for _ in range(n_generations):
        left = left_after(genomes, n_trials, generator)
        counts = np.bincount(genomes.ravel(), minlength=3)
        generations.append(Generation(counts / genomes.size, left.mean(), left.max()))
        fitness = 1.0 + 19.0 * left
        chances = fitness / fitness.sum()
        parents = generator.choice(n_members, (n_members, 2), p=chances)
        points = generator.integers(1, n_loci, n_members)
        children = np.empty_like(genomes)
        for child, (one, other), point in zip(children, parents, points, strict=True):
            child[:point] = genomes[one, :point]
            child[point:] = genomes[other, point:]
        genomes = children
    return generations
