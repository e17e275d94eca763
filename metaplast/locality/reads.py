"""The locality of a rule, measured on its program.

It is the fields that the rule reads, and the neurons across which it mixes them.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.language.grammar import MIXING
from metaplast.language.grammar import REACHES as REACHES
from metaplast.language.grammar import reach as reach
from metaplast.locality.mixing import Inputs, leaf_name, mixing
from metaplast.rules.base import AbstractRule
from metaplast.signals import NeuronView, SynapseView

MAX_CHANNELS = 64
LARGEST = 2**20
"""Synapses of the largest matrix on which mixing is measured. A part stands for a larger one."""


def blank_view(connection: AbstractConnection, modulators: tuple[str, ...]) -> SynapseView:
    """A view of zeros of the right shapes.

    Args:
        connection: the synapses.
        modulators: the names of the channels.
    """

    def side(n: int) -> NeuronView:
        return NeuronView(**dict.fromkeys(NeuronView.__dataclass_fields__, jnp.zeros(n)))

    return SynapseView(
        pre=side(connection.n_pre),
        post=side(connection.n_post),
        weight=connection.zeros(),
        weight_initial=connection.zeros(),
        weight_max=jnp.ones(()),
        eligibility=connection.zeros(),
        credit=connection.zeros(),
        modulators=dict.fromkeys(modulators, jnp.zeros(())),
        key=jax.random.key(0),
    )


@lru_cache(maxsize=256)
def reads(
    rule: AbstractRule, connection: AbstractConnection, modulators: tuple[str, ...]
) -> frozenset[str]:
    """The fields of the view on which the state or delta_w depends.

    Examples are `pre.activity`, `weight` and `modulators.reward`. Where the rule itself mixes
    numbers of several synapses or neurons, `mixing.neuron` or `mixing.layer` is among them. Fields
    are read off the program of one step, without its dead code. Mixing is measured by marks that
    follow the numbers through that program (locality/mixing.py).

    Args:
        rule: the rule.
        connection: the synapses.
        modulators: the names of the channels.

    Raises: KeyError for a modulator that is not offered.
    """
    step = _step_of(rule, connection, modulators)
    fields = _fields(step)
    if isinstance(connection, Dense) and math.prod(connection.shape) > LARGEST:
        side = math.isqrt(LARGEST)
        connection = replace(
            connection, n_post=min(connection.n_post, side), n_pre=min(connection.n_pre, side)
        )
        try:
            step = _step_of(rule, connection, modulators)
        except (TypeError, ValueError):
            # The rule holds numbers for the whole matrix.
            return frozenset({*fields, MIXING["layer"]})
    mixed = mixing(step.program, step.inputs, connection)
    if mixed:
        fields.add(mixed)
    return frozenset(fields)


@lru_cache(maxsize=256)
def is_affine_in_weight(
    rule: AbstractRule, connection: AbstractConnection, modulators: tuple[str, ...]
) -> bool:
    """Whether delta_w = a + b w at every synapse, with a and b that do not depend on any weight.

    Sums over weights, such as `post.weight_sum`, are signals of their own and may be in a and b. A
    program that JAX can transpose with respect to the weight is affine in it: products of two
    weights, comparisons and rounding have no transpose. A program that it cannot transpose counts
    as not affine.

    Args:
        rule: the rule.
        connection: the synapses.
        modulators: the names of the channels.
    """
    fields = reads(rule, connection, modulators)
    if "weight" not in fields:
        return True
    if not fields.isdisjoint(MIXING.values()):
        return False
    step = _step_of(rule, connection, modulators)

    def transposed(view: SynapseView, theta: Any, state: Any) -> Any:
        def change(weight: Array) -> Array:
            now = replace(view, weight=weight)
            return rule.step(theta, state, connection, now, 1e-3)[1]

        return jax.linear_transpose(change, view.weight)(view.weight)

    try:
        jax.eval_shape(transposed, *step.inputs)
    except (AssertionError, RuntimeError, TypeError, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def measured(
    rule: AbstractRule, connection: AbstractConnection
) -> tuple[tuple[str, ...], frozenset[str]]:
    """(the modulator channels that a rule needs, the fields that it reads).

    A rule needs the channels that it asks for while it is traced.

    Args:
        rule: the rule.
        connection: the synapses.
    """
    channels: tuple[str, ...] = ()
    while True:
        try:
            return channels, reads(rule, connection, channels)
        except KeyError as missing:
            name = str(missing.args[0])
            if name in channels or len(channels) >= MAX_CHANNELS:
                raise
            channels = (*channels, name)


class _Step(NamedTuple):
    """One step of a rule.

    program: (view, theta, state) -> (state, delta_w), as a jaxpr.
    inputs: the shapes of its inputs.
    """

    program: Any
    inputs: Inputs


def _step_of(
    rule: AbstractRule, connection: AbstractConnection, modulators: tuple[str, ...]
) -> _Step:
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), connection))
    state = jax.eval_shape(lambda theta: rule.init_state(theta, connection), theta)
    view = jax.eval_shape(lambda: blank_view(connection, modulators))
    step = lambda view, theta, state: rule.step(theta, state, connection, view, 1e-3)
    return _Step(jax.make_jaxpr(step)(view, theta, state), Inputs(view, theta, state))


def _fields(step: _Step) -> set[str]:
    """The fields of the view on which some output depends."""
    used = _used(step.program.jaxpr)
    leaves = jax.tree_util.tree_flatten_with_path(step.inputs.view)[0]
    fields = set()
    # The leaves of the view are the first inputs of the program.
    for (path, _), variable in zip(leaves, step.program.jaxpr.invars, strict=False):
        if variable in used:
            fields.add(leaf_name(path))
    return fields


def _used(jaxpr: Any) -> set[Any]:
    """The variables on which some output depends. A nested program reads all of its inputs."""
    used = _variables(jaxpr.outvars)
    for equation in reversed(jaxpr.eqns):
        if not used.isdisjoint(equation.outvars):
            used |= _variables(equation.invars)
    return used


def _variables(atoms: Iterable[Any]) -> set[Any]:
    """The atoms that are variables and not literals."""
    return {atom for atom in atoms if not hasattr(atom, "val")}
