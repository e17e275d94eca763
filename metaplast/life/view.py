"""The view of an edge: what its rule may read, and what it sees in one step."""

from dataclasses import replace
from operator import attrgetter
from types import SimpleNamespace

import jax.numpy as jnp
from jax import Array

from metaplast.feedback.base import AbstractFeedback
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.life.at_synapse import AtSynapse
from metaplast.locality.reads import reads
from metaplast.registry import BadInput, name_of
from metaplast.rules.base import AbstractRule
from metaplast.signals import (
    CREDIT_FIELDS,
    FEEDBACK_FIELDS,
    SURPRISE,
    Credit,
    Feedback,
    Key,
    NeuronView,
    Outcome,
    SynapseView,
)
from metaplast.wiring import Edge, Wiring


def edge_reads(
    wiring: Wiring,
    edge: Edge,
    rule: AbstractRule,
    offers: frozenset[str],
    feedback: AbstractFeedback,
) -> frozenset[str]:
    """The fields of its view that the rule of an edge depends on.

    offers: what the task's feedback holds; feedback: what makes a credit signal of it.
    Raises: BadInput for a field that nothing there fills in.
    """
    channels = tuple(sorted(offers - FEEDBACK_FIELDS))
    try:
        fields = reads(rule, edge.connection, channels)
    except KeyError as missing:
        expected = f"one the task offers: {', '.join(channels) or 'none'}"
        raise BadInput(
            f"rule at {edge.name} reads modulator {missing}", expected, "change rule or task"
        ) from None
    for field in sorted(_sources(fields)):
        side, _, name = field.partition(".")
        if side not in ("pre", "post"):
            continue
        neuron = wiring.population(edge.pre if side == "pre" else edge.post).neuron
        offered = set(neuron.offers)
        offered |= CREDIT_FIELDS if feedback.carries and feedback.needs <= offers else set()
        offered |= {"target"} & offers
        if name not in offered:
            expected = f"a signal on offer there: {', '.join(sorted(offered))}"
            why = f"; {_no_credit(feedback, offers)}" if name in CREDIT_FIELDS else ""
            raise BadInput(
                f"rule at {edge.name} reads {field}{why}",
                expected,
                "change rule, neuron, feedback or task",
            )
    return fields


def with_surprise(offers: frozenset[str]) -> frozenset[str]:
    """What a task offers, and the loss of the present step as a modulator, where it tells errors.

    A task that tells none keeps its loss to itself: that of recorded activity would leak it into
    the weights.
    """
    return offers | {SURPRISE} if "error" in offers else offers


def answered(
    views: dict[str, NeuronView], output: str, outcome: Outcome, offers: frozenset[str]
) -> tuple[dict[str, NeuronView], Feedback]:
    """The views with the target at the output's units, and the task's feedback with `surprise`."""
    given = outcome.feedback
    own = replace(views[output], target=given.target)
    if SURPRISE in with_surprise(offers) and SURPRISE not in given.modulators:
        modulators = {**given.modulators, SURPRISE: outcome.score.loss}
        given = replace(given, modulators=modulators)
    return {**views, output: own}, given


def _no_credit(feedback: AbstractFeedback, offers: frozenset[str]) -> str:
    missing = ", ".join(sorted(feedback.needs - offers))
    return f"feedback {name_of(type(feedback))} " + (
        f"needs {missing} from the task" if missing else "carries none"
    )


def _sources(fields: frozenset[str]) -> set[str]:
    """The fields with every sum over synapses replaced by what it is made of (a sum over weights:
    by nothing).
    """
    made_of = [AGGREGATES[name].needs if name in AGGREGATES else (name,) for name in fields]
    return {need for needs in made_of for need in needs}


def edge_view(
    edge: Edge,
    used: frozenset[str],
    weights: tuple[Array, Array, float, float],
    views: dict[str, NeuronView],
    arrived: AtSynapse,
    credit: Credit,
    key: Key,
) -> SynapseView:
    """What the rule of one edge sees; sums over a neuron's synapses are computed only where they
    are read.

    weights: now, at birth, their upper bound, and the sign with which they act (`Wiring.effect`):
    the credit of the postsynaptic neuron is seen as that of what the edge brings it, so that
    descent is the same rule on every edge.
    arrived: what is at the synapses in this step; where that is not what the edge transmits, the
    view holds both.
    """
    now, born, largest, effect = weights
    told = lambda name: {field: getattr(credit, field)[name] for field in sorted(CREDIT_FIELDS)}
    pre = replace(views[edge.pre], activity=arrived.pre, **told(edge.pre))
    acting = {
        field: values if effect == 1.0 else effect * values
        for field, values in told(edge.post).items()
    }
    post = replace(views[edge.post], **arrived.post, **acting)
    sides = aggregates(
        edge.connection,
        now,
        lambda name: attrgetter(name)(SimpleNamespace(pre=pre, post=post)),
        used,
    )
    transmitted = None
    if arrived.sent is not None:
        transmitted = edge_view(
            edge, used, weights, views, AtSynapse(arrived.sent, {}), credit, key
        )
    return SynapseView(
        pre=replace(pre, **sides["pre"]),
        post=replace(post, **sides["post"]),
        weight=now,
        weight_initial=born,
        weight_max=jnp.asarray(largest),
        modulators=credit.modulators,
        key=key,
        transmitted=transmitted,
    )
