"""The zoo: its files are those of the code, and its words on limits hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import metaplast as mp
from benchmarks.zoo import described, table
from metaplast.registry import BadInput
from metaplast.reuse import shelf
from metaplast.reuse.known import known_rules
from metaplast.reuse.load import Rule
from metaplast.reuse.rule_file import read_rule

MADE = tuple(name for name in shelf.names() if shelf.shelved(name).made)
SPACES = {"taylor", "confavreux_space", "trace_taylor_triplets", "feedback_pool"}
"""Known rules that are spaces to search, without published coefficients."""


def _without_versions(document: dict[str, Any]) -> dict[str, Any]:
    provenance = dict(document["provenance"])
    provenance.pop("versions")
    return {**document, "provenance": provenance, "sha256": None}


@pytest.mark.parametrize("name", MADE)
def test_a_file_is_the_rule_of_its_words(name: str) -> None:
    document, tensors = described(name)
    file = read_rule(shelf.PREFIX + name)
    reference = document.pop("reference")
    stored = dict(file.document)
    for key, values in stored.pop("reference").items():
        np.testing.assert_allclose(reference[key], values, rtol=1e-5, atol=1e-7)
    assert _without_versions(stored) == _without_versions(document)
    assert set(file.tensors) == set(tensors)
    for leaf, value in tensors.items():
        np.testing.assert_array_equal(file.tensors[leaf], value)


def test_every_known_rule_and_every_file_is_on_the_shelf() -> None:
    assert set(known_rules()) - SPACES <= set(shelf.names())
    files = {path.stem for path in shelf.folder().glob("*.safetensors")}
    assert files == set(shelf.names())


@pytest.mark.parametrize("name", [name for name in shelf.names() if name not in MADE])
def test_a_trained_rule_says_where_it_came_from(name: str) -> None:
    document = read_rule(shelf.PREFIX + name).document
    experiment = document["provenance"]["experiment"]
    words = shelf.shelved(name).trained
    assert f"experiment={experiment}" in words
    (score,) = [score for score in document["scores"] if score["name"] == "discovered"]
    assert score["n"] > 0


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(BadInput, match="oja"):
        mp.load_rule("zoo/ojja")


def _lived(rule: Rule, weight: Any, view: Callable[[Array, Array], Any], n: int) -> Any:
    """The weights after n steps; view(weight, t) makes the signals of step t."""

    def step(carry: Any, t: Array) -> tuple[Any, None]:
        weight, state = carry
        state, delta = rule.update(view(weight, t), state, dt=1e-3)
        return (weight + delta, state), None

    start = jnp.asarray(weight, jnp.float32)
    (final, _), _ = jax.lax.scan(step, (start, rule.init(start)), jnp.arange(n))
    return np.asarray(final)


def _linear(inputs: Any) -> Callable[[Array, Array], Any]:
    """The view of a linear unit that sees the rows of inputs in turn."""
    rows = jnp.asarray(inputs, jnp.float32)

    def view(weight: Array, t: Array) -> Any:
        x = rows[t % len(rows)]
        return mp.synapse_view(pre=x, post=weight @ x, weight=weight)

    return view


def _told(inputs: Any, targets: Any) -> Callable[[Array, Array], Any]:
    """The view of a linear unit with error = y - target."""
    rows = jnp.asarray(inputs, jnp.float32)
    wanted = jnp.asarray(targets, jnp.float32)

    def view(weight: Array, t: Array) -> Any:
        x = rows[t % len(rows)]
        y = weight @ x
        error = y - wanted[t % len(rows)]
        return mp.synapse_view(pre=x, post=y, weight=weight, error=error)

    return view


def _correlated(n: int) -> np.ndarray:
    """Inputs [n, 3] with variances 1, .2, .1 along known directions."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(n, 3)) * np.sqrt([1.0, 0.2, 0.1])
    return values @ DIRECTIONS


DIRECTIONS = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]


def test_oja_goes_to_length_one_along_the_leading_component() -> None:
    rule = mp.load_rule("zoo/oja")
    final = _lived(
        rule, [[0.3, 0.2, -0.1], [0.1, -0.4, 0.2]], _linear(0.3 * _correlated(3000)), 9000
    )
    np.testing.assert_allclose(np.linalg.norm(final, axis=1), 1.0, atol=0.05)
    np.testing.assert_allclose(np.abs(final @ DIRECTIONS[0]), 1.0, atol=0.05)


def test_oja_subspace_spans_the_leading_plane() -> None:
    rule = mp.load_rule("zoo/oja_subspace")
    final = _lived(
        rule, [[0.3, 0.2, -0.1], [0.1, -0.4, 0.2]], _linear(0.3 * _correlated(3000)), 30000
    )
    np.testing.assert_allclose(final @ final.T, np.eye(2), atol=0.1)
    assert np.abs(final @ DIRECTIONS[2]).max() < 0.25


