"""The reference row against plain NumPy, and the pairing of lives."""

import jax
import numpy as np

from inner_tasks.prototypes import Prototypes
from metaplast import search_loop
from metaplast.life.lifetime import Lifetime
from metaplast.networks.feedforward import Feedforward
from metaplast.problem.meta_problem import MetaProblem
from metaplast.registry import find
from metaplast.results import evaluate, outside

PROBLEM = MetaProblem(
    Lifetime(Prototypes(n_in=3, n_classes=2, shots=3, queries=4), Feedforward(hidden=(2,)))
)


def test_nearest_prototype_equals_a_numpy_loop() -> None:
    place = outside.Place(find("reference", "nearest_prototype")(), PROBLEM, 3)
    accuracy = outside.lives(place, {}, "heldout", 5)["accuracy"]
    batch = search_loop.sample(
        PROBLEM.lifetime.task, search_loop.stream(3, "heldout", 0), evaluate.PIECE, "heldout"
    )
    for life in range(5):
        inputs, labels = np.asarray(batch.tasks.inputs[life]), np.asarray(batch.tasks.labels[life])
        means = [inputs[:6][labels[:6] == c].mean(axis=0) for c in range(2)]
        guesses = [int(np.argmin([((x - m) ** 2).sum() for m in means])) for x in inputs[6:]]
        assert accuracy[life] == np.mean(np.equal(guesses, labels[6:]))


def test_every_rule_is_judged_on_the_same_lives_and_the_splits_differ() -> None:
    theta = PROBLEM.init(jax.random.key(0))
    one = evaluate.lives(PROBLEM, theta, 3, "heldout", 5)
    again = evaluate.lives(PROBLEM, theta, 3, "heldout", 5)
    other = evaluate.lives(PROBLEM, theta, 3, "validation", 5)
    np.testing.assert_array_equal(one["loss"], again["loss"])
    assert len(one["accuracy"]) == 5
    assert not np.array_equal(one["loss"], other["loss"])


def test_a_life_is_the_same_in_a_call_of_any_size() -> None:
    theta = PROBLEM.init(jax.random.key(0))
    many = evaluate.PIECE + 3
    expected = evaluate.lives(PROBLEM, theta, 3, "heldout", many)["loss"]
    few = evaluate.lives(PROBLEM, theta, 3, "heldout", 5, piece=6)["loss"]
    np.testing.assert_allclose(few, expected[:5], rtol=1e-5)
    more_than_a_call = evaluate.lives(PROBLEM, theta, 3, "heldout", many, piece=6)["loss"]
    np.testing.assert_array_equal(more_than_a_call, expected)
