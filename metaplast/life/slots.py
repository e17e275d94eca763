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
    """A named place for a rule: plastic edges whose names match `edges` (a glob) share its theta,
    or own one each.
    """

    name: str = "rule"
    edges: str = "*"
    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    shared: bool = True


def theta_of(theta: Theta, slot: Slot, edge: str) -> Theta:
    """The theta of the rule of one edge."""
    return theta["rules"][slot.name] if slot.shared else theta["rules"][slot.name][edge]


def check_shared(plastic: Mapping[str, tuple[Edge, Slot]]) -> None:
    """Raises: BadInput where one theta would serve edges that need leaves of different shapes
    (numbers per synapse).
    """
    for slot in {slot.name: slot for _, slot in plastic.values() if slot.shared}.values():
        shapes = {}
        for name, (edge, its_slot) in plastic.items():
            if its_slot == slot:
                theta = jax.eval_shape(
                    lambda k, c=edge.connection, rule=slot.rule: rule.init(k, c), jax.random.key(0)
                )
                shapes[name] = [leaf.shape for leaf in jax.tree.leaves(theta)]
        if len({str(shape) for shape in shapes.values()}) > 1:
            raise BadInput(
                f"slot {slot.name}: one theta for {', '.join(shapes)}",
                "edges of one shape, for numbers per synapse",
                "shared: false",
            )
