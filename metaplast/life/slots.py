"""Named places for rules, and the theta of each."""

from collections.abc import Mapping
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from metaplast.language.numbers import of_text
from metaplast.registry import BadInput, name_of
from metaplast.rules.base import AbstractRule, inner_rules
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key, Theta
from metaplast.spec import named, plugin, spec, text
from metaplast.wiring import Edge

Numbers = Annotated[tuple[tuple[str, str], ...], named(text)]


@spec
class Slot:
    """A named place for a rule, at the plastic edges whose names match a glob.

    Args:
        name: the name of the slot, and of its theta in theta["rules"].
        edges: the glob of edge names, such as `*` or `hidden_*`.
        rule: the rule of these edges.
        shared: whether the edges share one theta; otherwise each has its own.
        start: {dotted name of a leaf of theta: its numbers before a search, as text
            (language/numbers.py)}; other leaves are drawn by the rule.
        frozen: names in `start` of leaves that no search moves.

    Raises:
        BadInput: a frozen leaf is not in `start`, or a rule that rewires lies inside another one,
            where it would rewire nothing.
    """

    name: str = "rule"
    edges: str = "*"
    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    shared: bool = True
    start: Numbers = ()
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.frozen:
            if name not in dict(self.start):
                known = ", ".join(dict(self.start)) or "none"
                raise BadInput(f"frozen leaf {name!r}", f"one of start: {known}", "use rule.from")
        for inner in inner_rules(self.rule):
            if inner.rewires:
                name = name_of(type(inner))
                what = f"slot {self.name}: rule {name} inside rule {name_of(type(self.rule))}"
                raise BadInput(what, f"{name} outermost", f"put {name} around the other rules")


def first_theta(slot: Slot, key: Key, edge: Edge) -> Theta:
    """The theta of a rule before a search: the numbers of `start`, the others drawn.

    Args:
        slot: the slot of the rule.
        key: of the draw.
        edge: the edge, or one of the edges that share theta.
    """
    theta: Any = slot.rule.init(key, edge.connection)
    for name, numbers in slot.start:
        theta = _with_leaf(theta, name.split("."), of_text(numbers))
    return theta


def _with_leaf(theta: Any, path: list[str], values: Any) -> Any:
    """The theta whose leaf at a path has other values of the same shape."""
    if not isinstance(theta, dict):
        return jnp.asarray(values, theta.dtype)
    return {**theta, path[0]: _with_leaf(theta[path[0]], path[1:], values)}


def check_start(plastic: Mapping[str, tuple[Edge, Slot]]) -> None:
    """Check that the numbers at the start of a search fit the theta of their rule.

    Args:
        plastic: edge name -> (edge, its slot).

    Raises:
        BadInput: a leaf that the rule does not have, or of another shape.
    """
    for name, (edge, slot) in plastic.items():
        if not slot.start:
            continue
        shapes = _shapes_by_name(slot.rule, edge)
        for leaf, numbers in slot.start:
            given = of_text(numbers).shape
            if leaf not in shapes:
                listed = ", ".join(shapes) or "none"
                raise BadInput(
                    f"the start of slot {slot.name}: {leaf!r}",
                    f"a leaf of its rule: {listed}",
                    "start from a rule of this form (rule.from)",
                )
            if given != shapes[leaf]:
                raise BadInput(
                    f"the start of slot {slot.name}: {leaf} of shape {list(given)}",
                    f"{list(shapes[leaf])}, that of the rule on edge {name}",
                    "start from a rule of these sizes, or search without rule.from",
                )


def _shapes_by_name(rule: AbstractRule, edge: Edge) -> dict[str, tuple[int, ...]]:
    """{dotted name: shape} of the leaves of theta of a rule; nothing is computed."""
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), edge.connection))
    shapes = {}
    for path, leaf in jax.tree.leaves_with_path(theta):
        shapes[jax.tree_util.keystr(path, simple=True, separator=".")] = leaf.shape
    return shapes


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
                shapes[name] = _shapes_by_name(slot.rule, edge)
        if len({str(shape) for shape in shapes.values()}) > 1:
            raise BadInput(
                f"slot {slot.name}: one theta for {', '.join(shapes)}",
                "edges of one shape, for numbers per synapse",
                "shared: false",
            )
