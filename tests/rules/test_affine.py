"""Rules that count as affine in the weight, against their own steps."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from metaplast import registry
from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.locality.reads import blank_view, is_affine_in_weight, measured
from metaplast.rules.base import AbstractRule, KernelRule
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.symbolic import Symbolic
from metaplast.signals import SynapseView, Theta
from metaplast.spec import spec

CONNECTION = Dense(n_post=3, n_pre=4)
NOT_AFFINE = {"bound", "clip", "mlp", "program"}  # a program bounds its registers
AFFINE = sorted(set(registry.names("rule")) - NOT_AFFINE)


@spec
class Signs(KernelRule):
    """delta_w = sign(w) pre: its slope is 0, and it is not affine."""

    @property
    def per_synapse(self) -> bool:
        return False

    def init(self, key: Any, connection: AbstractConnection) -> Theta:
        return {}

    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        return state, jnp.sign(synapse.weight) * synapse.pre.activity


@spec
class Halted(Signs):
    """delta_w = stop_gradient(w) pre: its slope would be 0."""

    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        return state, jax.lax.stop_gradient(synapse.weight) * synapse.pre.activity


def counts_as_affine(rule: AbstractRule) -> bool:
    return is_affine_in_weight(rule, CONNECTION, measured(rule, CONNECTION)[0])


@pytest.mark.parametrize("name", AFFINE)
def test_a_rule_that_counts_as_affine_is_affine(name: str) -> None:
    rule = registry.find("rule", name)()
    assert counts_as_affine(rule)
    with jax.enable_x64(True):
        channels, _ = measured(rule, CONNECTION)
        random = np.random.default_rng(0)
        draw = lambda leaf: jnp.asarray(random.uniform(0.1, 0.9, np.shape(leaf)))
        blank = blank_view(CONNECTION, channels)
        view = replace(jax.tree.map(draw, replace(blank, key=None)), key=blank.key)
        theta = jax.tree.map(draw, rule.init(jax.random.key(0), CONNECTION))
        state = jax.tree.map(draw, rule.init_state(theta, CONNECTION))

        @jax.jit
        def change(weight: Array) -> Array:
            return rule.step(theta, state, CONNECTION, replace(view, weight=weight), 1e-3)[1]

        first = jnp.asarray(random.normal(size=CONNECTION.shape))
        second = jnp.asarray(random.normal(size=CONNECTION.shape))
        both = change(first) + change(second)
        np.testing.assert_allclose(2 * change((first + second) / 2), both, rtol=1e-12, atol=1e-13)
        # One synapse does not depend on the weight of another one.
        moved = change(first.at[0, 0].set(7.0))
        np.testing.assert_array_equal(moved.ravel()[1:], change(first).ravel()[1:])


@pytest.mark.parametrize(
    "rule",
    [Polynomial(terms=("weight^2",)), Symbolic(expression="weight*weight*pre"), Signs(), Halted()],
)
def test_a_rule_with_another_power_or_a_hidden_slope_is_not(rule: AbstractRule) -> None:
    assert not counts_as_affine(rule)


@pytest.mark.parametrize(
    "rule", [Polynomial(terms=("post*pre - post^2*weight",)), Symbolic(expression="0.1 - weight")]
)
def test_oja_and_decay_are(rule: AbstractRule) -> None:
    assert counts_as_affine(rule)
