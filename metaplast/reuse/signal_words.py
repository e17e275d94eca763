"""The meaning of the signals of the term grammar.

A signal has a short name in a term. In Python it is a field of the view that a rule gets.
"""

from collections.abc import Iterator

from metaplast.language.grammar import SIGNALS, TRACES, field_of

WORDS = {
    "pre": "activity of the presynaptic neuron",
    "post": "activity of the postsynaptic neuron",
    "error": "credit at the postsynaptic neuron: d loss / d potential under symmetric feedback",
    "pre_error": "credit at the presynaptic neuron",
    "learning_signal": "credit at the postsynaptic neuron without its own gain: error = "
    "learning_signal*post_gain",
    "target": "the activity that the task wants of an output unit; 0 elsewhere",
    "predicted": "W^T post at the presynaptic neuron (reach layer)",
    "post_potential": "membrane potential of the postsynaptic neuron",
    "pre_potential": "membrane potential of the presynaptic neuron",
    "post_gain": "d activity / d potential of the postsynaptic neuron",
    "pre_gain": "d activity / d potential of the presynaptic neuron",
    "score": "d log P(activity) / d potential of a postsynaptic unit that draws its activity by "
    "lot",
    "dendrite": "potential of the postsynaptic neuron's separate dendrite",
    "site": "potential of the postsynaptic neuron at the port where the edge ends",
    "post_relaxed": "activity of the postsynaptic neuron in the state to which the feedback "
    "relaxed the network",
    "pre_relaxed": "activity of the presynaptic neuron in that state",
    "post_weight_sum": "sum over the postsynaptic neuron's own synapses (reach neuron)",
    "pre_weight_sum": "sum over the presynaptic neuron's own synapses (reach neuron)",
    "post_weight_norm": "Euclidean norm of the postsynaptic neuron's own synapses (reach neuron)",
    "pre_weight_norm": "Euclidean norm of the presynaptic neuron's own synapses (reach neuron)",
    "input_gain": "1 / (1 + sum of squares of the inputs of the postsynaptic neuron) "
    "(reach neuron)",
    "layer_power": "sum of squares of the postsynaptic population's activities (reach layer)",
    "layer_backward": "post . (W pre_error), one number for all (reach layer)",
    "layer_forward": "error . (W pre), one number for all (reach layer)",
    "weight": "the synapse's weight",
    "synaptic_credit": "d loss / d weight through the times of spikes, which the feedback gives at "
    "the synapse itself",
    "pre_trace": "trace of presynaptic spikes (rule trace_taylor)",
    "pre_slow": "slow trace of presynaptic spikes (rule trace_taylor)",
    "post_trace": "trace of postsynaptic spikes (rule trace_taylor)",
    "post_slow": "slow trace of postsynaptic spikes (rule trace_taylor)",
    "modulator.NAME": "a global third factor that the task offers, such as reward; surprise is the "
    "step's loss",
}
UNITS = {
    "activity": "activity; a spike is 1 in its step",
    "feedback": "loss per potential",
    "learning_signal": "loss per activity",
    "target": "activity",
    "returned": "weight times activity",
    "potential": "potential: mV for adex, threshold 1 for lif",
    "gain": "activity per potential",
    "score": "per potential",
    "dendrite": "potential",
    "site": "potential",
    "relaxed": "activity",
    "log_probability": "1",
    "weight": "weight",
    "weight_initial": "weight",
    "weight_max": "weight",
    "eligibility": "activity per weight",
    "credit": "loss per weight",
    "weight_sum": "weight",
    "weight_norm": "weight",
    "input_gain": "1",
    "layer_power": "activity squared",
    "layer_backward": "activity times weight times loss per potential",
    "layer_forward": "activity times weight times loss per potential",
}
"""{last part of a field of the view: unit}"""
FIELD_WORDS = {
    "weight_initial": "the synapse's weight at birth",
    "weight_max": "the upper bound of the edge's weights",
    "eligibility": "d activity of the postsynaptic neuron / d weight, through its own state alone",
    "post.log_probability": "log P(activity) of a postsynaptic unit that draws its activity by lot",
    "pre.log_probability": "log P(activity) of such a presynaptic unit",
    "mixing.neuron": "a sum over the synapses of one neuron, made by the rule itself",
    "mixing.layer": "a sum over the synapses of a layer, made by the rule itself",
}
"""{field of the view that no term names: meaning}"""
TRACE_FIELD = "(the rule's own state)"


def lines() -> Iterator[tuple[str, str, str]]:
    """(name in a term, field of the view in Python, meaning)."""
    for name in (*SIGNALS, *TRACES):
        yield name, TRACE_FIELD if name in TRACES else f"view.{field_of(name)}", WORDS[name]
    yield "modulator.NAME", "view.modulators['NAME']", WORDS["modulator.NAME"]


def of_field(field: str) -> tuple[str, str]:
    """(meaning, unit) of a field of the view, such as `post.feedback`, from the end of a synapse.

    A modulator has the unit that its task gives it. A field without words has an empty meaning.
    """
    if field.startswith("modulators."):
        return WORDS["modulator.NAME"], "that of the task"
    meaning = FIELD_WORDS.get(field, "")
    for name in SIGNALS:
        if field_of(name) == field:
            meaning = WORDS[name]
    return meaning, UNITS.get(field.rpartition(".")[2], "")
