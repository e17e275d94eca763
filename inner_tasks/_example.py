"""The made-up recordings of `metaplast fit` without a file, of every kind that a file can hold."""

from functools import lru_cache

import numpy as np

from inner_tasks._npz import Arrays


@lru_cache(maxsize=2)
def example(choices: bool = False) -> Arrays:
    """Eight made-up subjects, each with one session of 31 to 40 rows. Seeded.

    There are 3 stimuli, 2 units whose synapses change with the reward, and trials of 3 to 6 rows.
    _npz.py explains the arrays.

    Args:
        choices: whether every row has a choice, which is 1 with P = sigmoid(2 (y_0 - y_1)).
    """
    rng = np.random.default_rng(0)
    rows: dict[str, list] = {
        "stimulus": [],
        "activity": [],
        "reward": [],
        "session": [],
        "trial": [],
        "subject": [],
    }
    for session, length in enumerate((40, 37, 33, 40, 36, 31, 40, 35)):
        weights = rng.normal(0.0, 0.5, (2, 3))
        trial = 0
        left = int(rng.integers(3, 7))
        for row in range(length):
            left -= 1
            x = rng.normal(size=3)
            y = weights @ x + 0.1 * rng.normal(size=2)
            is_last = left == 0 or row == length - 1
            reward = np.nan
            if is_last:
                reward = float(rng.random() < 1.0 / (1.0 + np.exp(-y[0])))
            weights = weights + 0.05 * np.nan_to_num(reward) * np.outer(y, x) - 0.01 * weights
            rows["stimulus"].append(x)
            rows["activity"].append(y)
            rows["reward"].append(reward)
            rows["session"].append(session)
            rows["trial"].append(trial)
            rows["subject"].append(f"subject {session + 1}")
            if is_last:
                trial += 1
                left = int(rng.integers(3, 7))
    arrays = {name: np.asarray(values) for name, values in rows.items()}
    if choices:
        log_odds = 2.0 * (arrays["activity"] @ [1.0, -1.0])
        drawn = rng.logistic(size=len(arrays["trial"])) < log_odds
        arrays["choice"] = drawn.astype(int)
    return arrays
