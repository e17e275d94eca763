"""Few-shot learning on synthetic classes."""

import jax
import jax.numpy as jnp

from inner_tasks import _few_shot
from metaplast.registry import register
from metaplast.signals import Key, TaskShape
from metaplast.spec import Count, NonNegative, Probability, spec
from metaplast.tasks import SPLITS, Split

NOISE = 4
"""The key of the added noise, in that of a split: the examples have 0 to 3."""


@register("task", "prototypes")
@spec
class Prototypes(_few_shot.FewShot):
    """Each class is a mixture of `n_prototypes` points; an example is one of them plus noise.

        x = prototype + N(0, noise^2)
        prototype ~ N(0, spread^2)

    n_in: the number of inputs.
    n_classes: classes of a life, and so the outputs.
    n_prototypes: points of a class.
    spread: standard deviation of the prototypes.
    noise: standard deviation of an example around its prototype.
    shots: examples of each class that are shown.
    queries: other examples of each class, asked with plasticity off.
    x [n_in]: an example; each prototype of its class is as likely.
    blocks, label_noise, input_noise: see _few_shot.Difficulty.

    The splits draw from disjoint streams of the key, so no prototype is ever shared.

    Raises: BadInput for unequal blocks.
    Source: this library.
    """

    n_in: Count = 24
    n_classes: Count = 5
    n_prototypes: Count = 2
    spread: NonNegative = 0.7
    noise: NonNegative = 0.5
    shots: Count = 20
    queries: Count = 10
    blocks: Count = 1
    label_noise: Probability = 0.0
    input_noise: NonNegative = 0.0

    def __post_init__(self) -> None:
        _few_shot.check_blocks(self.n_classes, self.blocks)

    def shape(self) -> TaskShape:
        return _few_shot.shape(self.n_in, self.n_classes, self.shots, self.queries)

    def sample(self, key: Key, split: Split) -> _few_shot.Stream:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_proto, k_which, k_noise, k_order = jax.random.split(split_key, 4)
        n_each = self.shots + self.queries
        prototypes = self.spread * jax.random.normal(
            k_proto, (self.n_classes, self.n_prototypes, self.n_in)
        )
        which = jax.random.randint(k_which, (self.n_classes, n_each), 0, self.n_prototypes)
        centres = jnp.take_along_axis(prototypes, which[:, :, None], axis=1)
        inputs = centres + self.noise * jax.random.normal(
            k_noise, (self.n_classes, n_each, self.n_in)
        )
        u_order = jax.random.uniform(k_order, (self.n_classes * n_each,))
        stream = _few_shot.shuffled(u_order, inputs, self.shots, self.blocks)
        # `key` itself would give the noise of a validation life the keys of its examples.
        return _few_shot.harder(
            jax.random.fold_in(split_key, NOISE),
            stream,
            self.n_classes * self.shots,
            self.n_classes,
            self.difficulty,
        )

    @property
    def difficulty(self) -> _few_shot.Difficulty:
        return _few_shot.Difficulty(self.blocks, self.label_noise, self.input_noise)
