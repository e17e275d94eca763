"""Numbers of theta that a search does not move."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from metaplast.language.numbers import of_text
from metaplast.life.slots import Slot
from metaplast.problem.around import ThroughProblem
from metaplast.problem.lives import Batch, Births, Lives
from metaplast.problem.protocol import LossGradient, Problem, WindowGradient
from metaplast.signals import Key, Theta


class HeldLeaf(NamedTuple):
    """A leaf of theta["rules"] that a search does not move.

    slot: the slot of its rule.
    shared: whether the edges of the slot share it.
    leaf: its dotted name in the theta of the rule.
    numbers: as text (language/numbers.py).
    """

    slot: str
    shared: bool
    leaf: str
    numbers: str


Held = tuple[HeldLeaf, ...]


def held_of(slots: tuple[Slot, ...]) -> Held:
    """The leaves that are frozen in some slots."""
    held = []
    for slot in slots:
        for name in slot.frozen:
            held.append(HeldLeaf(slot.name, slot.shared, name, dict(slot.start)[name]))
    return tuple(held)


def without(held: Held, theta: Theta) -> Theta:
    """Theta without the leaves that are held."""
    if not held:
        return theta
    rules = _copy(theta["rules"])
    for place in _places(rules, held):
        del place.inside[place.name]
    return {**theta, "rules": rules}


def filled(held: Held, theta: Theta) -> Theta:
    """Theta with the leaves that are held: the inverse of `without`."""
    if not held:
        return theta
    rules = _copy(theta["rules"])
    for place in _places(rules, held):
        place.inside[place.name] = jnp.asarray(of_text(place.numbers), float)
    return {**theta, "rules": rules}


def _copy(theta: Any) -> Any:
    """The tree with dicts of its own, and the same leaves."""
    if not isinstance(theta, dict):
        return theta
    return {name: _copy(part) for name, part in theta.items()}


class _Place(NamedTuple):
    """The place of a held leaf in the theta of one rule.

    inside: the innermost dict that holds it.
    name: its name there.
    numbers: as text.
    """

    inside: Theta
    name: str
    numbers: str


def _places(rules: Theta, held: Held) -> Iterator[_Place]:
    """The places of all held leaves, in the theta of every rule that has them."""
    for leaf in held:
        *path, name = leaf.leaf.split(".")
        thetas = [rules[leaf.slot]] if leaf.shared else rules[leaf.slot].values()
        for inside in thetas:
            for step in path:
                inside = inside[step]
            yield _Place(inside, name, leaf.numbers)


@dataclass(frozen=True)
class HeldProblem(ThroughProblem):
    """A problem whose theta lacks the leaves that are held; lives are lived with them.

    problem: the problem of the whole theta
    held: these leaves
    """

    problem: Problem
    held: Held

    def inner(self, theta: Theta) -> Theta:
        """The whole theta."""
        return filled(self.held, theta)

    def init(self, key: Key) -> Theta:
        """A theta drawn for the start of a search, without the leaves that are held."""
        return without(self.held, self.problem.init(key))

    def value_and_grad(self, theta: Theta, batch: Batch, tangents: int = 0) -> LossGradient:
        """The mean loss and its gradient in the free leaves. See `Problem.value_and_grad`."""
        whole = self.problem.value_and_grad(self.inner(theta), batch, tangents)
        return whole._replace(gradient=without(self.held, whole.gradient))

    def window_gradient(
        self, theta: Theta, lives: Lives, births: Births, n_steps: int
    ) -> WindowGradient:
        """Every life `n_steps` further, and the gradient of the window in the free leaves.

        See `Problem.window_gradient`.
        """
        window = self.problem.window_gradient(self.inner(theta), lives, births, n_steps)
        return window._replace(gradient=without(self.held, window.gradient))
