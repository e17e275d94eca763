"""Loaded rules change weights as plain NumPy and as their formula do. Misuse is one line."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import metaplast as mp
from metaplast.connections.dense import Dense
from metaplast.language.aggregates import AGGREGATES, aggregates
from metaplast.registry import BadInput
from metaplast.reuse import formula as f
from metaplast.reuse.ask import node_of
from metaplast.reuse.known import known_rule, known_rules
from metaplast.reuse.node import nodes
from metaplast.reuse.rule_file import read_rule
from metaplast.reuse.view import complete

RNG = np.random.default_rng(7)
W, X, Y = RNG.normal(size=(2, 3)), RNG.normal(size=3), RNG.normal(size=2)
E, E_PRE = RNG.normal(size=2), RNG.normal(size=3)
SITE, POTENTIAL, GAIN = np.random.default_rng(8).normal(size=(3, 2))
SIGNALS = {
    name: jnp.asarray(value)
    for name, value in {
        "pre.activity": X,
        "post.activity": Y,
        "pre.feedback": E_PRE,
        "post.feedback": E,
    }.items()
}


def evaluate(expression: f.TermSum) -> np.ndarray:
    """The value of a printed sum on W, X, Y, E and E_PRE, term by term in plain NumPy."""
    values = {
        "pre": X[None, :],
        "post": Y[:, None],
        "error": E[:, None],
        "pre_error": E_PRE[None, :],
        "predicted": (W.T @ Y)[None, :],
        "input_gain": np.full((2, 1), 1.0 / (1.0 + X @ X)),
        "layer_power": np.full((2, 1), Y @ Y),
        "layer_backward": np.full((2, 1), Y @ W @ E_PRE),
        "layer_forward": np.full((2, 1), E @ W @ X),
        "weight": W,
        "site": SITE[:, None],
        "post_potential": POTENTIAL[:, None],
        "post_gain": GAIN[:, None],
    }
    total = np.zeros_like(W)
    for product in expression.products:
        part = np.full_like(W, product.scale)
        for name, power in product.factors:
            part = part * values[name] ** power
        total += part
    return expression.rate * total


def view(**changes: Any) -> Any:
    given = {"pre": X, "post": Y, "weight": W, "error": E, "pre_error": E_PRE}
    given |= {"site": SITE, "post_potential": POTENTIAL, "post_gain": GAIN, **changes}
    return mp.synapse_view(**{name: value for name, value in given.items() if value is not None})


LISTS = [
    name for name in known_rules() if known_rule(name)["name"] == "polynomial" and name != "taylor"
]


@pytest.mark.parametrize("name", LISTS)
def test_known_rule_does_what_its_formula_says(name: str) -> None:
    rule = mp.load_rule(name)
    _, delta = rule.update(view(), rule.init(W), dt=1.0)
    expected = evaluate(f.expression(node_of(rule.spec, rule.theta)))
    np.testing.assert_allclose(delta, expected, rtol=2e-5, atol=1e-7)
    assert rule.reads == f.fields(node_of(rule.spec, rule.theta))


def test_closed_forms() -> None:
    closed = {
        "hebb": np.outer(Y, X),
        "anti_hebb": -np.outer(Y, X),
        "oja": np.outer(Y, X) - Y[:, None] ** 2 * W,
        "oja_subspace": np.outer(Y, X) - np.outer(Y, Y) @ W,
        "delta": -np.outer(E, X),
    }
    for name, expected in closed.items():
        rule = mp.load_rule(name)
        np.testing.assert_allclose(
            rule.update(view(), rule.init(W), dt=1.0)[1], 0.1 * expected, rtol=2e-5, atol=1e-7
        )


def test_the_covariance_rule_is_hebb_on_deviations_from_running_means() -> None:
    rule = mp.load_rule("covariance")
    state, mean_x, mean_y = rule.init(W), np.zeros(3), np.zeros(2)
    for x, y in zip(RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2)), strict=True):
        state, delta = rule.update(view(pre=x, post=y), state, dt=1.0)
        np.testing.assert_allclose(
            delta, 0.1 * np.outer(y - mean_y, x - mean_x), rtol=1e-4, atol=1e-7
        )
        mean_x, mean_y = mean_x + (x - mean_x) / 50, mean_y + (y - mean_y) / 50
    assert rule.reach == "synapse"


def test_reach_is_said() -> None:
    assert mp.load_rule("oja").reach == "synapse"
    assert mp.load_rule("oja_subspace").reach == "layer"
    assert (
        repr(mp.load_rule("oja"))
        == "Rule oja: delta_w = 0.1 * (1.000*post*pre - 1.000*post^2*weight)"
    )


def test_oja_finds_the_leading_component_with_norm_one() -> None:
    """After 200 steps of x = +-(direction) / its length, w = +-direction and |w| = 1."""
    direction = np.array([3.0, -2.0, 1.0]) / np.sqrt(14.0)
    signs = jnp.asarray(RNG.choice([-1.0, 1.0], 200), jnp.float32)
    rule = mp.load_rule("oja")
    start = jnp.asarray([[0.3, 0.4, -0.2]], jnp.float32)

    def step(carry: Any, sign: Any) -> Any:
        weight, state = carry
        x = sign * jnp.asarray(direction, jnp.float32)
        state, delta = rule.update(
            mp.synapse_view(pre=x, post=weight @ x, weight=weight), state, dt=1.0
        )
        return (weight + delta, state), None

    (weight, _), _ = jax.jit(lambda w: jax.lax.scan(step, (w, rule.init(w)), signs))(start)
    assert abs(np.linalg.norm(start) - 1) > 0.4
    np.testing.assert_allclose(np.linalg.norm(weight), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.abs(weight[0] @ direction), 1.0, atol=1e-5)


def test_shared_file_fits_weights_of_any_size(files) -> None:
    rule, file = mp.load_rule(files["shared"]), read_rule(files["shared"])
    assert rule.edges == ("input_to_hidden_1", "hidden_1_to_output")
    assert rule.document["provenance"]["outer_steps"] == 200
    _, delta = rule.update(view(), rule.init(W), dt=1e-3)
    np.testing.assert_allclose(
        delta,
        evaluate(f.expression(nodes(file.document, file.tensors)["rule"])),
        rtol=1e-4,
        atol=1e-7,
    )


def test_file_per_edge(files) -> None:
    """clip(adam(polynomial)) makes the first step of Adam, in closed form from the tensors."""
    with pytest.raises(BadInput, match="edge=one of input_to_hidden_1, hidden_1_to_output"):
        mp.load_rule(files["per_edge"])
    with pytest.raises(BadInput, match="did you mean 'hidden_1_to_output'"):
        mp.load_rule(files["per_edge"], edge="hidden_to_output")
    rule = mp.load_rule(files["per_edge"], edge="hidden_1_to_output")
    file = read_rule(files["per_edge"])
    expression = f.expression(nodes(file.document, file.tensors)["rule/hidden_1_to_output"])
    adam = expression.inner[0]
    g = evaluate(adam.inner[0])
    expected = np.clip(dict(adam.constants)["rate"] * g / np.sqrt(g**2 + 1e-8), -0.2, 0.2)
    state, delta = rule.update(view(), rule.init(W), dt=1e-3)
    np.testing.assert_allclose(delta, expected, rtol=2e-3)
    np.testing.assert_allclose(state.synapse["adam_m"], 0.1 * g, rtol=1e-4, atol=1e-7)


def test_two_slots(files) -> None:
    assert mp.load_rule(files["two_slots"], edge="input_to_hidden_1").name == "first"
    assert mp.load_rule(files["two_slots"], edge="hidden_1_to_output").name == "last"


def test_one_number_per_synapse_fits_its_own_edge_only(files, made) -> None:
    rule = mp.load_rule(files["per_synapse"], edge="hidden_1_to_output")
    theta = {name: made["per_synapse"][1][f"rule.hidden_1_to_output.{name}"] for name in "abcd"}
    weight, x, y = np.ones((2, 4)), RNG.normal(size=4), RNG.normal(size=2)
    _, delta = rule.update(
        mp.synapse_view(pre=x, post=y, weight=weight), rule.init(weight), dt=1e-3
    )
    expected = theta["a"] * np.outer(y, x) + theta["b"] * x + theta["c"] * y[:, None] + theta["d"]
    np.testing.assert_allclose(delta, 0.1 * expected, rtol=1e-4, atol=1e-7)
    with pytest.raises(BadInput, match=r"hidden_1_to_output \[2, 4\]"):
        rule.init(np.ones((4, 2)))


def test_sums_over_synapses_are_computed_or_taken() -> None:
    rule = mp.load_rule("oja_subspace")
    given = view(predicted=np.array([1.0, 2.0, 3.0]))
    _, delta = rule.update(given, rule.init(W), dt=1.0)
    np.testing.assert_allclose(
        delta, 0.1 * (np.outer(Y, X) - np.outer(Y, [1.0, 2.0, 3.0])), rtol=1e-5, atol=1e-7
    )
    sums = aggregates(Dense(2, 3), jnp.asarray(W), SIGNALS.__getitem__, AGGREGATES)
    np.testing.assert_allclose(sums["pre"]["returned"], W.T @ Y, rtol=1e-5)
    np.testing.assert_allclose(sums["pre"]["weight_norm"], np.linalg.norm(W, axis=0), rtol=1e-5)
    np.testing.assert_allclose(sums["post"]["weight_norm"], np.linalg.norm(W, axis=1), rtol=1e-5)
    np.testing.assert_allclose(sums["pre"]["weight_sum"], W.sum(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sums["post"]["weight_sum"], W.sum(1), rtol=1e-5, atol=1e-6)
    assert aggregates(Dense(2, 3), jnp.asarray(W), SIGNALS.__getitem__, {"weight"}) == {
        "pre": {},
        "post": {},
    }


def test_double_precision() -> None:
    """Where JAX computes in float64, a file of float32 works on float64 weights in float64."""
    with jax.enable_x64(True):
        rule = mp.load_rule("oja")
        _, delta = rule.update(view(), rule.init(W), dt=1.0)
        assert delta.dtype == np.float64
        np.testing.assert_allclose(delta, 0.1 * (np.outer(Y, X) - Y[:, None] ** 2 * W), rtol=1e-13)


def test_spikes_may_be_bool() -> None:
    rule = mp.load_rule("hebb")
    spikes = view(pre=np.array([True, False, True]), post=np.array([0, 1]))
    np.testing.assert_allclose(
        rule.update(spikes, rule.init(W), dt=1.0)[1], [[0, 0, 0], [0.1, 0, 0.1]], rtol=1e-6
    )


MISUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no error": (
        {"error": None},
        r"rule delta reads error - expected it in the view - give error=\.\.\.",
    ),
    "no pre": ({"pre": None}, "reads pre "),
    "no weight": ({"weight": None}, "without weight"),
    "pre too long": ({"pre": np.ones(4)}, r"pre of shape \(4,\) - expected \(3,\)"),
    "post a matrix": ({"post": np.ones((2, 1))}, r"post of shape \(2, 1\)"),
    "weights of integers": ({"weight": np.ones((2, 3), int)}, "weight of dtype int64"),
    "weights a vector": ({"weight": np.ones(3)}, r"weight of shape \(3,\)"),
    "complex error": ({"error": np.ones(2, complex)}, "error of dtype complex128"),
    "text": ({"pre": np.array(["a", "b", "c"])}, "pre of dtype <U1"),
    "ragged": ({"pre": [[1.0], [1.0, 2.0]]}, "rows of different lengths"),
    "weight_max a vector": ({"weight_max": np.ones(2)}, r"weight_max of shape \(2,\)"),
}


@pytest.mark.parametrize("case", MISUSED)
def test_misuse_is_named(case: str) -> None:
    changes, expected = MISUSED[case]
    rule = mp.load_rule("delta")
    with pytest.raises(BadInput, match=expected) as caught:
        rule.update(view(**changes), rule.init(W), dt=1.0)
    assert str(caught.value).isprintable()


def test_more_misuse() -> None:
    rule = mp.load_rule("oja")
    state = rule.init(W)
    for dt in (0, -1.0, float("nan"), "1", None, True, np.ones(2)):
        with pytest.raises(BadInput, match="dt="):
            rule.update(view(), state, dt=dt)
    with pytest.raises(BadInput, match="not traced"):
        jax.jit(lambda dt: rule.update(view(), state, dt=dt))(1.0)
    with pytest.raises(BadInput, match="SynapseView"):
        rule.update({"pre": X}, state, dt=1.0)
    for stranger in (None, {}, mp.load_rule("hebb").spec):
        with pytest.raises(BadInput, match="call init first"):
            rule.update(view(), stranger, dt=1.0)
    with pytest.raises(BadInput, match="did you mean 'post_gain'"):
        mp.synapse_view(pre=X, post=Y, weight=W, pots_gain=Y)
    with pytest.raises(BadInput, match=r"reads post - .* give post="):
        subspace = mp.load_rule("oja_subspace")
        subspace.update(mp.synapse_view(pre=X, weight=W), subspace.init(W), dt=1.0)


def test_state_of_other_weights_is_refused(files) -> None:
    rule = mp.load_rule(files["per_edge"], edge="input_to_hidden_1")
    with pytest.raises(BadInput, match="weights of this shape"):
        rule.update(view(), rule.init(np.ones((5, 3))), dt=1e-3)


def test_names() -> None:
    with pytest.raises(BadInput, match="did you mean 'oja'"):
        mp.load_rule("ojja")
    with pytest.raises(BadInput, match="a space to search"):
        mp.load_rule("taylor")
    with pytest.raises(BadInput, match="No such file"):
        mp.load_rule("oja.safetensors")
    with pytest.raises(BadInput, match="No such file"):
        mp.load_rule(Path("oja"))
    with pytest.raises(BadInput, match="a path or the name"):
        mp.load_rule(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match="fits all"):
        mp.load_rule("oja", edge="a")


def test_a_rule_that_draws_needs_a_key() -> None:
    edge, read = Dense(2, 3), frozenset({"weight", "key"})
    given = mp.synapse_view(
        pre=np.ones(3), post=np.ones(2), weight=np.ones((2, 3)), key=jax.random.key(3)
    )
    done = complete(given, edge, read, "drawing")
    np.testing.assert_array_equal(
        jax.random.key_data(done.key), jax.random.key_data(jax.random.key(3))
    )
    without = mp.synapse_view(pre=np.ones(3), post=np.ones(2), weight=np.ones((2, 3)))
    with pytest.raises(
        BadInput, match="rule drawing reads key - expected it in the view - give key="
    ):
        complete(without, edge, read, "drawing")
