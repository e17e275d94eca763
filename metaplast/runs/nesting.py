"""The rows of a table whose family contains the family of another row.

The family of a row is the set of lives that some theta of it gives. Row A contains row B where, for
every theta of B, some theta of A makes A live exactly as B does. `embed` gives that theta of A. No
list of such pairs is kept: rules and genomes, also those of plug-ins, embed others by
`AbstractRule.embed`.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from metaplast.life.lifetime import Lifetime, Slot
from metaplast.problem.held import held_of
from metaplast.registry import BadInput
from metaplast.runs.job import OF_SLOT, Config, Job
from metaplast.signals import CREDIT_FIELDS, SYNAPTIC_CREDIT, Theta

Rows = Sequence[tuple[str, Config]]


def contained(rows: Rows) -> dict[str, list[str]]:
    """{row: rows whose family it contains}, in the order of the table."""
    containing = {}
    for name, config in rows:
        containing[name] = []
        for other, narrow in rows:
            if other != name and contains(config, narrow):
                containing[name].append(other)
    return containing


def check_origins(job: Job) -> None:
    """Check that the family of every row contains the family of its origin.

    Raises: BadInput where it does not.
    """
    for name, origin in job.origins:
        if not contains(job.row(name), job.row(origin)):
            others = contained([*job.rows])[name]
            expected = "no from: it contains no row"
            if others:
                expected = f"a row whose family it contains: {', '.join(others)}"
            raise BadInput(f"rows.{name}.from={origin}", expected, "choose one, or widen the row")


def contains(wide: Config, narrow: Config) -> bool:
    """Whether the family of `wide` contains the family of `narrow`."""
    return embed(wide, narrow, _blank(narrow), _blank(wide)) is not None


def embed(wide: Config, narrow: Config, theta: Theta, start: Theta) -> Theta | None:
    """The theta with which `wide` lives as `narrow` lives with `theta`.

    A row with coordinates of its search (`space`) contains no other row, because its bounds may cut
    the embedded theta off. Nor does a row with frozen numbers.

    Args:
        wide: the config that contains the other.
        narrow: the other config.
        theta: the theta of `narrow`.
        start: the theta of `wide` before its search. It fills numbers that play no part.

    Returns: the theta of `wide`; None where its family does not contain the family of `narrow`.
    """
    if wide.space or held_of(wide.slots()) or not _differ_in_family_alone(wide, narrow):
        return None
    wide_life = wide.meta_problem().lifetime
    narrow_life = narrow.meta_problem().lifetime
    genome = wide.genome.embed(narrow.genome, theta["genome"], start["genome"])
    rules = _rules(wide_life, narrow_life, theta, start)
    if genome is None or rules is None:
        return None
    feedback = theta["feedback"]
    if wide.feedback != narrow.feedback:
        if not _reads_no_feedback(narrow_life):
            return None
        feedback = start["feedback"]
    embedded = {
        "rules": rules,
        "genome": genome,
        "feedback": feedback,
        "neurons": theta["neurons"],
    }
    return jax.tree.map(lambda like, x: jnp.asarray(x, like.dtype), start, embedded)


def _differ_in_family_alone(wide: Config, narrow: Config) -> bool:
    """Whether two configs are equal but for their family and their note.

    The family is made of feedback, genome and rules.
    """
    family: dict[str, Any] = {}
    for name in ("feedback", "genome", "rule", "rules", *OF_SLOT):
        family[name] = getattr(wide, name)
    return replace(narrow, **family, space=(), note=wide.note) == replace(wide, space=())


def _reads_no_feedback(lifetime: Lifetime) -> bool:
    """Whether no rule of a lifetime reads a credit signal or a modulator."""
    for reads in lifetime.reads().values():
        for field in reads:
            if field.startswith("modulators") or field.rpartition(".")[2] in CREDIT_FIELDS | {
                SYNAPTIC_CREDIT
            }:
                return False
    return True


def _rules(wide: Lifetime, narrow: Lifetime, theta: Theta, start: Theta) -> Theta | None:
    """theta["rules"] of the wide row, slot by slot."""
    narrow_slots = {edge: slot for edge, (_, slot) in narrow.plastic().items()}
    edges_of: dict[str, list[str]] = {slot.name: [] for slot in wide.slots}
    for edge, (_, slot) in wide.plastic().items():
        edges_of[slot.name].append(edge)
    if not set(narrow_slots) <= set(wide.plastic()):
        return None
    rules: dict[str, Any] = {}
    for slot in wide.slots:
        slots = {}
        for edge in edges_of[slot.name]:
            slots[edge] = narrow_slots.get(edge)
        slot_start = start["rules"][slot.name]
        if slot.shared:
            embedded = _shared(slot, list(slots.values()), theta, slot_start)
        else:
            embedded = _each(slot, slots, theta, slot_start)
        if embedded is None:
            return None
        rules[slot.name] = embedded
    return rules


def _shared(wide: Slot, slots: list[Slot | None], theta: Theta, start: Theta) -> Theta | None:
    """One theta for all edges of a slot of the wide row.

    The narrow row must have one theta for these edges too, or no rule on them at all.

    Args:
        wide: the slot of the wide row.
        slots: the slot of the narrow row on each of its edges.
        theta: the theta of the narrow row.
        start: the theta of the slot before the search.
    """
    first, *rest = slots
    if any(slot != first for slot in rest):
        return None
    if first is None:
        return wide.rule.embed(None, {}, start)
    if first.shared:
        return wide.rule.embed(first.rule, theta["rules"][first.name], start)
    theta_of_edges = list(theta["rules"][first.name].values())
    if len(slots) > 1 and jax.tree.leaves(theta_of_edges):
        return None
    return wide.rule.embed(first.rule, theta_of_edges[0], start)


def _each(wide: Slot, slots: dict[str, Slot | None], theta: Theta, start: Theta) -> Theta | None:
    """A theta for every edge of a slot of the wide row. The arguments are as in `_shared`."""
    by_edge: dict[str, Theta] = {}
    for edge, slot in slots.items():
        if slot is None:
            embedded = wide.rule.embed(None, {}, start[edge])
        else:
            slot_theta = theta["rules"][slot.name]
            edge_theta = slot_theta if slot.shared else slot_theta[edge]
            embedded = wide.rule.embed(slot.rule, edge_theta, start[edge])
        if embedded is None:
            return None
        by_edge[edge] = embedded
    return by_edge


@lru_cache(maxsize=256)
def _blank(config: Config) -> Theta:
    """A theta of zeros. Its numbers do not decide whether a family contains another."""
    shapes = jax.eval_shape(lambda: config.meta_problem().init(jax.random.key(0)))
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
