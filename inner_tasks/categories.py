"""The ten digits in arbitrary groups: a life learns which digits belong together."""

from functools import lru_cache

from jax import Array

from inner_tasks import _digit_images, _groups
from metaplast.registry import register
from metaplast.spec import NonNegative, spec
from metaplast.tasks import Split


@register("task", "categories")
@spec
class Categories(_groups.Grouped):
    """The ten digits of scikit-learn's images fall into `n_groups` arbitrary groups.

    The fields are those of _groups.Grouped, and those of _digit_images.Variation: every life has an
    affine warp, a gain and a background of its own. Chance is 1 / n_groups.

    Images of the splits: the set has 1,797 images of 8 x 8 pixels, 174 to 183 of each digit. Every
    split gets a third of them (58 to 61). So shots + queries is 58 at most.
    Groupings of the splits: two groups of five digits are 126 groupings, 63 for training, 31 for
    validation and 32 held out. 25 groupings lie one swap of two digits from a held-out one, and
    about half of these are training ones. So held-out lives ask for generalisation to new
    groupings, not to distant ones. Five groups of two digits are 945 groupings.
    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
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

    def files(self) -> dict[str, str]:
        return _digit_images.files()

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
