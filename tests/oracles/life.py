"""A whole few-shot life of a small network under random feedback, step by step in plain NumPy."""

from typing import Any

import numpy as np

from metaplast.rules.polynomial import Polynomial
from tests.oracles.polynomial import value

Weights = dict[str, np.ndarray]
FIRST, LAST, BETA, BOUND = "input_to_hidden_1", "hidden_1_to_output", 10.0, 10.0


def live(
    inputs: np.ndarray,
    labels: np.ndarray,
    n_plastic: int,
    weights: Weights,
    back: Weights,
    rule: Polynomial,
) -> tuple[np.ndarray, Weights]:
    """(loss of every step, weights at the end): input -> softplus -> linear output, softmax and
    cross-entropy.
    """
    w, losses = {name: x.copy() for name, x in weights.items()}, []
    for t, (x, label) in enumerate(zip(inputs, labels, strict=True)):
        u = w[FIRST] @ x
        h = np.log1p(np.exp(BETA * u)) / BETA
        y = w[LAST] @ h
        p = np.exp(y) / np.exp(y).sum()
        losses.append(-np.log(p[label]))
        if t >= n_plastic:
            continue
        e_out = p - np.eye(len(p))[label]
        e_hidden = (back[LAST].T @ e_out) / (1.0 + np.exp(-BETA * u))
        e_in = back[FIRST].T @ e_hidden
        changes = {
            FIRST: _change(rule, w[FIRST], x, h, e_in, e_hidden),
            LAST: _change(rule, w[LAST], h, y, e_hidden, e_out),
        }
        w = {name: np.clip(w[name] + changes[name], -BOUND, BOUND) for name in w}
    return np.asarray(losses), w


def _change(rule: Polynomial, w: np.ndarray, x: Any, y: Any, e_pre: Any, e_post: Any) -> np.ndarray:
    delta, returned = np.zeros_like(w), w.T @ y
    for j, i in np.ndindex(*w.shape):
        at = {
            "pre": x[i],
            "post": y[j],
            "pre_error": e_pre[i],
            "error": e_post[j],
            "weight": w[j, i],
        }
        at["predicted"] = returned[i]
        delta[j, i] = rule.rate * sum(
            c * value(term, at) for c, term in zip(rule.initial, rule.terms, strict=True)
        )
    return delta