@pytest.mark.parametrize(("name", "sign"), [("hebb", 1.0), ("anti_hebb", -1.0)])
def test_hebb_grows_and_anti_hebb_shrinks_by_the_power_of_the_input(name: str, sign: float) -> None:
    x = np.array([0.6, 0.8])
    final = _lived(mp.load_rule(f"zoo/{name}"), [x], _linear([x]), 10)
    np.testing.assert_allclose(final, [x * (1 + sign * 0.1) ** 10], rtol=1e-5)


@pytest.mark.parametrize(
    ("power", "expected"), [(19.0, "converges"), (20.0, "oscillates"), (21.0, "diverges")]
)
def test_delta_turns_over_at_two(power: float, expected: str) -> None:
    x = np.array([np.sqrt(power), 0.0])
    view = _told([x], [[1.0]])
    errors = [
        abs((_lived(mp.load_rule("zoo/delta"), [[0.0, 0.5]], view, n) @ x)[0] - 1.0)
        for n in (20, 60)
    ]
    if expected == "converges":
        assert errors[1] < 0.1 * errors[0]
    elif expected == "oscillates":
        assert 0.99 < errors[1] / errors[0] < 1.01
    else:
        assert errors[1] > 10 * errors[0]


def test_normalised_delta_shrinks_the_error_by_one_plus_the_power() -> None:
    x = np.array([3.0, 4.0])
    final = _lived(mp.load_rule("zoo/normalised_delta"), [[0.0, 0.0]], _told([x], [[1.0]]), 1)
    np.testing.assert_allclose(final @ x - 1.0, [-1.0 / 26.0], rtol=1e-5)


def test_covariance_leaves_constant_activities_alone() -> None:
    def view(weight: Array, t: Array) -> Any:
        return mp.synapse_view(pre=jnp.ones(2), post=jnp.ones(1), weight=weight)

    rule = mp.load_rule("zoo/covariance")
    early, late = (_lived(rule, [[0.0, 0.0]], view, n) for n in (1000, 2000))
    np.testing.assert_allclose(late, early, atol=1e-6)


def test_class_mean_is_the_mean_of_the_inputs() -> None:
    inputs = np.random.default_rng(2).normal(size=(8, 3))
    rows = jnp.asarray(inputs, jnp.float32)
    targets = jnp.asarray(np.eye(2)[[0, 1] * 4], jnp.float32)

    def view(weight: Array, t: Array) -> Any:
        return mp.synapse_view(pre=rows[t], target=targets[t], weight=weight)

    final = _lived(mp.load_rule("zoo/class_mean"), np.zeros((2, 3)), view, 8)
    expected = np.stack([inputs[0::2].mean(axis=0), inputs[1::2].mean(axis=0)])
    np.testing.assert_allclose(final, expected, atol=1e-5)


def test_bcm_brings_the_activity_to_one() -> None:
    final = _lived(mp.load_rule("zoo/bcm"), [[0.5]], _linear([[1.0]]), 20_000)
    np.testing.assert_allclose(final, [[1.0]], atol=1e-3)


def _poisson(rates: tuple[float, float], n: int, seed: int) -> tuple[Array, Array]:
    """Uncorrelated spikes [n, 40] and [n, 20] of pre- and postsynaptic cells."""
    generator = np.random.default_rng(seed)
    pre = generator.random((n, 40)) < rates[0] * 1e-3
    post = generator.random((n, 20)) < rates[1] * 1e-3
    return jnp.asarray(pre, jnp.float32), jnp.asarray(post, jnp.float32)


def _drift(name: str, rates: tuple[float, float], weight: float, n: int = 10_000) -> float:
    """Mean change of a weight under uncorrelated spikes, over the mean size of its changes."""
    pre, post = _poisson(rates, n, 3)
    rule = mp.load_rule(f"zoo/{name}")
    held = jnp.full((20, 40), weight)

    def step(state: Any, t: Array) -> Any:
        view = mp.synapse_view(pre=pre[t], post=post[t], weight=held, weight_max=jnp.ones(()))
        state, delta = rule.update(view, state, dt=1e-3)
        return state, (delta.sum(), jnp.abs(delta).sum())

    _, (change, size) = jax.lax.scan(step, rule.init(held), jnp.arange(n))
    return float(change.sum() / size.sum())


