"""The numbers that a searched rule has at every synapse, as one vector a synapse."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.inspection.knock_out import at, with_leaf
from metaplast.inspection.subject import arrays
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.rules.base import AbstractRule
from metaplast.signals import Theta

PROBES = (Dense(2, 3), Dense(3, 2))
"""A leaf whose leading axes are the layout of both is one of numbers per synapse."""


class _Leaf(NamedTuple):
    """A leaf of theta with numbers per synapse.

    path: in theta["rules"].
    exists: whether a place of the layout has a synapse, bool [n_places].
    """

    path: tuple[str, ...]
    exists: np.ndarray


class SynapseNumbers(NamedTuple):
    """The numbers of all synapses of a slot.

    slot: its name.
    names: of the numbers of a synapse.
    vectors: the numbers [n_synapses, n_numbers]: the edges one after the other, each in the order
        of its layout, without places that have no synapse.
    leaves: of every theta of the slot, where the numbers come from.
    """

    slot: str
    names: tuple[str, ...]
    vectors: np.ndarray
    leaves: tuple[tuple[_Leaf, ...], ...]


def synapse_numbers(lifetime: Lifetime, theta: Theta) -> list[SynapseNumbers]:
    """The numbers of every slot that has some at each synapse.

    Args:
        lifetime: the slots and their edges.
        theta: of the whole lifetime.
    """
    rules = arrays(theta["rules"])
    every = []
    for slot in lifetime.slots:
        numbers = _of_slot(lifetime, slot, rules)
        if numbers is not None:
            every.append(numbers)
    return every


def with_numbers(theta: Theta, numbers: SynapseNumbers, vectors: np.ndarray) -> Theta:
    """The theta whose synapses in a slot have other numbers.

    Args:
        theta: of the whole lifetime.
        numbers: the slot.
        vectors: the other numbers [n_synapses, n_numbers].
    """
    rules: Any = arrays(theta["rules"])
    first = 0
    for leaves in numbers.leaves:
        n = int(leaves[0].exists.sum())
        column = 0
        for leaf in leaves:
            old = at(rules, leaf.path)
            flat = old.reshape(len(leaf.exists), -1).copy()
            width = flat.shape[1]
            flat[leaf.exists] = vectors[first : first + n, column : column + width]
            rules = with_leaf(rules, leaf.path, flat.reshape(old.shape))
            column += width
        first += n
    return {**theta, "rules": rules}


def _of_slot(lifetime: Lifetime, slot: Slot, rules: Theta) -> SynapseNumbers | None:
    """The numbers of a slot; None where it has none per synapse."""
    names = _names(slot.rule)
    if not names:
        return None
    vectors = []
    of_thetas = []
    for edge, connection in _connections(lifetime, slot).items():
        start = (slot.name,) if slot.shared else (slot.name, edge)
        n_places = math.prod(connection.shape)
        exists = np.broadcast_to(np.asarray(connection.mask()) > 0, connection.shape).reshape(-1)
        leaves = tuple(_Leaf((*start, *path), exists) for path in names)
        columns = []
        for leaf in leaves:
            columns.append(at(rules, leaf.path).reshape(n_places, -1)[exists])
        vectors.append(np.concatenate(columns, axis=1))
        of_thetas.append(leaves)
    labels = []
    for path, rest in names.items():
        name = ".".join(path)
        n = math.prod(rest)
        labels += [name] if n == 1 else [f"{name}[{index}]" for index in range(n)]
    return SynapseNumbers(slot.name, tuple(labels), np.concatenate(vectors), tuple(of_thetas))


def _connections(lifetime: Lifetime, slot: Slot) -> dict[str, AbstractConnection]:
    """{edge: its connection} for every theta of a slot; edges that share one theta are one."""
    connections = {}
    for name, (edge, slot_of_edge) in lifetime.plastic().items():
        if slot_of_edge == slot and not (slot.shared and connections):
            connections[name] = edge.connection
    return connections


def _names(rule: AbstractRule) -> dict[tuple[str, ...], tuple[int, ...]]:
    """{path of a leaf: the shape of its numbers at one synapse} of the leaves per synapse."""
    first, second = (_shapes(rule, probe) for probe in PROBES)
    names = {}
    for path, shape in first.items():
        n_axes = len(PROBES[0].shape)
        rest = shape[n_axes:]
        if shape == (*PROBES[0].shape, *rest) and second[path] == (*PROBES[1].shape, *rest):
            names[path] = rest
    return names


def _shapes(rule: AbstractRule, connection: AbstractConnection) -> dict[Sequence[str], Any]:
    """{path: shape} of the leaves of theta; nothing is computed."""
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), connection))
    shapes = {}
    for path, leaf in jax.tree.leaves_with_path(theta):
        shapes[tuple(entry.key for entry in path)] = leaf.shape
    return shapes
