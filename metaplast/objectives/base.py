"""The loss of a life, for the outer loop."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.signals import Score, Synapses, TaskShape, Theta, Trace
from metaplast.wiring import Wiring


class Lived(NamedTuple):
    """A finished life.

    Attributes:
        task: its task.
        trace: the trace of all its steps.
        synapses: edge -> the synapses at the end.
        shape: the facts of the task family.
    """

    task: Any
    trace: Trace
    synapses: dict[str, Synapses]
    shape: TaskShape


class AbstractObjective(ABC):
    """One number per life, to be made small.

    Attributes:
        needs: the names (of TaskShape.offers) that the task must offer.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def check(self, task: Any, wiring: Wiring) -> None:  # noqa: B027
        """Refuse a task that does not fit the network.

        Args:
            task: a task, or its shapes.
            wiring: the graph.

        Raises:
            BadInput: where it does not fit.
        """

    @abstractmethod
    def loss(self, theta: Theta, lived: Lived) -> Array:
        """The loss [] of one life.

        Args:
            theta: learned parameters.
            lived: the scores and the last state of the life.
        """

    @abstractmethod
    def window(self, theta: Theta, score: Score, shape: TaskShape, start: Array) -> Array:
        """The contribution [] of a window of steps to the loss of their life.

        The windows of a life add up to its `loss` where every step has weight 1. With other weights
        they add up to sum_t weight_t loss_t / (steps that may count): the sum of weights is not
        known before the end of the life.

        Args:
            theta: learned parameters.
            score: the scores of the window [n].
            shape: the facts of the task family.
            start: the number of steps before the window [].

        Raises:
            BadInput: for an objective that is no sum over steps.
        """


def weighted_mean(score: Score) -> Array:
    """sum_t weight_t loss_t / sum_t weight_t; 0 where no step counts."""
    total = jnp.sum(score.weight)
    return jnp.sum(score.weight * score.loss) / jnp.where(total > 0, total, 1.0)


def part_of_mean(score: Score, start: Array, first: int, n_steps: int) -> Array:
    """The part [] that a window adds to a mean over the steps `first` .. `n_steps - 1`.

    Args:
        score: the scores of the window [n].
        start: the number of steps before the window [].
        first: the first step of the mean.
        n_steps: the number of steps of a life.
    """
    counts = start + jnp.arange(score.loss.shape[0], dtype=start.dtype) >= first
    return jnp.sum(jnp.where(counts, score.weight * score.loss, 0.0)) / (n_steps - first)


def last_phase(score: Score, n_last: int) -> dict[str, Array]:
    """The task's own metrics, averaged like the loss over the last `n_last` steps.

    Args:
        score: the scores of a life [n_steps].
        n_last: the number of steps at its end.

    Returns:
        {metric: its mean []}.
    """
    last = jax.tree.map(lambda x: x[-n_last:], score)
    means = {}
    for name, values in last.metrics.items():
        means[name] = weighted_mean(replace(last, loss=values))
    return means
