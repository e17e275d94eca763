"""What flows between the parts of a life: named arrays, never positional. A new signal is a new
field.

Sizes: n neurons of a population; [post, pre] or the connection's own layout for synapses. SI units.
"""

from typing import Any, NamedTuple, TypeVar, cast, dataclass_transform

import chex
import jax.numpy as jnp
from jax import Array

Theta = Any  # a pytree of float arrays
Key = Array
Metrics = dict[str, Array]

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def pytree(cls: type[T]) -> type[T]:
    """A frozen, keyword-only dataclass of arrays that JAX maps over."""
    return cast(type[T], chex.dataclass(cls, frozen=True, mappable_dataclass=False))


@pytree
class NeuronView:
    """What one population shows to its synapses; each field [n]."""

    activity: Array  # output: a rate (arbitrary unit) or 0/1 spikes
    potential: Array  # membrane potential, or the input of the activation function
    gain: Array  # d activity / d potential (a surrogate for spikes)
    feedback: Array  # the credit signal; under symmetric feedback d loss / d potential
    learning_signal: (
        Array  # the credit without the unit's own gain: feedback = learning_signal * gain
    )
    target: Array  # of an output unit, what the task wants of it; 0 of any other
    score: Array  # d log P(activity) / d potential, of a unit that draws its activity by lot
    dendrite: Array  # potential of a separate dendrite, where the neuron has one
    returned: Array  # W^T post: the other side's activity carried back through the forward weights
    weight_sum: Array  # sum over the neuron's own synapses of this edge
    weight_norm: Array  # Euclidean norm over the neuron's own synapses of this edge
    input_gain: (
        Array  # 1 / (1 + sum of squares of what the neuron's own synapses of this edge receive)
    )
    layer_power: Array  # post: sum of squares of the population's activities (one number for all)
    layer_backward: Array  # post: post . (W pre_error), one number for all
    layer_forward: Array  # post: error . (W pre), one number for all


@pytree
class SynapseView:
    """Everything a learning rule may look at; what it does look at is measured (locality/reads.py)."""

    pre: NeuronView
    post: NeuronView
    weight: Array  # the connection's layout
    weight_initial: Array  # at birth, same layout
    weight_max: Array  # upper bound, scalar
    modulators: dict[str, Array]  # channel -> scalar
    key: Key
    transmitted: "SynapseView | None" = (
        None  # this step as the edge transmits it; None where `pre` and `post` are that
    )


@pytree
class Feedback:
    """What the task tells the network after one step."""

    error: Array  # d loss / d activity of the output population [n_out]
    target: Array  # desired output [n_out]
    modulators: dict[str, Array]  # channel -> scalar
    gate: Array  # scalar in [0, 1]: is plasticity on
    reset: Array  # scalar 0/1: a new trial begins after this step


@pytree
class Score:
    """What one step is worth; weight 0 leaves a step out."""

    loss: Array
    weight: Array
    metrics: dict[str, Array]


@pytree
class Outcome:
    feedback: Feedback
    score: Score


@pytree
class Credit:
    """Credit signals per population [n], without and with its own gain, and global third factors
    (scalars).
    """

    learning_signal: dict[str, Array]
    feedback: dict[str, Array]
    modulators: dict[str, Array]


@pytree
class Synapses:
    """The synapses of one edge: weights, and a mask of the same layout or a scalar 1 where nothing
    is masked.
    """

    weight: Array
    mask: Array


@pytree
class RuleState:
    """State of a rule, by the side that carries it: [n_post], [n_pre], synapses, scalars."""

    post: dict[str, Array]
    pre: dict[str, Array]
    synapse: dict[str, Array]
    scalar: dict[str, Array]


@pytree
class Trace:
    """One entry per inner step, stacked along the first axis; `recorded` holds the fields asked
    for.
    """

    score: Score
    recorded: dict[str, Any]


class TaskShape(NamedTuple):
    """The static facts of a task family.

    inputs: input population -> size; n_out: size of the output population; phases: (n_steps,
    plastic) in order;
    offers: what its feedback really holds, of error, target, gate, reset, names of modulators, and
    what the task itself brings, of weights (the first), final_weights, subject;
    differentiable: whether gradients pass through `step`; watched: (population, size) of those
    inside the network whose activity stands before the output's in the view that `step` gets;
    rests: where the gate is 0 rules rest altogether,
    as in a phase that is not plastic: not only weights stay, but what rules and feedback remember
    too; classes: the target of every step is 1 at the right class and 0 elsewhere, and the metrics
    hold `accuracy`.
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
        return sum(n for n, _ in self.phases)

    @property
    def n_seen(self) -> int:
        """Units in the view that `step` gets."""
        return sum(n for _, n in self.watched) + self.n_out


FEEDBACK_FIELDS = frozenset(
    {"error", "target", "gate", "reset", "weights", "final_weights", "subject"}
)
SURPRISE = "surprise"  # the modulator that is the loss of the present step
CREDIT_FIELDS = frozenset(
    {"feedback", "learning_signal"}
)  # of a NeuronView: what only a feedback can fill in
EMPTY_STATE_FIELDS = {"post": {}, "pre": {}, "synapse": {}, "scalar": {}}


def neuron_view(activity: Array, potential: Array, gain: Array) -> NeuronView:
    """A view with nothing but a neuron's own dynamics; the other fields are filled on the way to a
    synapse.
    """
    zeros = jnp.zeros_like(activity)
    known = {"activity": activity, "potential": potential, "gain": gain}
    return NeuronView(**{name: known.get(name, zeros) for name in NeuronView.__dataclass_fields__})  # pyright: ignore[reportAttributeAccessIssue]


def rule_state(**sides: dict[str, Array]) -> RuleState:
    """A rule state of which only the named sides hold something."""
    return RuleState(**{**EMPTY_STATE_FIELDS, **sides})


def feedback(n_out: int, **given: Any) -> Feedback:
    """Feedback with neutral values where nothing is given: no error, gate open, no reset, no
    modulators.
    """
    neutral = {
        "error": jnp.zeros(n_out),
        "target": jnp.zeros(n_out),
        "modulators": {},
        "gate": jnp.ones(()),
        "reset": jnp.zeros(()),
    }
    return Feedback(**{**neutral, **given})
