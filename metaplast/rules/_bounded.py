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

POLYNOMIAL = (0.0, 1.0)  # exponents that leave a polynomial in w


@spec
class BoundedRule(TermRule):
    """delta_w = (w_max - w)^mu_potentiation up - w^mu_depression down, up and down one product post
    * pre each.

    Both parts see the weight before the step; the edge's hard bounds act on their sum. w in [0,
    w_max] is meant, w_max the edge's upper bound: set its lower one to 0. Beyond, a factor of
    exponent mu > 0 is negative, -|.|^mu: it leads back.
    Exponents 0 and 1 are terms, powers of w; any other needs a power at every synapse.
    """

    spike_timing: ClassVar[bool] = True

    mu_potentiation: NonNegative = field(default=0.0, kw_only=True)
    mu_depression: NonNegative = field(default=0.0, kw_only=True)

    @abstractmethod
    def changes(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, Term, Term]:
        """(state, up, down) of this step."""

    @property
    def polynomial(self) -> bool:
        """Whether the change is a polynomial in w, and so has `products`."""
        return self.mu_potentiation in POLYNOMIAL and self.mu_depression in POLYNOMIAL

    def products(
        self, theta: Theta, state: RuleState, view: SynapseView, dt: float
    ) -> tuple[RuleState, list[Term]]:
        """Raises: BadInput for an exponent other than 0 and 1: it is no power of w."""
        if not self.polynomial:
            raise BadInput(
                f"mu={self.mu_potentiation}, {self.mu_depression}",
                "0 or 1 each, for terms",
                "use step",
            )
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
        gain = connection.outer([up], view.weight) * _odd(
            view.weight_max - view.weight, self.mu_potentiation
        )
        return state, gain - connection.outer([down], view.weight) * _odd(
            view.weight, self.mu_depression
        )

    def apply(
        self,
        theta: Theta,
        state: RuleState,
        move: Move,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        way = TermRule if self.polynomial else AbstractRule
        return way.apply(self, theta, state, move, connection, view, dt)


def _odd(room: Array, mu: float) -> Array:
    """sign(room) |room|^mu, as the polynomial at mu = 1 is odd; 1 for mu = 0."""
    return soft(room, mu) if mu == 0.0 else jnp.sign(room) * soft(jnp.abs(room), mu)
