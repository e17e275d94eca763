"""Every task family keeps every promise."""

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inner_tasks import digits
from inner_tasks.spike_pairing import SpikePairing
from inner_tasks.taught import Taught
from metaplast import search_loop
from metaplast.problem import sampling
from metaplast.registry import find
from metaplast.spec import build, decode, spec
from metaplast.tasks import SPLITS
from metaplast.testing import ContractBroken, check_task_family
from metaplast.testing.task_family import check_shapes
from tests._brax import needs_brax
from tests._compiler import as_users_jit
from tests._segments import needs_river
from tests._tiny import TASKS
from tests.contracts._enrolled import enrolled, programs

PROGRAMS = programs("tasks")
NEEDS = {"ant": needs_brax, "segments": needs_river}
FAMILIES = []
for family in enrolled("task"):
    marks = [NEEDS[family]] if family in NEEDS else []
    FAMILIES.append(pytest.param(family, marks=marks))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_task_family_keeps_its_promises(name):
    check_task_family(find("task", name)(), PROGRAMS.get(name))


HARD = {"categories": {"shortest": 1}, "digits": {"blocks": 2}, "prototypes": {"blocks": 3}}


@pytest.mark.system
@pytest.mark.parametrize("name", FAMILIES)
def test_one_program_draws_all_splits_with_the_bits_of_a_plain_map(name):
    """Compiled as in a user's run."""
    family = decode("task", {"name": name, **TASKS.get(name, {})})
    task = sampling.common_task(family)
    if task is None:
        pytest.skip("a plain map draws this family")
    key = jax.random.key(3)
    drawn = as_users_jit(partial(sampling.sample_any, family, task=task))
    for index, split in enumerate(SPLITS):
        plain = as_users_jit(partial(sampling.sample_batch, family, n=3, split=split))(key)
        batch = jax.tree.map(lambda leaf: leaf[:3], drawn(key, 3, index))
        chex.assert_trees_all_equal(batch.tasks, plain.tasks)
        assert jnp.array_equal(*map(jax.random.key_data, (batch.keys, plain.keys)))


def test_the_common_task_has_the_precision_of_the_moment():
    family = decode("task", "association")
    single = jax.tree.leaves(sampling.common_task(family))
    with jax.enable_x64(True):
        double = jax.tree.leaves(sampling.common_task(family))
    assert jnp.float32 in [leaf.dtype for leaf in single]
    assert jnp.float64 in [leaf.dtype for leaf in double]


def test_a_family_that_fails_at_a_split_is_drawn_by_the_plain_map():
    class TrainsOnly(type(decode("task", "association"))):
        def sample(self, key, split):
            if split != "train":
                raise NotImplementedError
            return super().sample(key, split)

    assert sampling.common_task(TrainsOnly()) is None
    assert search_loop.sample(TrainsOnly(), jax.random.key(0), 2, "train").keys.shape == (2,)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_task_family_holds_in_double_precision(name):
    hard = {**HARD[name], "label_noise": 0.3, "input_noise": 0.2} if name in HARD else {}
    family = decode("task", {"name": name, **TASKS.get(name, {}), **hard})
    with jax.enable_x64(True):
        task = jax.eval_shape(lambda: family.sample(jax.random.key(0), "train"))
        floats = [x.dtype for x in jax.tree.leaves(task) if jnp.issubdtype(x.dtype, jnp.floating)]
        assert floats
        assert set(floats) == {np.dtype(np.float64)}
        check_shapes(family, task)


RECORDINGS = [
    {"name": "taught", **TASKS["taught"]},
    {"name": "taught", **TASKS["taught"], "likelihood": "bernoulli", "recorded_share": 0.5},
    # Trials are held out, no subject.
    {"name": "taught", **TASKS["taught"], "likelihood": "poisson", "n_sessions": 3},
    {"name": "taught", **TASKS["taught"], "likelihood": "categorical"},
    {"name": "spike_pairing", **TASKS["spike_pairing"], "clamp": False, "n_steps": 200},
    {"name": "spike_pairing", **TASKS["spike_pairing"]},
    {"name": "odour_choice", **TASKS["odour_choice"]},
]


@pytest.mark.parametrize("settings", RECORDINGS, ids=lambda s: "-".join(map(str, s.values())))
def test_a_recording_keeps_its_promises_under_other_settings(settings):
    check_task_family(decode("task", settings))


@spec
class Seen(Taught):
    """Validation looks at the values of training."""

    def whole(self, split: Any) -> Any:
        return super().whole("train" if split == "validation" else split)


@spec
class Glimpsed(Taught):
    """Validation looks at one value of training."""

    def whole(self, split: Any) -> Any:
        whole = super().whole(split)
        if split != "validation":
            return whole
        trained_on = super().whole("train").observed[0] * (np.arange(self.n_out) == 0)
        first = np.maximum(whole.observed[:1], trained_on[None])
        return replace(whole, observed=np.concatenate([first, whole.observed[1:]]))


@spec
class Elsewhere(Taught):
    """A task that is drawn is none of the whole."""

    def sample(self, key: Any, split: Any) -> Any:
        return super().sample(key, "heldout")


@spec
class Unseen(Taught):
    """Nothing is observed, and no last weights are offered instead."""

    def whole(self, split: Any) -> Any:
        whole = super().whole(split)
        return replace(whole, observed=np.zeros_like(whole.observed))


@spec
class Told(SpikePairing):
    """All splits are judged by the same last weights."""

    def whole(self, split: Any) -> Any:
        return super().whole("train")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Seen, "splits train and validation share no recorded value"),
        (Glimpsed, "splits train and validation share no recorded value"),
        (Elsewhere, "`sample` draws from the whole of split train"),
        (Unseen, "split train has an observed value, or the family offers final_weights"),
        (Told, "splits train and validation share no recorded value"),
    ],
)
def test_a_recording_that_leaks_is_refused(fault, words):
    name = "spike_pairing" if fault is Told else "taught"
    with pytest.raises(ContractBroken, match=words):
        check_task_family(build(fault, TASKS[name]))


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_digit_is_in_two_splits(seed):
    from sklearn.datasets import load_digits

    labels = load_digits().target
    images = {}
    classes = {}
    for split in SPLITS:
        pixels, table, counts = digits._images(seed, split)
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
