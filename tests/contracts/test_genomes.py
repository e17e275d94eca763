"""Every genome brings the weights of all edges, in their layout and from their origin."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.connections.one_to_one import OneToOne
from metaplast.connections.sparse import Sparse
from metaplast.genomes.constant import Constant
from metaplast.genomes.direct import Direct
from metaplast.genomes.evolved_mask import EvolvedMask
from metaplast.genomes.given import Given
from metaplast.genomes.parts import Parts
from metaplast.genomes.per_subject import PerSubject
from metaplast.genomes.random import Random
from metaplast.genomes.self_predicting import SelfPredicting
from metaplast.genomes.twins import Twins
from metaplast.genomes.writing import Writing
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


def _task(weights: dict[str, np.ndarray], subject: int = 0) -> SimpleNamespace:
    return SimpleNamespace(weights=weights, subject=jnp.asarray(subject))


TASK = _task({name: np.full(shape, 0.3, np.float32) for name, shape in LAYOUTS.items()})


def _weights(genome: Any, theta: Any, seed: int = 0, subject: int = 0) -> dict[str, np.ndarray]:
    born = genome.weights(theta, WIRING, _task(TASK.weights, subject), jax.random.key(seed))
    for edge in WIRING.edges:
        mask = np.asarray(edge.connection.mask())
        if genome.masks:
            assert set(np.unique(born[edge.name].mask)) <= {0.0, 1.0}
            assert np.all(born[edge.name].mask <= mask)
        else:
            np.testing.assert_array_equal(born[edge.name].mask, mask)
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
    # no two edges share their numbers
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(900)
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
        Given().weights(
            {}, WIRING, SimpleNamespace(weights={"a_to_b": 0, "c_to_c": 0}), jax.random.key(0)
        )


MASKED = Masked(40, 50, probability=0.3)
THROUGH_A_MASK = Wiring(
    (Population("b", 50), Population("c", 40)), (Edge("b", "c", MASKED, gain=2.0),)
)


def _through_a_mask(genome: Any) -> Any:
    task = _task({"b_to_c": np.ones((40, 50), np.float32)})
    theta = genome.init(jax.random.key(1), THROUGH_A_MASK)
    return genome.weights(theta, THROUGH_A_MASK, task, jax.random.key(0))["b_to_c"]


@pytest.mark.parametrize("name", enrolled("genome"))
def test_every_genome_leaves_out_what_a_mask_leaves_out(name):
    genome = find("genome", name)()
    born = _through_a_mask(genome)
    assert not np.asarray(born.weight)[~MASKED.support()].any()
    if genome.masks:
        assert not np.asarray(born.mask)[~MASKED.support()].any()
    else:
        np.testing.assert_array_equal(born.mask, MASKED.support())


@pytest.mark.parametrize("inner", [EvolvedMask(), Random()], ids=str)
def test_a_genome_around_another_masks_where_the_inner_one_does(inner):
    around = (
        Parts(parts=(("nothing", Random()), ("*", inner))),
        Twins(genome=inner),
        SelfPredicting(genome=inner),
        Writing(genome=inner),
    )
    for genome in around:
        mask = np.asarray(_through_a_mask(genome).mask)
        leaves_out = bool(np.any(mask < MASKED.support()))
        assert genome.masks == leaves_out == inner.masks, genome


@pytest.mark.parametrize(
    "genome", [Constant(value=2.0), Direct(), Given(), Parts(), PerSubject(), Random()], ids=str
)
def test_what_a_mask_leaves_has_weights(genome):
    np.testing.assert_array_equal(np.asarray(_through_a_mask(genome).weight) != 0, MASKED.support())
    masked = MASKED
    drawn = np.asarray(_through_a_mask(Random()).weight)[masked.support()]
    assert abs(np.sqrt(np.mean(drawn**2) * masked.fan_in) / 2.0 - 1) < 4 / np.sqrt(2 * drawn.size)


def test_constant_weights_are_the_value_over_the_fan_in():
    for value in (1.5, -1.5, 0.0):
        weights = _weights(Constant(value=value), {})
        for edge in WIRING.edges:
            inhibitory = edge.pre == "a"
            expected = (abs(value) if inhibitory else value) / edge.connection.fan_in
            np.testing.assert_allclose(weights[edge.name], expected, rtol=1e-6)
    readout = np.asarray(_weights(Constant(value=3.0), {})["a_to_b"])
    # value times the mean input
    np.testing.assert_allclose(readout @ np.full(60, 0.7), 3.0 * 0.7, rtol=1e-5)


def test_every_part_has_the_weights_of_its_own_genome():
    """The first glob that matches wins.

    The edges of a drawn part have the weights that its genome draws for them alone.
    """
    genome = Parts(parts=(("b_*", Constant(value=2.0)), ("*_to_c", Given()), ("*", Direct())))
    theta = genome.init(jax.random.key(1), WIRING)
    weights = _weights(genome, theta)
    np.testing.assert_array_equal(weights["b_to_c"], _weights(Constant(value=2.0), {})["b_to_c"])
    np.testing.assert_array_equal(weights["c_to_c"], TASK.weights["c_to_c"])
    np.testing.assert_array_equal(weights["a_to_b"], theta["*"]["a_to_b"])
    assert {glob: set(part) for glob, part in theta.items()} == {
        "b_*": set(),
        "*_to_c": set(),
        "*": {"a_to_b"},
    }
    assert genome.needs == Given().needs
    assert Parts(parts=(("b_*", PerSubject()), ("*", Given()))).needs == {"subject", "weights"}
    assert Parts().needs == frozenset()


def test_no_two_parts_share_their_numbers_and_an_empty_part_is_none():
    genome = Parts(parts=(("a_to_b", Random()), ("none_of_them", Random()), ("*", Random())))
    one, same, other = (
        _weights(genome, genome.init(jax.random.key(1), WIRING), seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one["a_to_b"], same["a_to_b"])
    assert np.any(one["a_to_b"] != other["a_to_b"])
    first, second = (np.abs(one[e.name]).reshape(-1)[:900] for e in WIRING.edges[:2])
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(900)


def test_an_edge_without_a_part_is_refused_by_name():
    genome = Parts(parts=(("a_*", Random()), ("b_*", Random())))
    words = r"genome parts: edge c_to_c - expected one that matches a_\*, b_\* - "
    with pytest.raises(BadInput, match=words):
        genome.init(jax.random.key(0), WIRING)
    with pytest.raises(BadInput, match=words):
        genome.weights({"a_*": {}, "b_*": {}}, WIRING, TASK, jax.random.key(0))


def _of_subjects() -> tuple[PerSubject, Any]:
    """Three subjects whose own weights differ."""
    genome = PerSubject(n_subjects=3)
    rng = np.random.default_rng(0)
    theta = genome.init(jax.random.key(1), WIRING)
    noise = lambda x: rng.normal(size=x.shape).astype(np.float32)
    return genome, {
        name: {"mean": part["mean"], "own": noise(part["own"])} for name, part in theta.items()
    }


def test_a_subject_has_weights_of_its_own_and_a_stranger_the_mean():
    genome, theta = _of_subjects()
    for subject in (-1, 0, 1, 2, 3):
        # the key of a life changes nothing
        weights = _weights(genome, theta, seed=subject + 5, subject=subject)
        for edge in WIRING.edges:
            by_subject = np.asarray(theta[edge.name]["own"])
            expected = np.asarray(theta[edge.name]["mean"]) + (
                by_subject[subject] if 0 <= subject < 3 else by_subject.mean(axis=0)
            )
            expected = np.abs(expected) if edge.pre == "a" else expected  # Dale's law: magnitudes
            np.testing.assert_allclose(weights[edge.name], expected, rtol=1e-6)
    born = genome.init(jax.random.key(1), WIRING)
    for name, w in _weights(
        genome, born, subject=2
    ).items():  # before any fit all subjects are alike
        np.testing.assert_array_equal(w, born[name]["mean"])


def test_a_life_teaches_its_own_subject_and_the_mean_alone():
    genome, theta = _of_subjects()

    def loss(theta: Any, subject: int) -> jax.Array:
        return jnp.sum(
            genome.weights(theta, WIRING, _task({}, subject), jax.random.key(0))["b_to_c"].weight
            ** 2
        )

    for subject in (1, -1, 3):
        gradient = jax.grad(loss)(theta, subject)["b_to_c"]
        touched = np.flatnonzero(np.any(np.asarray(gradient["own"]) != 0, axis=1))
        assert list(touched) == ([1] if subject == 1 else [])
        assert np.all(np.asarray(gradient["mean"]) != 0)
        if subject == 1:
            np.testing.assert_array_equal(gradient["own"][1], gradient["mean"])


def _twins(*back: Edge) -> Wiring:
    """a -> b -> a, with these edges from b to a beside the one there."""
    edges = (Edge("a", "b", Dense(5, 4)), Edge("b", "b", OneToOne(5, 5), label="own"), *back)
    return Wiring((Population("a", 4), Population("b", 5)), edges)


@pytest.mark.parametrize("inner", [Random(), Direct()], ids=["drawn", "learned"])
def test_a_twin_is_born_with_the_transposed_weights_of_its_edge(inner):
    back = Edge("b", "a", Dense(4, 5), gain=3.0)
    copy = Edge("b", "b", OneToOne(5, 5), label="copy")
    wiring = _twins(back, copy)
    genome = Twins(inner, (("b_to_a", "a_to_b"), ("copy", "own")))
    theta = genome.init(jax.random.key(1), wiring)
    born = genome.weights(theta, wiring, TASK, jax.random.key(2))
    assert set(born) == {edge.name for edge in wiring.edges}
    np.testing.assert_array_equal(born["b_to_a"].weight, np.asarray(born["a_to_b"].weight).T)
    np.testing.assert_array_equal(born["copy"].weight, born["own"].weight)
    assert np.unique(born["a_to_b"].weight).size == 20
    # all others are as without twins, and theta holds no number that makes no weight
    alone = _twins()
    assert jax.tree.structure(theta) == jax.tree.structure(inner.init(jax.random.key(1), alone))
    others = inner.weights(theta, alone, TASK, jax.random.key(2))
    np.testing.assert_array_equal(others["a_to_b"].weight, born["a_to_b"].weight)


def test_a_synapse_that_the_genome_leaves_out_is_missing_in_the_twin_too():
    wiring = _twins(Edge("b", "a", Dense(4, 5)))
    genome = Twins(EvolvedMask(density=0.3))
    theta = genome.init(jax.random.key(1), wiring)
    born = genome.weights(theta, wiring, TASK, jax.random.key(2))
    mask = np.asarray(born["a_to_b"].mask)
    assert mask.sum() == 6
    np.testing.assert_array_equal(born["b_to_a"].mask, mask.T)
    np.testing.assert_array_equal(born["b_to_a"].weight, np.asarray(born["a_to_b"].weight).T)


def test_the_worth_of_a_synapse_has_one_gradient_through_both_twins():
    """Once through the mask, at left-out synapses too."""
    wiring = _twins(Edge("b", "a", Dense(4, 5)))
    genome = Twins(EvolvedMask(density=0.3))
    theta = genome.init(jax.random.key(1), wiring)

    def total(worth, edge):
        of_all = {**theta, "worth": {**theta["worth"], "a_to_b": worth}}
        born = genome.weights(of_all, wiring, TASK, jax.random.key(2))
        return jnp.sum(born[edge].weight)

    slopes = [jax.grad(total)(theta["worth"]["a_to_b"], edge) for edge in ("a_to_b", "b_to_a")]
    assert np.all(slopes[0] != 0)
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-5)


def test_unnamed_twins_are_all_edges_that_run_backwards_beside_a_forward_one():
    wiring = _twins(Edge("b", "a", Dense(4, 5)))
    genome = Twins(scale=0.5)
    theta = genome.init(jax.random.key(1), wiring)
    born = genome.weights(theta, wiring, TASK, jax.random.key(2))
    np.testing.assert_array_equal(born["b_to_a"].weight, 0.5 * np.asarray(born["a_to_b"].weight).T)
    alone = Random().weights(theta, _twins(), TASK, jax.random.key(2))
    np.testing.assert_array_equal(born["own"].weight, alone["own"].weight)


@pytest.mark.parametrize(
    ("twins", "words"),
    [
        ((("b_to_z", "a_to_b"),), r"genome twins: edge 'b_to_z' - expected one of a_to_b"),
        ((("b_to_a", "a_to_z"),), r"genome twins: b_to_a of 'a_to_z' - expected an edge without"),
        ((("b_to_a", "own"),), r"genome twins: edge b_to_a of own - expected two edges with tr"),
        ((("thin", "a_to_b"),), r"genome twins: edge thin of a_to_b - expected two edges with tr"),
        ((("holed", "a_to_b"),), r"genome twins: edge holed of a_to_b - expected two edges with"),
    ],
)
def test_twins_that_are_no_twins_are_refused(twins, words):
    thin = Edge("b", "a", Sparse(4, 5, probability=0.5), label="thin")
    holed = Edge("b", "a", Masked(4, 5, probability=0.5), label="holed")
    wiring = _twins(Edge("b", "a", Dense(4, 5)), thin, holed)
    genome = Twins(twins=twins)
    with pytest.raises(BadInput, match=words):
        genome.weights(genome.init(jax.random.key(0), wiring), wiring, TASK, jax.random.key(0))
