"""The front of the rules that a search ends with: size, stability and loss against each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LARGER_IS_BETTER = frozenset({"stability"})
"""The numbers of a rule of which more is better; of all others less is."""


def is_on_front(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Whether no other rule is as good in every number and better in one [n_rules].

    Args:
        rows: {`rule`: text, other names: numbers} of every rule, with equal names.
    """
    names = [name for name in rows[0] if name != "rule"]
    signs = np.asarray([-1.0 if name in LARGER_IS_BETTER else 1.0 for name in names])
    costs = np.asarray([[row[name] for name in names] for row in rows]) * signs
    no_worse = np.all(costs[:, None] <= costs[None, :], axis=2)
    better = np.any(costs[:, None] < costs[None, :], axis=2)
    return ~np.any(no_worse & better, axis=0)
