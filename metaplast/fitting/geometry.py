"""The Fisher information of a fit as geometry.

It tells which directions of theta are flat, and how far the data let the others move.
"""

from typing import NamedTuple

import numpy as np

from metaplast.fitting.flat import flattened, of_rules, unflattened
from metaplast.fitting.sensitivity import Sensitivity
from metaplast.results.statistics import t_quantile
from metaplast.signals import Theta

# A direction is flat where its eigenvalue of the Fisher information is smaller, in the units of
# `Space`.
FLAT = 1e-8
BEYOND = 1e-3  # of its own direction: a number is open where so much of it is not settled
TINY = 1e-24  # of the largest information: a number with less has none
# A direction is loose where its standard deviation is a larger share of the length of all numbers.
LOOSE = 0.25
SHOWN = 0.1  # weights of a direction that are named


class Direction(NamedTuple):
    """A combination of a rule's numbers, of unit length.

    weights: {name: weight}.
    sd: the standard deviation with which the data fix it.
    loose: whether that is a large share of the numbers.
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


class Groups(NamedTuple):
    """The groups of sessions that are resampled.

    of_session [n_sessions]: the group of every session.
    over: what a group is, `subjects`, `sessions` or `values`; with `values` there are no groups.
    """

    of_session: np.ndarray
    over: str


class _Group(NamedTuple):
    """The score [n_free] and Fisher information [n_free, n_free] of one group of sessions."""

    score: np.ndarray
    fisher: np.ndarray


class Alone(NamedTuple):
    """The numbers [n_groups, n_numbers] if every group were fitted alone, in one Newton step.

    moves: of a number.
    variances: of these moves.

    Both are NaN where the group does not settle the number.
    """

    moves: np.ndarray
    variances: np.ndarray


class Space:
    """The numbers of theta, each in a unit in which its own Fisher information is 1.

    Args:
        moved: scores and Fisher information of the sessions.
        groups: of the sessions.

    unit [n_free]: the square root of each number's own Fisher information.
    fisher [n_free, n_free]: the Fisher information in these units.
    flat [n_free, n_flat]: the directions that no prediction depends on.
    condition: of `fisher`, infinite where a direction is flat.
    inverse [n_free, n_free]: the pseudo-inverse of `fisher`.
    model [n_free, n_free]: the covariance where the model is right.
    values_t: Student's quantile of intervals by `model`.
    groups: the score and Fisher information of every group.
    n: groups, or values where there are no groups.
    over [n_free, n_free]: the covariance over groups, None where there are none.
    over_t: Student's quantile of intervals by `over`.
    """

    def __init__(self, moved: Sensitivity, groups: Groups) -> None:
        total = moved.fisher.sum(axis=0)
        diagonal = np.diag(total)
        seen = diagonal > TINY * diagonal.max(initial=0.0)
        self.unit = np.where(seen, np.sqrt(np.where(seen, diagonal, 1.0)), 1.0)
        self.fisher = np.where(np.outer(seen, seen), self._scaled(total), 0.0)
        sizes, vectors = np.linalg.eigh(self.fisher)
        firm = sizes > FLAT
        self.flat = vectors[:, ~firm]
        self.condition = float("inf")
        if firm.all() and len(sizes):
            self.condition = float(sizes.max(initial=0.0) / sizes.min())
        self.inverse = (vectors[:, firm] / sizes[firm]) @ vectors[:, firm].T
        self.model = self.inverse @ self._scaled(moved.noise) @ self.inverse
        self.values_t = t_quantile(max(int(moved.n_values) - len(diagonal), 1))
        self.groups: list[_Group] = []
        self.n = int(moved.n_values)
        self.over = None
        self.over_t = 0.0
        if groups.over != "values":
            self.n = int(groups.of_session.max()) + 1
            self.groups = [self._group(moved, groups.of_session == g) for g in range(self.n)]
            self.over = self._jackknife(vectors[:, firm])
            self.over_t = t_quantile(self.n - 1)

    def _scaled(self, matrix: np.ndarray) -> np.ndarray:
        """A Fisher information [n_free, n_free] in these units."""
        return matrix / np.outer(self.unit, self.unit)

    def _group(self, moved: Sensitivity, is_member: np.ndarray) -> _Group:
        """The group of the marked sessions [n_sessions], in these units."""
        score = moved.score[is_member].sum(axis=0) / self.unit
        return _Group(score, self._scaled(moved.fisher[is_member].sum(axis=0)))

    def _jackknife(self, firm: np.ndarray) -> np.ndarray:
        """The covariance over groups, by leaving out one after the other.

        (n - 1) / n sum_s (d_s - mean d) (d_s - mean d)^T

        d_s: the move of theta without group s.

        A direction that one group alone settles does not move when that group is left out.

        Args:
            firm: the directions that are not flat [n_free, n_firm].
        """
        moves = []
        for score, fisher in self.groups:
            rest = firm.T @ (self.fisher - fisher) @ firm
            inverse = np.linalg.pinv(rest, rcond=FLAT, hermitian=True)
            moves.append(firm @ (inverse @ (firm.T @ score)))
        away = np.stack(moves) - np.mean(moves, axis=0)
        return (self.n - 1) / self.n * away.T @ away

    def half(self, rows: np.ndarray) -> np.ndarray:
        """Half the width [n_numbers] of the interval of numbers.

        rows: their derivatives [n_numbers, n_free].
        """
        half = self.values_t * _sd(rows, self.model)
        over = 0.0 if self.over is None else self.over_t * _sd(rows, self.over)
        return np.maximum(half, over)

    def settled_by_one(self, rows: np.ndarray) -> np.ndarray:
        """Marks [n_numbers] of the numbers that one group alone settles.

        The data leave such a number open as soon as a certain group is left out.

        rows: derivatives of the numbers [n_numbers, n_free].
        """
        marks = np.zeros(len(rows), bool)
        for group in self.groups:
            sizes, vectors = np.linalg.eigh(self.fisher - group.fisher)
            firm = vectors[:, sizes > FLAT]
            beyond = np.linalg.norm(rows - rows @ firm @ firm.T, axis=1)
            marks |= beyond > BEYOND * np.linalg.norm(rows, axis=1)
        return marks

    def each(self, rows: np.ndarray) -> Alone:
        """The moves of numbers if every group is fitted alone.

        rows: derivatives of the numbers [n_numbers, n_free].
        """
        moves = np.full((len(self.groups), len(rows)), np.nan)
        variances = np.full((len(self.groups), len(rows)), np.nan)
        dispersion = _square(rows, self.model) / np.maximum(_square(rows, self.inverse), TINY)
        for index, (score, fisher) in enumerate(self.groups):
            sizes, vectors = np.linalg.eigh(fisher)
            firm = vectors[:, sizes > FLAT * sizes.max(initial=0.0)]
            beyond = np.linalg.norm(rows - rows @ firm @ firm.T, axis=1)
            settles = beyond <= 1e-4 * np.linalg.norm(rows, axis=1)
            inverse = np.linalg.pinv(fisher, rcond=FLAT, hermitian=True)
            moves[index] = np.where(settles, -rows @ inverse @ score, np.nan)
            variances[index] = np.where(settles, dispersion * _square(rows, inverse), np.nan)
        return Alone(moves, variances)

    def covariance(self, rows: np.ndarray) -> np.ndarray:
        """The covariance [n_numbers, n_numbers] of numbers.

        It is the one over groups or the one where the model is right, whichever is larger.

        rows: derivatives of the numbers [n_numbers, n_free].
        """
        model = rows @ self.model @ rows.T
        if self.over is None:
            return model
        return max([model, rows @ self.over @ rows.T], key=np.trace)

    def null(self, part: np.ndarray) -> np.ndarray:
        """The directions [n_free, n_directions] along which a part of the information is 0.

        part: of the Fisher information of theta [n_free, n_free], not in these units.
        """
        diagonal = np.diag(part)
        size = np.where(
            diagonal > TINY * diagonal.max(initial=0.0), np.sqrt(np.maximum(diagonal, 0.0)), 1.0
        )
        sizes, vectors = np.linalg.eigh(part / np.outer(size, size))
        turned = vectors[:, sizes <= FLAT] * (self.unit / size)[:, None]
        return np.linalg.qr(turned)[0] if turned.size else turned

    def moves(self, theta: Theta, free: np.ndarray) -> list[Moves]:
        """The moves of theta where the model is right, and over groups where there are some.

        Args:
            theta: the fitted one.
            free: places [n_free] of its numbers in the flat vector.
        """
        moves = [self._moves(theta, free, self.values_t, self.model)]
        if self.over is not None:
            moves.append(self._moves(theta, free, self.over_t, self.over))
        return moves

    def _moves(self, theta: Theta, free: np.ndarray, t: float, covariance: np.ndarray) -> Moves:
        """Moves along the axes of a covariance of theta [n_free, n_free]."""
        rules = of_rules(theta)[free]
        sizes, vectors = np.linalg.eigh(covariance[np.ix_(rules, rules)])
        thetas = []
        for size, vector in zip(sizes, vectors.T, strict=True):
            step = np.zeros(len(flattened(theta)))
            step[free[rules]] = np.sqrt(max(size, 0.0)) * vector / self.unit[rules]
            thetas.append(unflattened(theta, step))
        return Moves(t, thetas)


def _square(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """r M r^T of every row r [n_numbers]."""
    return np.einsum("ki,ij,kj->k", rows, matrix, rows)


def _sd(rows: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The standard deviations [n_numbers] of numbers with these derivatives."""
    return np.sqrt(np.maximum(_square(rows, covariance), 0.0))


