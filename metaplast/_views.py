"""The view of an edge: what its rule may read, and what it sees in one step."""

from operator import attrgetter
from types import SimpleNamespace

import jax.numpy as jnp
from jax import Array

from metaplast.registry import BadInput
from metaplast.rules._aggregates import AGGREGATES, aggregates
from metaplast.rules._locality import reads
from metaplast.rules.base import AbstractRule
from metaplast.signals import FEEDBACK_FIELDS, Credit, Key, NeuronView, SynapseView
from metaplast.wiring import Edge, Wiring


def edge_reads(wiring: Wiring, edge: Edge, rule: AbstractRule, offers: frozenset[str]) -> frozenset[str]:
    """The fields of its view that the rule of an edge depends on.

    offers: what the task's feedback holds. Raises: BadInput for a field that nothing there fills in.
    """
    channels = tuple(sorted(offers - FEEDBACK_FIELDS))
    try:
        fields = reads(rule, edge.connection, channels)
    except KeyError as missing:
        expected = f"one the task offers: {', '.join(channels) or 'none'}"
        raise BadInput(f"rule at {edge.name} reads modulator {missing}", expected, "change rule or task") from None
    for field in sorted(_sources(fields)):
        side, _, name = field.partition(".")
        if side not in ("pre", "post"):
            continue
        neuron = wiring.population(edge.pre if side == "pre" else edge.post).neuron
        offered = set(neuron.offers)
        offered |= {"feedback"} if "error" in offers else set()
        if name not in offered:
            expected = f"a signal on offer there: {', '.join(sorted(offered))}"
            raise BadInput(f"rule at {edge.name} reads {field}", expected, "change rule, neuron or task")
    return fields


def _sources(fields: frozenset[str]) -> set[str]:
    """The fields with every sum over synapses replaced by what it is made of (a sum over weights: by nothing)."""
    made_of = [AGGREGATES[name].needs if name in AGGREGATES else (name,) for name in fields]
    return {need for needs in made_of for need in needs}


def edge_view(
    edge: Edge,
    used: frozenset[str],
    weights: tuple[Array, Array, float],
    views: dict[str, NeuronView],
    sent: Array,
    credit: Credit,
    key: Key,
) -> SynapseView:
    """What the rule of one edge sees; sums over a neuron's synapses are computed only where they are read.

    weights: now, at birth, and their upper bound; sent: what the edge transmitted in this step.
    """
    now, born, largest = weights
    pre = views[edge.pre].replace(activity=sent, feedback=credit.feedback[edge.pre])  # pyright: ignore[reportAttributeAccessIssue]
    post = views[edge.post].replace(feedback=credit.feedback[edge.post])  # pyright: ignore[reportAttributeAccessIssue]
    sides = aggregates(edge.connection, now, lambda name: attrgetter(name)(SimpleNamespace(pre=pre, post=post)), used)
    return SynapseView(
        pre=pre.replace(**sides["pre"]),
        post=post.replace(**sides["post"]),
        weight=now,
        weight_initial=born,
        weight_max=jnp.asarray(largest),
        modulators=credit.modulators,
        key=key,
    )
