"""Real handwritten digits under their own names, for networks that know them at birth."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inner_tasks import _digit_images, _few_shot
from metaplast.registry import BadInput, register
from metaplast.signals import Key, TaskShape
from metaplast.spec import Count, Natural, Positive, spec
from metaplast.tasks import Split

SIZES = {"train": 1100, "validation": 200, "heldout": 497}
"""The images of every split."""


class _Images(NamedTuple):
    """The images of a split.

    pixels [n, 64]: in [0, 1].
    labels [n]: the digits.
    """

    pixels: np.ndarray
    labels: np.ndarray


@register("task", "recognition")
@spec
class Recognition(_few_shot.FewShot):
    """`shown` images one at a time, then `queries` other images with plasticity off.

        x = scale (pixel - 1/2)

    x: an input, of a pixel in [0, 1].
    shown: images that are shown, with plasticity on; 0 for what a network knows at birth.
    queries: other images, asked with plasticity off.
    split_seed: cuts the 1,797 images of 8 x 8 pixels: 1,100 for `train` lives, 200 for
        `validation`, 497 for `heldout`.
    scale: of the inputs.

    Every digit has the same output in all lives. So all of the task can be inborn, and a life has
    no news but its own images. Images are drawn without replacement and regardless of class. The
    loss is the cross-entropy. Metric: `accuracy`.

    Raises: BadInput where a split has fewer images than a life needs.
    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
    """

    shown: Natural = 100
    queries: Count = 50
    split_seed: Natural = 0
    scale: Positive = 2.0

    def shape(self) -> TaskShape:
        n_in = _digit_images.N_PIXELS
        n_classes = _digit_images.N_CLASSES
        shape = _few_shot.shape(n_in, n_classes, self.shown, self.queries, per_class=False)
        if self.shown:
            return shape
        return shape._replace(phases=((self.queries, False),))

    def files(self) -> dict[str, str]:
        return _digit_images.files()

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        n = self.shown + self.queries
        if n > SIZES[split]:
            raise BadInput(
                f"task recognition: shown + queries = {n} for {split} lives",
                f"at most {SIZES[split]}, the images of the split",
                "ask for fewer",
            )
        images = _images(self.split_seed, split)
        chosen = jnp.argsort(jax.random.uniform(key, (SIZES[split],)))[:n]
        pixels = jnp.asarray(images.pixels, float)[chosen]
        labels = jnp.asarray(images.labels, int)[chosen]
        return _few_shot.Stream(inputs=self.scale * (pixels - 0.5), labels=labels)


@lru_cache(maxsize=16)
def _images(split_seed: int, split: Split) -> _Images:
    pixels, labels = _digit_images.digits()
    order = np.random.default_rng(split_seed).permutation(len(labels))
    start = 0
    for name, size in SIZES.items():
        if name == split:
            break
        start += size
    chosen = order[start : start + SIZES[split]]
    return _Images(pixels[chosen], labels[chosen])
