"""Bits of numbers, of trees, of tasks and of births, on cases whose bits are known."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from metaplast.genomes.direct import Direct
from metaplast.inspection.information import Information, Sizes, information, plain, words
from metaplast.inspection.innate import chance_of, innate, scores_at_birth
from metaplast.inspection.number_bits import LOSS, fixed_point, number_bits
from metaplast.inspection.side_by_side import scores
from metaplast.inspection.subject import Subject
from metaplast.inspection.task_bits import (
    STRENGTHS,
    LearnedBits,
    decoded_wrongly,
    fano,
    learned_bits,
    lessons,
)
from metaplast.inspection.tree_bits import bits_of_trees, opened_constants, tree_bits
from metaplast.language.expression import parse
from metaplast.language.grammar import SIGNALS
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.linear import Linear
from metaplast.objectives.l1 import L1
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import register
from metaplast.reuse.rule_file import RuleFile
from metaplast.rules.polynomial import Polynomial
from metaplast.rules.symbolic import Symbolic
from metaplast.signals import Key, NeuronView, Outcome, Score, TaskShape, feedback
from metaplast.spec import Count, Probability, decode, spec
from metaplast.tasks import AbstractTaskFamily, Split

Decoder = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(values of known lives, their labels, values of others) -> labels of the others."""
WANTED = (0.875, -0.625, 0.375, -0.125, 0.625, -0.875, 0.125, -0.375)
"""Odd multiples of 1/8 in (-1, 1): fixed-point numbers of exactly four bits."""


