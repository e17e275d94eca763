"""A choice among classes by the mean output over the steps in which it is asked for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import Feedback, Outcome, Score, feedback


class Decision(NamedTuple):
    """A choice in the making.

    total [n_out]: the output summed over the steps that ask.
    outcome: the answer of the task to this step.
    """

    total: Array
    outcome: Outcome


def decide(total: Array, output: Array, right: Array, count: Array, n_asked: int) -> Decision:
    """One step of a choice.

        y = mean_t output_t                        over the steps that have asked so far
        loss = -ln softmax(y)_right

    Only the last step that asks has a weight. In steps that do not ask, loss, error and target are
    0. Metric `accuracy`: whether y is largest at `right`.

    Args:
        total: the output summed over earlier steps that asked [n_out].
        output: of this step [n_out].
        right: the index of the right class [].
        count: which step this is among those that ask, from 1 on; any other number where it is none
            of them [].
        n_asked: the number of steps that ask.
    """
    n_out = len(output)
    asks = (count >= 1) & (count <= n_asked)
    on = asks.astype(output.dtype)
    summed = total + on * output
    n = jnp.clip(count, 1, n_asked).astype(output.dtype)
    log_p = jax.nn.log_softmax(summed / n)
    target = (jnp.arange(n_out, dtype=right.dtype) == right).astype(output.dtype)
    signals: Feedback = feedback(
        n_out, error=on * (jnp.exp(log_p) - target) / n, target=on * target
    )
    score = Score(
        loss=-on * jnp.sum(target * log_p),
        weight=(count == n_asked).astype(output.dtype),
        metrics={
            "accuracy": (jnp.argmax(summed).astype(right.dtype) == right).astype(output.dtype)
        },
    )
    return Decision(summed, Outcome(feedback=signals, score=score))
