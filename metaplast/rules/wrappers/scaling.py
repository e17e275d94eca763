"""Synaptic scaling: all weights of a neuron grow while it is too quiet, and shrink otherwise."""

from typing import Annotated

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.constants import value
from metaplast.registry import register
from metaplast.rules.base import AbstractRule, Clock, Wrapper
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers._running import moved
from metaplast.signals import RuleState, SynapseView, Theta, with_entries
from metaplast.spec import NonNegative, Positive, plugin, spec


@register("rule", "scaling")
@spec
class Scaling(Wrapper):
    """A growth of all weights of a neuron while it is too quiet, and a decrease otherwise.

        delta_w_ji = d_ji + rate w_ji (target - a_j)
        a_j <- a_j + (y_j - a_j) / steps

    steps: the number of steps that the mean goes over.
    d: the change of the inner rule.
    y: the postsynaptic activity.
    a: its running mean over about `steps` steps [n_post], `target` at birth, which a new trial
        keeps.
    target: in units of the activity.
    rate: per step and unit of activity.
    learn: whether log_rate [] and log_target [] are in theta.

    Clock `trial`: the mean counts steps. It reads its own weight and neuron: reach `synapse`.
    Fixed point for d = 0 and w != 0: a mean activity of `target`.
    Limits: rate = 0 is the inner rule.
    Source: Turrigiano et al. 1998; van Rossum, Bi & Turrigiano 2000, equation 5.
    """

    rule: Annotated[AbstractRule, plugin("rule")] = Polynomial()
    target: NonNegative = 0.5
    rate: Positive = 0.01
    steps: Positive = 20.0
    learn: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        return ("rate", "target") if self.learn else ()

    @property
    def clock(self) -> Clock:
        return "trial"

    @property
    def slow(self) -> frozenset[str]:
        return self.rule.slow | {"scaling_mean"}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        inner = super().init_state(theta, connection)
        mean = jnp.zeros(connection.n_post) + value(self, theta, "target")
        return with_entries(inner, post={"scaling_mean": mean})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        inner, delta = self.rule.step(self.inner(theta), state, connection, view, dt)
        mean = moved(state.post["scaling_mean"], view.post.activity, self.steps)
        pull = value(self, theta, "rate") * (value(self, theta, "target") - mean)
        new = with_entries(inner, post={"scaling_mean": mean})
        return new, delta + connection.at_post(pull) * view.weight
