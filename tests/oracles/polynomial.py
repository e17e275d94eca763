"""The polynomial rule as a plain loop over synapses, with a reader of terms of its own."""

import math
from typing import Any

import numpy as np

from metaplast.rules.polynomial import Polynomial

LOCAL = (
    "post*pre",
    "post^2*weight",
    "error*pre_error^2",
    "0.01*weight^3",
    "-2*modulator.reward*pre - modulator.reward",
    "post_potential*pre_gain",
    "pre_potential*post_gain",
    "dendrite*pre*weight",
    "score*pre",
    "learning_signal*post_gain*pre",
    "target*pre - target*weight",
    "site*pre",
    "post_relaxed*pre_relaxed - post*pre",
    "synaptic_credit",
    "synaptic_credit^2*post*weight",
)
SUMS = (
    "post*pre_weight_sum",
    "post_weight_sum*pre",
    "post_weight_norm^2*weight",
    "pre_weight_norm",
    "error*pre*input_gain",
)
RETURNED = (
    "post*pre - post*predicted",
    "error*predicted",
    "1",
    "pre_error*weight^2",
    "error*layer_power*pre",
    "error*layer_backward*pre",
    "post*layer_forward*pre_error",
)

VARIANTS = (
    Polynomial(
        terms=LOCAL,
        initial=(1.0, -1.0, 0.5, 0.0, 0.3, 0.1, 0.2, 0.3, 0.2, -0.4, 0.6, 0.7, -0.5, 0.4, -0.3),
        learn="both",
        scale=0.1,
    ),
    Polynomial(terms=SUMS, learn="both"),
    Polynomial(terms=RETURNED, rate=0.05, learn="both"),
)


def step(rule: Polynomial, theta: Any, state: Any, view: Any, dt: float) -> tuple[Any, np.ndarray]:
    rate = rule.rate * math.exp(5.0 * float(theta.get("log_rate", 0.0)))
    delta = np.zeros_like(view.weight)
    for k, term in enumerate(rule.terms):
        c = rule.initial[k] if rule.initial else 0.0
        c = c + float(theta["coefficients"][k]) if "coefficients" in theta else c
        for j, i in np.ndindex(*delta.shape):
            delta[j, i] += rate * c * value(term, signals(view, j, i))
    return state, delta


def value(term: str, at: dict[str, float]) -> float:
    """The sum of the products of a term, from the numbers at one synapse."""
    total = 0.0
    for product in term.replace("-", "+-").split("+"):
        if not product.strip():
            continue
        factor = -1.0 if "-" in product else 1.0
        for part in product.replace("-", "").split("*"):
            name, _, power = part.strip().partition("^")
            factor *= at[name] ** int(power or 1) if name in at else float(name)
        total += factor
    return total


def signals(view: Any, j: int, i: int) -> dict[str, float]:
    """Every name of the grammar, at the synapse from neuron i to neuron j."""
    named = {
        "pre": view.pre.activity[i],
        "post": view.post.activity[j],
        "error": view.post.feedback[j],
        "pre_error": view.pre.feedback[i],
        "learning_signal": view.post.learning_signal[j],
        "target": view.post.target[j],
        "predicted": sum(
            view.weight[k, i] * view.post.activity[k] for k in range(view.weight.shape[0])
        ),
        "post_potential": view.post.potential[j],
        "pre_potential": view.pre.potential[i],
        "post_gain": view.post.gain[j],
        "pre_gain": view.pre.gain[i],
        "score": view.post.score[j],
        "dendrite": view.post.dendrite[j],
        "site": view.post.site[j],
        "post_relaxed": view.post.relaxed[j],
        "pre_relaxed": view.pre.relaxed[i],
        "post_weight_sum": sum(view.weight[j]),
        "pre_weight_sum": sum(view.weight[:, i]),
        "post_weight_norm": math.sqrt(sum(w * w for w in view.weight[j])),
        "pre_weight_norm": math.sqrt(sum(w * w for w in view.weight[:, i])),
        "input_gain": 1.0 / (1.0 + sum(x * x for x in view.pre.activity)),
        "layer_power": sum(y * y for y in view.post.activity),
        "layer_backward": float(view.post.activity @ view.weight @ view.pre.feedback),
        "layer_forward": float(view.post.feedback @ view.weight @ view.pre.activity),
        "weight": view.weight[j, i],
        "synaptic_credit": view.credit[j, i],
    }
    return {**named, **{f"modulator.{name}": value for name, value in view.modulators.items()}}