@register("task", "spelled")
@spec
class Spelled(AbstractTaskFamily):
    """Output k has to be 1 for k = kind, else 0; with `wanted`, it has to be WANTED in every life.

    noise: the probability with which another kind is shown than that of the task, each as likely.
    """

    n_out: Count = 8
    noise: Probability = 0.0
    wanted: bool = False

    def shape(self) -> TaskShape:
        phases = ((3, True), (1, False))
        offers = frozenset({"error", "target"})
        return TaskShape({"input": 1}, self.n_out, phases, offers, differentiable=True)

    def n_kinds(self, split: Split) -> int | None:
        return None if self.wanted else self.n_out

    def sample(self, key: Key, split: Split) -> Array:
        k_kind, k_task = jax.random.split(key)
        kind = jax.random.randint(k_kind, (), 0, self.n_out, jnp.int32)
        return self.sample_kind(k_task, split, kind)

    def sample_kind(self, key: Key, split: Split, kind: Array) -> Array:
        if self.wanted:
            return jnp.asarray(WANTED)
        k_whether, k_which = jax.random.split(key)
        other = (kind + jax.random.randint(k_which, (), 1, self.n_out, jnp.int32)) % self.n_out
        shown = jnp.where(jax.random.bernoulli(k_whether, self.noise), other, kind)
        return jax.nn.one_hot(shown, self.n_out, dtype=jnp.zeros(()).dtype)

    def begin(self, task: Array, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: Array, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": jnp.ones(1)}

    def step(
        self, task: Array, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Array, Outcome]:
        error = output.activity - task
        score = Score(loss=jnp.mean(error**2), weight=jnp.ones(()), metrics={})
        signals = feedback(self.n_out, error=error, target=task)
        return state + 1, Outcome(feedback=signals, score=score)


def spelling(rule: Any, **fields: Any) -> Subject:
    """A layer of linear units with one input of 1 under a rule, without bounds that matter."""
    genome: Any = Direct() if fields.get("wanted") else decode("genome", {"name": "random"})
    lifetime = Lifetime(
        task=Spelled(**fields),
        network=Feedforward(hidden=(), output=Linear()),
        genome=genome,
        slots=(Slot(rule=rule),),
    )
    problem = MetaProblem(lifetime, MeanLoss())
    theta = problem.init(jax.random.key(1))
    if fields.get("wanted"):
        born = {"input_to_output": jnp.asarray(WANTED, jnp.float32)[:, None]}
        theta = {**theta, "genome": born}
    return Subject(problem, theta, 3, "loss", False, RuleFile({}, {}))


DELTA = Polynomial(terms=("error*pre",), initial=(-1.0,), rate=1.0, learn="none")
STILL = Polynomial(terms=("error*pre",), initial=(0.0,), rate=1.0, learn="none")


def test_fixed_point_numbers_by_hand() -> None:
    values = np.asarray([0.75, -1.0, 0.3, 0.0])
    np.testing.assert_array_equal(fixed_point(values, 0), [0, 0, 0, 0])
    # 1 < 2^1, so e = 1: with three bits the step is 2^(1 + 1 - 3) = 1/2.
    np.testing.assert_array_equal(fixed_point(values, 3), [1.0, -1.0, 0.5, 0.0])
    np.testing.assert_array_equal(fixed_point(np.asarray([0.5, 1.9]), 2), [0.0, 1.0])  # cut at 1
    wanted = np.asarray(WANTED)
    np.testing.assert_array_equal(fixed_point(wanted, 4), wanted)
    assert (fixed_point(wanted, 3) != wanted).all()


def test_a_genome_of_four_bits_needs_four_bits() -> None:
    """Of three bits, the mean squared error is (1/8)^2: 5 % of the 21/64 of a genome of zeros."""
    subject = spelling(STILL, wanted=True)
    zeros = float(np.mean(np.square(WANTED)))
    numbers = number_bits(subject, "heldout", 16, chance=zeros)
    assert numbers is not None and numbers.by_chance
    assert set(numbers.parts) == {"genome"}
    genome = numbers.parts["genome"]
    assert (genome.n_numbers, genome.n_leaves, genome.range_bits) == (8, 1, 8)
    assert (genome.bits, genome.low, genome.high, genome.total) == (4, 4, 4, 32)
    np.testing.assert_allclose(numbers.learned.mean, zeros)
    np.testing.assert_allclose(genome.coded[3].worse.mean, 1 / 64, rtol=1e-5)
    np.testing.assert_allclose(genome.coded[0].worse.mean, zeros, rtol=1e-5)
    assert genome.coded[4].worse.mean == 0.0
    excess = genome.coded[3].excess.mean
    np.testing.assert_allclose(excess, 1 / 64 - LOSS * zeros, rtol=1e-5)


def test_no_bits_are_counted_where_nothing_is_learned() -> None:
    """Without a known chance, the floor is the life without plasticity: this rule does nothing."""
    numbers = number_bits(spelling(STILL, wanted=True), "heldout", 16)
    assert numbers is not None and not numbers.by_chance
    assert numbers.learned.mean == 0.0 and numbers.parts["genome"].bits is None
    result = Information("loss", "heldout", numbers, bits_of_trees([]), None, None)
    assert result.inborn is None and "no bits are needed" in " ".join(words(result))


def test_numbers_of_the_rule_that_do_not_matter_take_no_bits() -> None:
    """The delta rule is whole at the start; theta holds what a search added to its two numbers."""
    rule = Polynomial(terms=("error*pre", "pre"), initial=(-1.0, 0.0), rate=1.0, learn="both")
    subject = spelling(rule)
    rules = jax.tree.map(jnp.zeros_like, subject.theta["rules"])
    numbers = number_bits(replace(subject, theta={**subject.theta, "rules": rules}), "heldout", 16)
    assert numbers is not None
    assert numbers.parts["rules"].bits == 0 and numbers.parts["rules"].total == 0


def test_a_rule_that_copies_the_target_learns_the_whole_task() -> None:
    subject = spelling(DELTA)
    learned = learned_bits(subject, "heldout", n_tasks=8, lives_per_task=16)
    assert learned is not None
    assert (learned.n_tasks, learned.n_lives, learned.bits_task) == (8, 128, 3.0)
    assert learned.error.mean == 0.0 and learned.bits == learned.high == 3.0
    np.testing.assert_allclose(learned.error.high, 1 - 0.025 ** (1 / 128), rtol=1e-9)
    assert learned.low == fano(learned.error.high, 8) > 2.6
    assert not learned.births_tell
    assert learned.bits_at_birth < 0.1 and learned.bits_shuffled < 0.1
    assert fano(learned.error_at_birth.high, 8) == fano(learned.error_shuffled.high, 8) == 0.0


def test_no_more_tasks_are_drawn_than_there_are_kinds() -> None:
    lived = lessons(spelling(DELTA), "heldout", n_tasks=64, lives_per_task=3)
    np.testing.assert_array_equal(np.bincount(lived.labels), [3] * 8)
    np.testing.assert_array_equal(np.bincount(lived.rounds), [8] * 3)
    kinds = np.argmax(np.asarray(lived.batch.tasks), axis=1)
    assert len(set(kinds[:8])) == 8
    np.testing.assert_array_equal(kinds, np.tile(kinds[:8], 3))


def test_a_rule_that_does_nothing_learns_nothing() -> None:
    learned = learned_bits(spelling(STILL), "heldout", n_tasks=8, lives_per_task=16)
    assert learned is not None
    assert learned.error == learned.error_at_birth
    assert learned.bits < 0.1 and learned.low == 0.0


def test_weights_of_lives_without_plasticity_are_those_at_birth() -> None:
    """So the control of the decoder may read the births of the same lives."""
    subject = spelling(DELTA)
    lifetime = replace(subject.problem.lifetime, slots=())
    theta = {**subject.theta, "rules": {}}
    task = lifetime.task.sample(jax.random.key(0), "train")
    born = lifetime.begin(theta, task, jax.random.key(1))
    after, _ = lifetime.advance(theta, task, born, 4)
    weights = jax.tree.map(np.asarray, (born.synapses, after.synapses))
    jax.tree.map(np.testing.assert_array_equal, *weights)


def test_a_noisy_channel_holds_its_capacity() -> None:
    """Of a symmetric channel Fano's bound is the mutual information: log2 K - H_b - p log2(K-1)."""
    noise = 0.2
    learned = learned_bits(spelling(DELTA, noise=noise), "heldout", n_tasks=8, lives_per_task=64)
    assert learned is not None
    capacity = 3 + noise * math.log2(noise / 7) + (1 - noise) * math.log2(1 - noise)
    np.testing.assert_allclose(fano(noise, 8), capacity)
    assert learned.error.low <= noise <= learned.error.high
    assert learned.low <= capacity <= learned.high


def test_fano_bounds_by_hand() -> None:
    assert fano(0.0, 8) == 3.0
    assert fano(0.875, 8) == 0.0
    by_hand = 2 - (-0.1 * math.log2(0.1) - 0.9 * math.log2(0.9)) - 0.1 * math.log2(3)
    np.testing.assert_allclose(fano(0.1, 4), by_hand)


def test_labels_are_decoded_where_they_are_and_not_where_they_are_not() -> None:
    labels = np.tile(np.arange(4), 6)
    rounds = np.repeat(np.arange(6), 4)
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(24, 200))
    signal = 3.0 * generator.normal(size=(4, 200))
    assert not decoded_wrongly(signal[labels] + noise, labels, rounds).any()
    assert 0.5 < decoded_wrongly(noise, labels, rounds).mean() < 0.98


