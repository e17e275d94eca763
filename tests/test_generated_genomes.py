"""Genomes that generate weights, against plain NumPy loops and differences."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.sparse import Sparse
from metaplast.genomes.by_type import ByType
from metaplast.genomes.direct import Direct
from metaplast.genomes.evolved_mask import EvolvedMask
from metaplast.genomes.gnet import Gnet, gray_codes, n_bits_of
from metaplast.genomes.low_rank import LowRank
from metaplast.genomes.xox import Xox
from metaplast.registry import BadInput
from metaplast.wiring import Edge, Population, Wiring

WIRING = Wiring(
    (Population("a", 6, sign=-1), Population("b", 9), Population("c", 5)),
    (
        Edge("a", "b", Dense(9, 6), gain=2.0),
        Edge("b", "c", Sparse(5, 9, probability=0.5), gain=0.5),
        Edge("b", "b", Dense(9, 9), gain=1.5),
    ),
)
LOOP = Wiring((Population("b", 9),), (Edge("b", "b", Dense(9, 9), gain=1.5),))
GENERATORS = [Gnet(hidden=(7, 3)), Xox(genes=3), LowRank(rank=2), ByType(types=2)]


def born(genome: Any, theta: Any, wiring: Wiring = WIRING, seed: Any = 0) -> Any:
    return genome.weights(theta, wiring, {}, jax.random.key(seed))


def drawn(genome: Any, seed: int = 0, wiring: Wiring = WIRING) -> Any:
    """Standard normal numbers in the form of theta, by NumPy: nothing is compiled."""
    generator = np.random.default_rng(seed)
    form = jax.eval_shape(lambda: genome.init(jax.random.key(0), wiring))
    return jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), form)


def loop_gnet(theta: Any, edge: Edge, j: int, i: int) -> float:
    """g of one synapse."""

    def code(place: int, n: int) -> list[float]:
        gray = place ^ (place // 2)
        bits = format(gray, f"0{n_bits_of(n)}b")
        return [1.0 if bit == "1" else -1.0 for bit in bits]

    values = np.asarray(code(j, edge.connection.n_post) + code(i, edge.connection.n_pre))
    layers = list(theta[edge.name].values())
    for index, layer in enumerate(layers):
        values = np.asarray(layer["weight"]) @ values + np.asarray(layer["bias"])
        if index < len(layers) - 1:
            values = np.tanh(values)
    return float(values[0])


def loop_xox(theta: Any, edge: Edge, j: int, i: int) -> float:
    x, y = theta["expression"][edge.post][j], theta["expression"][edge.pre][i]
    between = theta["compatibility"][edge.name]
    return float(sum(x[a] * between[a, b] * y[b] for a in range(3) for b in range(3)))


def loop_low_rank(theta: Any, edge: Edge, j: int, i: int) -> float:
    factors = theta[edge.name]
    return float(np.dot(factors["post"][j], factors["pre"][i]) / np.sqrt(2))


@pytest.mark.parametrize(
    ("genome", "loop"),
    [(GENERATORS[0], loop_gnet), (GENERATORS[1], loop_xox), (GENERATORS[2], loop_low_rank)],
    ids=["gnet", "xox", "low_rank"],
)
def test_every_weight_is_that_of_a_plain_loop(genome: Any, loop: Any) -> None:
    with jax.enable_x64(True):
        theta = drawn(genome)
        weights = jax.jit(partial(born, genome))(theta)
        for edge in WIRING.edges:
            posts, pres = edge.connection.places()
            flat = np.asarray(weights[edge.name].weight).reshape(-1)
            scale = edge.gain / np.sqrt(edge.connection.fan_in)
            for place, (j, i) in enumerate(zip(posts, pres, strict=True)):
                expected = scale * loop(theta, edge, int(j), int(i))
                if edge.pre == "a":
                    expected = abs(expected)
                assert flat[place] == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_neighbours_differ_in_one_bit() -> None:
    codes = gray_codes(20)
    assert codes.shape == (20, 5)
    assert len({tuple(code) for code in codes}) == 20
    assert np.all(np.sum(codes[1:] != codes[:-1], axis=1) == 1)
    assert gray_codes(1).shape == (1, 1)


def test_types_share_one_weight_and_lives_draw_the_synapses() -> None:
    genome = ByType(types=3, sharpness=1.0)
    wiring = Wiring(
        (Population("a", 120), Population("b", 90)), (Edge("a", "b", Dense(90, 120), gain=2.0),)
    )
    weights = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    density = jnp.asarray(np.log([[0.1 / 0.9, 1.0, 0.9 / 0.1]] * 3))
    theta = {"a_to_b": {"weight": jnp.asarray(weights), "density": density}}
    live = jax.jit(lambda seed: born(genome, theta, wiring, seed)["a_to_b"])
    one, other = (live(seed) for seed in (0, 1))
    assert np.any(one.mask != other.mask)
    mask = np.asarray(one.mask).reshape(3, 30, 3, 40)
    shares = mask.mean(axis=(1, 3))
    np.testing.assert_allclose(shares, [[0.1, 0.5, 0.9]] * 3, atol=4 * 0.5 / np.sqrt(1200))
    weight = np.asarray(one.weight).reshape(3, 30, 3, 40)
    expected = 2.0 / np.sqrt(120) * weights[:, None, :, None] * mask
    np.testing.assert_allclose(weight, expected, rtol=1e-6)


def test_the_best_synapses_exist_and_all_get_a_gradient() -> None:
    with jax.enable_x64(True):
        genome = EvolvedMask(genome=Direct(), density=0.25)
        theta = drawn(genome)
        made = jax.jit(partial(born, genome))(theta)
        for edge in WIRING.edges:
            worth = np.asarray(theta["worth"][edge.name]).reshape(-1)
            mask = np.asarray(made[edge.name].mask).reshape(-1)
            n = round(0.25 * worth.size)
            assert sorted(np.flatnonzero(mask > 0.5)) == sorted(np.argsort(-worth)[:n])
            plain = np.asarray(theta["genome"][edge.name]).reshape(-1)
            weight = np.asarray(made[edge.name].weight).reshape(-1)
            np.testing.assert_allclose(weight, 2.0 * plain * (mask > 0.5), atol=1e-12)

        @jax.jit
        def total(worth: Any) -> Any:
            synapses = born(genome, {**theta, "worth": worth})
            return jnp.sum(synapses["b_to_b"].weight)

        gradient = jax.grad(total)(theta["worth"])
        np.testing.assert_allclose(gradient["b_to_b"], 2.0 * np.asarray(theta["genome"]["b_to_b"]))


@pytest.mark.parametrize(
    "genome", [*GENERATORS, Xox(genes=3, expression_sd=0.3)], ids=lambda genome: str(genome)
)
def test_the_start_has_the_width_of_drawn_weights(genome: Any) -> None:
    @jax.jit
    @jax.vmap
    def square(seed: Any) -> Any:
        theta = genome.init(jax.random.key(seed), LOOP)
        made = born(genome, theta, LOOP, seed)["b_to_b"]
        exists = jnp.broadcast_to(made.mask, made.weight.shape)
        return jnp.sum(made.weight**2) / jnp.sum(exists)

    squares = square(jnp.arange(200))
    width = np.sqrt(np.mean(squares) * 9) / 1.5
    assert 0.7 < width < 1.4


@pytest.mark.parametrize("genome", GENERATORS, ids=lambda genome: type(genome).__name__)
def test_the_gradient_is_that_of_differences(genome: Any) -> None:
    with jax.enable_x64(True):
        theta = drawn(genome)
        generator = np.random.default_rng(1)
        probe = {e.name: generator.normal(size=e.connection.shape) for e in WIRING.edges}

        def total(theta: Any) -> Any:
            made = born(genome, theta)
            return sum(jnp.sum(probe[name] * made[name].weight) for name in probe)

        both = jax.jit(jax.value_and_grad(total))
        _, gradient = both(theta)
        direction = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), theta)
        if isinstance(genome, ByType):  # a drawn synapse has no gradient
            direction = {
                name: {"weight": part["weight"], "density": 0 * part["density"]}
                for name, part in direction.items()
            }
        moved = lambda step: jax.tree.map(lambda leaf, d: leaf + step * d, theta, direction)
        slope = (both(moved(1e-6))[0] - both(moved(-1e-6))[0]) / 2e-6
        parts = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), gradient, direction)
        np.testing.assert_allclose(sum(jax.tree.leaves(parts)), slope, rtol=1e-6)


def test_a_mask_on_bounds_without_zero_is_refused() -> None:
    edge = Edge("a", "b", Dense(3, 4), bounds=(0.5, 2.0))
    wiring = Wiring((Population("a", 4), Population("b", 3)), (edge,))
    genome = ByType()
    with pytest.raises(BadInput, match=r"edge a_to_b with bounds \(0.5, 2.0\), under a genome"):
        born(genome, drawn(genome, wiring=wiring), wiring)
    with pytest.raises(ValueError, match=r"density=1\.5 - expected a share"):
        EvolvedMask(density=1.5)
