"""Difficulties of a few-shot stream: blocks of classes, wrong labels, noise."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from metaplast.registry import find
from metaplast.signals import neuron_view
from metaplast.tasks import SPLITS
from metaplast.testing.base import quick_jit

SMALL = {"n_in": 6, "n_classes": 4, "shots": 5, "queries": 2}


def _tasks(n: int, **settings: Any) -> Any:
    family = find("task", "prototypes")(**SMALL, **settings)
    draw = quick_jit(jax.vmap(lambda key: family.sample(key, "train")))
    return family, jax.tree.map(np.asarray, draw(jax.random.split(jax.random.key(0), n)))


def test_classes_come_in_blocks_and_all_of_them_are_asked():
    _, plain = _tasks(20)
    _, tasks = _tasks(20, blocks=2)
    for labels in tasks.labels:
        first = labels[:10]
        second = labels[10:20]
        asked = labels[20:]
        assert sorted(first) == sorted([0] * 5 + [1] * 5)
        assert sorted(second) == sorted([2] * 5 + [3] * 5)
        assert sorted(asked) == sorted([0, 1, 2, 3] * 2)
    assert len({tuple(labels[:10]) for labels in tasks.labels}) > 10  # shuffled inside a block
    # the same examples, in another order
    for one, other in zip(plain.inputs, tasks.inputs, strict=True):
        np.testing.assert_array_equal(np.sort(one, axis=0), np.sort(other, axis=0))


def test_the_share_of_wrong_labels_and_the_noise_are_as_asked():
    n = 200
    _, plain = _tasks(n)
    _, labelled = _tasks(n, label_noise=0.4)
    _, noisy = _tasks(n, input_noise=0.3)
    np.testing.assert_array_equal(plain.inputs, labelled.inputs)
    np.testing.assert_array_equal(plain.labels, noisy.labels)
    # queries are never wrong
    np.testing.assert_array_equal(plain.labels[:, 20:], labelled.labels[:, 20:])
    wrong = np.mean(plain.labels[:, :20] != labelled.labels[:, :20])
    expected = 0.4 * 3 / 4  # a drawn label is right by chance once in four
    assert abs(wrong - expected) < 4 * np.sqrt(expected * (1 - expected) / (n * 20))
    added = noisy.inputs - plain.inputs
    assert abs(added.std() / 0.3 - 1) < 4 / np.sqrt(2 * added.size)
    assert abs(added.mean()) < 4 * 0.3 / np.sqrt(added.size)


def test_accuracy_on_old_and_new_classes_averages_to_what_it_says():
    family, tasks = _tasks(1, blocks=2)
    task = jax.tree.map(lambda x: jnp.asarray(x[0]), tasks)
    # class 2, of the last block
    always = neuron_view(jnp.asarray([0.0, 0.0, 1.0, 0.0]), jnp.zeros(4), jnp.ones(4))
    metrics = []
    for t in range(20, 28):
        _, outcome = family.step(task, jnp.asarray(t), always, jax.random.key(0), 1e-3)
        metrics.append(outcome.score.metrics)
        assert outcome.feedback.modulators["reward"] == outcome.score.metrics["accuracy"]
        np.testing.assert_allclose(outcome.feedback.modulators["surprise"], outcome.score.loss)
    means = {}
    for name in metrics[0]:
        means[name] = float(np.mean([of_step[name] for of_step in metrics]))
    assert means == pytest.approx({"accuracy": 0.25, "accuracy_new": 0.5, "accuracy_old": 0.0})


def test_unequal_blocks_are_refused():
    with pytest.raises(ValueError, match=r"blocks=3.*a divisor of n_classes=4"):
        find("task", "prototypes")(n_classes=4, blocks=3)


@pytest.mark.parametrize("split", SPLITS)
def test_the_noise_that_is_added_is_not_that_of_the_examples(split: Any) -> None:
    family = find("task", "prototypes")(**SMALL, spread=0.0, noise=1.0)
    plain = family.sample(jax.random.key(0), split).inputs
    noisy = replace(family, input_noise=1.0).sample(jax.random.key(0), split).inputs
    added = np.sort(np.ravel(noisy - plain))
    assert not np.allclose(added, np.sort(np.ravel(plain)), atol=1e-4)
