"""Few-shot learning on real handwritten digits."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _digit_images, _few_shot
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape
from metaplast.spec import Count, Natural, NonNegative, Probability, spec
from metaplast.tasks import AbstractTaskFamily, Split

N_HELD_OUT = 4
VALIDATION_SHARE = 0.3


@register("task", "digits")
@spec
class Digits(AbstractTaskFamily):
    """scikit-learn's 1,797 digits of 8 x 8 pixels; each life shows `n_classes` of them, `shots`
    examples of each.

    split_seed draws six classes for meta-training and four that are never seen before `heldout`
    lives; of the six, 30 % of the images belong to `validation` lives alone. A life has its own
    class subset and label order, affine warp (rotation up to `rotation` radians, log-scale up to
    `zoom`, shift up to `shift` pixels), gain (log-uniform up to `gain`) and uniform background up
    to `background`. Pixels are in [0, 1], minus 0.3, times `scale`.
    blocks, label_noise, input_noise: a harder stream, see _few_shot.Difficulty.
    Raises: BadInput for unequal blocks, or (from `sample`) for more images than the smallest class
    of a split has.
    """

    n_classes: Count = 4
    shots: Count = 20
    queries: Count = 10
    split_seed: Natural = 0
    scale: NonNegative = 2.0
    rotation: NonNegative = 0.3
    zoom: NonNegative = 0.15
    shift: NonNegative = 0.7
    gain: NonNegative = 0.2
    background: NonNegative = 0.1
    blocks: Count = 1
    label_noise: Probability = 0.0
    input_noise: NonNegative = 0.0

    def __post_init__(self) -> None:
        _few_shot.check_blocks(self.n_classes, self.blocks)

    def shape(self) -> TaskShape:
        return _few_shot.shape(_digit_images.N_PIXELS, self.n_classes, self.shots, self.queries)

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        images, tables, counts = _data(self.split_seed, split)
        n_classes, n_each, n_max = self.n_classes, self.shots + self.queries, tables.shape[1]
        if n_classes > len(counts):
            what = f"task digits: n_classes={n_classes} for {split} lives"
            raise BadInput(
                what, f"at most {len(counts)}, so many classes are there", "ask for fewer"
            )
        if n_each > min(counts):
            what = f"task digits: shots + queries = {n_each} for {split} lives"
            raise BadInput(
                what,
                f"at most {min(counts)}, so many images has the smallest class there",
                "ask for fewer",
            )
        sizes = (len(counts), n_classes * n_max, 6, n_classes * n_each)
        u_class, u_image, u_warp, u_order = _few_shot.pieces(
            jax.random.uniform(key, (sum(sizes),)), *sizes
        )
        chosen = jnp.argsort(u_class)[:n_classes]
        index = _few_shot.picked(
            u_image, jnp.asarray(tables)[chosen], jnp.asarray(counts)[chosen], n_each
        )
        pixels = jnp.asarray(images, float)[index]
        stream = _few_shot.shuffled(
            u_order, self._variation.applied(2.0 * u_warp - 1.0, pixels), self.shots, self.blocks
        )
        return _few_shot.harder(key, stream, n_classes * self.shots, n_classes, self._difficulty)

    @property
    def _variation(self) -> _digit_images.Variation:
        return _digit_images.Variation(
            self.scale, self.rotation, self.zoom, self.shift, self.gain, self.background
        )

    @property
    def _difficulty(self) -> _few_shot.Difficulty:
        return _few_shot.Difficulty(self.blocks, self.label_noise, self.input_noise)

    def begin(self, task: _few_shot.Stream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(
        self, task: _few_shot.Stream, state: Array, key: Key, dt: float
    ) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: _few_shot.Stream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        return _few_shot.answer(task, state, output, self.blocks)


@lru_cache(maxsize=64)
def _data(split_seed: int, split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images [n, 64] in [0, 1], image indices per class of the split, padded, how many of them are
    real).
    """
    pixels, labels = _digit_images.digits()
    generator = np.random.default_rng(split_seed)
    classes = generator.permutation(_digit_images.N_CLASSES)
    rows = []
    for label in sorted(classes[:N_HELD_OUT] if split == "heldout" else classes[N_HELD_OUT:]):
        mine = np.random.default_rng([split_seed, label]).permutation(
            np.flatnonzero(labels == label)
        )
        n_validation = round(VALIDATION_SHARE * len(mine))
        rows.append(
            {"train": mine[n_validation:], "validation": mine[:n_validation], "heldout": mine}[
                split
            ]
        )
    return (pixels, *_few_shot.padded(rows))
