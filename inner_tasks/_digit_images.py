"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, and their variations."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _bundled

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
