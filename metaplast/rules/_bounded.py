"""Rules of spikes that potentiate and depress, each up to a bound."""

from abc import abstractmethod
from dataclasses import field
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection, Move, Term
from metaplast.registry import BadInput
from metaplast.rules._soft import soft
from metaplast.rules.base import AbstractRule, TermRule
from metaplast.signals import RuleState, SynapseView, Theta
from metaplast.spec import NonNegative, spec

POLYNOMIAL = (0.0, 1.0)
"""Exponents with which the change is a polynomial in w."""


@spec
class BoundedRule(TermRule):
    """A rule of two parts, each of which is bounded.

        delta_w = (w_max - w)^mu_potentiation up - w^mu_depression down

    up, down: one product post * pre each.
    w_max: the upper bound of the edge.
    mu_potentiation, mu_depression: exponents. 0 and 1 are terms, powers of w. Any other exponent
        needs a power at every synapse.

    Both parts see the weight before the step, and the hard bounds of the edge act on their sum. w
    in [0, w_max] is meant: set the lower bound of the edge to 0. Beyond, a factor with mu > 0 is
    negative, -|.|^mu, and leads back.
    """

    spike_timing: ClassVar[bool] = True

    mu_potentiation: NonNegative = field(default=0.0, kw_only=True)
    mu_depression: NonNegative = field(default=0.0, kw_only=True)

    @abstractmethod
    def changes(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Term, Term]:
        """The two parts of the change of this step.

        Args:
            theta: the learned parameters.
            state: the state before the step.
            view: the signals at the synapses.
            dt: the length of the step, in seconds.

        Returns: (state after the step, up, down).
        """

    @property
    def polynomial(self) -> bool:
        """Whether the change is a polynomial in w, and so has `products`."""
        return self.mu_potentiation in POLYNOMIAL and self.mu_depression in POLYNOMIAL

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        """The products of a TermRule.

        Raises: BadInput for an exponent other than 0 and 1: the change is no polynomial in w.
        """
        if not self.polynomial:
            what = f"mu={self.mu_potentiation}, {self.mu_depression}"
            raise BadInput(what, "0 or 1 each, for terms", "use step")
        state, up, down = self.changes(theta, state, view, dt)
        assert up.post is not None and down.post is not None  # a pair rule has both sides
        down = down._replace(post=-down.post, power=int(self.mu_depression))
        if self.mu_potentiation == 0.0:
            return state, [up, down]
        return state, [
            up._replace(post=up.post * view.weight_max),
            up._replace(post=-up.post, power=1),
            down,
        ]

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        if self.polynomial:
            return super().step(theta, state, connection, view, dt)
        state, up, down = self.changes(theta, state, view, dt)
        up_factor = _odd(view.weight_max - view.weight, self.mu_potentiation)
        down_factor = _odd(view.weight, self.mu_depression)
        gain = connection.outer([up], view.weight) * up_factor
        loss = connection.outer([down], view.weight) * down_factor
        return state, gain - loss

    def apply(
        self,
        theta: Theta,
        state: RuleState,
        move: Move,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        form = TermRule if self.polynomial else AbstractRule
        return form.apply(self, theta, state, move, connection, view, dt)


def _odd(room: Array, mu: float) -> Array:
    """sign(room) |room|^mu, which is odd like the polynomial at mu = 1; 1 for mu = 0."""
    if mu == 0.0:
        return soft(room, mu)
    return jnp.sign(room) * soft(jnp.abs(room), mu)
