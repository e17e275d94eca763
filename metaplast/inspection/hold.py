"""A rule some of whose inputs are held at a value, whatever the life shows it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import PlainValidator

from metaplast.connections.base import AbstractConnection
from metaplast.language.grammar import SIGNALS, field_of
from metaplast.life.slots import Slot, theta_of
from metaplast.locality.mixing import leaf_name
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.base import AbstractRule, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.signals import Key, RuleState, SynapseView, Theta
from metaplast.spec import spec

UNIT = 1e-12
"""The unit of the numbers that say what is held. An objective that pays for the size of theta, such
as `l1`, does not notice them."""
AnyRule = Annotated[AbstractRule, PlainValidator(lambda rule: rule)]
"""The annotation of a field that holds a rule, whether it has a name for a config or not."""


@spec
class Held(Wrapper):
    """The inner rule, some of whose inputs are held.

        input_k <- at_k / UNIT where on_k > 0

    inputs: fields of the view that may be held, such as `pre.activity`.

    theta: {rule: the inner theta, held: {on [n_inputs], at [n_inputs]}}. The held inputs are in
    theta, so that one compiled program holds each of them in turn. A config has no use for such a
    rule: it has no name, and no file can hold it.
    """

    rule: AnyRule = Polynomial()
    inputs: tuple[str, ...] = ()

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        zeros = jnp.zeros(len(self.inputs))
        return {"rule": self.rule.init(key, connection), "held": {"on": zeros, "at": zeros}}

    def inner(self, theta: Theta) -> Theta:
        return theta["rule"]

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        seen = self._seen(theta["held"], view)
        return self.rule.step(theta["rule"], state, connection, seen, dt)

    def _seen(self, held: Mapping[str, Array], view: SynapseView) -> SynapseView:
        """The view that the inner rule sees."""

        def input_of(path: tuple, leaf: Array) -> Array:
            name = leaf_name(path).removeprefix("transmitted.")
            if name not in self.inputs:
                return leaf
            index = self.inputs.index(name)
            at = (held["at"][index] / UNIT).astype(leaf.dtype)
            return jnp.where(held["on"][index] > 0, at, leaf)

        return jax.tree_util.tree_map_with_path(input_of, view)


@spec
class HeldSlot(Slot):
    """A slot whose rule may be `Held`, which has no name for a config."""

    rule: AnyRule = Held()


def held_inputs(problem: MetaProblem, theta: Theta) -> tuple[MetaProblem, Theta]:
    """The same lives, by rules whose inputs can be held; every edge has a theta of its own.

    Args:
        problem: the problem.
        theta: of the problem.

    Returns: the problem with `Held` rules, and its theta in which no input is held.
    """
    lifetime = problem.lifetime
    reads = lifetime.reads()
    slots = []
    rules = {}
    for slot in lifetime.slots:
        edges = [name for name, (_, other) in lifetime.plastic().items() if other == slot]
        fields: set[str] = set()
        for edge in edges:
            fields |= reads[edge]
        inputs = tuple(sorted(name for name in fields if _is_input(name)))
        held = Held(rule=slot.rule, inputs=inputs)
        slots.append(HeldSlot(name=slot.name, edges=slot.edges, rule=held, shared=False))
        rules[slot.name] = {}
        for edge in edges:
            zeros = np.zeros(len(inputs), jax.dtypes.canonicalize_dtype(float))
            inner = theta_of(theta, slot, edge)
            rules[slot.name][edge] = {"rule": inner, "held": {"on": zeros, "at": zeros}}
    with_held = replace(lifetime, slots=tuple(slots))
    return replace(problem, lifetime=with_held), {**theta, "rules": rules}


def hold(theta: Theta, which: Mapping[tuple[str, str], tuple[int, float]]) -> Theta:
    """The theta of `held_inputs` in which some inputs are held.

    Args:
        theta: of `held_inputs`.
        which: {(slot, edge): (place of the input, value at which it is held)}.
    """
    rules = dict(theta["rules"])
    for (slot, edge), (index, value) in which.items():
        of_edge = rules[slot][edge]
        on = np.array(of_edge["held"]["on"])
        at = np.array(of_edge["held"]["at"])
        on[index] = UNIT
        at[index] = UNIT * value
        rules[slot] = {**rules[slot], edge: {**of_edge, "held": {"on": on, "at": at}}}
    return {**theta, "rules": rules}


def free_of_holding(theta: Theta) -> Theta:
    """False for the numbers that say what is held, True for all others, a tree like theta."""

    def is_free(path: tuple, leaf: Array) -> np.ndarray:
        held = any(getattr(part, "key", "") == "held" for part in path)
        return np.full(np.shape(leaf), not held)

    return jax.tree_util.tree_map_with_path(is_free, theta)


def name_of_input(field: str) -> str:
    """The name of a field of the view in the term grammar; the field itself where it has none."""
    for name in SIGNALS:
        if field_of(name) == field:
            return name
    if field.startswith("modulators."):
        return field.replace("modulators.", "modulator.", 1)
    return field


def _is_input(field: str) -> bool:
    return field not in ("key", "weight_max") and not field.startswith("mixing.")
