"""Few-shot learning on real handwritten digits."""

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _bundled, _few_shot
from metaplast.interfaces import AbstractTaskFamily, Split
from metaplast.registry import BadInput, register
from metaplast.signals import Key, NeuronView, Outcome, TaskShape
from metaplast.spec import Count, Natural, NonNegative, Probability, spec

N_CLASSES, N_HELD_OUT, SIDE = 10, 4, 8
VALIDATION_SHARE = 0.3


@register("task", "digits")
@spec
class Digits(AbstractTaskFamily):
    """scikit-learn's 1,797 digits of 8 x 8 pixels; each life shows `n_classes` of them, `shots` examples of each.

    split_seed draws six classes for meta-training and four that are never seen before `heldout` lives; of the six,
    30 % of the images belong to `validation` lives alone. A life has its own class subset and label order, affine warp
    (rotation up to `rotation` radians, log-scale up to `zoom`, shift up to `shift` pixels), gain (log-uniform up to
    `gain`) and uniform background up to `background`. Pixels are in [0, 1], minus 0.3, times `scale`.
    blocks, label_noise, input_noise: a harder stream, see _few_shot.Difficulty.
    Raises: BadInput for unequal blocks, or (from `sample`) for more images than the smallest class of a split has.
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
        return _few_shot.shape(SIDE * SIDE, self.n_classes, self.shots, self.queries)

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        images, tables, counts = _data(self.split_seed, split)
        n_classes, n_each, n_max = self.n_classes, self.shots + self.queries, tables.shape[1]
        if n_classes > len(counts):
            what = f"task digits: n_classes={n_classes} for {split} lives"
            raise BadInput(what, f"at most {len(counts)}, so many classes are there", "ask for fewer")
        if n_each > min(counts):
            what = f"task digits: shots + queries = {n_each} for {split} lives"
            raise BadInput(what, f"at most {min(counts)}, so many images has the smallest class there", "ask for fewer")
        sizes = (len(counts), n_classes * n_max, 6, n_classes * n_each)
        u_class, u_image, u_warp, u_order = _few_shot.pieces(jax.random.uniform(key, (sum(sizes),)), *sizes)
        chosen = jnp.argsort(u_class)[:n_classes]
        real = jnp.arange(n_max)[None, :] < jnp.asarray(counts)[chosen][:, None]
        picked = jnp.argsort(jnp.where(real, u_image.reshape(n_classes, n_max), 2.0), axis=1)[:, :n_each]
        index = jnp.take_along_axis(jnp.asarray(tables)[chosen], picked, axis=1)
        pixels = jnp.asarray(images, float)[index]
        stream = _few_shot.shuffled(u_order, self._vary(2.0 * u_warp - 1.0, pixels), self.shots, self.blocks)
        return _few_shot.harder(key, stream, n_classes * self.shots, n_classes, self._difficulty)

    def _vary(self, u: Array, pixels: Array) -> Array:
        """One warp, gain and background for all images of a life, from six numbers in [-1, 1]."""
        warp = affine(self.rotation * u[0], jnp.exp(self.zoom * u[1]), self.shift * u[2:4])
        warped = pixels @ warp.T
        bright = jnp.exp(self.gain * u[4]) * warped + self.background * (0.5 + 0.5 * u[5])
        return self.scale * (bright - 0.3)

    @property
    def _difficulty(self) -> _few_shot.Difficulty:
        return _few_shot.Difficulty(self.blocks, self.label_noise, self.input_noise)

    def begin(self, task: _few_shot.Stream, key: Key, dt: float) -> Array:
        return jnp.zeros((), jnp.int32)

    def stimulus(self, task: _few_shot.Stream, state: Array, key: Key, dt: float) -> dict[str, Array]:
        return {"input": task.inputs[state]}

    def step(
        self, task: _few_shot.Stream, state: Array, output: NeuronView, key: Key, dt: float
    ) -> tuple[Any, Outcome]:
        return _few_shot.answer(task, state, output, self.blocks)


def affine(angle: Array, zoom: Array, shift: Array) -> Array:
    """The 64 x 64 matrix of bilinear interpolation that rotates, zooms and shifts an 8 x 8 image about its centre."""
    grid = jnp.arange(float(SIDE)) - (SIDE - 1) / 2
    y, x = (axis.reshape(-1) for axis in jnp.meshgrid(grid, grid, indexing="ij"))
    cos, sin = jnp.cos(angle) / zoom, jnp.sin(angle) / zoom
    from_y, from_x = cos * y - sin * x - shift[0], sin * y + cos * x - shift[1]
    hat_y = jnp.maximum(0.0, 1.0 - jnp.abs(from_y[:, None] - grid[None, :]))
    hat_x = jnp.maximum(0.0, 1.0 - jnp.abs(from_x[:, None] - grid[None, :]))
    return (hat_y[:, :, None] * hat_x[:, None, :]).reshape(SIDE * SIDE, SIDE * SIDE)


@lru_cache(maxsize=64)
def _data(split_seed: int, split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(images [n, 64] in [0, 1], image indices per class of the split, padded, how many of them are real)."""
    pixels, labels = digits()
    generator = np.random.default_rng(split_seed)
    classes = generator.permutation(N_CLASSES)
    rows = []
    for label in sorted(classes[:N_HELD_OUT] if split == "heldout" else classes[N_HELD_OUT:]):
        mine = np.random.default_rng([split_seed, label]).permutation(np.flatnonzero(labels == label))
        n_validation = round(VALIDATION_SHARE * len(mine))
        rows.append({"train": mine[n_validation:], "validation": mine[:n_validation], "heldout": mine}[split])
    table = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return pixels, table, np.asarray([len(row) for row in rows])


def digits() -> tuple[np.ndarray, np.ndarray]:
    """(pixels [1797, 64] in [0, 1], labels [1797])."""
    pixels, labels = _bundled.table("digits.csv.gz")
    return pixels / np.float32(16.0), labels
