"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, and their variations."""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _bundled, _few_shot
from metaplast.registry import BadInput
from metaplast.signals import Key
from metaplast.tasks import SPLITS, Split

FILE = "digits.csv.gz"
N_CLASSES = 10
SIDE = 8
N_PIXELS = SIDE * SIDE
GREY = 0.3  # the brightness at which an input is 0


class Variation(NamedTuple):
    """One variation for all images of a life: an affine warp, a gain and a background.

    scale: factor of all pixels, after GREY was subtracted from them.
    rotation: the warp rotates by up to so many radians.
    zoom: the warp zooms by a log-scale of up to this.
    shift: the warp shifts by up to so many pixels on each axis.
    gain: log-uniform up to this.
    background: uniform, up to this.
    """

    scale: float
    rotation: float
    zoom: float
    shift: float
    gain: float
    background: float

    def applied(self, u: Array, pixels: Array) -> Array:
        """The images of a life.

        Args:
            u: six numbers in [-1, 1], which decide the variation.
            pixels: the images [..., 64], in [0, 1].

        Returns: the varied images [..., 64].
        """
        warp = affine(self.rotation * u[0], jnp.exp(self.zoom * u[1]), self.shift * u[2:4])
        warped = pixels @ warp.T
        bright = jnp.exp(self.gain * u[4]) * warped + self.background * (0.5 + 0.5 * u[5])
        return self.scale * (bright - GREY)

    def brightness(self, inputs: Array) -> Array:
        """The brightness in [0, 1] behind the inputs that `applied` gave [..., 64]."""
        return jnp.clip(inputs / self.scale + GREY, 0.0, 1.0)


def affine(angle: Array, zoom: Array, shift: Array) -> Array:
    """The matrix [64, 64] that rotates, zooms and shifts an 8 x 8 image about its centre.

    Pixels in between are interpolated bilinearly.

    Args:
        angle: in radians [].
        zoom: the factor of the size [].
        shift: in pixels [2].
    """
    grid = jnp.arange(float(SIDE)) - (SIDE - 1) / 2
    y, x = (axis.reshape(-1) for axis in jnp.meshgrid(grid, grid, indexing="ij"))
    cos = jnp.cos(angle) / zoom
    sin = jnp.sin(angle) / zoom
    from_y = cos * y - sin * x - shift[0]
    from_x = sin * y + cos * x - shift[1]
    hat_y = jnp.maximum(0.0, 1.0 - jnp.abs(from_y[:, None] - grid[None, :]))
    hat_x = jnp.maximum(0.0, 1.0 - jnp.abs(from_x[:, None] - grid[None, :]))
    return (hat_y[:, :, None] * hat_x[:, None, :]).reshape(SIDE * SIDE, SIDE * SIDE)


def files() -> dict[str, str]:
    """{name: SHA-256} of the file of the images."""
    return _bundled.files_of_table(FILE)


def digits() -> _bundled.Examples:
    """The images as features [1797, 64] in [0, 1], and the digits as labels."""
    table = _bundled.table(FILE)
    return table._replace(features=table.features / np.float32(16.0))


class Pool(NamedTuple):
    """The images of one split, none of which another split has.

    features [1797, 64]: the pixels of all images, in [0, 1].
    table [10, n_max]: the rows of the split's images of each digit, padded.
    counts [10]: how many of these rows are real.
    """

    features: np.ndarray
    table: np.ndarray
    counts: np.ndarray


@lru_cache(maxsize=3)
def pool(split: Split) -> Pool:
    """The images of a split: of each digit 35 % are for training, 30 % for validation."""
    pixels, labels = digits()
    rows = []
    for label in range(N_CLASSES):
        images = np.random.default_rng(label).permutation(np.flatnonzero(labels == label))
        ends = [round(0.35 * len(images)), round(0.65 * len(images))]
        rows.append(np.split(images, ends)[SPLITS.index(split)])
    return Pool(pixels, *_few_shot.padded(rows))


def contrast(pixels: Array) -> Array:
    """Twice the difference of pixels [..., 64] in [0, 1] from their mean over training images."""
    mean = jnp.broadcast_to(jnp.asarray(_mean_image(), float), pixels.shape)
    return 2.0 * (pixels - mean)


@lru_cache(maxsize=1)
def _mean_image() -> np.ndarray:
    """The mean [64] of the images for training."""
    images = pool("train")
    rows = [row[:n] for row, n in zip(images.table, images.counts, strict=True)]
    return images.features[np.concatenate(rows)].mean(axis=0)


def drawn(key: Key, split: Split, n_classes: int, n_each: int) -> Array:
    """Images of digits, both drawn.

    Args:
        key: of the draw.
        split: whose images are drawn.
        n_classes: the number of digits.
        n_each: images of each of them, all different.

    Returns: the pixels [n_classes, n_each, 64], in [0, 1].
    Raises: BadInput for more images of a digit than the split has.
    """
    images = pool(split)
    if n_each > min(images.counts):
        what = f"{n_each} images of each digit in {split} lives"
        raise BadInput(what, f"at most {min(images.counts)}", "ask for fewer")
    k_class, k_image = jax.random.split(key)
    chosen = jax.random.permutation(k_class, N_CLASSES)[:n_classes]
    is_real = np.arange(images.table.shape[1])[None, :] < images.counts[:, None]
    lots = jax.random.uniform(k_image, (n_classes, images.table.shape[1]))
    order = jnp.argsort(jnp.where(jnp.asarray(is_real)[chosen], lots, 2.0), axis=1)[:, :n_each]
    index = jnp.take_along_axis(jnp.asarray(images.table)[chosen], order, axis=1)
    return jnp.asarray(images.features, float)[index]
