"""Normalising wrappers as plain loops over neurons, around the loop of the inner polynomial."""

import math
from typing import Any

import numpy as np

from metaplast.rules.wrappers.normalise import Normalise
from tests.oracles import polynomial


def step(rule: Normalise, theta: Any, state: Any, view: Any, dt: float) -> tuple[Any, np.ndarray]:
    inner: Any = rule.rule
    state, delta = polynomial.step(inner, theta, state, view, dt)
    for j, row in enumerate(np.asarray(view.weight)):
        if rule.form == "multiplicative":
            delta[j] += (
                rule.strength * (rule.target / math.sqrt(sum(w * w for w in row)) - 1.0) * row
            )
        else:
            delta[j] += rule.strength * (rule.target - sum(row)) / len(row)
    return state, delta
