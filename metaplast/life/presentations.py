"""What a life of an event-driven network cannot have, and what it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from metaplast.feedback.base import AbstractFeedback
from metaplast.networks.base import NetworkState
from metaplast.registry import BadInput, name_of
from metaplast.rules.base import AbstractRule
from metaplast.signals import Score
from metaplast.wiring import Wiring

FULL_TABLE = "full_table"
"""The metric of a step: 1 where its table of spikes got full, else 0."""


def check_presentations(
    wiring: Wiring,
    feedback: AbstractFeedback,
    rules: Mapping[str, tuple[AbstractRule, frozenset[str]]],
    dt: float,
    unlike: Mapping[str, bool],
    shown: Sequence[str],
) -> None:
    """Refuse what has no meaning where a step is a presentation.

    Args:
        wiring: the graph, of an event-driven network.
        feedback: the feedback.
        rules: edge -> (its rule, the fields that it reads).
        dt: seconds of a presentation.
        unlike: setting of the life -> whether it is not the default.
        shown: what is recorded and measured.

    Raises:
        BadInput: which names the first of them.
    """
    assert wiring.events
    network = "network event_driven"
    if not wiring.events.latest < dt:
        what = f"{network}: latest={wiring.events.latest:g} in steps of dt={dt:g}"
        raise BadInput(what, "latest below dt, the seconds of a presentation", "raise dt")
    for setting, is_set in unlike.items():
        if is_set:
            expected = "its default: one step is one presentation"
            raise BadInput(f"{network}: {setting}", expected, f"leave {setting} out")
    if feedback.relaxes:
        what = f"{network}: feedback {name_of(type(feedback))} relaxes the network"
        raise BadInput(what, "a feedback of one presentation", "set feedback=eventprop")
    for word in ("potential", "alignment"):
        if word in shown:
            expected = "activities and gains: there is no potential of a step"
            raise BadInput(f"{network}: {word} is recorded or measured", expected, "leave it out")
    for edge, (rule, fields) in rules.items():
        if rule.spike_timing:
            what = f"{network}: the rule at {edge} counts the times of spikes within steps"
        elif "eligibility" in fields:
            what = f"{network}: the rule at {edge} reads the eligibility of a fixed step"
        else:
            continue
        raise BadInput(what, "a rule of presentations", "let it read synaptic_credit, post or pre")


def with_full_table(score: Score, state: NetworkState) -> Score:
    """The score with the metric `full_table` of an event-driven network.

    Args:
        score: of the step.
        state: of the network after it.
    """
    assert state.spikes
    full = state.spikes.full.astype(score.loss.dtype)
    return replace(score, metrics={**score.metrics, FULL_TABLE: full})
