"""Every objective as a plain NumPy program: (objective, theta, what was lived) -> the loss of the
life.
"""

from typing import Any

import jax
import numpy as np

from metaplast.registry import name_of


def mean_loss(objective: Any, theta: Any, lived: Any) -> float:
    return _mean(lived.trace.score, 0)


def final_loss(objective: Any, theta: Any, lived: Any) -> float:
    return _mean(lived.trace.score, len(lived.trace.score.loss) - lived.shape.phases[-1][0])


def _mean(score: Any, first: int) -> float:
    total = count = 0.0
    for weight, loss in zip(score.weight[first:], score.loss[first:], strict=True):
        total, count = total + float(weight) * float(loss), count + float(weight)
    return total / count if count else 0.0


def final_weights(objective: Any, theta: Any, lived: Any) -> float:
    off = [
        (lived.synapses[name].weight - w)[np.isfinite(w)] for name, w in lived.task.final.items()
    ]
    measured = np.concatenate([np.zeros(0), *off]) / objective.sd
    return float(np.mean(measured**2) / 2) if measured.size else 0.0


def l1(objective: Any, theta: Any, lived: Any) -> float:
    sizes = [np.abs(leaf).sum() for leaf in jax.tree.leaves(theta["rules"])]
    inner = globals()[name_of(type(objective.objective))](objective.objective, theta, lived)
    return inner + objective.strength * float(sum(sizes))
