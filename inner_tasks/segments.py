"""Real outdoor image segments in arbitrary groups: which kinds belong together is learned within a
life.
"""

from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from inner_tasks import _bundled, _groups
from metaplast.registry import register
from metaplast.spec import NonNegative, spec
from metaplast.tasks import Split

N_FEATURES, N_CLASSES = 18, 7


@register("task", "segments")
@spec
class Segments(_groups.Grouped):
    """2,310 regions of outdoor photographs, told by 18 features; the seven kinds (brickface,
    cement, foliage, grass, path, sky, window; 330 each) fall into `n_groups` arbitrary groups of
    sizes as equal as possible.

    The fields of _groups.Grouped. Features are standardised by the training rows; a life multiplies
    them all by `scale` and its own gain (log-uniform up to `gain`). Chance is the share of the
    largest group: 4/7 for two groups.
    Splits: of each kind 110 rows for each; two groups of four and three kinds are 35 groupings: 18
    for training, 8 for validation, 9 held out.
    The table comes with the package river (`pip install "metaplast[data]"`) and is read where it
    lies.
    Raises: BadInput (from `sample`) where it is missing. Source: Statlog (Image Segmentation), UCI.
    """

    scale: NonNegative = 1.0
    gain: NonNegative = 0.2

    @property
    def size(self) -> tuple[int, int]:
        return N_FEATURES, N_CLASSES

    def examples(self, split: Split) -> _groups.Examples:
        return _segments(self.split_seed, split)

    def vary(self, u: Array, features: Array) -> Array:
        return self.scale * jnp.exp(self.gain * u[0]) * features


@lru_cache(maxsize=64)
def _segments(split_seed: int, split: Split) -> _groups.Examples:
    features, labels = _bundled.image_segments()
    table, _ = _groups.shared_out(labels, split_seed, "train")
    seen = features[table.reshape(-1)]  # 330 rows of every class: nothing is padded
    standard = (features - seen.mean(axis=0)) / seen.std(axis=0)
    return _groups.Examples(standard, *_groups.shared_out(labels, split_seed, split))
