"""Categories: disjoint splits, every image as often as asked, labels that follow the grouping."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import _groups
from inner_tasks.categories import Categories, _images
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.registry import BadInput
from metaplast.rules.wrappers.adam import Adam
from metaplast.signals import neuron_view
from metaplast.tasks import SPLITS, Split
from metaplast.testing import check_task_family
from metaplast.testing.base import quick_jit

PLAIN = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "gain": 0.0, "background": 0.0, "scale": 1.0}


def _lives(n: int, split: Split = "train", **settings: Any) -> Any:
    """Lives whose pictures are the raw pixels."""
    family = Categories(**{**PLAIN, **settings})
    draw = quick_jit(jax.vmap(lambda key: family.sample(key, split)))
    return jax.tree.map(np.asarray, draw(jax.random.split(jax.random.key(0), n)))


def _rows(inputs: np.ndarray) -> np.ndarray:
    """The index among the 1,797 images of every stimulus."""
    pixels = _images(0, "train").features
    distance = np.abs(np.asarray(inputs)[:, None, :] + 0.3 - pixels[None, :, :]).max(axis=2)
    assert (distance.min(axis=1) < 1e-5).all()
    return distance.argmin(axis=1)


def _digit_of_image() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)[1]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_image_is_in_two_splits_and_the_longest_life_fits(seed):
    digits = _digit_of_image()
    used = []
    for split in SPLITS:
        examples = _images(seed, split)
        rows = [row[:count] for row, count in zip(examples.table, examples.counts, strict=True)]
        assert [set(digits[row]) for row in rows] == [{k} for k in range(10)]
        assert min(examples.counts) >= 40 + 4
        used += [*np.concatenate(rows)]
    assert sorted(used) == list(range(1797))


@pytest.mark.parametrize(("n_groups", "count"), [(2, 126), (5, 945), (3, 2100)])
def test_groupings_are_all_there_are_and_in_one_split_each(n_groups, count):
    every = _groups.every_grouping(10, n_groups)
    sizes = [10 // n_groups + (k < 10 % n_groups) for k in range(n_groups)]
    repeats = math.prod(math.factorial(sizes.count(size)) for size in set(sizes))
    # closed form
    assert count == math.factorial(10) // math.prod(map(math.factorial, sizes)) // repeats
    assert len({_named_alike(row) for row in every}) == len(every) == count
    for row in every:
        assert sorted(np.bincount(row, minlength=n_groups), reverse=True) == sizes
    parts = []
    for split in SPLITS:
        parts.append({_named_alike(row) for row in _groups.of_split(10, n_groups, 3, split)})
    assert sum(map(len, parts)) == count
    for a, b in itertools.combinations(parts, 2):
        assert not a & b
    of_seeds = [_groups.of_split(10, n_groups, seed, "heldout") for seed in (3, 4)]
    assert np.any(of_seeds[0] != of_seeds[1])


def _named_alike(row: np.ndarray) -> frozenset[frozenset[int]]:
    """A grouping without the names of its groups."""
    return frozenset(frozenset(np.flatnonzero(row == group)) for group in set(row))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("n_groups", [2, 5])
def test_a_life_shows_every_image_once_and_its_label_is_the_group_of_its_digit(split, n_groups):
    digits = _digit_of_image()
    images = _images(0, split)
    allowed = {_named_alike(row) for row in _groups.of_split(10, n_groups, 0, split)}
    shown_to = set()
    for row, count in zip(images.table, images.counts, strict=True):
        shown_to |= set(row[:count])
    names = set()
    lives = _lives(6, split, n_groups=n_groups)
    for inputs, labels in zip(lives.inputs, lives.labels, strict=True):
        rows = _rows(inputs)
        assert len(set(rows)) == len(rows) == 240
        assert set(rows) <= shown_to
        np.testing.assert_array_equal(np.bincount(digits[rows[:200]]), 20)
        np.testing.assert_array_equal(np.bincount(digits[rows[200:]]), 4)
        group = {digit: set(labels[digits[rows] == digit]) for digit in range(10)}
        assert all(len(groups) == 1 for groups in group.values())
        grouping = np.asarray([group[digit].pop() for digit in range(10)])
        assert _named_alike(grouping) in allowed
        names.add(int(grouping[0]))
    assert len(names) > 1  # the name of a group differs from life to life


def test_two_passes_show_every_image_once_in_each():
    lives = _lives(2, shots=3, passes=2, queries=1)
    for inputs in lives.inputs:
        first, second, asked = np.split(_rows(inputs), [30, 60])
        assert len(set(first)) == 30
        assert set(first) == set(second)
        assert list(first) != list(second)
        assert not set(asked) & set(first)


def test_later_passes_show_the_same_images_under_a_warp_near_that_of_the_life():
    """Only the background differs between images here, so a warp is one number per image."""
    warp = {"background": 0.5, "shots": 3, "passes": 3, "queries": 1}
    same = _lives(4, **warp)
    again = _lives(4, **warp, rewarp=0.2)
    np.testing.assert_array_equal(again.labels, same.labels)
    for one, other in zip(again.inputs, same.inputs, strict=True):
        moved = one - other
        np.testing.assert_allclose(moved.std(axis=1), 0.0, atol=1e-6)
        shifts = moved.mean(axis=1)
        first, second, third, asked = np.split(shifts, [30, 60, 90])
        np.testing.assert_array_equal(first, 0.0)
        np.testing.assert_array_equal(asked, 0.0)
        for of_pass in (second, third):
            assert np.ptp(of_pass) < 1e-6  # one warp for a whole pass
            # background 0.5 * (0.5 + 0.5 u), and u moves by 0.2 at most
            assert 0 < abs(of_pass[0]) <= 0.25 * 0.2 + 1e-6
        assert abs(second[0] - third[0]) > 1e-4


def test_lives_of_random_length_end_alike_and_learn_from_whole_sets_of_digits():
    digits = _digit_of_image()
    lives = _lives(40, shots=6, queries=1, shortest=2)
    for inputs, closed in zip(lives.inputs, lives.closed, strict=True):
        rows = _rows(inputs)
        assert len(set(rows)) == 70
        np.testing.assert_array_equal(np.bincount(digits[rows[closed:60]]), 6 - closed // 10)
    assert set(lives.closed) == {0, 10, 20, 30, 40}
    for split in ("validation", "heldout"):
        assert not _lives(10, split, shots=6, queries=1, shortest=2).closed.any()


def test_before_its_first_example_a_life_is_as_it_was_born_and_scores_nothing():
    """A short life ends with the weights of a life that began with its first example.

    The clocks of Adam are included.
    """
    family = Categories(shots=3, queries=1, shortest=1)
    rule = Adam()
    lifetime = Lifetime(task=family, network=Feedforward(hidden=(4,)), slots=(Slot(rule=rule),))
    theta = lifetime.init(jax.random.key(0))
    task = family.sample(jax.random.key(0), "train").replace(closed=jnp.asarray(20))
    late = task.replace(
        inputs=jnp.concatenate([task.inputs[20:], jnp.zeros((20, 64))]),
        labels=jnp.concatenate([task.labels[20:], jnp.zeros(20, task.labels.dtype)]),
        closed=jnp.asarray(0),
    )

    def lived(task: Any, n_steps: int) -> Any:
        life = lifetime.begin(theta, task, jax.random.key(1))
        return lifetime.advance(theta, task, life, n_steps, start=0)

    run = quick_jit(lived, static_argnums=1)
    whole, trace = run(task, 30)
    short, _ = run(late, 10)
    resting, _ = run(task, 20)
    for edge in whole.synapses:
        np.testing.assert_allclose(
            whole.synapses[edge].weight, short.synapses[edge].weight, rtol=1e-5
        )
        assert whole.rules[edge].scalar["adam_b1"] == short.rules[edge].scalar["adam_b1"]
        assert not resting.rules[edge].synapse["adam_v"].any()
    np.testing.assert_array_equal(trace.score.weight, [0.0] * 20 + [1.0] * 10)


def test_wrong_labels_and_noise_leave_the_queries_labels_alone():
    plain = _lives(20)
    wrong = _lives(20, label_noise=0.4)
    np.testing.assert_array_equal(plain.labels[:, 200:], wrong.labels[:, 200:])
    share = np.mean(plain.labels[:, :200] != wrong.labels[:, :200])
    # a drawn label is right by chance once in two
    assert abs(share - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 4000)
    noisy = _lives(20, input_noise=0.3)
    np.testing.assert_array_equal(plain.labels, noisy.labels)
    assert abs((noisy.inputs - plain.inputs).std() / 0.3 - 1) < 0.01


def test_what_cannot_be_is_refused():
    with pytest.raises(BadInput, match=r"shots \+ queries = 84 images.*at most 58.*passes=2"):
        Categories(shots=80).sample(jax.random.key(0), "train")
    for n_groups in (1, 10, 11):
        with pytest.raises(ValueError, match=rf"n_groups={n_groups}.*from 2 to 9"):
            Categories(n_groups=n_groups)
    with pytest.raises(ValueError, match=r"shortest=41.*at most shots \* passes = 40"):
        Categories(shots=20, passes=2, shortest=41)


def test_a_family_of_short_lives_keeps_its_promises():
    check_task_family(Categories(shots=2, queries=1, shortest=1))


def test_the_gate_is_not_offered_where_lives_are_whole():
    assert "gate" not in Categories().shape().offers
    shape = Categories(shortest=10).shape()
    assert "gate" in shape.offers and shape.rests
    view = neuron_view(jnp.zeros(2), jnp.zeros(2), jnp.ones(2))
    family = Categories(shots=2, queries=1, shortest=1)
    task = family.sample(jax.random.key(0), "train").replace(closed=jnp.asarray(10))
    gates = [
        family.step(task, jnp.asarray(t), view, jax.random.key(0), 1e-3)[1].feedback.gate
        for t in (9, 10)
    ]
    assert gates == [0.0, 1.0]
