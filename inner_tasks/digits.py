"""Few-shot learning on real handwritten digits."""

import math
from functools import lru_cache
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _digit_images, _few_shot, _groups
from metaplast.registry import BadInput, register
from metaplast.signals import Key, TaskShape
from metaplast.spec import Count, Natural, NonNegative, Probability, spec
from metaplast.tasks import Split

N_HELD_OUT = 4
VALIDATION_SHARE = 0.3


@register("task", "digits")
@spec
class Digits(_few_shot.FewShot):
    """Each life shows `n_classes` of scikit-learn's ten digits, `shots` images of each.

    n_classes: digits of a life, and so the outputs.
    shots: images of each digit that are shown in a pass.
    queries: other images of each digit, asked with plasticity off.
    passes: the number of passes over these images.
    rewarp: see _few_shot.Passes.
    split_seed: draws six digits for training and four that only `heldout` lives show. 30 % of the
        images of the six belong to `validation` lives alone.
    scale, rotation, zoom, shift, gain, background: see _digit_images.Variation.
    blocks, label_noise, input_noise: see _few_shot.Difficulty.

    A life has its own digits, its own order of labels, and its own variation of the images. The set
    has 1,797 images of 8 x 8 pixels.

    Raises: BadInput for unequal blocks, or (from `sample`) for more images than the smallest class
        of a split has.

    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
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
    passes: Count = 1
    rewarp: Probability = 0.0

    def __post_init__(self) -> None:
        _few_shot.check_blocks(self.n_classes, self.blocks)

    def shape(self) -> TaskShape:
        n_shown = self.shots * self.passes
        return _few_shot.shape(_digit_images.N_PIXELS, self.n_classes, n_shown, self.queries)

    def files(self) -> dict[str, str]:
        return _digit_images.files()

    def n_kinds(self, split: Split) -> int | None:
        n_digits = len(_images(self.split_seed, split).counts)
        return math.perm(n_digits, self.n_classes) or None

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        return self._sample(key, split, None)

    def sample_kind(self, key: Key, split: Split, kind: Array) -> _few_shot.Stream:
        return self._sample(key, split, kind)

    def _sample(self, key: Key, split: Split, kind: Array | None) -> _few_shot.Stream:
        """One life. kind []: the number of its digits in their order; None: they are drawn."""
        images = _images(self.split_seed, split)
        n_classes = self.n_classes
        n_each = self.shots + self.queries
        n_max = images.table.shape[1]
        self._check_images(images.counts, split)
        n_shown = n_classes * self.shots * self.passes
        n_steps = n_shown + n_classes * self.queries
        sizes = (len(images.counts), n_classes * n_max, 6, n_steps)
        uniform = jax.random.uniform(key, (sum(sizes),))
        u_class, u_image, u_warp, u_order = _few_shot.pieces(uniform, *sizes)
        chosen = jnp.argsort(u_class)[:n_classes]
        if kind is not None:
            orders = list(permutations(range(len(images.counts)), n_classes))
            chosen = jnp.asarray(orders, jnp.int32)[kind]
        table = jnp.asarray(images.table)[chosen]
        counts = jnp.asarray(images.counts)[chosen]
        index = _few_shot.picked(u_image, table, counts, n_each)
        pixels = jnp.asarray(images.features, float)[index]
        passes = _few_shot.Passes(self.shots, self.passes, self.rewarp)
        inputs = _few_shot.in_passes(key, u_warp, pixels, passes, self._variation.applied)
        stream = _few_shot.shuffled(u_order, inputs, self.shots, self.blocks, self.passes)
        return _few_shot.harder(key, stream, n_shown, n_classes, self.difficulty)

    def _check_images(self, counts: np.ndarray, split: Split) -> None:
        """Raises: BadInput for more classes, or more images of one, than a split has."""
        if self.n_classes > len(counts):
            raise BadInput(
                f"task digits: n_classes={self.n_classes} for {split} lives",
                f"at most {len(counts)}, the classes that these lives have",
                "ask for fewer",
            )
        n_each = self.shots + self.queries
        if n_each > min(counts):
            raise BadInput(
                f"task digits: shots + queries = {n_each} for {split} lives",
                f"at most {min(counts)}, the images of the smallest class there",
                "ask for fewer; passes=2 shows each image twice",
            )

    def brightness(self, inputs: Array) -> Array:
        """The brightness in [0, 1] of the pixels behind the inputs of a life [..., 64]."""
        return self._variation.brightness(inputs)

    @property
    def _variation(self) -> _digit_images.Variation:
        return _digit_images.Variation(
            self.scale, self.rotation, self.zoom, self.shift, self.gain, self.background
        )

    @property
    def difficulty(self) -> _few_shot.Difficulty:
        return _few_shot.Difficulty(self.blocks, self.label_noise, self.input_noise)


@lru_cache(maxsize=64)
def _images(split_seed: int, split: Split) -> _groups.Examples:
    """The images with pixels in [0, 1], and a row of the table for each digit of the split."""
    pixels, labels = _digit_images.digits()
    generator = np.random.default_rng(split_seed)
    classes = generator.permutation(_digit_images.N_CLASSES)
    held_out = split == "heldout"
    rows = []
    for label in sorted(classes[:N_HELD_OUT] if held_out else classes[N_HELD_OUT:]):
        order = np.random.default_rng([split_seed, label])
        images = order.permutation(np.flatnonzero(labels == label))
        n_validation = round(VALIDATION_SHARE * len(images))
        if split == "train":
            images = images[n_validation:]
        elif split == "validation":
            images = images[:n_validation]
        rows.append(images)
    return _groups.Examples(pixels, *_few_shot.padded(rows))
