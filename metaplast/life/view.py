"""The view of an edge: the signals that its rule may read, and their values in one step."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.feedback.base import AbstractFeedback
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.life.at_synapse import AtSynapse
from metaplast.locality.mixing import leaf_name
from metaplast.locality.reads import blank_view, reads
from metaplast.registry import BadInput, name_of
from metaplast.rules.base import AbstractRule
from metaplast.signals import (
    CREDIT_FIELDS,
    FEEDBACK_FIELDS,
    RELAXED,
    SURPRISE,
    SYNAPTIC_CREDIT,
    Credit,
    Feedback,
    Key,
    NeuronView,
    Outcome,
    SynapseView,
)
from metaplast.wiring import Edge, Wiring


class EdgeWeights(NamedTuple):
    """The weights of an edge, as its rule sees them.

    Attributes:
        now: the weights, in the layout of the connection.
        at_birth: the weights at birth, in the same layout.
        upper: their upper bound.
        effect: the sign with which they act on the postsynaptic potential (`Wiring.effect`).
    """

    now: Array
    at_birth: Array
    upper: float
    effect: float


class Seen(NamedTuple):
    """The signals that a rule sees in one step.

    view: of its edge.
    gate: of plasticity [].
    """

    view: SynapseView
    gate: Array


class Witnessed(NamedTuple):
    """A rule at work in one step.

    view: the signals that it sees.
    gate: of plasticity [].
    change: its change of the weights, gated and masked, before bounds, in their layout.
    """

    view: SynapseView
    gate: Array
    change: Array


class Read(NamedTuple):
    """The part of what a rule sees that it reads.

    fields: by their paths in the view, such as `post.activity`.
    gate: of plasticity [].
    """

    fields: dict[str, Array]
    gate: Array


def edge_reads(
    wiring: Wiring,
    edge: Edge,
    rule: AbstractRule,
    offers: frozenset[str],
    feedback: AbstractFeedback,
) -> frozenset[str]:
    """The fields of its view that the rule of an edge depends on.

    Args:
        wiring: the graph.
        edge: the edge.
        rule: its rule.
        offers: the names that the task's feedback really holds.
        feedback: the way from the task's feedback to a credit signal.

    Returns:
        Paths of fields, such as `post.activity`.

    Raises:
        BadInput: for a field that nothing there fills in.
    """
    channels = tuple(sorted(offers - FEEDBACK_FIELDS))
    try:
        fields = reads(rule, edge.connection, channels)
    except KeyError as missing:
        expected = f"one the task offers: {', '.join(channels) or 'none'}"
        raise BadInput(
            f"rule at {edge.name} reads modulator {missing}", expected, "change rule or task"
        ) from None
    carried = feedback.carries and feedback.needs <= offers
    if SYNAPTIC_CREDIT in fields and not (carried and feedback.at_synapses):
        reason = _no_credit(feedback, offers)
        if carried:
            reason = f"feedback {name_of(type(feedback))} gives credit to neurons alone"
        raise BadInput(
            f"rule at {edge.name} reads synaptic_credit; {reason}",
            "a feedback with credit at synapses",
            "set feedback=eventprop with network.name=event_driven, or change the rule",
        )
    for field in sorted(_sources(fields)):
        side, _, name = field.partition(".")
        if side not in ("pre", "post"):
            continue
        population = wiring.population(edge.pre if side == "pre" else edge.post)
        offered = set(population.neuron.offers)
        if wiring.events:
            offered.discard("potential")
        if carried:
            offered |= CREDIT_FIELDS
        if feedback.relaxes and feedback.needs <= offers:
            offered.add(RELAXED)
        if side == "post" and not wiring.events:
            offered.add("site")
        offered |= {"target"} & offers
        if name not in offered:
            reason = ""
            if name in CREDIT_FIELDS:
                reason = f"; {_no_credit(feedback, offers)}"
            if name == RELAXED:
                reason = f"; feedback {name_of(type(feedback))} relaxes no network"
            raise BadInput(
                f"rule at {edge.name} reads {field}{reason}",
                f"a signal on offer there: {', '.join(sorted(offered))}",
                "change rule, neuron, feedback or task",
            )
    return fields


def with_surprise(offers: frozenset[str]) -> frozenset[str]:
    """The offers of a task, with the loss of the present step as a modulator where it tells errors.

    A task that tells no errors keeps its loss to itself: the loss of recorded activity would leak
    that activity into the weights.
    """
    return offers | {SURPRISE} if "error" in offers else offers


def with_task_signals(
    views: dict[str, NeuronView], output: str, outcome: Outcome, offers: frozenset[str]
) -> tuple[dict[str, NeuronView], Feedback]:
    """Add the target to the view of the output, and `surprise` to the task's modulators.

    Args:
        views: the view of every population.
        output: the name of the output population.
        outcome: the task's feedback and score of the step.
        offers: the names that the task's feedback really holds.

    Returns:
        (The views, the feedback).
    """
    feedback = outcome.feedback
    output_view = replace(views[output], target=feedback.target)
    if SURPRISE in with_surprise(offers) and SURPRISE not in feedback.modulators:
        modulators = {**feedback.modulators, SURPRISE: outcome.score.loss}
        feedback = replace(feedback, modulators=modulators)
    return {**views, output: output_view}, feedback


def _no_credit(feedback: AbstractFeedback, offers: frozenset[str]) -> str:
    """Why no credit signal flows, in words."""
    missing = ", ".join(sorted(feedback.needs - offers))
    reason = f"needs {missing} from the task" if missing else "carries none"
    return f"feedback {name_of(type(feedback))} {reason}"


def _sources(fields: frozenset[str]) -> set[str]:
    """The fields, with every sum over synapses replaced by the fields that it is made of.

    A sum over weights is made of no field.
    """
    sources: set[str] = set()
    for name in fields:
        sources.update(AGGREGATES[name].needs if name in AGGREGATES else (name,))
    return sources


def with_site(views: dict[str, NeuronView], edge: Edge, site: Array) -> dict[str, NeuronView]:
    """The views, with the potential where an edge ends in that of its postsynaptic population.

    Args:
        views: the view of every population.
        edge: the edge.
        site: the potential [n_post].
    """
    return {**views, edge.post: replace(views[edge.post], site=site)}


def edge_view(
    edge: Edge,
    fields: frozenset[str],
    weights: EdgeWeights,
    views: dict[str, NeuronView],
    arrived: AtSynapse,
    credit: Credit,
    key: Key,
) -> SynapseView:
    """The view of the rule of one edge in one step.

    Sums over a neuron's synapses are computed only where they are read. The credit of the
    postsynaptic neuron is multiplied by the sign with which the edge acts on it: it is the credit
    of the edge's own contribution. So descent is the same rule on every edge.

    Args:
        edge: the edge.
        fields: the fields of the view that the rule reads (`edge_reads`).
        weights: the weights of the edge.
        views: the view of every population.
        arrived: the signals at the synapses. Where those for rules that are not of spike times
            differ, the view holds both.
        credit: the credit of every population.
        key: the key of this edge and step.
    """
    pre_credit = _credit_of(credit, edge.pre)
    pre_credit |= _relaxed_of(credit, edge.pre)
    pre = replace(views[edge.pre], activity=arrived.pre, **pre_credit)
    post_credit = _credit_of(credit, edge.post)
    if weights.effect != 1.0:
        post_credit = {name: weights.effect * values for name, values in post_credit.items()}
    post_credit |= _relaxed_of(credit, edge.post)
    post = replace(views[edge.post], **arrived.post, **post_credit)
    sums = aggregates(edge.connection, weights.now, _lookup(pre, post), fields)
    transmitted = None
    if arrived.graded is not None:
        transmitted = edge_view(edge, fields, weights, views, arrived.graded, credit, key)
    return SynapseView(
        pre=replace(pre, **sums["pre"]),
        post=replace(post, **sums["post"]),
        weight=weights.now,
        weight_initial=weights.at_birth,
        weight_max=jnp.asarray(weights.upper),
        modulators=credit.modulators,
        key=key,
        transmitted=transmitted,
        **_synaptic(credit, edge.name),
    )


def with_eligibility(view: SynapseView, eligibility: Array) -> SynapseView:
    """The view of an edge with the eligibility of its synapses, which is that of the sent signal.

    Args:
        view: the view.
        eligibility: in the layout of the connection.
    """
    transmitted = view.transmitted
    if transmitted is not None:
        transmitted = replace(transmitted, eligibility=eligibility)
    return replace(view, eligibility=eligibility, transmitted=transmitted)


def _credit_of(credit: Credit, population: str) -> dict[str, Array]:
    """{field: credit [n]} of one population."""
    return {field: getattr(credit, field)[population] for field in sorted(CREDIT_FIELDS)}


def _synaptic(credit: Credit, edge: str) -> dict[str, Array]:
    """{credit: that of the synapses of an edge}, where the feedback gives it."""
    return {SYNAPTIC_CREDIT: credit.synapses[edge]} if edge in credit.synapses else {}


def _relaxed_of(credit: Credit, population: str) -> dict[str, Array]:
    """{relaxed: its relaxed activity [n]} of one population, where the feedback gives it."""
    return {RELAXED: credit.relaxed[population]} if credit.relaxed else {}


def _lookup(pre: NeuronView, post: NeuronView) -> Callable[[str], Array]:
    """A function from the path of a field, such as `post.activity`, to its values."""
    sides = SimpleNamespace(pre=pre, post=post)
    return lambda path: attrgetter(path)(sides)


def read(view: SynapseView, fields: frozenset[str]) -> dict[str, Array]:
    """The fields of a view that a rule reads, but for weights at birth, which no step changes."""
    leaves = jax.tree_util.tree_flatten_with_path(replace(view, transmitted=None))[0]
    named = {leaf_name(path): leaf for path, leaf in leaves}
    return {name: named[name] for name in sorted(fields & set(named)) if name != "weight_initial"}


def n_numbers(connection: AbstractConnection, fields: frozenset[str]) -> int:
    """The count of numbers in the fields of a view that a rule reads in a step."""
    sizes = {"pre": connection.n_pre, "post": connection.n_post}
    return sum(sizes.get(field.partition(".")[0], 1) for field in fields)


def seen_again(
    edge: Edge,
    fields: Mapping[str, Array],
    at_birth: Array | None,
    upper: float,
    channels: tuple[str, ...],
) -> SynapseView:
    """The view of a rule from the fields that it `read`; all others are 0.

    Args:
        edge: the edge.
        fields: the fields, by their paths.
        at_birth: the weights at birth, where the rule reads them.
        upper: the upper bound of the weights.
        channels: the names of all modulators.
    """
    view = blank_view(edge.connection, channels)
    view = replace(view, weight_max=jnp.asarray(upper))
    if at_birth is not None:
        view = replace(view, weight_initial=at_birth)
    leaves, tree = jax.tree_util.tree_flatten_with_path(view)
    filled = [fields.get(leaf_name(path), leaf) for path, leaf in leaves]
    return jax.tree.unflatten(tree, filled)
