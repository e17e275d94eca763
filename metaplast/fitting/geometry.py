"""The Fisher information of a fit as geometry: which directions are flat, and how far the data let
the others move.
"""

from typing import NamedTuple

import numpy as np

from metaplast.fitting.flat import flattened, of_rules, unflattened
from metaplast.fitting.sensitivity import Sensitivity
from metaplast.results.statistics import t_quantile
from metaplast.signals import Theta

FLAT = 1e-8  # of the Fisher information at unit information of every number: an eigenvalue below it is none
TINY = 1e-24  # of the largest information: a number with less has none
LOOSE = 0.25  # a direction is sloppy where its standard deviation exceeds this share of the vector of numbers


class Direction(NamedTuple):
    """A combination of a rule's numbers, of unit length, and the standard deviation with which the
    data fix it.
    """

    weights: dict[str, float]
    sd: float
    loose: bool


class Moves(NamedTuple):
    """Moves of theta by one standard deviation.

    t: Student's quantile of their interval.
    thetas: one move along each axis of the covariance of the rules' numbers.
    """

    t: float
    thetas: list[Theta]


class Space:
    """The numbers of theta, each in a unit in which its own Fisher information is 1: signals of
    unit variance.
    """

    def __init__(self, moved: Sensitivity, group: np.ndarray, over: str) -> None:
        total = moved.fisher.sum(axis=0)
        own = np.diag(total)
        seen = own > TINY * own.max(initial=0.0)
        self.unit = np.where(seen, np.sqrt(np.where(seen, own, 1.0)), 1.0)
        self.fisher = np.where(np.outer(seen, seen), self._scaled(total), 0.0)
        sizes, vectors = np.linalg.eigh(self.fisher)
        firm = sizes > FLAT
        self.flat = vectors[:, ~firm]
        self.condition = (
            float(sizes.max(initial=0.0) / sizes.min())
            if firm.all() and len(sizes)
            else float("inf")
        )
        self.inverse = (vectors[:, firm] / sizes[firm]) @ vectors[:, firm].T
        self.model = self.inverse @ self._scaled(moved.noise) @ self.inverse
        self.values_t = t_quantile(max(int(moved.n_values) - len(own), 1))
        self.n = int(moved.n_values) if over == "values" else int(group.max()) + 1
        self.groups = (
            []
            if over == "values"
            else [self._group(moved, group == index) for index in range(self.n)]
        )
        self.over = self._jackknife(vectors[:, firm]) if self.groups else None
        self.over_t = t_quantile(self.n - 1) if self.groups else 0.0

    def _scaled(self, matrix: np.ndarray) -> np.ndarray:
        return matrix / np.outer(self.unit, self.unit)

    def _group(self, moved: Sensitivity, mine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(score, Fisher information) of one group of sessions."""
        return moved.score[mine].sum(axis=0) / self.unit, self._scaled(
            moved.fisher[mine].sum(axis=0)
        )

    def _jackknife(self, firm: np.ndarray) -> np.ndarray:
        """(n - 1) / n sum (d_s - mean d) (d_s - mean d)^T of the moves d_s; what one group alone
        settles stays.
        """
        moves = []
        for score, fisher in self.groups:
            rest = firm.T @ (self.fisher - fisher) @ firm
            moves.append(
                firm @ (np.linalg.pinv(rest, rcond=FLAT, hermitian=True) @ (firm.T @ score))
            )
        off = np.stack(moves) - np.mean(moves, axis=0)
        return (self.n - 1) / self.n * off.T @ off

    def half(self, rows: np.ndarray) -> np.ndarray:
        """Half the width of the interval of numbers with these derivatives [n_numbers, n_free]."""
        sd = lambda covariance: np.sqrt(
            np.maximum(np.einsum("ki,ij,kj->k", rows, covariance, rows), 0.0)
        )
        return np.maximum(
            self.values_t * sd(self.model),
            0.0 if self.over is None else self.over_t * sd(self.over),
        )

    def each(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(moves, variances) [n_groups, n_numbers]: by how much a number would move if a group were
        fitted alone, in one step of Newton's; NaN where the group does not settle it."""
        moves, variances = (np.full((len(self.groups), len(rows)), np.nan) for _ in range(2))
        square = lambda matrix: np.einsum("ki,ij,kj->k", rows, matrix, rows)
        dispersion = square(self.model) / np.maximum(square(self.inverse), TINY)
        for index, (score, fisher) in enumerate(self.groups):
            sizes, vectors = np.linalg.eigh(fisher)
            firm = vectors[:, sizes > FLAT * sizes.max(initial=0.0)]
            beyond = np.linalg.norm(rows - rows @ firm @ firm.T, axis=1)
            settles = beyond <= 1e-4 * np.linalg.norm(rows, axis=1)
            inverse = np.linalg.pinv(fisher, rcond=FLAT, hermitian=True)
            moves[index] = np.where(settles, -rows @ inverse @ score, np.nan)
            variances[index] = np.where(settles, dispersion * square(inverse), np.nan)
        return moves, variances

    def covariance(self, rows: np.ndarray) -> np.ndarray:
        """Of numbers [n, n]: over groups where there are some, or where the model is right,
        whichever is larger.
        """
        found = [rows @ each @ rows.T for each in (self.model, self.over) if each is not None]
        return max(found, key=np.trace)

    def null(self, part: np.ndarray) -> np.ndarray:
        """The directions [n_free, m] along which this matrix, a part of the Fisher information or
        of its kind, is 0.
        """
        own = np.diag(part)
        size = np.where(own > TINY * own.max(initial=0.0), np.sqrt(np.maximum(own, 0.0)), 1.0)
        sizes, vectors = np.linalg.eigh(part / np.outer(size, size))
        turned = vectors[:, sizes <= FLAT] * (self.unit / size)[:, None]
        return np.linalg.qr(turned)[0] if turned.size else turned

    def moves(self, theta: Theta, free: np.ndarray) -> list[Moves]:
        """(t quantile, moves of theta by one standard deviation along all axes of the covariance of
        its rules' numbers) where the model is right, and over groups where there are some."""
        own = of_rules(theta)[free]
        made = []
        for t, covariance in ((self.values_t, self.model), (self.over_t, self.over)):
            if covariance is None:
                continue
            sizes, vectors = np.linalg.eigh(covariance[np.ix_(own, own)])
            steps = []
            for size, vector in zip(sizes, vectors.T, strict=True):
                step = np.zeros(len(flattened(theta)))
                step[free[own]] = np.sqrt(max(size, 0.0)) * vector / self.unit[own]
                steps.append(unflattened(theta, step))
            made.append(Moves(t, steps))
        return made


def echelon(rows: np.ndarray) -> list[np.ndarray]:
    """A basis of the span of `rows` [m, n] with as many zeros as elimination gives, each of unit
    length.
    """
    left = np.array(rows, np.float64)
    size = np.abs(left).max(initial=0.0)
    done: list[int] = []
    for _ in range(min(left.shape)):
        rest = np.abs(np.delete(left, done, axis=0))
        if rest.max(initial=0.0) <= 1e-6 * size:
            break
        places = np.delete(np.arange(len(left)), done)
        at, column = np.unravel_index(
            int(np.abs(left[places]).argmax()), (len(places), left.shape[1])
        )
        pivot = int(places[at])
        left[pivot] /= left[pivot, column]
        for other in range(len(left)):
            if other != pivot:
                left[other] -= left[other, column] * left[pivot]
        done.append(pivot)
    basis = [left[i] / np.linalg.norm(left[i]) for i in sorted(done)]
    return [np.where(np.abs(row) > 1e-4, row, 0.0) for row in basis]


def axes(names: list[str], covariance: np.ndarray, centre: np.ndarray) -> list[Direction]:
    """Principal axes of a covariance of numbers, the loosest first. Loose: beyond LOOSE of the
    length of `centre`.
    """
    if not names:
        return []
    variances, vectors = np.linalg.eigh(covariance)
    sds = np.sqrt(np.maximum(variances, 0.0))
    return [
        Direction(
            {names[i]: float(axis[i]) for i in np.argsort(-np.abs(axis)) if abs(axis[i]) >= 0.1},
            float(sd),
            bool(sd > LOOSE * np.linalg.norm(centre)),
        )
        for sd, axis in zip(sds[::-1], vectors.T[::-1], strict=True)
    ]
