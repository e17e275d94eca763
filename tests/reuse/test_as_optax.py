"""A rule as an optax transformation: the delta rule is gradient descent, in both libraries."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import metaplast as mp
from metaplast.registry import BadInput

INPUTS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), jnp.float32)
TARGETS = jnp.asarray(np.random.default_rng(1).normal(size=(5, 2)), jnp.float32)


def _losses(outputs: Any) -> Any:
    return 0.5 * ((outputs - TARGETS) ** 2).sum(axis=1)


def _equinox() -> Any:
    return eqx.nn.MLP(4, 2, 3, 2, activation=jax.nn.tanh, key=jax.random.key(0))


def _flax() -> Any:
    rngs = nnx.Rngs(0)
    return nnx.Sequential(nnx.Linear(4, 3, rngs=rngs), nnx.tanh, nnx.Linear(3, 2, rngs=rngs))


def test_the_delta_rule_is_gradient_descent_in_equinox() -> None:
    model = _equinox()
    params, static = eqx.partition(model, eqx.is_inexact_array)

    def mean_loss(params: Any) -> Any:
        return _losses(jax.vmap(eqx.combine(params, static))(INPUTS)).mean()

    gradient = jax.grad(mean_loss)(params)
    transformation = mp.optax(mp.load_rule("delta"))
    signals = mp.layer_signals(model, INPUTS, _losses)
    state = transformation.init(params)
    updates, _ = jax.jit(transformation.update)(None, state, params, signals=signals)
    for layer in range(3):
        change, slope = updates.layers[layer].weight, gradient.layers[layer].weight
        np.testing.assert_allclose(change, -0.1 * slope, rtol=1e-4, atol=1e-7)
        np.testing.assert_array_equal(updates.layers[layer].bias, 0.0)


def test_the_delta_rule_is_gradient_descent_in_flax() -> None:
    model = _flax()
    before = nnx.state(model, nnx.Param)
    gradient = nnx.grad(lambda model: _losses(model(INPUTS)).mean())(model)
    expected = jax.tree.map(lambda w, g: w - 0.1 * g, before, gradient)
    transformation = mp.optax(mp.load_rule("delta"), layout="pre_post")
    optimiser = nnx.Optimizer(model, transformation, wrt=nnx.Param)
    signals = mp.layer_signals(model, INPUTS, _losses)
    optimiser.update(model, gradient, signals=signals)
    after = nnx.state(model, nnx.Param)
    for layer in (0, 2):
        kernel = after["layers"][layer]["kernel"]
        np.testing.assert_allclose(kernel[...], expected["layers"][layer]["kernel"][...], atol=1e-6)
        bias, old = after["layers"][layer]["bias"], before["layers"][layer]["bias"]
        np.testing.assert_array_equal(bias[...], old[...])


def test_a_state_sees_every_example_in_turn() -> None:
    rule = mp.load_rule("zoo/stdp")
    weight = jnp.full((1, 2), 0.5)
    spikes = {"pre": jnp.asarray([[1.0, 0.0], [0.0, 0.0]]), "post": jnp.asarray([[0.0], [1.0]])}
    transformation = mp.optax(rule)
    params = {"w": weight}
    updates, state = transformation.update(
        None, transformation.init(params), params, signals={"w": spikes}
    )
    expected = 0.005 * np.exp(-1e-3 / 20e-3) / 2  # one pair, the mean over two steps
    np.testing.assert_allclose(updates["w"], [[expected, 0.0]], rtol=1e-5)
    again, _ = transformation.update(None, state, params, signals={"w": spikes})
    assert float(again["w"][0, 0]) != float(updates["w"][0, 0])


def test_random_feedback_sends_other_errors_below_the_output_alone() -> None:
    model = _equinox()
    exact = mp.layer_signals(model, INPUTS, _losses)
    drawn = mp.layer_signals(model, INPUTS, _losses, feedback="random", key=jax.random.key(1))
    same = mp.layer_signals(model, INPUTS, _losses, feedback="random", key=jax.random.key(1))
    last, first = "layers.2.weight", "layers.0.weight"
    np.testing.assert_array_equal(drawn[last]["error"], exact[last]["error"])
    assert not np.allclose(drawn[first]["error"], exact[first]["error"])
    np.testing.assert_array_equal(drawn[first]["error"], same[first]["error"])
    np.testing.assert_array_equal(
        exact[first]["error"], exact[first]["learning_signal"] * exact[first]["post_gain"]
    )


def test_it_chains_with_other_transformations() -> None:
    model = _equinox()
    params = eqx.filter(model, eqx.is_inexact_array)
    chain = optax.chain(mp.optax(mp.load_rule("delta")), optax.scale(2.0))
    signals = mp.layer_signals(model, INPUTS, _losses)
    updates, _ = chain.update(params, chain.init(params), params, signals=signals)
    alone = mp.optax(mp.load_rule("delta"))
    once, _ = alone.update(None, alone.init(params), params, signals=signals)
    np.testing.assert_allclose(updates.layers[0].weight, 2.0 * once.layers[0].weight, rtol=1e-6)


def test_wrong_calls_are_refused_in_one_line() -> None:
    transformation = mp.optax(mp.load_rule("delta"))
    params = {"w": jnp.zeros((2, 3))}
    state = transformation.init(params)
    with pytest.raises(BadInput, match="without signals"):
        transformation.update(None, state, params)
    with pytest.raises(BadInput, match="without params"):
        transformation.update(None, state, signals={})
    with pytest.raises(BadInput, match="signals of 'v'"):
        transformation.update(None, state, params, signals={"v": {}})
    with pytest.raises(BadInput, match="reads error"):
        signals = {"w": {"pre": jnp.zeros((1, 3)), "post": jnp.zeros((1, 2))}}
        transformation.update(None, state, params, signals=signals)
    with pytest.raises(BadInput, match="model dict"):
        mp.layer_signals({}, INPUTS, _losses)
    with pytest.raises(BadInput, match="without a key"):
        mp.layer_signals(_equinox(), INPUTS, _losses, feedback="random")
