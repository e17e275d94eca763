"""Image segments in arbitrary groups: a life learns which kinds of surface belong together."""

from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from inner_tasks import _bundled, _groups
from metaplast.registry import register
from metaplast.spec import NonNegative, spec
from metaplast.tasks import Split

N_FEATURES = 18
N_CLASSES = 7


@register("task", "segments")
@spec
class Segments(_groups.Grouped):
    """The seven kinds of outdoor image segments fall into `n_groups` arbitrary groups.

    scale: factor of all features.
    gain: a life has its own factor of all features, log-uniform up to this.

    The other fields are those of _groups.Grouped. The table has 2,310 regions of photographs with
    18 features, 330 of each kind: brickface, cement, foliage, grass, path, sky, window. Features
    are standardised by the training rows. Chance is the share of the largest group: 4/7 for two
    groups.

    Splits: each gets 110 rows of every kind. Two groups of four and three kinds are 35 groupings,
    18 for training, 8 for validation and 9 held out.
    The table comes with the package river (`pip install "metaplast[data]"`) and is read from its
    folder.
    Source: Statlog (Image Segmentation), UCI.

    Raises: BadInput (from `sample`) where the table is missing.
    """

    scale: NonNegative = 1.0
    gain: NonNegative = 0.2

    @property
    def size(self) -> tuple[int, int]:
        return N_FEATURES, N_CLASSES

    def files(self) -> dict[str, str]:
        return _bundled.files_of_segments()

    def examples(self, split: Split) -> _groups.Examples:
        return _segments(self.split_seed, split)

    def vary(self, u: Array, features: Array) -> Array:
        return self.scale * jnp.exp(self.gain * u[0]) * features


@lru_cache(maxsize=64)
def _segments(split_seed: int, split: Split) -> _groups.Examples:
    """The segments of a split, standardised by the training rows."""
    features, labels = _bundled.image_segments()
    table, _ = _groups.shared_out(labels, split_seed, "train")
    train = features[table.reshape(-1)]  # every class has as many rows: nothing is padded
    standard = (features - train.mean(axis=0)) / train.std(axis=0)
    return _groups.Examples(standard, *_groups.shared_out(labels, split_seed, split))
