"""Which rows contain which: found from what their rules, feedback, genome and network can be,
listed by nobody.

A row contains another where some theta of its own makes it live exactly as the other does, whatever
theta that has: `embed` gives it. Rules and genomes say for themselves what they contain
(`AbstractRule.embed`), so plug-ins join.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from metaplast.life.lifetime import Lifetime, Slot
from metaplast.registry import BadInput
from metaplast.runs.job import Config, Job
from metaplast.signals import CREDIT_FIELDS, Theta

Rows = Sequence[tuple[str, Config]]


def contained(rows: Rows) -> dict[str, list[str]]:
    """Row -> the rows whose family it contains, in the order of the table."""
    return {
        name: [n for n, c in rows if n != name and contains(config, c)] for name, config in rows
    }


def check_origins(job: Job) -> None:
    """Raises: BadInput for a row that is to start from one whose family it does not contain."""
    for name, origin in job.origins:
        if not contains(job.row(name), job.row(origin)):
            others = contained([*job.rows])[name]
            known = (
                f"a row whose family it contains: {', '.join(others)}"
                if others
                else "no from: it contains no row"
            )
            raise BadInput(f"rows.{name}.from={origin}", known, "choose one, or widen the row")


def contains(wide: Config, narrow: Config) -> bool:
    """Whether the family of `wide` contains that of `narrow`."""
    return embed(wide, narrow, _blank(narrow), _blank(wide)) is not None


def embed(wide: Config, narrow: Config, theta: Theta, start: Theta) -> Theta | None:
    """The theta with which `wide` lives as `narrow` does with `theta`; None where its family does
    not contain that.

    start: theta of `wide` before its search, for numbers that then play no part. A search in
    coordinates of its own
    (`space`) contains no other: its bounds may cut the embedded theta off.
    """
    if wide.space or not _same_world(wide, narrow):
        return None
    mine, other = wide.meta_problem().lifetime, narrow.meta_problem().lifetime
    born = wide.genome.embed(narrow.genome, theta["genome"], start["genome"])
    rules = _rules(mine, other, theta, start)
    told = theta["feedback"] if wide.feedback == narrow.feedback else start["feedback"]
    if (
        born is None
        or rules is None
        or not (wide.feedback == narrow.feedback or _reads_no_feedback(other))
    ):
        return None
    found = {"rules": rules, "genome": born, "feedback": told, "neurons": theta["neurons"]}
    return jax.tree.map(lambda like, x: jnp.asarray(x, like.dtype), start, found)


def _same_world(wide: Config, narrow: Config) -> bool:
    """Whether they differ in nothing beside what a family is made of, and in words."""
    free: dict[str, Any] = {
        name: getattr(wide, name) for name in ("feedback", "genome", "rule", "rules", "shared")
    }
    return replace(narrow, **free, space=(), note=wide.note) == replace(wide, space=())


def _reads_no_feedback(lifetime: Lifetime) -> bool:
    fields = {field for reads in lifetime.reads().values() for field in reads}
    own = {field.rpartition(".")[2] for field in fields}
    return not CREDIT_FIELDS & own and not any(field.startswith("modulators") for field in fields)


def _rules(mine: Lifetime, other: Lifetime, theta: Theta, start: Theta) -> Theta | None:
    """theta["rules"] of the wide row, slot by slot."""
    theirs = {edge: slot for edge, (_, slot) in other.plastic().items()}
    edges: dict[str, list[str]] = {slot.name: [] for slot in mine.slots}
    for edge, (_, slot) in mine.plastic().items():
        edges[slot.name].append(edge)
    if not set(theirs) <= set(mine.plastic()):
        return None
    rules: dict[str, Any] = {}
    for slot in mine.slots:
        own, begun = edges[slot.name], start["rules"][slot.name]
        if slot.shared:
            found = _shared(slot, [theirs.get(edge) for edge in own], theta, begun)
        else:
            found = _each(slot, {edge: theirs.get(edge) for edge in own}, theta, begun)
        if found is None:
            return None
        rules[slot.name] = found
    return rules


def _shared(mine: Slot, theirs: list[Slot | None], theta: Theta, start: Theta) -> Theta | None:
    """One theta for all edges of a slot: the other row must have one for them too, or none at
    all.
    """
    first, *rest = theirs
    if any(slot != first for slot in rest):
        return None
    if first is None:
        return mine.rule.embed(None, {}, start)
    if first.shared:
        return mine.rule.embed(first.rule, theta["rules"][first.name], start)
    alone = list(theta["rules"][first.name].values())
    free = len(theirs) > 1 and jax.tree.leaves(alone)
    return None if free else mine.rule.embed(first.rule, alone[0], start)


def _each(mine: Slot, theirs: dict[str, Slot | None], theta: Theta, start: Theta) -> Theta | None:
    """A theta for every edge of a slot."""
    found: dict[str, Theta] = {}
    for edge, slot in theirs.items():
        if slot is None:
            own = mine.rule.embed(None, {}, start[edge])
        else:
            known = theta["rules"][slot.name]
            own = mine.rule.embed(slot.rule, known if slot.shared else known[edge], start[edge])
        if own is None:
            return None
        found[edge] = own
    return found


@lru_cache(maxsize=256)
def _blank(config: Config) -> Theta:
    """A theta of the right shapes: whether a family contains another does not depend on its
    numbers.
    """
    shapes = jax.eval_shape(config.meta_problem().init, jax.random.key(0))
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
