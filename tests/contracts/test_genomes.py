"""Every genome brings the weights of all edges, in their layout; where they come from is its own promise."""

from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.sparse import Sparse
from metaplast.genomes.direct import Direct
from metaplast.genomes.given import Given
from metaplast.genomes.random import Random
from metaplast.registry import BadInput, find
from metaplast.wiring import Edge, Population, Wiring
from tests.contracts._enrolled import enrolled

WIRING = Wiring(
    (Population("a", 60, sign=-1), Population("b", 50), Population("c", 40)),
    (
        Edge("a", "b", Dense(50, 60), gain=2.0),
        Edge("b", "c", Sparse(40, 50, probability=0.5), gain=0.5),
        Edge("c", "c", Dense(40, 40), gain=0.0),
    ),
)
LAYOUTS = {edge.name: edge.connection.shape for edge in WIRING.edges}
TASK = SimpleNamespace(weights={name: np.full(shape, 0.3, np.float32) for name, shape in LAYOUTS.items()})


def _weights(genome: Any, theta: Any, seed: int = 0) -> dict[str, np.ndarray]:
    born = genome.weights(theta, WIRING, TASK, jax.random.key(seed))
    for edge in WIRING.edges:
        np.testing.assert_array_equal(born[edge.name].mask, edge.connection.mask())
    return {name: np.asarray(s.weight) for name, s in born.items()}


@pytest.mark.parametrize("name", enrolled("genome"))
def test_a_genome_gives_every_edge_its_weights(name):
    genome = find("genome", name)()
    weights = _weights(genome, genome.init(jax.random.key(1), WIRING))
    assert {edge: w.shape for edge, w in weights.items()} == LAYOUTS
    assert all(np.isfinite(w).all() for w in weights.values())
    assert weights["a_to_b"].min() >= 0  # the inhibitory population's weights are magnitudes


def test_random_weights_have_the_declared_width_in_every_life_anew():
    one, same, other = (_weights(Random(), {}, seed) for seed in (0, 0, 1))
    for edge in WIRING.edges[:2]:
        w = one[edge.name]
        np.testing.assert_array_equal(w, same[edge.name])
        assert np.any(w != other[edge.name])
        width = np.sqrt(np.mean(w**2)) * np.sqrt(edge.connection.fan_in) / edge.gain
        assert abs(width - 1) < 4 / np.sqrt(2 * w.size)
    first, second = (np.abs(one[e.name]).reshape(-1)[:900] for e in WIRING.edges[:2])
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(900)  # no two edges share their numbers
    assert not one["c_to_c"].any()


def test_a_learned_gain_scales_one_edge():
    genome = Random(learn_gain=True)
    theta = genome.init(jax.random.key(0), WIRING)
    plain = _weights(genome, theta)
    np.testing.assert_array_equal(plain["a_to_b"], _weights(Random(), {})["a_to_b"])
    theta["b_to_c"]["log_gain"] = theta["b_to_c"]["log_gain"] + 0.7
    scaled = _weights(genome, theta)
    np.testing.assert_allclose(scaled["b_to_c"], np.exp(0.7) * plain["b_to_c"], rtol=1e-6)
    np.testing.assert_array_equal(scaled["a_to_b"], plain["a_to_b"])


def test_a_direct_genome_is_the_same_in_every_life():
    theta = Direct().init(jax.random.key(1), WIRING)
    for seed in (0, 1):
        for name, w in _weights(Direct(), theta, seed).items():
            np.testing.assert_array_equal(w, theta[name])


def test_given_weights_come_with_the_task_or_are_missed_by_name():
    for w in _weights(Given(), {}).values():
        assert np.all(w == np.float32(0.3))
    with pytest.raises(BadInput, match=r"edge 'b_to_c' - expected .* a_to_b"):
        Given().weights({}, WIRING, SimpleNamespace(weights={"a_to_b": 0, "c_to_c": 0}), jax.random.key(0))


def test_every_genome_leaves_out_what_a_mask_leaves_out():
    masked = Masked(40, 50, probability=0.3)
    wiring = Wiring((Population("b", 50), Population("c", 40)), (Edge("b", "c", masked, gain=2.0),))
    task = SimpleNamespace(weights={"b_to_c": np.ones((40, 50), np.float32)})
    for name in enrolled("genome"):
        genome = find("genome", name)()
        born = genome.weights(genome.init(jax.random.key(1), wiring), wiring, task, jax.random.key(0))["b_to_c"]
        np.testing.assert_array_equal(np.asarray(born.weight) != 0, masked.support())
        np.testing.assert_array_equal(born.mask, masked.support())
    drawn = np.asarray(Random().weights({}, wiring, task, jax.random.key(0))["b_to_c"].weight)[masked.support()]
    assert abs(np.sqrt(np.mean(drawn**2) * masked.fan_in) / 2.0 - 1) < 4 / np.sqrt(2 * drawn.size)
