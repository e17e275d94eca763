"""scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, and how the images of one life differ
from another's.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from inner_tasks import _bundled

N_CLASSES, SIDE = 10, 8
N_PIXELS = SIDE * SIDE


class Variation(NamedTuple):
    """One affine warp (rotation up to `rotation` radians, log-scale up to `zoom`, shift up to
    `shift` pixels), gain (log-uniform up to `gain`) and uniform background (up to `background`) for
    all images of a life; then pixels minus 0.3, times `scale`."""

    scale: float
    rotation: float
    zoom: float
    shift: float
    gain: float
    background: float

    def applied(self, u: Array, pixels: Array) -> Array:
        """The images [..., 64] of a life from pixels in [0, 1] and six numbers u in [-1, 1]."""
        warp = affine(self.rotation * u[0], jnp.exp(self.zoom * u[1]), self.shift * u[2:4])
        warped = pixels @ warp.T
        bright = jnp.exp(self.gain * u[4]) * warped + self.background * (0.5 + 0.5 * u[5])
        return self.scale * (bright - 0.3)


def affine(angle: Array, zoom: Array, shift: Array) -> Array:
    """The 64 x 64 matrix of bilinear interpolation that rotates, zooms and shifts an 8 x 8 image
    about its centre.
    """
    grid = jnp.arange(float(SIDE)) - (SIDE - 1) / 2
    y, x = (axis.reshape(-1) for axis in jnp.meshgrid(grid, grid, indexing="ij"))
    cos, sin = jnp.cos(angle) / zoom, jnp.sin(angle) / zoom
    from_y, from_x = cos * y - sin * x - shift[0], sin * y + cos * x - shift[1]
    hat_y = jnp.maximum(0.0, 1.0 - jnp.abs(from_y[:, None] - grid[None, :]))
    hat_x = jnp.maximum(0.0, 1.0 - jnp.abs(from_x[:, None] - grid[None, :]))
    return (hat_y[:, :, None] * hat_x[:, None, :]).reshape(SIDE * SIDE, SIDE * SIDE)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """(pixels [1797, 64] in [0, 1], labels [1797])."""
    pixels, labels = _bundled.table("digits.csv.gz")
    return pixels / np.float32(16.0), labels