def test_the_decoder_that_errs_least_on_known_lives_answers() -> None:
    """Against means and normal equations with an intercept, and a fit for every life left out."""
    draw = np.random.default_rng(1)
    labels = np.tile(np.arange(3), 5)
    rounds = np.repeat(np.arange(5), 3)
    kinds = np.arange(3)

    def nearest(known: np.ndarray, of_known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        means = np.stack([known[of_known == kind].mean(axis=0) for kind in kinds])
        return np.sum((asked[:, None] - means[None]) ** 2, axis=2).argmin(axis=1)

    def ridge(s: float, whole: float) -> Decoder:
        def answer(known: np.ndarray, of_known: np.ndarray, asked: np.ndarray) -> np.ndarray:
            centre = known.mean(axis=0)
            x = known - centre
            wanted = (of_known[:, None] == kinds[None, :]).astype(float)
            shares = wanted.mean(axis=0)
            gram = x.T @ x + s * whole * np.eye(x.shape[1])
            return (
                (asked - centre) @ np.linalg.solve(gram, x.T @ (wanted - shares)) + shares
            ).argmax(axis=1)

        return answer

    chosen = set()
    for width in (4, 40):
        values = draw.normal(size=(3, width))[labels] + 2.0 * draw.normal(size=(15, width)) + 5.0
        values[:, 0] *= 10.0
        expected = np.zeros(15, bool)
        for left_out in range(5):
            known = np.flatnonzero(rounds != left_out)
            spread = values[known] - values[known].mean(axis=0)
            whole = float(np.sum(spread**2)) / len(known)
            decoders = [nearest, *(ridge(s, whole) for s in STRENGTHS)]
            n_wrong = []
            for decoder in decoders:
                wrong = 0
                for life in known:
                    others = known[known != life]
                    guess = decoder(values[others], labels[others], values[[life]])
                    wrong += int(guess[0] != labels[life])
                n_wrong.append(wrong)
            best = int(np.argmin(n_wrong))
            chosen.add(best > 0)
            asked = rounds == left_out
            guesses = decoders[best](values[known], labels[known], values[asked])
            expected[asked] = guesses != labels[asked]
        np.testing.assert_array_equal(decoded_wrongly(values, labels, rounds), expected)
    assert chosen == {True, False}  # both decoders are in use


def test_a_direction_of_large_noise_does_not_hide_a_kind() -> None:
    """The nearest mean is at chance here; one feature tells the kind, and another one is noise."""
    draw = np.random.default_rng(2)
    labels = np.tile(np.arange(4), 12)
    rounds = np.repeat(np.arange(12), 4)
    values = np.stack([np.eye(4)[labels], 50.0 * draw.normal(size=(48, 4))], axis=2).reshape(48, 8)
    assert not decoded_wrongly(values, labels, rounds).any()


def test_a_tree_has_the_bits_of_a_hand_count() -> None:
    trees = bits_of_trees([parse("0.5*post*(pre - modulator.reward*weight)")])
    # * * - * and 0.5, post, pre, reward, weight
    assert (trees.n_nodes, trees.n_constants) == (9, 1)
    n_symbols = 4 + len(SIGNALS) + 1 + 1  # operators, signals, the modulator, a number
    np.testing.assert_allclose(trees.form, 9 * math.log2(n_symbols))
    np.testing.assert_allclose(trees.total(6), 9 * math.log2(n_symbols) + 6)
    assert bits_of_trees([]).form == 0.0


def test_constants_of_an_expression_are_searched_numbers() -> None:
    """The tree holds -0.25 and theta adds -0.75; opened, theta holds -1, which takes two bits."""
    rule = Symbolic(expression="error*pre*0.25", rate=1.0, learn="constants")
    subject = spelling(rule)
    added = {"rule": {"constants": jnp.asarray([-1.25], jnp.float32)}}
    theta = {**subject.theta, "rules": added}
    problem, opened = opened_constants(subject.problem, theta)
    np.testing.assert_allclose(opened["rules"]["rule"]["constants"], [-1.0])
    both = [
        scores(replace(subject, problem=p, theta=t), [t], "heldout", 8)
        for p, t in ((subject.problem, theta), (problem, opened))
    ]
    np.testing.assert_allclose(both[0], both[1])
    numbers = number_bits(replace(subject, theta=theta), "heldout", 16)
    assert numbers is not None
    assert numbers.parts["rules"].n_numbers == 1 and numbers.parts["rules"].bits == 2
    trees = tree_bits(subject.problem.lifetime)
    assert (trees.n_nodes, trees.n_constants) == (5, 1)


def test_constants_that_no_search_moved_are_counted_too() -> None:
    subject = spelling(Symbolic(expression="error*pre*0.5*(0 - 2)", rate=1.0, learn="none"))
    problem, theta = opened_constants(subject.problem, subject.theta)
    np.testing.assert_allclose(theta["rules"]["rule"]["constants"], [0.5, 0.0, 2.0])
    value = scores(replace(subject, problem=problem), [theta], "heldout", 4)
    np.testing.assert_allclose(value, scores(subject, [subject.theta], "heldout", 4), atol=1e-6)


def test_a_penalty_of_theta_is_no_part_of_a_measure() -> None:
    subject = spelling(Symbolic(expression="error*pre*0.25", rate=1.0, learn="constants"))
    added = {"rule": {"constants": jnp.asarray([-1.25], jnp.float32)}}
    free = replace(subject, theta={**subject.theta, "rules": added})
    objective = L1(subject.problem.objective, strength=0.5)
    dear = replace(free, problem=replace(subject.problem, objective=objective))
    assert number_bits(dear, "heldout", 16) == number_bits(free, "heldout", 16)
    sizes = Sizes(16, 2, 4)
    assert information(dear, "heldout", sizes, 1.0) == information(free, "heldout", sizes, 1.0)


def test_a_share_of_a_loss_has_the_same_sign() -> None:
    """The delta rule reaches a loss of 0 in the last step, from that at birth."""
    subject = spelling(DELTA)
    born = scores_at_birth(subject, "heldout", 16)
    learned = scores(subject, [subject.theta], "heldout", 16)[0]
    chance = 2.0 * float(born.mean())
    result = innate([born], [learned], chance, subject.larger_is_better)
    assert result.share is not None
    by_hand = (born.mean() - chance) / (learned.mean() - chance)
    np.testing.assert_allclose(result.share.mean, by_hand)
    assert 0.0 < result.share.mean < 1.0
    assert chance_of(subject.problem.lifetime.task, subject.metric) is None


def test_the_words_say_each_measure() -> None:
    result = information(spelling(DELTA), "heldout", Sizes(16, 8, 16))
    text = " ".join(words(result))
    assert "No number was searched" in text
    assert "a task of the family has 3 bits" in text
    assert "a life learns at least" in text
    assert "There is no innate share" in text
    data = plain(result)
    assert data["learned"]["tasks"] == 8 and data["numbers"]["floor_is"] == "no plasticity"
    assert data["inborn"] == 0.0 and "innate" not in data
    assert result.learned is not None
    told = result.learned.error_at_birth._replace(high=0.5)
    telling: LearnedBits = result.learned._replace(error_at_birth=told)
    assert "says nothing about learning" in " ".join(words(result._replace(learned=telling)))
    none = result.learned._replace(low=0.0)
    assert "no bits can be claimed" in " ".join(words(result._replace(learned=none)))


@pytest.mark.system
def test_a_life_of_classes_learns_bits_and_is_born_at_chance() -> None:
    task: Any = decode("task", {"name": "prototypes", "n_in": 6, "n_classes": 3, "shots": 4})
    rule = Polynomial(terms=("error*pre",), initial=(-1.0,))
    lifetime = Lifetime(task=task, network=Feedforward(hidden=(8,)), slots=(Slot(rule=rule),))
    problem = MetaProblem(lifetime)
    theta = problem.init(jax.random.key(0))
    classes = Subject(problem, theta, 0, "accuracy", True, RuleFile({}, {}))
    learned = learned_bits(classes, "validation", n_tasks=4, lives_per_task=4)
    assert learned is not None
    assert learned.read == "products"
    assert learned.error_at_birth.mean > 0.4 and not learned.births_tell
    assert learned.error.mean < learned.error_at_birth.mean
    assert learned.low <= learned.bits <= 2.0
    share = information(classes, "validation", Sizes(32, 4, 4)).innate
    assert share is not None and share.share is not None
    assert share.chance == 1 / 3
    assert share.share.low < 0.2
    by_hand = (share.at_birth.mean - 1 / 3) / (share.learned.mean - 1 / 3)
    np.testing.assert_allclose(share.share.mean, by_hand)
