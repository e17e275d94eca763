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
    unstable: so many digits, the largest ones, swap their names at random from life to life.

    Every other digit has the same output in all lives, so that its name can be inborn. At
    unstable=0 all of the task can be so, and a life has no news but its own images. Images are
    drawn without replacement and regardless of class. The loss is the cross-entropy. Metric:
    `accuracy`.

    Raises: BadInput for one unstable digit or more than ten, and (from `sample`) where a split has
        fewer images than a life needs.
    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
    """

    shown: Natural = 100
    queries: Count = 50
    split_seed: Natural = 0
    scale: Positive = 2.0
    unstable: Natural = 0

    def __post_init__(self) -> None:
        if self.unstable > _digit_images.N_CLASSES or self.unstable == 1:
            raise BadInput(
                f"unstable={self.unstable}",
                "0 or 2 to 10: one digit alone has no name to swap with",
                "choose another number of digits",
            )

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
        if self.unstable:
            labels = self._names(jax.random.fold_in(key, 1))[labels]
        return _few_shot.Stream(inputs=self.scale * (pixels - 0.5), labels=labels)

    def _names(self, key: Key) -> jax.Array:
        """The output of every digit in a life [10]."""
        digits = jnp.arange(_digit_images.N_CLASSES, dtype=int)
        n_stable = _digit_images.N_CLASSES - self.unstable
        swapped = jax.random.permutation(key, digits[n_stable:])
        return jnp.concatenate([digits[:n_stable], swapped])


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
