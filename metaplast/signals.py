"""The signals that flow between the parts of a life: named arrays, never positional.

A new signal is a new field. [n] is one value per neuron of a population, [] a scalar. Synaptic
values are [post, pre], or in the connection's own layout. Units are SI units.
"""

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar, dataclass_transform

import jax.numpy as jnp
from jax import Array, tree_util

from metaplast.registry import BadInput

Theta = Any  # a pytree of float arrays
Key = Array
Metrics = dict[str, Array]

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def pytree(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass of arrays that JAX maps over.

    Its leaves come in the order of their names. It gets a method `replace`.
    """
    made: Any = dataclass(frozen=True, kw_only=True)(cls)
    names = sorted(one.name for one in fields(made))
    made.replace = replace
    return tree_util.register_dataclass(made, data_fields=names, meta_fields=[])


IN_TERMS = {"error": "view.post.feedback", "pre_error": "view.pre.feedback"}
"""{name in a term that is often taken for a field: the field of the view in Python}"""


class NoField(BadInput, AttributeError):
    """A rule asked a view for a field that it does not have."""


def _refuse(view: Any, name: str) -> NoReturn:
    """Raises: NoField, which names the fields that the view has."""
    if name.startswith("__"):
        raise AttributeError(name)
    known = ", ".join(one.name for one in fields(view))
    fix = "correct the name; docs/explanations/signals.md has every field"
    if name in IN_TERMS:
        fix = f"in Python `{name}` is `{IN_TERMS[name]}`"
    raise NoField(f"{type(view).__name__} has no field {name!r}", f"one of {known}", fix)


@pytree
class NeuronView:
    """The signals that one population shows to its synapses, each [n].

    A sum "over the neuron's own synapses" is over its synapses of this edge alone.

    Attributes:
        activity: output: a rate (arbitrary unit), or spikes 0/1.
        potential: membrane potential, or the input of the activation function.
        gain: d activity / d potential; a surrogate where activity is spikes.
        feedback: the credit signal; d loss / d potential under symmetric feedback.
        learning_signal: the credit without the unit's own gain: feedback = learning_signal * gain.
        target: the target of an output unit; 0 for every other unit.
        score: d log P(activity) / d potential, for a unit that draws its activity at random.
        dendrite: potential of a separate dendrite, where the neuron has one.
        returned: W^T post, the activity of the other side carried back through the forward weights.
        weight_sum: sum over the neuron's own synapses.
        weight_norm: Euclidean norm over the neuron's own synapses.
        input_gain: 1 / (1 + sum of squares of the signals at the neuron's own synapses).
        layer_power: postsynaptic side: sum of squares of the population's activities, one number
            for all.
        layer_backward: postsynaptic side: post . (W pre_error), one number for all.
        layer_forward: postsynaptic side: error . (W pre), one number for all.
        relaxed: activity in the state to which the feedback relaxed the network, where it does so
            (`AbstractFeedback.relaxes`).
        site: postsynaptic side: potential where the edge ends, at its port
            (`AbstractNeuron.at_port`).
        log_probability: log P(activity) of a unit that draws its activity at random, summed over a
            population the one of all its activities.
    """

    activity: Array
    potential: Array
    gain: Array
    feedback: Array
    learning_signal: Array
    target: Array
    score: Array
    dendrite: Array
    returned: Array
    weight_sum: Array
    weight_norm: Array
    input_gain: Array
    layer_power: Array
    layer_backward: Array
    layer_forward: Array
    relaxed: Array
    site: Array
    log_probability: Array

    if not TYPE_CHECKING:  # it is called for a wrong name alone

        def __getattr__(self, name: str) -> NoReturn:
            _refuse(self, name)


@pytree
class SynapseView:
    """Everything that a learning rule may look at; the part that it reads is measured.

    Attributes:
        pre: the presynaptic neurons, fields [n_pre].
        post: the postsynaptic neurons, fields [n_post].
        weight: in the connection's layout.
        weight_initial: the weight at birth, in the same layout.
        weight_max: upper bound of the weight [].
        eligibility: d activity of the postsynaptic neuron / d weight, through the state of that
            neuron alone, times the sign with which the edge acts on it; in the layout of the
            weights, or 0 where no rule reads it.
        credit: d loss / d weight through the times of spikes, where the feedback gives it at the
            synapse (`AbstractFeedback.at_synapses`), else 0; in the layout of the weights.
        modulators: channel -> global third factor [].
        key: a key of this edge and step.
        transmitted: the same step as the edge transmits it; None where `pre` and `post` are that
            already.

    See locality/reads.py for the measurement.
    """

    pre: NeuronView
    post: NeuronView
    weight: Array
    weight_initial: Array
    weight_max: Array
    eligibility: Array = field(default_factory=lambda: jnp.zeros(()))
    credit: Array = field(default_factory=lambda: jnp.zeros(()))
    modulators: dict[str, Array]
    key: Key
    transmitted: "SynapseView | None" = None

    if not TYPE_CHECKING:  # it is called for a wrong name alone

        def __getattr__(self, name: str) -> NoReturn:
            _refuse(self, name)


@pytree
class Feedback:
    """The answer of the task to the network after one step.

    Attributes:
        error: d loss / d activity of the output population [n_out].
        target: desired output [n_out].
        modulators: channel -> scalar [].
        gate: 1 where plasticity is on, 0 where it is off, or a value between [].
        reset: 1 where a new trial begins after this step, else 0 [].
    """

    error: Array
    target: Array
    modulators: dict[str, Array]
    gate: Array
    reset: Array


@pytree
class Score:
    """The judgement of the task on one step.

    Attributes:
        loss: the loss of the step [].
        weight: its weight in means over steps []; 0 leaves the step out.
        metrics: the task's own metrics, name -> value [].
    """

    loss: Array
    weight: Array
    metrics: dict[str, Array]


@pytree
class Outcome:
    """The answer of the task to one step.

    Attributes:
        feedback: for the network.
        score: for the outer loop.
    """

    feedback: Feedback
    score: Score


@pytree
class Credit:
    """Credit signals of every population, and global third factors.

    Attributes:
        learning_signal: population -> credit without the units' own gain [n].
        feedback: population -> credit with it, learning_signal * gain [n].
        modulators: channel -> scalar [].
        relaxed: population -> activity in the state to which the feedback relaxed the network [n];
            {} where it does not.
        synapses: edge -> credit of each synapse, in the layout of its connection; {} where the
            feedback gives credit to neurons alone.
    """

    learning_signal: dict[str, Array]
    feedback: dict[str, Array]
    modulators: dict[str, Array]
    relaxed: dict[str, Array] = field(default_factory=dict)
    synapses: dict[str, Array] = field(default_factory=dict)


@pytree
class Synapses:
    """The synapses of one edge.

    Attributes:
        weight: in the layout of the connection.
        mask: 1 where a synapse exists, else 0, in the same layout; a scalar 1 where all exist.
    """

    weight: Array
    mask: Array


@pytree
class RuleState:
    """The state of a rule, by the side that carries it.

    Attributes:
        post: name -> value per postsynaptic neuron [n_post].
        pre: name -> value per presynaptic neuron [n_pre].
        synapse: name -> value per synapse, in the layout of the connection.
        scalar: name -> scalar [].
    """

    post: dict[str, Array]
    pre: dict[str, Array]
    synapse: dict[str, Array]
    scalar: dict[str, Array]


@pytree
class Trace:
    """The record of many steps: one entry per step, stacked along the first axis.

    Attributes:
        score: the scores.
        recorded: the recorded signals, by the names in `Lifetime.record`.
    """

    score: Score
    recorded: dict[str, Any]


class TaskShape(NamedTuple):
    """The static facts of a task family.

    Attributes:
        inputs: input population -> its size.
        n_out: size of the output population.
        phases: (n_steps, plastic) in order.
        offers: the names that its feedback really holds (error, target, gate, reset, names of
            modulators), and the names that the task itself brings (weights, final_weights,
            subject). `weights` are initial ones.
        differentiable: whether gradients pass through `step`.
        watched: (population, size) of populations inside the network. Their activity stands before
            the activity of the output in the view that `step` gets.
        rests: whether a gate of 0 lets rules rest altogether, as in a phase that is not plastic:
            the memory of rules and feedback stays too, not only the weights.
        classes: whether the target of every step is 1 at the right class and 0 elsewhere, and the
            metrics hold `accuracy`.
    """

    inputs: dict[str, int]
    n_out: int
    phases: tuple[tuple[int, bool], ...]
    offers: frozenset[str]
    differentiable: bool
    watched: tuple[tuple[str, int], ...] = ()
    rests: bool = False
    classes: bool = False

    @property
    def n_steps(self) -> int:
        """Steps of a life, over all phases."""
        return sum(n for n, _ in self.phases)

    @property
    def n_seen(self) -> int:
        """Units in the view that `step` gets."""
        return sum(n for _, n in self.watched) + self.n_out


FEEDBACK_FIELDS = frozenset(
    {"error", "target", "gate", "reset", "weights", "final_weights", "subject"}
)
"""The names that a task may offer, beside those of modulators."""
SURPRISE = "surprise"
"""The modulator that is the loss of the present step."""
CREDIT_FIELDS = frozenset({"feedback", "learning_signal"})
"""The fields of a NeuronView that only a feedback can fill in."""
RELAXED = "relaxed"
"""The field of a NeuronView that only a feedback which relaxes the network fills in."""
SYNAPTIC_CREDIT = "credit"
"""The field of a SynapseView that only a feedback with credit at synapses fills in."""
EMPTY_STATE_FIELDS = {"post": {}, "pre": {}, "synapse": {}, "scalar": {}}


def neuron_view(activity: Array, potential: Array, gain: Array) -> NeuronView:
    """A view that holds a neuron's own dynamics and zeros elsewhere.

    The other fields are filled in on the way to a synapse.

    Args:
        activity: output of the neurons [n].
        potential: membrane potential [n].
        gain: d activity / d potential [n].
    """
    zeros = jnp.zeros_like(activity)
    fields = dict.fromkeys(NeuronView.__annotations__, zeros)
    fields |= {"activity": activity, "potential": potential, "gain": gain}
    return NeuronView(**fields)


def rule_state(**sides: dict[str, Array]) -> RuleState:
    """A rule state of which only the named `sides` hold something."""
    return RuleState(**{**EMPTY_STATE_FIELDS, **sides})


def with_entries(state: RuleState, **sides: dict[str, Array]) -> RuleState:
    """The state with these entries, new or changed, and all its others.

    Args:
        state: the state of a rule.
        sides: side (post, pre, synapse, scalar) -> its entries, by name.
    """
    merged = {}
    for side, entries in sides.items():
        merged[side] = {**getattr(state, side), **entries}
    return replace(state, **merged)


def feedback(n_out: int, **fields: Any) -> Feedback:
    """A feedback with neutral values in the fields that are left out.

    Neutral is: no error, target 0, no modulators, gate open, no reset.

    Args:
        n_out: size of the output population.
        fields: the fields of `Feedback` that are not neutral.
    """
    neutral = {
        "error": jnp.zeros(n_out),
        "target": jnp.zeros(n_out),
        "modulators": {},
        "gate": jnp.ones(()),
        "reset": jnp.zeros(()),
    }
    return Feedback(**{**neutral, **fields})
