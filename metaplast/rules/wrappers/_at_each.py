"""A rule at every synapse by itself, so that synapses may have different numbers of it."""

from abc import abstractmethod
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.registry import BadInput, name_of
from metaplast.rules.base import AbstractRule, Account, Wrapper, at_all_synapses
from metaplast.signals import (
    Key,
    NeuronView,
    RuleState,
    SynapseView,
    Theta,
    rule_state,
    with_entries,
)

ONE = Dense(1, 1)
"""The connection of one synapse."""
SIDES = ("post", "pre", "synapse", "scalar")


class AtEach(Wrapper):
    """The inner rule at every synapse by itself.

    The inner rule works on a connection of one synapse, so each synapse carries the whole state
    of the rule, also its parts that the inner rule keeps once for a neuron.

    Raises: BadInput for an inner rule that computes with numbers of several synapses or neurons.
    """

    rule: AbstractRule

    def __post_init__(self) -> None:
        if self.rule.mixes:
            what = f"{name_of(type(self))}: rule {name_of(type(self.rule))}, which mixes synapses"
            raise BadInput(what, "a rule of one synapse", "put it outside of this rule")

    def account(self) -> Account:
        """Numbers of one synapse are no numbers of the rule, so files show them as they are."""
        return Account()

    @property
    def slow(self) -> frozenset[str]:
        """All state is at synapses."""
        return frozenset()

    @property
    def fast(self) -> frozenset[str]:
        """The names of state that a new trial clears in the inner rule."""
        cleared = set()
        for name in self._names():
            side, _, inner = name.partition(".")
            if side in ("post", "pre") and inner not in self.rule.slow:
                cleared.add(name)
            if side == "synapse" and inner in self.rule.fast:
                cleared.add(name)
        return frozenset(cleared)

    @abstractmethod
    def between(self, connection: AbstractConnection) -> AbstractConnection:
        """The connection whose synapses are the groups that have numbers of their own.

        Its layout is that of the leading axes of every leaf of theta.

        Args:
            connection: the synapses.
        """

    @abstractmethod
    def spread(self, leaf: Array, connection: AbstractConnection) -> Array:
        """A leaf of theta at every synapse, [*layout of the connection, ...].

        Args:
            leaf: numbers of the groups [*layout of the groups, ...].
            connection: the synapses.
        """

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        draw = lambda key: self.rule.init(key, ONE)
        groups = self.between(connection).shape
        for _ in groups:
            draw = jax.vmap(draw)
        return draw(jax.random.split(key, groups))

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        def at_birth(theta: Theta, of_layout: Array) -> dict[str, Array]:
            del of_layout  # it brings the layout where theta has no number
            return _flat(self.rule.init_state(theta, ONE))

        spread = self._spread(theta, connection)
        return rule_state(synapse=connection.lift(at_birth, spread, connection.zeros()))

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        def at_one(
            theta: Theta, numbers: dict[str, Array], seen: SynapseView
        ) -> tuple[dict[str, Array], Array]:
            after, delta = self.rule.step(theta, _unflat(numbers), ONE, _of_one(seen), dt)
            return _flat(after), delta.reshape(())

        at_synapses = replace(
            at_all_synapses(connection, view),
            weight_max=jnp.broadcast_to(view.weight_max, connection.shape),
            modulators={
                name: jnp.broadcast_to(value, connection.shape)
                for name, value in view.modulators.items()
            },
            key=jax.random.split(view.key, connection.shape),
        )
        # A rule around this one keeps its own entries in the same state.
        own = {name: state.synapse[name] for name in self._names()}
        after, delta = connection.lift(at_one, self._spread(theta, connection), own, at_synapses)
        return with_entries(state, synapse=after), delta

    def embed(self, other: AbstractRule | None, theta: Theta, start: Theta) -> Theta | None:
        """It contains all that its inner rule contains: every group then has the same numbers."""
        if other == self:
            return theta
        inner = self.rule.embed(other, theta, self._first(start))
        if inner is None:
            return None
        return jax.tree.map(lambda leaf, wide: np.broadcast_to(leaf, wide.shape), inner, start)

    def _first(self, theta: Theta) -> Theta:
        """The numbers of the first group."""
        one = jax.eval_shape(lambda: self.rule.init(jax.random.key(0), ONE))
        return jax.tree.map(lambda leaf, of: leaf.reshape(-1, *of.shape)[0], theta, one)

    def _spread(self, theta: Theta, connection: AbstractConnection) -> Theta:
        return jax.tree.map(lambda leaf: self.spread(leaf, connection), theta)

    def _names(self) -> list[str]:
        """The names of the state of a synapse."""

        def at_birth() -> dict[str, Array]:
            return _flat(self.rule.init_state(self.rule.init(jax.random.key(0), ONE), ONE))

        return list(jax.eval_shape(at_birth))


def _flat(state: RuleState) -> dict[str, Array]:
    """The state of a rule at one synapse, as scalars: `side.name` -> []."""
    numbers = {}
    for side in SIDES:
        for name, value in getattr(state, side).items():
            numbers[f"{side}.{name}"] = value.reshape(())
    return numbers


def _unflat(numbers: dict[str, Array]) -> RuleState:
    """The state of a rule on a connection of one synapse, from its scalars."""
    shapes = {"post": (1,), "pre": (1,), "synapse": ONE.shape, "scalar": ()}
    sides: dict[str, Any] = {side: {} for side in SIDES}
    for full, value in numbers.items():
        side, _, name = full.partition(".")
        sides[side][name] = value.reshape(shapes[side])
    return RuleState(**sides)


def _of_one(seen: SynapseView) -> SynapseView:
    """The view of a connection of one synapse, from the scalars at it."""

    def of_neuron(view: NeuronView) -> NeuronView:
        return jax.tree.map(lambda value: value.reshape((1,)), view)

    transmitted = None
    if seen.transmitted is not None:
        transmitted = _of_one(seen.transmitted)
    return replace(
        seen,
        pre=of_neuron(seen.pre),
        post=of_neuron(seen.post),
        weight=seen.weight.reshape(ONE.shape),
        weight_initial=seen.weight_initial.reshape(ONE.shape),
        eligibility=seen.eligibility.reshape(ONE.shape),
        credit=seen.credit.reshape(ONE.shape),
        transmitted=transmitted,
    )
