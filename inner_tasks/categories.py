"""The ten digits in arbitrary groups: which digits belong together is learned within a life."""

from functools import lru_cache

from jax import Array

from inner_tasks import _digit_images, _groups
from metaplast.registry import register
from metaplast.spec import NonNegative, spec
from metaplast.tasks import Split


@register("task", "categories")
@spec
class Categories(_groups.Grouped):
    """scikit-learn's 1,797 digits of 8 x 8 pixels; the ten digits fall into `n_groups` arbitrary
    groups.

    The fields of _groups.Grouped, and those of a life's own look: affine warp, gain and background,
    see _digit_images.Variation. Chance is 1 / n_groups.
    Splits: a digit has 174 to 183 images, a third of them (58 to 61) for each split, so shots +
    queries is 58 at most. Two groups of five digits are 126 groupings: 63 for training, 31 for
    validation, 32 held out. Of the 25 groupings that lie one swap of two digits from a held-out
    one, about half are training
    ones: held-out lives ask for generalisation to new groupings, not to distant ones. Five groups
    of two are 945 groupings.
    """

    scale: NonNegative = 2.0
    rotation: NonNegative = 0.3
    zoom: NonNegative = 0.15
    shift: NonNegative = 0.7
    gain: NonNegative = 0.2
    background: NonNegative = 0.1

    @property
    def size(self) -> tuple[int, int]:
        return _digit_images.N_PIXELS, _digit_images.N_CLASSES

    def examples(self, split: Split) -> _groups.Examples:
        return _images(self.split_seed, split)

    def vary(self, u: Array, features: Array) -> Array:
        variation = _digit_images.Variation(
            self.scale, self.rotation, self.zoom, self.shift, self.gain, self.background
        )
        return variation.applied(u, features)


@lru_cache(maxsize=64)
def _images(split_seed: int, split: Split) -> _groups.Examples:
    pixels, labels = _digit_images.digits()
    return _groups.Examples(pixels, *_groups.shared_out(labels, split_seed, split))
