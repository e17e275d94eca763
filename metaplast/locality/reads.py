"""Locality is measured in the program of a rule: the fields that it reads, and the neurons across
which it mixes them."""

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.language.grammar import MIXING
from metaplast.language.grammar import REACHES as REACHES
from metaplast.language.grammar import reach as reach
from metaplast.locality.mixing import leaf_name, mixing
from metaplast.rules.base import AbstractRule
from metaplast.signals import NeuronView, SynapseView

MAX_CHANNELS = 64
LARGEST = 2**20
"""Synapses. In a larger matrix, mixing is measured on a part of this size."""


def blank_view(connection: AbstractConnection, modulators: tuple[str, ...]) -> SynapseView:
    """A view of zeros of the right shapes.

    Args:
        connection: the synapses.
        modulators: the names of the channels.
    """

    def side(n: int) -> NeuronView:
        return NeuronView(**{name: jnp.zeros(n) for name in NeuronView.__dataclass_fields__})

    return SynapseView(
        pre=side(connection.n_pre),
        post=side(connection.n_post),
        weight=connection.zeros(),
        weight_initial=connection.zeros(),
        weight_max=jnp.ones(()),
        modulators={name: jnp.zeros(()) for name in modulators},
        key=jax.random.key(0),
    )


@lru_cache(maxsize=256)
def reads(
    rule: AbstractRule, connection: AbstractConnection, modulators: tuple[str, ...]
) -> frozenset[str]:
    """The fields of the view on which state or delta_w depends: `pre.activity`, `weight`,
    `modulators.reward` ...

    `mixing.neuron` or `mixing.layer` is among them where the rule itself mixes numbers of several
    synapses or neurons. Fields are found by dead-code elimination on the program of one step.
    Mixing is found by following the numbers through that program (locality/mixing.py).

    Args:
        rule: the rule.
        connection: the synapses.
        modulators: the names of the channels.

    Raises: KeyError for a modulator that is not offered.
    """
    program, given = _program(rule, connection, modulators)
    used = _used(program.jaxpr)
    paths = [leaf_name(path) for path, _ in jax.tree_util.tree_flatten_with_path(given[0])[0]]
    fields = {
        name
        for name, variable in zip(paths, program.jaxpr.invars, strict=False)
        if variable in used
    }
    if isinstance(connection, Dense) and math.prod(connection.shape) > LARGEST:
        side = math.isqrt(LARGEST)
        connection = replace(
            connection, n_post=min(connection.n_post, side), n_pre=min(connection.n_pre, side)
        )
        try:
            program, given = _program(rule, connection, modulators)
        except (TypeError, ValueError):  # the rule holds numbers for the whole matrix
            return frozenset(fields | {MIXING["layer"]})
    mixed = mixing(program, given, connection)
    return frozenset(fields | ({mixed} if mixed else set()))


@lru_cache(maxsize=256)
def measured(
    rule: AbstractRule, connection: AbstractConnection
) -> tuple[tuple[str, ...], frozenset[str]]:
    """(modulator channels that the rule needs, fields that it reads).

    The channels are those that the rule asks for as it is traced.

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


def _program(
    rule: AbstractRule, connection: AbstractConnection, modulators: tuple[str, ...]
) -> tuple[Any, Any]:
    """One step as a jaxpr of (view, theta, state), and the shapes of these."""
    theta = jax.eval_shape(lambda: rule.init(jax.random.key(0), connection))
    state = jax.eval_shape(lambda t: rule.init_state(t, connection), theta)
    view = jax.eval_shape(lambda: blank_view(connection, modulators))
    given = (view, theta, state)
    return jax.make_jaxpr(lambda v, t, s: rule.step(t, s, connection, v, 1e-3))(*given), given


def _used(jaxpr: Any) -> set[Any]:
    """The variables on which some output depends. A nested program reads all of its inputs."""
    used = {v for v in jaxpr.outvars if not hasattr(v, "val")}
    for equation in reversed(jaxpr.eqns):
        if any(v in used for v in equation.outvars):
            used.update(v for v in equation.invars if not hasattr(v, "val"))
    return used
