"""The recordings of `metaplast fit` without a file: made up, seeded, of every kind that a file can
hold.
"""

from functools import lru_cache

import numpy as np

from inner_tasks._npz import Arrays


@lru_cache(maxsize=2)
def example(choices: bool = False) -> Arrays:
    """Eight made-up subjects, one session each of up to 40 rows: 3 stimuli, 2 units whose synapses
    change with the reward, and trials of 3 to 6 rows; with `choices` also one per row, 1 with P =
    sigmoid(2 (y_0 - y_1)). Seeded; see the schema for what the arrays mean."""
    rng = np.random.default_rng(0)
    rows: dict[str, list] = {
        name: [] for name in ("stimulus", "activity", "reward", "session", "trial", "subject")
    }
    for session, length in enumerate((40, 37, 33, 40, 36, 31, 40, 35)):
        weights, trial, left = rng.normal(0.0, 0.5, (2, 3)), 0, int(rng.integers(3, 7))
        for row in range(length):
            left -= 1
            x = rng.normal(size=3)
            y = weights @ x + 0.1 * rng.normal(size=2)
            over = left == 0 or row == length - 1
            paid = float(rng.random() < 1.0 / (1.0 + np.exp(-y[0]))) if over else np.nan
            weights = weights + 0.05 * np.nan_to_num(paid) * np.outer(y, x) - 0.01 * weights
            for name, value in zip(
                rows, (x, y, paid, session, trial, f"subject {session + 1}"), strict=True
            ):
                rows[name].append(value)
            if over:
                trial, left = trial + 1, int(rng.integers(3, 7))
    made = {name: np.asarray(values) for name, values in rows.items()}
    if choices:
        made["choice"] = (
            rng.logistic(size=len(made["trial"])) < 2.0 * (made["activity"] @ [1.0, -1.0])
        ).astype(int)
    return made
