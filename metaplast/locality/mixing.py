"""The mixing of a rule: the neurons across which it mixes the numbers that it reads.

Mixing is measured on the program of the rule, so the names of fields do not matter.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.language.grammar import MIXING
from metaplast.locality.influence import outputs, settled, unfollowed
from metaplast.locality.marks import Marks, nothing
from metaplast.signals import SynapseView

SENT = "pre.activity"
"""The signal that a presynaptic neuron transmits. The whole postsynaptic neuron sees it."""


SYNAPTIC = ("weight", "weight_initial", "eligibility", "credit")
"""The signals with one number a synapse."""


class Inputs(NamedTuple):
    """The inputs of one step of a rule, as shapes.

    view: the view.
    theta: theta.
    state: the state of the rule.
    """

    view: SynapseView
    theta: Any
    state: Any


def mixing(program: Any, inputs: Inputs, connection: AbstractConnection) -> str:
    """The other neurons and synapses on which delta_w at a synapse depends.

    With `mixing.neuron`, it depends on the activity of other inputs of its postsynaptic neuron, or
    on other synapses of one of its two neurons. With `mixing.layer`, it depends on anything else of
    other neurons or synapses. A rule that mixes over the synapses of both neurons counts as
    `layer`. So does a rule with side effects, and a rule that mixes inputs where not every
    presynaptic neuron is an input.

    The state carries marks from step to step until no new mark comes. The state at birth carries no
    marks.

    Args:
        program: (view, theta, state) -> (state, delta_w), as a jaxpr.
        inputs: the shapes of its inputs.
        connection: the synapses.

    Returns: `mixing.neuron`, `mixing.layer`, or an empty text where delta_w depends on the two
        neurons of its synapse alone.
    """
    # Mixing is measured while lives are traced.
    with jax.ensure_compile_time_eval():
        return _measured(program, inputs, connection)


def _measured(program: Any, inputs: Inputs, connection: AbstractConnection) -> str:
    if unfollowed(program.jaxpr):
        return MIXING["layer"]
    # NumPy: each operation on an array of JAX compiles a program of its own.
    numbers_of_post: Any = np.arange(connection.n_post)
    numbers_of_pre: Any = np.arange(connection.n_pre)
    posts = _at_synapses(connection.at_post(numbers_of_post), connection)
    pres = _at_synapses(connection.at_pre(numbers_of_pre), connection)
    of_post = codes(connection.n_post)
    of_pre = codes(connection.n_pre)

    def reads_others(marked: dict[str, Marks], allowed: Marks) -> bool:
        """Whether some synapse has a mark that is not allowed at it."""
        delta = _delta(program, inputs, _marked(inputs.view, marked))
        return bool((delta & ~allowed).any())

    if reads_others({"post": of_post}, of_post[posts]):
        return MIXING["layer"]
    if reads_others({"pre": of_pre}, of_pre[pres]):
        return MIXING["layer"]
    other_posts = reads_others({"synapse": of_post[posts]}, of_post[posts])
    other_pres = reads_others({"synapse": of_pre[pres]}, of_pre[pres])
    if other_posts and other_pres:
        return MIXING["layer"]
    other_inputs = reads_others({"sent": of_pre}, of_pre[pres])
    if other_inputs and not isinstance(connection, Dense):
        # They may be no inputs of the postsynaptic neuron.
        return MIXING["layer"]
    return MIXING["neuron"] if other_posts or other_pres or other_inputs else ""


def codes(n: int) -> Marks:
    """A set of marks for each of n places: the binary digits of its number and of ~number.

    No set contains another one. So a number that depends on a place and on another place has a mark
    that the set of the place lacks.

    Args:
        n: the number of places.
    """
    digits = max(1, (n - 1).bit_length())
    numbers = np.arange(n, dtype=np.uint64)
    others = ~numbers & np.uint64((1 << digits) - 1)
    return numbers | (others << np.uint64(digits))


def _delta(program: Any, inputs: Inputs, view: list[Marks]) -> Marks:
    """The marks of delta_w [n_synapses] in any step."""
    no_theta = [nothing(leaf.shape) for leaf in jax.tree.leaves(inputs.theta)]
    no_state = [nothing(leaf.shape) for leaf in jax.tree.leaves(inputs.state)]
    n_state = len(no_state)
    first = [*view, *no_theta]

    def once(carry: list[Marks]) -> list[Marks]:
        return outputs(program, [*first, *carry])[:n_state]

    carry = settled(once, no_state)
    (delta,) = outputs(program, [*first, *carry])[n_state:]
    return delta.reshape(-1)


def _at_synapses(values: Any, connection: AbstractConnection) -> np.ndarray:
    return np.broadcast_to(np.asarray(values), connection.shape).reshape(-1)


def _marked(view: SynapseView, marked: dict[str, Marks]) -> list[Marks]:
    """The leaves of a view, with marks in place of numbers.

    A field that all synapses share has no marks.

    Args:
        view: the shapes of the view.
        marked: the marks of the activity that is `sent` [n_pre], of all other fields of `pre`
            [n_pre], of `post` [n_post], and of `synapse` [n_synapses].
    """
    kinds = {SENT: "sent", **dict.fromkeys(SYNAPTIC, "synapse")}
    leaves: list[Marks] = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(view)[0]:
        name = leaf_name(path)
        marks = marked.get(kinds.get(name, name.partition(".")[0]))
        leaves.append(nothing(leaf.shape) if marks is None else marks.reshape(leaf.shape))
    return leaves


def leaf_name(path: tuple[Any, ...]) -> str:
    """The name of a leaf of a view: `pre.activity`, `weight`, `modulators.reward` ...

    Args:
        path: the path to the leaf, as JAX gives it.
    """
    return ".".join(str(getattr(part, "name", getattr(part, "key", part))) for part in path)