def echelon(rows: np.ndarray) -> list[np.ndarray]:
    """A basis of the span of `rows` [m, n], with as many zeros as elimination gives.

    Returns: the vectors [n] of the basis, each of unit length.
    """
    left = np.array(rows, np.float64)
    size = np.abs(left).max(initial=0.0)
    done: list[int] = []
    for _ in range(min(left.shape)):
        rest = np.abs(np.delete(left, done, axis=0))
        if rest.max(initial=0.0) <= 1e-6 * size:
            break
        places = np.delete(np.arange(len(left)), done)
        largest = int(np.abs(left[places]).argmax())
        at, column = np.unravel_index(largest, (len(places), left.shape[1]))
        pivot = int(places[at])
        left[pivot] /= left[pivot, column]
        for other in range(len(left)):
            if other != pivot:
                left[other] -= left[other, column] * left[pivot]
        done.append(pivot)
    basis = []
    for i in sorted(done):
        basis.append(left[i] / np.linalg.norm(left[i]))
    return [np.where(np.abs(row) > 1e-4, row, 0.0) for row in basis]


def axes(names: list[str], covariance: np.ndarray, centre: np.ndarray) -> list[Direction]:
    """Principal axes of a covariance of numbers, the loosest first.

    Args:
        names: of the numbers.
        covariance: [n, n].
        centre: the numbers [n]; an axis is loose beyond LOOSE of their length.
    """
    if not names:
        return []
    variances, vectors = np.linalg.eigh(covariance)
    sds = np.sqrt(np.maximum(variances, 0.0))
    directions = []
    for sd, axis in zip(sds[::-1], vectors.T[::-1], strict=True):
        weights = {}
        for index in np.argsort(-np.abs(axis)):
            if abs(axis[index]) >= SHOWN:
                weights[names[index]] = float(axis[index])
        loose = bool(sd > LOOSE * np.linalg.norm(centre))
        directions.append(Direction(weights, float(sd), loose))
    return directions
