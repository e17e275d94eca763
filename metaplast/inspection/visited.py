"""The signals that a rule meets in its task.

Some synapses of every edge are followed through whole lives. A rule is then asked about the signals
that it really meets, and not about a grid that no life reaches.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.connections.base import AbstractConnection
from metaplast.connections.masked import Masked
from metaplast.inspection.subject import Subject
from metaplast.life.lifetime import Lifetime
from metaplast.life.phases import stretches
from metaplast.life.view import Witnessed
from metaplast.locality.mixing import leaf_name
from metaplast.numerics.compiler import program
from metaplast.problem.meta_problem import Batch, MetaProblem
from metaplast.results.evaluate import batches
from metaplast.rules.base import at_all_synapses
from metaplast.signals import Theta
from metaplast.tasks import Split

N_LIVES = 16
N_SYNAPSES = 32
"""Synapses of an edge that are followed in each life."""


class Visited(NamedTuple):
    """The signals at some synapses of one edge, in every plastic step of some lives.

    signals: {field of the view, such as `pre.activity`: [n_lives, n_steps, n_synapses]}. A signal
        that nothing offers is 0 everywhere. Where a delay makes the transmitted view another one,
        its fields are `transmitted.pre.activity` and so on.
    gate: of plasticity, of the same shape.
    change: the change of weight before bounds, of the same shape.
    synapses: the followed synapses, as places in the flattened weights [n_lives, n_synapses].
    """

    signals: Mapping[str, np.ndarray]
    gate: np.ndarray
    change: np.ndarray
    synapses: np.ndarray

    def flat(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """({field: [n]}, change [n]) of all steps with open plasticity and finite numbers."""
        counts = self.gate > 0
        for values in (*self.signals.values(), self.change):
            counts &= np.isfinite(values)
        signals = {name: values[counts] for name, values in self.signals.items()}
        return signals, self.change[counts]


def visited(
    subject: Subject,
    split: Split = "validation",
    n_lives: int = N_LIVES,
    n_synapses: int = N_SYNAPSES,
) -> dict[str, Visited]:
    """{edge: the signals that its rule meets}.

    Args:
        subject: the rule in its task.
        split: of the tasks.
        n_lives: the number of lives.
        n_synapses: the number of synapses of an edge that are followed in each life. An edge with
            fewer synapses is followed whole.
    """
    batch = batches(subject.problem, subject.seed, split, n_lives)[0]
    batch = jax.tree.map(lambda leaf: leaf[:n_lives], batch)
    chosen = {}
    generator = np.random.default_rng(subject.seed)
    for name, (edge, _) in subject.problem.lifetime.plastic().items():
        there = existing(edge.connection)
        count = min(len(there), n_synapses)
        places = [generator.choice(there, count, replace=False) for _ in range(len(batch.keys))]
        chosen[name] = np.stack(places)
    followed = _followed(subject.problem, subject.theta, batch, chosen)
    of_edges = {}
    for name, (signals, gate, change) in followed.items():
        numbers = {field: np.asarray(values, np.float64) for field, values in signals.items()}
        of_edges[name] = Visited(
            numbers, np.asarray(gate, np.float64), np.asarray(change, np.float64), chosen[name]
        )
    return of_edges


def existing(connection: AbstractConnection) -> np.ndarray:
    """The places in the flattened weights at which a synapse exists."""
    if isinstance(connection, Masked):
        return np.flatnonzero(connection.support())
    return np.arange(int(np.prod(connection.shape)))


@program("problem")
def _followed(
    problem: MetaProblem, theta: Theta, batch: Batch, chosen: Mapping[str, Array]
) -> dict[str, Any]:
    """{edge: (signals, gate, change)}, each [n_lives, n_steps, n_synapses]."""
    lifetime = problem.lifetime

    def live(one: tuple[Any, Any, Mapping[str, Array]]) -> dict[str, Any]:
        task, key, places = one
        life = lifetime.begin(theta, task, key)
        n_steps = lifetime.task.shape().n_steps
        pieces: list[dict[str, Any]] = []
        for stretch in stretches(lifetime.task.shape().phases, 0, n_steps):
            plastic = stretch.plastic is not False

            def step(life: Any, _: None, plastic: bool = plastic) -> tuple[Any, dict[str, Any]]:
                after, _trace, at_work = lifetime.witnessed(theta, task, life, plastic)
                return after, _at(lifetime, at_work, places)

            life, piece = lax.scan(step, life, None, stretch.n_steps)
            if piece:
                pieces.append(piece)
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces)

    return lax.map(live, (batch.tasks, batch.keys, chosen))


def _at(
    lifetime: Lifetime, at_work: Mapping[str, Witnessed], places: Mapping[str, Array]
) -> dict[str, Any]:
    """{edge: (signals, gate, change)} at the followed synapses, each [n_synapses]."""
    of_edges = {}
    for name, (edge, _) in lifetime.plastic().items():
        if name not in at_work:
            continue
        view, gate, change = at_work[name]
        everywhere = at_all_synapses(edge.connection, view)
        at = places[name]
        signals = {}
        for path, leaf in jax.tree_util.tree_flatten_with_path(everywhere)[0]:
            name_of_signal = leaf_name(path)
            if name_of_signal not in ("key", "transmitted.key"):
                whole = jnp.broadcast_to(leaf, edge.connection.shape)
                signals[name_of_signal] = whole.reshape(-1)[at]
        of_edges[name] = (signals, jnp.full(at.shape, gate), change.reshape(-1)[at])
    return of_edges
