"""Recursive least squares as a regression: the inverse is taken anew in every step."""

import math
from typing import Any

import numpy as np

from metaplast.rules.rls import Rls


def step(rule: Rls, theta: Any, state: Any, view: Any, dt: float) -> tuple[Any, np.ndarray]:
    rate = rule.rate * math.exp(5.0 * float(theta.get("log_rate", 0.0)))
    tau = rule.tau * math.exp(5.0 * float(theta.get("log_tau", 0.0)))
    pre = dict(state.pre)
    r = view.pre.activity
    if rule.tau:
        kept = math.exp(-dt / tau)
        r = kept * pre["rls_filtered"] + (1.0 - kept) * r
        pre["rls_filtered"] = r
    inverses = []
    delta = np.zeros(view.weight.shape)
    for j, before in enumerate(state.post["rls_inverse"]):
        examples = np.linalg.inv(before) + rate * rule.curvature * np.outer(r, r)
        inverses.append(np.linalg.inv(examples))
        delta[j] = -rate * view.post.feedback[j] * np.linalg.solve(examples, r)
    return state.replace(pre=pre, post={"rls_inverse": np.stack(inverses)}), delta
