"""A rule carried into another network: each edge gets the rule of the nearest edge by its role."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from metaplast import search_loop
from metaplast.life.lifetime import Slot
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import BadInput
from metaplast.reuse.load import Rule
from metaplast.runs.job import Config
from metaplast.runs.row_files import dotted
from metaplast.signals import Theta

Role = Literal["first", "hidden", "last"]
NEAREST: dict[Role, tuple[Role, ...]] = {
    "first": ("first", "hidden", "last"),
    "hidden": ("hidden", "first", "last"),
    "last": ("last", "hidden", "first"),
}
"""{role: roles from the nearest to the farthest}"""


class Carried(NamedTuple):
    """A rule in a network.

    problem: the lives, with the rule on every plastic edge.
    theta: its theta.
    notes: what was not carried as it was, in words.
    """

    problem: MetaProblem
    theta: Theta
    notes: tuple[str, ...]


def roles(edges: Sequence[str]) -> dict[str, Role]:
    """The role of every edge `pre_to_post` in its network.

    An edge is `last` where no edge leaves its post. It is `first` where no other edge comes to its
    pre. All others are `hidden`.
    """
    ends = {}
    for edge in edges:
        pre, _, post = edge.partition("_to_")
        ends[edge] = (pre, post)
    found: dict[str, Role] = {}
    for edge, (pre, post) in ends.items():
        role: Role = "hidden"
        if all(other != post for other, _ in ends.values()):
            role = "last"
        elif all(other != pre for _, other in ends.values()):
            role = "first"
        found[edge] = role
    return found


def nearest(sources: Sequence[str], edges: Sequence[str]) -> dict[str, str]:
    """{edge: the source whose rule it gets}.

    It is the source of the same name where there is one. Else it is the last source of the nearest
    role.

    Args:
        sources: edges that have a rule, in the order of their network.
        edges: edges that need one.
    """
    by_role: dict[Role, str] = {}
    for source, role in roles(sources).items():
        by_role[role] = source
    chosen = {}
    for edge, role in roles(edges).items():
        near = [by_role[other] for other in NEAREST[role] if other in by_role]
        chosen[edge] = edge if edge in sources else near[0]
    return chosen


def carried(rules: Mapping[str, Rule], rest: Theta, config: Config) -> Carried:
    """A rule on the plastic edges of the network of a config.

    Args:
        rules: {edge: its rule}, as its file has them; one for any edge where there is one alone.
        rest: the parts of a theta beside its rules, such as gains at birth; {} where none are
            known. Numbers that do not fit the network start anew.
        config: the config. Its own rule only says which edges are plastic.

    Raises: BadInput where a rule does not fit an edge, or reads a signal that is not there.
    """
    problem = config.meta_problem()
    plastic = problem.lifetime.plastic()
    if not plastic:
        raise BadInput("a network without a plastic edge", "a rule in the config", "add rule=...")
    chosen = nearest(list(rules), list(plastic))
    slots = []
    thetas = {}
    for edge, source in chosen.items():
        rule = rules[source]
        connection = plastic[edge][0].connection
        form = jax.eval_shape(partial(rule.spec.init, connection=connection), jax.random.key(0))
        if _shapes(form) != _shapes(rule.theta):
            raise BadInput(
                f"the rule of {source} on {edge}",
                "numbers that do not depend on the sizes of an edge",
                "it has one number per synapse, and belongs to its network",
            )
        slots.append(Slot(edge, edge, rule.spec))
        thetas[edge] = rule.theta
    lifetime = replace(problem.lifetime, slots=tuple(slots))
    problem = replace(problem, lifetime=lifetime)
    problem.check()
    start = problem.init(search_loop.stream(config.seed, "theta"))
    beside = {name: part for name, part in start.items() if name != "rules"}
    beside, anew = _laid(beside, rest)
    theta = {**beside, "rules": _as(start["rules"], thetas)}
    notes = []
    if len({id(rule) for rule in rules.values()}) > 1:
        notes += _on_edges(chosen)
    for part, n in Counter(name.partition(".")[0] for name in anew).items():
        notes.append(f"{n} of its numbers beside the rule ({part}) start anew")
    return Carried(problem, theta, tuple(notes))


def _on_edges(chosen: Mapping[str, str]) -> list[str]:
    """A note on the edges that have the rule of another edge."""
    moved = []
    for edge, source in chosen.items():
        if edge != source:
            moved.append(f"{edge} has the rule of {source}")
    return moved


def _laid(start: Theta, rest: Theta) -> tuple[Theta, list[str]]:
    """(A theta with the numbers of another where both have them, the names of the others)."""
    known = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(rest)[0]:
        known[dotted(path)] = np.asarray(leaf)
    anew = []

    def one(path: Any, leaf: Any) -> Any:
        name = dotted(path)
        if name in known and known[name].shape == leaf.shape:
            return known[name].astype(leaf.dtype)
        anew.append(name)
        return np.asarray(leaf)

    return jax.tree_util.tree_map_with_path(one, start), anew


def _as(like: Theta, theta: Theta) -> Theta:
    """The same numbers in the types of another theta."""
    return jax.tree.map(lambda form, leaf: np.asarray(leaf, form.dtype), like, theta)


def _shapes(theta: Any) -> list[tuple[int, ...]]:
    return [tuple(np.shape(leaf)) for leaf in jax.tree.leaves(theta)]
