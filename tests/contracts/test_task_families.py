"""Every task family keeps every promise."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import digits
from metaplast._checks.task_family import check_shapes
from metaplast.interfaces import SPLITS
from metaplast.registry import find
from metaplast.testing import check_task_family
from tests._tiny import TASKS
from tests.contracts._enrolled import enrolled

ORACLES = {"bandit": lambda task, state: task}  # the arm that pays most is the largest


@pytest.mark.parametrize("name", enrolled("task"))
def test_a_task_family_keeps_its_promises(name):
    check_task_family(find("task", name)(), ORACLES.get(name))


HARD = {"digits": {"blocks": 2}, "prototypes": {"blocks": 3}}


@pytest.mark.parametrize("name", enrolled("task"))
def test_a_task_family_holds_in_double_precision(name):
    hard = {**HARD[name], "label_noise": 0.3, "input_noise": 0.2} if name in HARD else {}
    family = find("task", name)(**{**TASKS[name], **hard})
    with jax.enable_x64(True):
        task = jax.eval_shape(lambda: family.sample(jax.random.key(0), "train"))
        floats = [x.dtype for x in jax.tree.leaves(task) if jnp.issubdtype(x.dtype, jnp.floating)]
        assert floats
        assert set(floats) == {np.dtype(np.float64)}
        check_shapes(family, task)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_digit_is_in_two_splits(seed):
    from sklearn.datasets import load_digits

    labels = load_digits().target
    images, classes = {}, {}
    for split in SPLITS:
        pixels, table, counts = digits._data(seed, split)
        rows = [table[k, :count] for k, count in enumerate(counts)]
        for row in rows:
            assert len(set(row)) == len(row)
            assert len(set(labels[row])) == 1
        images[split] = np.concatenate(rows)
        classes[split] = {int(labels[row[0]]) for row in rows}
        assert pixels.shape == (1797, 64)
    for a, b in itertools.combinations(SPLITS, 2):
        assert not set(images[a]) & set(images[b])
    assert classes["train"] == classes["validation"]
    assert len(classes["train"]) == 6
    assert len(classes["heldout"]) == 4
    assert not classes["train"] & classes["heldout"]
    assert sum(len(x) for x in images.values()) == 1797
