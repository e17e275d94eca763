"""Separation: a direction of theta predicts choices without fault.

The likelihood of the choices then rises without bound.
"""

import numpy as np
from scipy.optimize import linprog

FIRST = 1000  # rows that a linear program begins with
MORE = 1000  # violated rows that are added to the program at a time
RISE = 1e-5  # below it a direction gains nothing, in units of rows scaled to at most 1
VIOLATED = 1e-6


class Separation:
    """The cone {d: B d >= 0, |d| <= 1} of directions that make no recorded choice less likely.

    The likelihood has no maximum exactly where some d of the cone has B d != 0 (Albert & Anderson
    1984). Here B is the derivative at the fitted rule.

    Args:
        rows: B [n_rows, n], the derivative of the log odds of every choice that was made against
            every other, numbers scaled to unit information.
        odds: the log odds [n_rows]; the lowest bind first.
        within: the open directions [n, m], which leave predictions of other values as they are.
    """

    def __init__(self, rows: np.ndarray, odds: np.ndarray, within: np.ndarray) -> None:
        open_rows = rows @ within
        size = np.abs(open_rows).max(axis=1, initial=0.0)
        kept = size > 1e-9 * size.max(initial=0.0)
        self.rows = open_rows[kept] / size[kept, None]
        self.within = within
        self.working = np.argsort(odds[kept])[:FIRST]
        self.exists = False
        if len(self.rows):
            self.exists = self.most(self.rows.sum(axis=0) / len(self.rows)) > RISE

    def most(self, objective: np.ndarray) -> float:
        """max objective . d over the cone, at least 0; objective [m] in the open directions."""
        while True:
            solution = linprog(
                -objective,
                A_ub=-self.rows[self.working],
                b_ub=np.zeros(len(self.working)),
                bounds=(-1, 1),
            )
            if solution.x is None or -solution.fun <= RISE:
                return 0.0
            change = self.rows @ solution.x
            broken = np.flatnonzero(change < -VIOLATED)
            worst = broken[np.argsort(change[broken])][:MORE]
            new = np.setdiff1d(worst, self.working)
            if not len(new):
                return float(-solution.fun)
            self.working = np.concatenate([self.working, new])

    def moves(self, number: np.ndarray) -> bool:
        """Whether a number with this derivative [n] can go to infinity while no choice gets less
        probable.
        """
        within = number @ self.within
        size = np.abs(within).max(initial=0.0)
        return size > 0 and any(self.most(sign * within / size) > 1e-4 for sign in (1.0, -1.0))
