"""Initial weights that are fitted to every subject."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from metaplast.genomes.base import AbstractGenome, draw, synapses
from metaplast.registry import register
from metaplast.signals import Key, Synapses, Theta
from metaplast.spec import Count, spec
from metaplast.wiring import Wiring


@register("genome", "per_subject")
@spec
class PerSubject(AbstractGenome):
    """The weights of a subject, fitted to it.

        w_ji = m_ji + o_sji

    w_ji: a weight at birth, in the layout of the edge.
    m_ji: the mean weight, `mean` of theta.
    o_sji: the difference of subject s from it, `own` of theta.
    s: the subject of the life, of the training set.

    Any other subject has no weights of its own. For it, o_sji is the mean over subjects.

    theta: {edge: {mean: the edge's layout, own: [n_subjects, its layout]}}. At the start `mean` is
        drawn and `own` is 0.

    The task tells each life's `subject`.

    Args:
        n_subjects: of the training split; `metaplast fit` sets it.

    Source: elementary.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"subject"})

    n_subjects: Count = 1

    def init(self, key: Key, wiring: Wiring) -> Theta:
        theta = {}
        for edge, mean in draw(wiring, key).items():
            theta[edge] = {"mean": mean, "own": jnp.zeros((self.n_subjects, *mean.shape))}
        return theta

    def weights(self, theta: Theta, wiring: Wiring, task: Theta, key: Key) -> dict[str, Synapses]:
        known = (task.subject >= 0) & (task.subject < self.n_subjects)
        place = jnp.clip(task.subject, 0, self.n_subjects - 1)
        weights = {}
        for edge in wiring.edges:
            by_subject = theta[edge.name]["own"]
            typical = jax.lax.stop_gradient(by_subject).mean(axis=0)
            weight = theta[edge.name]["mean"] + jnp.where(known, by_subject[place], typical)
            if wiring.magnitude(edge):
                weight = jnp.abs(weight)
            weights[edge.name] = weight
        return synapses(wiring, weights)
