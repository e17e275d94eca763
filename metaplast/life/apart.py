"""A life taken apart: the weights that rules change, everything else that changes, and the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from jax import Array

from metaplast.life.scan import changed_leaves
from metaplast.locality.mixing import leaf_name


class Parts(NamedTuple):
    """The leaves of a life.

    weights: of the plastic edges.
    moving: all other leaves that a step changes.
    fixed: the leaves that no step changes.
    """

    weights: list[Array]
    moving: list[Array]
    fixed: list[Array]


@dataclass(frozen=True)
class Places:
    """The places of the parts among the leaves of a life, in flattened order.

    tree: the structure of a life.
    weights, moving, fixed: places, see `Parts`.
    """

    tree: Any
    weights: list[int]
    moving: list[int]
    fixed: list[int]

    def apart(self, life: Any) -> Parts:
        """The parts of a life."""
        leaves = jax.tree.leaves(life)
        return Parts(
            [leaves[i] for i in self.weights],
            [leaves[i] for i in self.moving],
            [leaves[i] for i in self.fixed],
        )

    def together(self, parts: Parts) -> Any:
        """The life with such parts."""
        at = [*self.weights, *self.moving, *self.fixed]
        return self._life(at, [*parts.weights, *parts.moving, *parts.fixed])

    def without_weights(self, moving: list[Array], fixed: list[Array]) -> Any:
        """The life with such parts, and None for the weights of plastic edges."""
        return self._life([*self.moving, *self.fixed], [*moving, *fixed])

    def _life(self, at: list[int], values: list[Array]) -> Any:
        leaves: list[Any] = [None] * self.tree.num_leaves
        for i, value in zip(at, values, strict=True):
            leaves[i] = value
        return jax.tree.unflatten(self.tree, leaves)


def places(life: Any, edges: Sequence[str], step: Callable[[Any], Any]) -> Places:
    """The places of the parts of a life.

    Args:
        life: a life.
        edges: the names of the edges whose weights rules change. Weights keep this order.
        step: life -> the life one step later.
    """
    with_paths, tree = jax.tree_util.tree_flatten_with_path(life)
    place_of = {leaf_name(path): i for i, (path, _) in enumerate(with_paths)}
    weights = [place_of[f"synapses.{edge}.weight"] for edge in edges]
    moving = [i for i in changed_leaves(step, life) if i not in weights]
    fixed = [i for i in range(len(with_paths)) if i not in weights and i not in moving]
    return Places(tree, weights, moving, fixed)
