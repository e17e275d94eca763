"""Whether some direction of theta predicts choices without fault, so that their likelihood rises
without bound.
"""

import numpy as np
from scipy.optimize import linprog

FIRST, MORE = (
    1000,
    1000,
)  # rows that a linear program begins with, and that it takes in when they are violated
RISE = 1e-5  # below it a direction gains nothing, in units of rows scaled to at most 1
VIOLATED = 1e-6


class Separation:
    """The cone {d: B d >= 0, |d| <= 1} of directions that make no choice of those recorded less
    likely.

    rows B [n_rows, n]: what raises the log odds of every choice that was made against every other,
    numbers scaled to unit information; odds [n_rows]: the log odds, of which the lowest bind first;
    within [n, m]: the directions that are open, those that leave what is no choice as it is. Albert
    & Anderson
    1984: the likelihood has no maximum exactly where some d of the cone has B d != 0; here B is the
    derivative at the fitted rule.
    """

    def __init__(self, rows: np.ndarray, odds: np.ndarray, within: np.ndarray) -> None:
        open_rows = rows @ within
        size = np.abs(open_rows).max(axis=1, initial=0.0)
        kept = size > 1e-9 * size.max(initial=0.0)
        self.rows, self.within = open_rows[kept] / size[kept, None], within
        self.working = np.argsort(odds[kept])[:FIRST]
        self.exists = (
            bool(len(self.rows)) and self.most(self.rows.sum(axis=0) / len(self.rows)) > RISE
        )

    def most(self, objective: np.ndarray) -> float:
        """max objective . d over the cone, 0 at least; objective [m], in the open directions."""
        while True:
            found = linprog(
                -objective,
                A_ub=-self.rows[self.working],
                b_ub=np.zeros(len(self.working)),
                bounds=(-1, 1),
            )
            if found.x is None or -found.fun <= RISE:
                return 0.0
            off = self.rows @ found.x
            broken = np.flatnonzero(off < -VIOLATED)
            new = np.setdiff1d(broken[np.argsort(off[broken])][:MORE], self.working)
            if not len(new):
                return float(-found.fun)
            self.working = np.concatenate([self.working, new])

    def moves(self, number: np.ndarray) -> bool:
        """Whether a number with this derivative [n] can go to infinity without making a choice less
        likely.
        """
        within = number @ self.within
        size = np.abs(within).max(initial=0.0)
        return size > 0 and any(self.most(sign * within / size) > 1e-4 for sign in (1.0, -1.0))
