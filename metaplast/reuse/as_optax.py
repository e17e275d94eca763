"""A rule as a gradient transformation of optax, for networks outside metaplast."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax as _optax
from jax import Array

from metaplast.registry import BadInput
from metaplast.reuse.load import DT, Rule
from metaplast.reuse.text import quote
from metaplast.reuse.view import synapse_view
from metaplast.signals import Key, RuleState

Layout = Literal["post_pre", "pre_post"]
Signals = Mapping[str, Mapping[str, Array]]
"""{path of a weight matrix: {name of a signal: its values in a batch [n_examples, n]}}"""


class OptaxState(NamedTuple):
    """The state of the transformation: {path of a weight matrix: the state of the rule there}."""

    rules: dict[str, RuleState]


def optax(
    rule: Rule, *, dt: float | None = None, layout: Layout = "post_pre"
) -> _optax.GradientTransformationExtraArgs:
    """The rule as a gradient transformation, whose updates are the changes of weights.

        update of W = 1/n sum_k delta_w(signals of example k, W, state)

    The examples of a batch come one after the other at held weights, so that the state of the rule
    sees each of them. `update(updates, state, params, signals=...)` needs the parameters and the
    signals; gradients are not read, and None may stand in their place. A matrix without signals
    and every array that is no matrix, such as a bias, get an update of 0.

    Args:
        rule: a rule, from `load_rule`.
        dt: seconds of a step; None: the step at which the rule was found, or 1 ms.
        layout: the layout of weight matrices. `post_pre` is [n_post, n_pre], as in equinox and
            PyTorch. `pre_post` is [n_pre, n_post], as in flax.

    Returns: a transformation that takes `signals`, {path: {name: [n_examples, n]}}. A path is that
        of the weight matrix in the parameters, such as `layers.0.weight`. Names are those of
        `synapse_view`. `layer_signals` computes them.
    Raises: BadInput from `update`, for missing parameters or signals, for a path that is no weight
        matrix, and for a signal that the rule reads and the batch lacks.
    """

    step_size = dt or rule.dt or DT

    def init(params: Any) -> Any:
        states = {}
        for path, weight in _matrices(params).items():
            states[path] = rule.init(_post_pre(weight, layout))
        return OptaxState(states)

    def update(
        updates: Any, state: Any, params: Any = None, *, signals: Any = None, **_: Any
    ) -> tuple[Any, Any]:
        if params is None or signals is None:
            missing = "params" if params is None else "signals"
            raise BadInput(
                f"update without {missing}",
                "update(grads, state, params, signals=...)",
                "compute signals with metaplast.layer_signals",
            )
        matrices = _matrices(params)
        _check_paths(signals, matrices)
        changes = {}
        states = dict(state.rules)
        for path, given in signals.items():
            weight = _post_pre(matrices[path], layout)
            states[path], change = _mean_change(rule, states[path], weight, given, step_size)
            changes[path] = _post_pre(change, layout)
        return _filled(params, changes), OptaxState(states)

    return _optax.GradientTransformationExtraArgs(init, update)


def _mean_change(
    rule: Rule, state: RuleState, weight: Array, signals: Mapping[str, Array], dt: float
) -> tuple[RuleState, Array]:
    """The state after a batch, and the mean change of its examples."""
    named = {name: jnp.asarray(values) for name, values in signals.items()}

    def step(state: RuleState, example: dict[str, Any]) -> tuple[RuleState, Array]:
        return rule.update(synapse_view(weight=weight, **example), state, dt=dt)

    state, changes = jax.lax.scan(step, state, named)
    return state, changes.mean(axis=0)


def _post_pre(weight: Array, layout: Layout) -> Array:
    """A matrix of a layout as [n_post, n_pre], and the other way round."""
    if layout == "pre_post":
        return weight.T
    return weight


def _path(keys: tuple[Any, ...]) -> str:
    """The path of a leaf, such as `layers.0.weight`."""
    return jax.tree_util.keystr(keys, simple=True, separator=".").removesuffix(".value")


def _matrices(params: Any) -> dict[str, Array]:
    """{path: matrix} of the parameters."""
    matrices = {}
    for keys, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        if jnp.ndim(leaf) == 2:
            matrices[_path(keys)] = leaf
    return matrices


def _check_paths(signals: Signals, matrices: Mapping[str, Array]) -> None:
    """Raises: BadInput for signals of a path that is no weight matrix."""
    for path in signals:
        if path not in matrices:
            listed = ", ".join(matrices) or "none"
            raise BadInput(f"signals of {quote(path)}", f"a matrix: {listed}", "correct the path")


def _filled(params: Any, changes: Mapping[str, Array]) -> Any:
    """The tree of the parameters with the changes, and 0 elsewhere."""

    def change(keys: tuple[Any, ...], leaf: Any) -> Array:
        if _path(keys) in changes:
            return changes[_path(keys)].astype(leaf.dtype)
        return jnp.zeros_like(leaf)

    return jax.tree_util.tree_map_with_path(change, params)


class _Layer(NamedTuple):
    """One linear layer and the function behind it.

    path: the path of its weight matrix.
    weight: [n_post, n_pre].
    bias: [n_post], or None.
    activation: the function behind it.
    """

    path: str
    weight: Array
    bias: Array | None
    activation: Callable[[Array], Array]


def layer_signals(
    model: Any,
    inputs: Array,
    loss: Callable[[Array], Array],
    *,
    feedback: Literal["symmetric", "random"] = "symmetric",
    key: Key | None = None,
) -> dict[str, dict[str, Array]]:
    """The signals of every layer of a multilayer perceptron, for `optax`.

        u_l = W_l h_{l-1} + b_l,  h_l = f_l(u_l)
        e_L = d loss / d u_L,     e_l = (B_{l+1}^T e_{l+1}) * f_l'(u_l)

    With feedback `symmetric`, B = W and e is the gradient. With `random`, B is fixed, from
    N(0, 1 / n_pre), the same for the same key.

    Args:
        model: an `equinox.nn.MLP`, or a `flax.nnx.Sequential` of `Linear` layers and functions.
        inputs: inputs [n_examples, n_in].
        loss: a function of the outputs [n_examples, n_out] that gives the loss of every example
            [n_examples].
        feedback: the way of the errors.
        key: the key of the random matrices.

    Returns: {path of a weight matrix: {pre, post, error, pre_error, learning_signal, post_gain,
        post_potential}}, each [n_examples, n]. `pre_error` is 0 in the first layer.
    Raises: BadInput for a model of another form, and for random feedback without a key.
    """
    if feedback == "random" and key is None:
        raise BadInput("feedback=random without a key", "a jax.random key", "give key=...")
    layers = _layers(model)
    heights = [inputs]
    potentials = []
    gains = []
    for layer in layers:
        potential = heights[-1] @ layer.weight.T
        if layer.bias is not None:
            potential = potential + layer.bias[None, :]
        height, slope = jax.jvp(layer.activation, (potential,), (jnp.ones_like(potential),))
        potentials.append(potential)
        heights.append(height)
        gains.append(slope)
    # The slope of a softmax is no gain of single units, so the error comes through the function.
    _, back = jax.vjp(lambda potential: loss(layers[-1].activation(potential)), potentials[-1])
    (error,) = back(jnp.ones(len(inputs), potentials[-1].dtype))
    learning = jax.grad(lambda height: loss(height).sum())(heights[-1])
    signals: dict[str, dict[str, Array]] = {}
    for index in reversed(range(len(layers))):
        layer = layers[index]
        matrix = layer.weight
        if key is not None and feedback == "random":
            drawn = jax.random.normal(jax.random.fold_in(key, index), matrix.shape, matrix.dtype)
            matrix = drawn / jnp.sqrt(matrix.shape[1])
        below = error @ matrix
        pre_error = jnp.zeros_like(inputs)
        if index > 0:
            pre_error = below * gains[index - 1]
        signals[layer.path] = {
            "pre": heights[index],
            "post": heights[index + 1],
            "error": error,
            "pre_error": pre_error,
            "learning_signal": learning,
            "post_gain": gains[index],
            "post_potential": potentials[index],
        }
        error = pre_error
        learning = below
    return signals


def _layers(model: Any) -> list[_Layer]:
    """The layers of a model. Raises: BadInput for a model of another form."""
    found: Any = tuple(getattr(model, "layers", ()))
    if not found:
        raise _unknown(model)
    layers: list[_Layer] = []
    for index, part in enumerate(found):
        if hasattr(part, "kernel"):
            layers.append(
                _Layer(f"layers.{index}.kernel", _value(part.kernel).T, _bias(part), _same)
            )
        elif hasattr(part, "weight"):
            layers.append(_Layer(f"layers.{index}.weight", part.weight, _bias(part), _same))
        elif callable(part) and layers:
            layers[-1] = layers[-1]._replace(activation=_after(layers[-1].activation, part))
        else:
            raise _unknown(model)
    if hasattr(model, "final_activation"):
        for index, layer in enumerate(layers):
            is_last = index == len(layers) - 1
            function = model.final_activation if is_last else model.activation
            layers[index] = layer._replace(activation=function)
    return layers


def _unknown(model: Any) -> BadInput:
    return BadInput(
        f"model {type(model).__name__}",
        "equinox.nn.MLP, or flax.nnx.Sequential of Linear layers and functions",
        "write the signals by hand: {path of a weight: {'pre': ..., 'post': ...}}",
    )


def _value(parameter: Any) -> Array:
    """The array of a parameter, bare or in a variable of flax."""
    return jnp.asarray(parameter)


def _bias(part: Any) -> Array | None:
    bias = getattr(part, "bias", None)
    if bias is None:
        return None
    return _value(bias)


def _same(potential: Array) -> Array:
    return potential


def _after(first: Any, then: Any) -> Callable[[Array], Array]:
    return lambda potential: then(first(potential))
