"""The base of families of arbitrary categories: classes fall into groups, the group is the label.

A life shows examples of every class one at a time, then asks about others with plasticity off. A
grouping says which classes belong together. Every life draws new names for the groups.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _few_shot
from metaplast.registry import BadInput
from metaplast.signals import Key, NeuronView, Outcome, TaskShape, pytree
from metaplast.spec import Count, Natural, NonNegative, Probability, spec
from metaplast.tasks import SPLITS, AbstractTaskFamily, Split

GROUPING_SHARES = {"train": 0.5, "validation": 0.25, "heldout": 0.25}


class Examples(NamedTuple):
    """The examples of one split.

    features [n, n_in].
    table [n_classes, n_max]: the rows of every class, padded.
    counts [n_classes]: how many of these rows are real.
    """

    features: np.ndarray
    table: np.ndarray
    counts: np.ndarray


@pytree
class GroupedStream:
    """One life.

    inputs [n_steps, n_in]: the stimuli.
    labels [n_steps]: the groups.
    closed []: the number of first steps in which plasticity is off.
    """

    inputs: Array
    labels: Array
    closed: Array


@spec
class Grouped(AbstractTaskFamily):
    """The classes of a data set in groups of sizes as equal as possible; the label is the group.

    n_groups: the number of groups.
    shots: images of each class that are shown, each once in every pass.
    queries: other images of each class, asked with plasticity off.
    passes: the number of passes. 80 examples of a class are `shots=40 passes=2`: 40 images, twice.
    rewarp: see _few_shot.Passes. With 0, a later pass shows the images as the first did.
    shortest: where it is not 0, a training life learns from the last k examples of each class
        alone, k uniform from `shortest` to `shots * passes`. Before them the gate is closed, rules
        rest and no step is scored. Validation and held-out lives are always whole.
    split_seed: shares out the images of every class, and the groupings, over train, validation and
        held-out lives without overlap. An unseen grouping differs from some that were seen by few
        swaps of classes.
    label_noise, input_noise: see _few_shot.Difficulty.

    Raises: BadInput for groupings that cannot be shared out, a `shortest` beyond the life, or (from
        `sample`) more images than the smallest class of a split has.
    """

    n_groups: Count = 2
    shots: Count = 20
    queries: Count = 4
    passes: Count = 1
    rewarp: Probability = 0.0
    shortest: Natural = 0
    split_seed: Natural = 0
    label_noise: Probability = 0.0
    input_noise: NonNegative = 0.0

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """(n_in, number of classes)."""

    @abstractmethod
    def examples(self, split: Split) -> Examples:
        """The examples from which lives of a split are drawn."""

    @abstractmethod
    def vary(self, u: Array, features: Array) -> Array:
        """The features [..., n_in] as one life shows them; six numbers u in [-1, 1] decide how."""

    def __post_init__(self) -> None:
        n_classes = self.size[1]
        if not 2 <= self.n_groups < n_classes:
            groupings = f"groupings of {n_classes} classes that can be shared out"
            expected = f"from 2 to {n_classes - 1}: {groupings}"
            raise BadInput(f"n_groups={self.n_groups}", expected, "choose another number")
        if self.shortest > self.shots * self.passes:
            expected = f"at most shots * passes = {self.shots * self.passes}"
            raise BadInput(f"shortest={self.shortest}", expected, "lower it, or 0 for whole lives")

    def shape(self) -> TaskShape:
        n_in, n_classes = self.size
        n_shown = n_classes * self.shots * self.passes
        n_asked = n_classes * self.queries
        shape = _few_shot.shape(n_in, self.n_groups, n_shown, n_asked, per_class=False)
        if not self.shortest:
            return shape
        return shape._replace(offers=shape.offers | {"gate"}, rests=True)

    def n_kinds(self, split: Split) -> int:
        groupings = of_split(self.size[1], self.n_groups, self.split_seed, split)
        return len(groupings) * math.factorial(self.n_groups)

    def sample(self, key: Key, split: Split) -> GroupedStream:
        return self._sample(key, split, None)

    def sample_kind(self, key: Key, split: Split, kind: Array) -> GroupedStream:
        return self._sample(key, split, kind)

    def _sample(self, key: Key, split: Split, kind: Array | None) -> GroupedStream:
        """One life. kind []: the number of its grouping with names; None: both are drawn."""
        n_classes = self.size[1]
        n_each = self.shots + self.queries
        features, table, counts = self.examples(split)
        self._check_images(int(min(counts)), split)
        n_asked_and_shown = n_classes * (self.shots * self.passes + self.queries)
        sizes = (1, self.n_groups, table.size, 6, n_asked_and_shown, 1)
        uniform = jax.random.uniform(key, (sum(sizes),))
        u_group, u_name, u_image, u_vary, u_order, u_length = _few_shot.pieces(uniform, *sizes)
        index = _few_shot.picked(u_image, jnp.asarray(table), jnp.asarray(counts), n_each)
        passes = _few_shot.Passes(self.shots, self.passes, self.rewarp)
        chosen = jnp.asarray(features, float)[index]
        shown = _few_shot.in_passes(key, u_vary, chosen, passes, self.vary)
        groupings = jnp.asarray(of_split(n_classes, self.n_groups, self.split_seed, split))
        if kind is None:
            grouping = groupings[(u_group[0] * len(groupings)).astype(jnp.int32)]
            names = jnp.argsort(u_name)
        else:
            of_names = jnp.asarray(list(permutations(range(self.n_groups))), jnp.int32)
            grouping = groupings[kind // len(of_names)]
            names = of_names[kind % len(of_names)]
        groups = names[grouping]
        closed = self._closed(u_length[0], split)
        stream = self._stream(u_order, shown, groups, closed)
        difficulty = _few_shot.Difficulty(1, self.label_noise, self.input_noise)
        n_shown = n_classes * self.shots * self.passes
        stream = _few_shot.harder(key, stream, n_shown, self.n_groups, difficulty)
        return GroupedStream(inputs=stream.inputs, labels=stream.labels, closed=n_classes * closed)

    def _check_images(self, fewest: int, split: Split) -> None:
        """Raises: BadInput for more images than the smallest class of a split has."""
        if self.shots + self.queries <= fewest:
            return
        n_images = self.shots + self.queries
        what = f"task: shots + queries = {n_images} images of a class for {split} lives"
        expected = f"at most {fewest}, the images of the smallest class there"
        raise BadInput(what, expected, "lower shots; passes=2 shows each image twice")

    def _closed(self, u: Array, split: Split) -> Array:
        """The number of first examples of every class from which a life does not learn."""
        if not self.shortest or split != "train":
            return jnp.zeros((), jnp.int32)
        return (u * (self.shots * self.passes - self.shortest + 1)).astype(jnp.int32)

    def _stream(self, u: Array, repeated: Array, groups: Array, closed: Array) -> _few_shot.Stream:
        """The examples pass after pass, in random order within a pass, then the queries.

        The examples from which a life does not learn come before all others.
        """
        example = jnp.arange(self.shots * self.passes, dtype=jnp.int32)
        stage = jnp.where(example < closed, -1, example // self.shots)
        stages = jnp.broadcast_to(stage, (len(groups), len(example)))
        stream = _few_shot.staged(u, repeated, stages)
        return replace(stream, labels=groups[stream.labels])

    def begin(self, task: GroupedStream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: GroupedStream, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: GroupedStream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        after, outcome = _few_shot.answer(task, state, output)
        if not self.shortest:
            return after, outcome
        gate = (state >= task.closed).astype(outcome.score.loss.dtype)
        feedback = replace(outcome.feedback, gate=gate)
        score = replace(outcome.score, weight=gate)
        return after, Outcome(feedback=feedback, score=score)


def shared_out(labels: np.ndarray, split_seed: int, split: Split) -> _few_shot.Padded:
    """The rows of a split: a third of the rows of every class for each split.

    Args:
        labels: the class of every row [n].
        split_seed: draws the thirds.
        split: the split whose rows are asked for.
    """
    rows = []
    for label in np.unique(labels):
        order = np.random.default_rng([split_seed, int(label)])
        of_class = order.permutation(np.flatnonzero(labels == label))
        rows.append(np.array_split(of_class, len(SPLITS))[SPLITS.index(split)])
    return _few_shot.padded(rows)


@lru_cache(maxsize=64)
def of_split(n_classes: int, n_groups: int, split_seed: int, split: Split) -> np.ndarray:
    """The groupings of a split [n, n_classes]; an entry is the group of a class.

    `split_seed` draws half of all groupings for training, a quarter for each other split.

    Args:
        n_classes: the number of classes.
        n_groups: the number of groups.
        split_seed: draws the halves and quarters.
        split: the split whose groupings are asked for.
    """
    every = every_grouping(n_classes, n_groups)
    order = np.random.default_rng(split_seed).permutation(len(every))
    ends = np.round(np.cumsum([0.0, *GROUPING_SHARES.values()]) * len(every)).astype(int)
    place = list(GROUPING_SHARES).index(split)
    return every[np.sort(order[ends[place] : ends[place + 1]])]


@lru_cache(maxsize=16)
def every_grouping(n_classes: int, n_groups: int) -> np.ndarray:
    """All groupings [n, n_classes] into groups of sizes as equal as possible, up to their names.

    Groups are numbered in the order in which they first appear. So no two rows are the same
    grouping.

    Args:
        n_classes: the number of classes.
        n_groups: the number of groups.
    """
    small, n_large = divmod(n_classes, n_groups)
    sizes = [small] * (n_groups - n_large) + [small + 1] * n_large

    def grown(begun: tuple[int, ...], counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """The groupings that begin like this; `counts` are the sizes of its groups so far."""
        if len(begun) == n_classes:
            if sorted(counts) == sizes:
                yield begun
            return
        for group, count in enumerate(counts):
            if count < sizes[-1]:
                counts_after = (*counts[:group], count + 1, *counts[group + 1 :])
                yield from grown((*begun, group), counts_after)
        if len(counts) < n_groups:
            yield from grown((*begun, len(counts)), (*counts, 1))

    return np.asarray(list(grown((), ())), np.int32)
