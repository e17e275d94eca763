"""Competing cells have to tell digits apart without labels."""

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks import _digit_images
from inner_tasks._showings import Showings, Sizes
from metaplast.registry import register
from metaplast.signals import Key, pytree
from metaplast.spec import Count, spec
from metaplast.tasks import SPLITS, Split


@pytree
class Life:
    """One life.

    times [n_showings, n_in]: see _showings.Showings.
    labels [n_judged, n_classes]: 1 at the class of a judged showing, else 0.
    """

    times: Array
    labels: Array


@register("task", "winner_take_all")
@spec
class WinnerTakeAll(Showings):
    """Each cell comes to fire for one of `n_classes` digits, which it is never told.

        purity_j = own_j / n_j
        loss = 1 - mean_c mean_j purity_j                           over the cells j of class c

    n_j: spikes of cell j for the asked images.
    own_j: those for the images of its class.
    n_classes: digits of a life, drawn from the ten.
    n_out: the number of cells.
    shots: images of each digit that are shown, with plasticity on.
    passes: how often each of them is shown, in a new order each time.
    named: images of each digit that give each cell its class: the one of most of its spikes.
    queries: images of each digit that are asked.
    span, jitter, pause: see _showings.Showings.

    The images that give the class and the asked ones are others than the shown ones, and
    plasticity is off for both. A cell is silent where it sends no spike for the asked images. A
    silent cell has no class, and a class without cells counts as purity 0.
    Metrics: `purity` (mean over the cells that are not silent), `pure` (the share of them with a
    purity of 0.8 or more), `classes` (the number of classes that have a cell), `silent` (the
    number of silent cells), `spikes` (of all cells, per asked image).
    Splits: 35, 30 and 35 % of the images of each digit.

    Raises: BadInput (from `sample`) for more images of a digit than a split has.
    Source: this library; the images are those of Alpaydin & Kaynak 1998 (UCI).
    """

    n_classes: Count = 3
    n_out: Count = 6
    shots: Count = 30
    passes: Count = 1
    named: Count = 10
    queries: Count = 12

    @property
    def _n_each(self) -> int:
        return self.shots + self.named + self.queries

    def sizes(self) -> Sizes:
        n_learned = self.n_classes * self.shots * self.passes
        n_judged = self.n_classes * (self.named + self.queries)
        return Sizes(_digit_images.N_PIXELS, self.n_out, n_learned, n_judged)

    def files(self) -> dict[str, str]:
        return _digit_images.files()

    def sample(self, key: Key, split: Split) -> Life:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_draw, k_jitter, k_order = jax.random.split(split_key, 3)
        pixels = _digit_images.drawn(k_draw, split, self.n_classes, self._n_each)
        labels = jnp.broadcast_to(jnp.arange(self.n_classes)[:, None], pixels.shape[:2])
        blocks = []
        starts = [0] * self.passes + [self.shots, self.shots + self.named]
        lengths = [self.shots] * self.passes + [self.named, self.queries]
        for k, start, length in zip(
            jax.random.split(k_order, len(starts)), starts, lengths, strict=True
        ):
            order = jax.random.permutation(k, self.n_classes * length)
            images = pixels[:, start : start + length].reshape(-1, pixels.shape[2])[order]
            blocks.append((images, labels[:, start : start + length].reshape(-1)[order]))
        shown = jnp.concatenate([images for images, _ in blocks])
        judged = jnp.concatenate([classes for _, classes in blocks[self.passes :]])
        return Life(
            times=self.times(k_jitter, _digit_images.contrast(shown)),
            labels=jax.nn.one_hot(judged, self.n_classes, dtype=shown.dtype),
        )

    def judge(self, task: Life, counts: Array) -> tuple[Array, dict[str, Array]]:
        n_named = self.n_classes * self.named
        by_class = counts[:n_named].T @ task.labels[:n_named]
        asked = counts[n_named:].T @ task.labels[n_named:]
        spikes = jnp.sum(asked, axis=1)
        fires = (spikes > 0).astype(counts.dtype)
        known = (jnp.sum(by_class, axis=1) > 0).astype(counts.dtype)
        its_class = jax.nn.one_hot(jnp.argmax(by_class, axis=1), self.n_classes, dtype=counts.dtype)
        its_class = its_class * (fires * known)[:, None]
        purity = jnp.sum(its_class * asked, axis=1) / jnp.maximum(spikes, 1.0)
        n_of_class = jnp.sum(its_class, axis=0)
        of_class = purity @ its_class / jnp.maximum(n_of_class, 1.0)
        n_firing = jnp.maximum(jnp.sum(fires), 1.0)
        metrics = {
            "purity": jnp.sum(purity) / n_firing,
            "pure": jnp.sum((purity >= 0.8).astype(counts.dtype)) / n_firing,
            "classes": jnp.sum(n_of_class > 0).astype(counts.dtype),
            "silent": self.n_out - jnp.sum(fires),
            "spikes": jnp.sum(spikes) / (self.n_classes * self.queries),
        }
        return 1.0 - jnp.mean(of_class), metrics
