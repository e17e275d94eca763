"""Synapses that die and are born again, against counts and a plain NumPy loop."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.connections.dense import Dense
from metaplast.connections.masked import Masked
from metaplast.genomes.direct import Direct
from metaplast.genomes.evolved_mask import EvolvedMask
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.wrappers.clip import Clip
from metaplast.rules.wrappers.per_synapse import PerSynapse
from metaplast.rules.wrappers.rewiring import Rewiring
from metaplast.rules.wrappers.sum import Sum
from metaplast.spec import decode

DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), rate=0.3, learn="none")
EDGE = "input_to_output"


def lifetime_of(rule: Any, density: float = 0.3) -> Lifetime:
    task: Any = decode("task", {"name": "regression", "n_in": 8, "shots": 30, "queries": 2})
    genome = EvolvedMask(genome=Direct(), density=density)
    slots = (Slot(rule=rule),)
    return Lifetime(task=task, network=Feedforward(hidden=()), genome=genome, slots=slots)


def course(lifetime: Lifetime, seed: int = 0) -> list[Any]:
    """The synapses before every step and after the last."""
    theta = lifetime.init(jax.random.key(seed))
    task = lifetime.task.sample(jax.random.key(1), "train")
    life = lifetime.begin(theta, task, jax.random.key(2))
    step = jax.jit(lambda life: lifetime.advance(theta, task, life, 1)[0])
    lives = [life.synapses[EDGE]]
    for _ in range(30):
        life = step(life)
        lives.append(life.synapses[EDGE])
    return lives


def test_the_number_of_synapses_is_constant_and_the_places_change() -> None:
    lives = course(lifetime_of(Rewiring(rule=DELTA, drift=0.01, noise=0.05)))
    counts = [int(np.sum(synapses.mask)) for synapses in lives]
    assert set(counts) == {round(0.3 * lives[0].mask.size)}
    assert np.any(np.asarray(lives[0].mask) != np.asarray(lives[-1].mask))
    for synapses in lives:
        assert not np.asarray(synapses.weight)[np.asarray(synapses.mask) == 0].any()


def test_without_a_crossing_it_is_the_inner_rule() -> None:
    plain = course(lifetime_of(DELTA))
    small = Polynomial(terms=DELTA.terms, initial=DELTA.initial, rate=1e-6, learn="none")
    still = course(lifetime_of(small))
    wired = course(lifetime_of(Rewiring(rule=small)))
    np.testing.assert_array_equal(still[-1].weight, wired[-1].weight)
    np.testing.assert_array_equal(still[-1].mask, wired[-1].mask)
    assert np.any(np.asarray(plain[-1].weight) != np.asarray(still[-1].weight))


@pytest.mark.parametrize("low", [-10.0, 0.0])
def test_the_dead_are_those_that_crossed_and_the_born_are_as_many(low: float) -> None:
    rule = Rewiring(birth=0.25)
    connection = Masked(7, 9, probability=0.8)
    possible = np.asarray(connection.mask())
    generator = np.random.default_rng(0)
    mask = possible * (generator.uniform(size=(7, 9)) < 0.5)
    before = mask * np.abs(generator.normal(size=(7, 9)))
    if low < 0:
        before = before * generator.choice([-1, 1], size=(7, 9))
    after = mask * (before + generator.normal(size=(7, 9)))
    after = np.clip(after, low, 10.0)
    inputs = [jnp.asarray(x, jnp.float32) for x in (mask, before, after)]
    n_born = np.zeros((7, 9))
    for seed in range(40):
        new, weight = rule.rewired(
            inputs[0], connection, inputs[1], inputs[2], low, jax.random.key(seed)
        )
        new, weight = np.asarray(new), np.asarray(weight)
        assert new.sum() == mask.sum()
        dead = 0
        for j, i in np.ndindex(7, 9):
            crossed = before[j, i] * after[j, i] < 0 or (low == 0 and after[j, i] <= 0)
            survives = mask[j, i] > 0 and not crossed
            dead += mask[j, i] > 0 and bool(crossed)
            if survives:
                assert new[j, i] == 1
                assert weight[j, i] == np.float32(after[j, i])
            elif new[j, i]:
                assert possible[j, i] == 1
                assert abs(weight[j, i]) == 0.25
                assert low < 0 or weight[j, i] > 0
                n_born[j, i] += 1
            else:
                assert weight[j, i] == 0
        assert dead >= 3
    places = n_born[(possible > 0) & ((mask == 0) | (np.sign(before) != np.sign(after)))]
    assert places.min() > 0  # every free place is drawn at some time


def test_a_full_connection_is_reborn_at_the_places_of_the_dead() -> None:
    before = jnp.asarray([[1.0, -1.0], [0.5, 2.0]])
    after = jnp.asarray([[-0.1, -1.0], [0.5, -2.0]])
    ones = jnp.ones((2, 2))
    mask, weight = Rewiring().rewired(ones, Dense(2, 2), before, after, -10.0, jax.random.key(0))
    np.testing.assert_array_equal(mask, ones)
    np.testing.assert_allclose(np.abs(weight), [[1e-3, 1.0], [0.5, 1e-3]])


@pytest.mark.parametrize(
    "rule",
    [
        Clip(rule=Rewiring()),
        Clip(rule=Sum(rules=(("one", Polynomial()), ("two", Rewiring())))),
        PerSynapse(rule=Rewiring()),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_inside_another_rule_it_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match=r"rule rewiring inside rule .* put rewiring around"):
        Slot(rule=rule)


def test_both_directions_of_differentiation_agree_through_a_rewired_life() -> None:
    with jax.enable_x64(True):
        learned = Polynomial(terms=DELTA.terms, initial=(-1.0,), rate=0.3, learn="both")
        problem = MetaProblem(lifetime_of(Rewiring(rule=learned, drift=0.01)), life_clip=0.0)
        theta = problem.init(jax.random.key(0))
        batch = problem.sample(jax.random.key(1), 2, "train")
        reverse = problem.value_and_grad(theta, batch)
        forward = problem.value_and_grad(theta, batch, tangents=4)
        assert float(reverse.loss) == pytest.approx(float(forward.loss), rel=1e-12)
        for one, other in zip(
            jax.tree.leaves(reverse.gradient["rules"]),
            jax.tree.leaves(forward.gradient["rules"]),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, rtol=1e-9)
