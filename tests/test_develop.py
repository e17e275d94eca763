"""The stage between the numbers that a search moves and the numbers that a life reads."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.base import cell_types
from metaplast.connections.dense import Dense
from metaplast.genomes.direct import Direct
from metaplast.genomes.evolved_mask import EvolvedMask
from metaplast.genomes.given import Given
from metaplast.genomes.parts import Parts
from metaplast.genomes.self_predicting import SelfPredicting
from metaplast.genomes.twins import Twins
from metaplast.genomes.writing import Writing
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.reuse.describe import settled
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.per_synapse import PerSynapse
from metaplast.rules.wrappers.per_type import PerType
from metaplast.rules.wrappers.scale import Scale
from metaplast.rules.wrappers.three_factor import ThreeFactor
from metaplast.spec import decode

LEARNED = Direct()
OJA = Polynomial(learn="both", initial=(1.0, -1.0))
NESTED = Scale(rule=OJA)
IN_EDGE = "input_to_hidden_1"
OUTERMOST = "inner genome writing - expected .* - put writing outermost, around this genome"


def life_of(rule: Any, genome: Any = LEARNED, shared: bool = False, neuron: Any = None) -> Any:
    """Regression with 5 inputs, 4 hidden cells, and a rule at every edge."""
    task: Any = decode("task", {"name": "regression", "n_in": 5, "shots": 4, "queries": 2})
    network = Feedforward(hidden=(4,), neuron=neuron or decode("neuron", "tanh"))
    return Lifetime(
        task=task, network=network, genome=genome, slots=(Slot("rule", "*", rule, shared),)
    )


def moved(theta: Any, seed: int = 0) -> Any:
    """Numbers that are all different."""
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: leaf + 0.3 * generator.normal(size=leaf.shape), theta)


def weights_after(lifetime: Lifetime, theta: Any) -> Any:
    """The weights at the end of one life."""
    task = lifetime.task.sample(jax.random.key(3), "train")
    born = lifetime.begin(theta, task, jax.random.key(4))
    life, _ = lifetime.advance(theta, task, born, 6)
    return {name: synapses.weight for name, synapses in life.synapses.items()}


def assert_same(one: Any, other: Any) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12), one, other)


def test_a_genome_that_writes_nothing_changes_nothing() -> None:
    lifetime = life_of(OJA)
    theta = lifetime.init(jax.random.key(0))
    assert lifetime.develop(theta) is theta
    assert settled(lifetime, theta)[0] == lifetime


@pytest.mark.parametrize("rule", [OJA, NESTED], ids=["plain", "nested"])
@pytest.mark.parametrize("wrapper", [PerSynapse, PerType])
def test_equal_numbers_in_all_groups_are_the_inner_rule(wrapper: Any, rule: Any) -> None:
    with jax.enable_x64(True):
        lifetime = life_of(rule)
        theta = moved(lifetime.init(jax.random.key(0)))
        wide = life_of(wrapper(rule=rule))
        wide_theta = wide.init(jax.random.key(0))
        for edge, numbers in theta["rules"]["rule"].items():
            start = wide_theta["rules"]["rule"][edge]
            wide_theta["rules"]["rule"][edge] = wrapper(rule=rule).embed(rule, numbers, start)
        wide_theta["genome"] = theta["genome"]
        assert_same(weights_after(wide, wide_theta), weights_after(lifetime, theta))


@pytest.mark.parametrize("wrapper", [PerSynapse, PerType])
def test_another_rule_stands_around_that_of_groups(wrapper: Any) -> None:
    """It keeps entries of its own in the state that the inner rule gets."""
    with jax.enable_x64(True):
        around = ThreeFactor(rule=OJA, modulator="surprise")
        lifetime = life_of(around)
        theta = moved(lifetime.init(jax.random.key(0)))
        around_wide = ThreeFactor(rule=wrapper(rule=OJA), modulator="surprise")
        wide = life_of(around_wide)
        wide_theta = wide.init(jax.random.key(0))
        for edge, numbers in theta["rules"]["rule"].items():
            start = wide_theta["rules"]["rule"][edge]["rule"]
            inner = wrapper(rule=OJA).embed(OJA, numbers["rule"], start)
            wide_theta["rules"]["rule"][edge] = {**numbers, "rule": inner}
        wide_theta["genome"] = theta["genome"]
        assert_same(weights_after(wide, wide_theta), weights_after(lifetime, theta))


def test_numbers_of_types_are_those_of_their_synapses() -> None:
    with jax.enable_x64(True):
        by_type = life_of(PerType(rule=OJA, post=3, pre=2))
        theta = moved(by_type.init(jax.random.key(0)))
        each = life_of(PerSynapse(rule=OJA))
        each_theta = each.init(jax.random.key(0))
        each_theta["genome"] = theta["genome"]
        for edge, numbers in theta["rules"]["rule"].items():
            n_post, n_pre = theta["genome"][edge].shape
            at = np.ix_(cell_types(n_post, 3), cell_types(n_pre, 2))
            spread = jax.tree.map(lambda leaf, at=at: leaf[at], numbers)
            each_theta["rules"]["rule"][edge] = spread
        assert_same(weights_after(each, each_theta), weights_after(by_type, theta))


def test_types_are_blocks_of_equal_size() -> None:
    assert list(cell_types(6, 3)) == [0, 0, 1, 1, 2, 2]
    assert list(cell_types(5, 2)) == [0, 0, 0, 1, 1]
    assert list(cell_types(3, 1)) == [0, 0, 0]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("rule", [OJA, NESTED], ids=["plain", "nested"])
def test_a_writing_genome_adds_to_one_base(rule: Any, shared: bool) -> None:
    with jax.enable_x64(True):
        per_type = PerType(rule=rule, post=3, pre=2)
        lifetime = life_of(per_type, Writing(genome=LEARNED), shared)
        theta = moved(lifetime.init(jax.random.key(0)))
        base = theta["rules"]["rule"] if shared else theta["rules"]["rule"][IN_EDGE]
        form = jax.eval_shape(lambda: rule.init(jax.random.key(0), Dense(1, 1)))
        assert jax.tree.map(np.shape, base) == jax.tree.map(np.shape, form)
        place = "rule" if shared else f"rule/{IN_EDGE}"
        written = theta["genome"]["numbers"][place]
        name = "coefficients" if rule is OJA else "rule.coefficients"
        grown = lifetime.develop(theta)
        theirs = grown["rules"]["rule"] if shared else grown["rules"]["rule"][IN_EDGE]
        coefficients = theirs["coefficients"] if rule is OJA else theirs["rule"]["coefficients"]
        of_base = base["coefficients"] if rule is OJA else base["rule"]["coefficients"]
        assert coefficients.shape == (3, 2, 2)
        for k in range(2):
            expected = of_base[k] + written[f"{name}.{k}"]
            np.testing.assert_allclose(coefficients[..., k], expected, rtol=1e-12)
        plain, final = settled(lifetime, theta)
        assert plain.genome == LEARNED
        assert_same(weights_after(plain, final), weights_after(lifetime, theta))


def test_a_genome_writes_the_rule_of_every_synapse() -> None:
    with jax.enable_x64(True):
        lifetime = life_of(PerSynapse(rule=OJA), Writing(genome=LEARNED))
        theta = moved(lifetime.init(jax.random.key(0)))
        assert theta["rules"]["rule"][IN_EDGE]["log_rate"].shape == ()
        grown = lifetime.develop(theta)["rules"]["rule"][IN_EDGE]
        assert grown["log_rate"].shape == (4, 5)
        assert np.unique(grown["log_rate"]).size == 20


def test_a_genome_writes_numbers_of_cells() -> None:
    with jax.enable_x64(True):
        lif = decode("neuron", {"name": "lif", "learn_slope": True})
        lifetime = life_of(OJA, Writing(genome=LEARNED, rules=False, cells=True), neuron=lif)
        theta = moved(lifetime.init(jax.random.key(0)))
        grown = lifetime.develop(theta)
        written = theta["genome"]["numbers"]["hidden_1"]["log_slope.0"]
        base = theta["neurons"]["hidden_1"]["log_slope"]
        expected = base + written[np.asarray([0, 0, 1, 1]), 0]
        np.testing.assert_allclose(grown["neurons"]["hidden_1"]["log_slope"], expected)
        assert grown["rules"] == theta["rules"]
        assert np.isfinite(weights_after(lifetime, theta)["hidden_1_to_output"]).all()


def test_the_gradient_through_development_is_that_of_differences() -> None:
    with jax.enable_x64(True):
        lifetime = life_of(PerType(rule=OJA), Writing(genome=LEARNED))
        problem = MetaProblem(lifetime, life_clip=0.0)
        theta = moved(lifetime.init(jax.random.key(0)))
        batch = problem.sample(jax.random.key(1), 2, "train")
        gradient = problem.value_and_grad(theta, batch).gradient
        generator = np.random.default_rng(1)
        direction = jax.tree.map(lambda leaf: generator.normal(size=leaf.shape), theta)
        loss = lambda step: (
            problem.value_and_grad(
                jax.tree.map(lambda leaf, d: leaf + step * d, theta, direction), batch
            ).loss
        )
        slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
        along = jax.tree.reduce(
            jnp.add, jax.tree.map(lambda g, d: jnp.sum(g * d), gradient, direction)
        )
        np.testing.assert_allclose(along, slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Writing(genome=Given()), r"inner genome given - expected one that reads neither"),
        (lambda: Writing(genome=Writing()), r"inner genome writing - expected one that reads"),
        (lambda: Parts(parts=(("*", Writing()),)), f"genome parts: {OUTERMOST}"),
        (lambda: Twins(genome=Writing()), f"genome twins: {OUTERMOST}"),
        (lambda: EvolvedMask(genome=Writing()), f"genome evolved_mask: {OUTERMOST}"),
        (lambda: SelfPredicting(genome=Writing()), f"genome self_predicting: {OUTERMOST}"),
        (
            lambda: life_of(OJA, Writing()).init(jax.random.key(0)),
            r"neither rules nor cells have numbers to write - expected rule per_type",
        ),
        (
            lambda: PerType(rule=decode("rule", "rls")),
            r"per_type: rule rls, which mixes synapses - expected a rule of one synapse",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