@pytest.mark.parametrize(
    ("name", "rates", "weight", "sign"),
    [
        ("vogels", (10.0, 2.5), 0.5, -1),
        ("vogels", (10.0, 10.0), 0.5, 1),
        ("confavreux", (10.0, 5.0), 0.5, -1),
        ("confavreux", (10.0, 20.0), 0.5, 1),
        ("triplet", (10.0, 5.0), 0.5, -1),
        ("triplet", (10.0, 40.0), 0.5, 1),
        ("triplet_visual", (10.0, 5.0), 0.5, -1),
        ("triplet_visual", (10.0, 40.0), 0.5, 1),
        ("triplet_visual_nearest", (10.0, 5.0), 0.5, -1),
        ("triplet_visual_nearest", (10.0, 20.0), 0.5, 1),
        ("triplet_hippocampus", (10.0, 5.0), 0.5, -1),
        ("triplet_hippocampus", (10.0, 80.0), 0.5, -1),
        ("triplet_hippocampus_nearest", (10.0, 1.0), 0.5, -1),
        ("triplet_hippocampus_nearest", (10.0, 20.0), 0.5, 1),
        ("stdp_multiplicative", (20.0, 20.0), 0.2, 1),
        ("stdp_multiplicative", (20.0, 20.0), 0.8, -1),
    ],
)
def test_uncorrelated_spikes_drive_towards_the_fixed_point(
    name: str, rates: tuple[float, float], weight: float, sign: int
) -> None:
    assert sign * _drift(name, rates, weight) > 0.1


def test_uncorrelated_spikes_hold_at_the_target_rate_of_vogels() -> None:
    assert abs(_drift("vogels", (10.0, 5.0), 0.5)) < 0.06


def test_uncorrelated_spikes_hold_multiplicative_stdp_at_its_mean() -> None:
    """A drift at half of w_max, which another order of coincident spikes would hold, is seen."""
    mean = 1.0 / (1.0 + 1.05)
    at_mean, at_half = (
        _drift("stdp_multiplicative", (20.0, 20.0), w, 100_000) for w in (mean, 0.5)
    )
    assert abs(at_mean) < 0.004
    assert at_half < -0.008


def test_uncorrelated_spikes_depress_additive_stdp() -> None:
    drift = _drift("stdp", (20.0, 20.0), 0.5, 100_000)
    np.testing.assert_allclose(drift, (1.0 - 1.05) / (1.0 + 1.05), atol=0.006)


def test_oja_turns_over_where_its_card_says() -> None:
    """The length 1 along one input is stable at rate |x|^2 < 1; large outputs run away."""
    rule = mp.load_rule("zoo/oja")
    for power, stable in ((9.5, True), (10.5, False)):
        x = np.array([np.sqrt(power), 0.0])
        final = _lived(rule, [[1.001, 0.0]], _linear([x]), 400)
        assert (abs(final[0, 0] - 1.0) < 1e-3) == stable
    x = np.array([1.0, 0.0])
    for y, grows in ((4.5, False), (4.7, True)):  # rate y^2 = 2.03 and 2.21; the border is 2.1
        final = _lived(rule, [[y, 0.0]], _linear([x]), 1)
        assert (abs(final[0, 0]) > y) == grows


def test_clopath_leaves_a_cell_below_its_threshold_alone() -> None:
    def view(potential: float) -> Any:
        return lambda weight, t: mp.synapse_view(
            pre=jnp.ones(1), post=jnp.zeros(1), post_potential=jnp.full(1, potential), weight=weight
        )

    rule = mp.load_rule("zoo/clopath")
    below = _lived(rule, [[0.5]], view(-71.0), 50)
    np.testing.assert_array_equal(below, np.float32([[0.5]]))
    assert _lived(rule, [[0.5]], view(-60.0), 50)[0, 0] < 0.5


def test_the_table_of_the_docs_is_that_of_the_files() -> None:
    assert table() in (Path(__file__).parents[2] / "docs" / "guides" / "zoo.md").read_text()


def test_vojas_encoders_go_to_a_constant_input_and_a_silent_neuron_keeps_its_own() -> None:
    x = np.array([0.5, -1.0, 2.0])
    final = _lived(mp.load_rule("zoo/voja"), [0.1 * x, 0.0 * x], _linear([x]), 10_000)
    np.testing.assert_allclose(final[0], x, rtol=1e-3)
    np.testing.assert_array_equal(final[1], 0.0)


def test_lateral_input_silences_a_dendrite_by_a_known_factor_a_step() -> None:
    rule = mp.load_rule("zoo/dendritic_cancellation")
    x = 0.7
    weight = np.asarray([[1.3]])
    state = rule.init(weight)
    for _ in range(5):
        site = weight[:, 0] * x
        view = mp.synapse_view(pre=np.asarray([x]), site=site, weight=weight)
        state, delta = rule.update(view, state, dt=1e-3)
        weight = weight + np.asarray(delta)
        np.testing.assert_allclose(weight[:, 0] * x, (1 - 0.1 * x**2) * site, rtol=1e-5)
