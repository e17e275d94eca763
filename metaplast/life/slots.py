"""Named places for rules, and the theta of each."""

from collections.abc import Mapping
from typing import Annotated

import jax

from metaplast.registry import BadInput
from metaplast.rules.base import AbstractRule
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Theta
from metaplast.spec import plugin, spec
from metaplast.wiring import Edge


@spec
class Slot:
    """A named place for a rule, at the plastic edges whose names match a glob.

    Args:
        name: the name of the slot, and of its theta in theta["rules"].
        edges: the glob of edge names, such as `*` or `hidden_*`.
        rule: the rule of these edges.
        shared: whether the edges share one theta; otherwise each has its own.
    """

    name: str = "rule"
    edges: str = "*"
    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    shared: bool = True


def theta_of(theta: Theta, slot: Slot, edge: str) -> Theta:
    """The theta of the rule of one edge.

    Args:
        theta: the theta of a whole lifetime.
        slot: the slot of the edge.
        edge: the name of the edge.
    """
    return theta["rules"][slot.name] if slot.shared else theta["rules"][slot.name][edge]


def check_shared(plastic: Mapping[str, tuple[Edge, Slot]]) -> None:
    """Refuse one theta for edges that need leaves of different shapes (numbers per synapse).

    Args:
        plastic: edge name -> (edge, its slot).

    Raises:
        BadInput: where a shared slot has such edges.
    """
    shared = {slot.name: slot for _, slot in plastic.values() if slot.shared}
    for slot in shared.values():
        shapes = {}
        for name, (edge, edge_slot) in plastic.items():
            if edge_slot == slot:
                shapes[name] = _leaf_shapes(slot.rule, edge)
        if len({str(shape) for shape in shapes.values()}) > 1:
            raise BadInput(
                f"slot {slot.name}: one theta for {', '.join(shapes)}",
                "edges of one shape, for numbers per synapse",
                "shared: false",
            )


def _leaf_shapes(rule: AbstractRule, edge: Edge) -> list[tuple[int, ...]]:
    """The shapes of the leaves of the theta that a rule has at an edge; nothing is computed."""
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), edge.connection))
    return [leaf.shape for leaf in jax.tree.leaves(theta)]
