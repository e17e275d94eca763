"""Cells have to learn, without labels, features from which a ridge regression reads digits."""

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks import _digit_images
from inner_tasks._showings import Showings, Sizes
from metaplast.registry import register
from metaplast.signals import Key, pytree
from metaplast.spec import Count, spec
from metaplast.tasks import SPLITS, Split

PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""The ridge penalties among which the images of `chosen` choose."""


@pytree
class Life:
    """One life.

    times [n_showings, n_in]: see _showings.Showings.
    pixels [n_read, 64]: the images that the readout sees: fitted, chosen, queries.
    labels [n_read, 10]: 1 at their digit, else 0.
    """

    times: Array
    pixels: Array
    labels: Array


@register("task", "spike_features")
@spec
class SpikeFeatures(Showings):
    """The spike counts of the cells should tell a linear readout which digit was shown.

        W = (X^T X + penalty I)^-1 X^T Y          X, Y less their means over the fitted images

    An asked image with counts x is answered by the digit with the largest entry of x W. The loss is
    1 - accuracy over the asked images.

    n_out: the number of cells.
    shots: images of each of the ten digits that are shown, with plasticity on.
    fitted: of these, images of each digit on which the readout is fitted, shown again with
        plasticity off.
    chosen: other images of each digit, which choose the penalty.
    queries: other images of each digit, which are asked.
    X [10 fitted, n_out]: spike counts.
    Y [10 fitted, 10]: 1 at the digit, else 0.
    penalty: of the ridge: the best of 0.1, 1, 10, 100, 1000 on the images of `chosen`.
    span, jitter, pause: see _showings.Showings.

    All images of the readout are shown twice with plasticity off: as they are, and then with the
    inputs in another order, one order for a life. So the cells see them through shuffled weights:
    each cell keeps its weights, and they belong to other inputs.
    Metrics: `accuracy` (1 - loss), `shuffled` (the accuracy through shuffled weights), `pixels` (of
    the same readout on the pixels themselves), `spikes` (of all cells, per image).
    Splits: 35, 30 and 35 % of the images of each digit.

    Raises: BadInput (from `sample`) for more images of a digit than a split has.
    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
    """

    n_out: Count = 24
    shots: Count = 15
    fitted: Count = 12
    chosen: Count = 5
    queries: Count = 10

    @property
    def _n_each(self) -> int:
        return max(self.shots, self.fitted) + self.chosen + self.queries

    @property
    def _n_read(self) -> int:
        return _digit_images.N_CLASSES * (self.fitted + self.chosen + self.queries)

    def sizes(self) -> Sizes:
        n_learned = _digit_images.N_CLASSES * self.shots
        return Sizes(_digit_images.N_PIXELS, self.n_out, n_learned, 2 * self._n_read)

    def files(self) -> dict[str, str]:
        return _digit_images.files()

    def sample(self, key: Key, split: Split) -> Life:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_draw, k_jitter, k_order, k_shuffle = jax.random.split(split_key, 4)
        n_classes = _digit_images.N_CLASSES
        each = _digit_images.drawn(k_draw, split, n_classes, self._n_each).swapaxes(0, 1)
        n_shown = n_classes * self.shots
        order = jax.random.permutation(k_order, n_shown)
        shown = each[: self.shots].reshape(n_shown, -1)[order]
        first = max(self.shots, self.fitted)
        read = jnp.concatenate([each[: self.fitted], each[first:]])
        pixels = read.reshape(self._n_read, -1)
        contrast = _digit_images.contrast(jnp.concatenate([shown, pixels, pixels]))
        times = self.times(k_jitter, contrast)
        last = times[-self._n_read :]
        shuffled = last[:, jax.random.permutation(k_shuffle, last.shape[1])]
        labels = jnp.tile(jnp.eye(n_classes), (self._n_read // n_classes, 1))
        return Life(
            times=jnp.concatenate([times[: -self._n_read], shuffled]),
            pixels=pixels,
            labels=labels,
        )

    def judge(self, task: Life, counts: Array) -> tuple[Array, dict[str, Array]]:
        plain, shuffled = jnp.split(counts, 2)
        accuracy = self._accuracy(plain, task.labels)
        metrics = {
            "accuracy": accuracy,
            "shuffled": self._accuracy(shuffled, task.labels),
            "pixels": self._accuracy(task.pixels, task.labels),
            "spikes": jnp.mean(jnp.sum(plain, axis=1)),
        }
        return 1.0 - accuracy, metrics

    def _accuracy(self, features: Array, labels: Array) -> Array:
        """The accuracy of the readout of features [n_read, n] on the asked images."""
        n_classes = _digit_images.N_CLASSES
        n_fitted = n_classes * self.fitted
        n_known = n_fitted + n_classes * self.chosen
        x = features - jnp.mean(features[:n_fitted], axis=0, keepdims=True)
        y = labels[:n_fitted] - jnp.mean(labels[:n_fitted], axis=0, keepdims=True)
        gram = x[:n_fitted].T @ x[:n_fitted]
        towards = x[:n_fitted].T @ y
        penalties = jnp.asarray(PENALTIES)
        weights = jax.vmap(
            lambda penalty: jnp.linalg.solve(gram + penalty * jnp.eye(len(gram)), towards)
        )(penalties)
        said = jnp.argmax(x[n_fitted:] @ weights, axis=2)
        digit = jnp.argmax(labels[n_fitted:], axis=1)
        right = (said == digit[None, :]).astype(features.dtype)
        chosen = jnp.mean(right[:, : n_known - n_fitted], axis=1)
        asked = jnp.mean(right[:, n_known - n_fitted :], axis=1)
        return asked[jnp.argmax(chosen)]
