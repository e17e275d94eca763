"""Cells have to become selective for the orientation of bars."""

import jax
import jax.numpy as jnp
from jax import Array

from inner_tasks._showings import Showings, Sizes
from metaplast.registry import register
from metaplast.signals import Key, pytree
from metaplast.spec import Count, NonNegative, Positive, spec
from metaplast.tasks import SPLITS, Split


@pytree
class Life:
    """One life.

    times [n_showings, n_in]: see _showings.Showings.
    angles [n_judged]: the orientation of every judged bar, in radians from 0 to pi.
    """

    times: Array
    angles: Array


@register("task", "receptive_fields")
@spec
class ReceptiveFields(Showings):
    """Each cell comes to fire for bars of one orientation, wherever they lie.

        c(x, y) = contrast sign exp(-d^2 / (2 width^2)) + noise xi
        d = x cos(theta) + y sin(theta) - offset
        selectivity_j = (a_j^2 + b_j^2 - n_j) / (n_j^2 - n_j)
        a_j = sum_k cos(2 theta_k)                              over its n_j bars
        b_j = sum_k sin(2 theta_k)                              over its n_j bars
        loss = 1 - mean_j selectivity_j

    side: pixels of a side of the square image; x and y are counted from its centre.
    n_out: the number of cells.
    shown: bars with plasticity on. Angle theta is uniform.
    angles: orientations of the judged bars, equally spaced.
    repeats: judged bars of each orientation.
    c: the contrast of a pixel.
    contrast: of the bars.
    sign: 1 for a bright bar, -1 for a dark one, by chance.
    width: of a bar, in pixels.
    reach: offset is uniform in [-reach, reach], in pixels.
    noise: standard deviation of xi ~ N(0, 1) at each pixel.
    theta_k: the angle of bar k, of the judged bars for which cell j fires.
    span, jitter, pause: see _showings.Showings.

    The selectivity is 1 for a cell that fires for one orientation alone. A cell that fires by
    chance, however rarely, has a mean of -1 / (N - 1) for N judged bars. It is the square of the
    length of the mean vector, without its bias (1 / n). A cell that fires for fewer
    than `fewest` judged bars has selectivity 0.
    fewest: judged bars for which a cell has to fire.
    Metrics: `selectivity` (1 - loss), `orientations` (the number of different orientations that
    cells prefer), `silent` (the number of cells below `fewest`), `fired` (judged bars that a cell
    fires for, mean over cells).
    Splits: disjoint streams of the key.
    Source: this library, after Masquelier 2012; the unbiased square is Kutil 2012.
    """

    side: Count = 8
    n_out: Count = 8
    shown: Count = 150
    angles: Count = 8
    repeats: Count = 12
    contrast: Positive = 1.0
    width: Positive = 0.8
    reach: NonNegative = 2.0
    noise: NonNegative = 0.1
    fewest: Count = 3

    def sizes(self) -> Sizes:
        return Sizes(self.side**2, self.n_out, self.shown, self.angles * self.repeats)

    def sample(self, key: Key, split: Split) -> Life:
        split_key = jax.random.fold_in(key, SPLITS.index(split))
        k_angle, k_offset, k_sign, k_noise, k_order, k_jitter = jax.random.split(split_key, 6)
        n_judged = self.angles * self.repeats
        n = self.shown + n_judged
        learned = jnp.pi * jax.random.uniform(k_angle, (self.shown,))
        grid = jnp.pi * jnp.arange(n_judged).astype(float) / n_judged
        step = jnp.pi / self.angles
        judged = jax.random.permutation(k_order, step * jnp.floor(grid / step + 1e-4))
        theta = jnp.concatenate([learned, judged])[:, None]
        offset = self.reach * jax.random.uniform(k_offset, (n, 1), minval=-1.0)
        sign = jax.random.rademacher(k_sign, (n, 1)).astype(float)
        line = jnp.arange(float(self.side)) - (self.side - 1) / 2
        y, x = (axis.reshape(1, -1) for axis in jnp.meshgrid(line, line, indexing="ij"))
        d = x * jnp.cos(theta) + y * jnp.sin(theta) - offset
        bar = self.contrast * sign * jnp.exp(-(d**2) / (2.0 * self.width**2))
        noise = self.noise * jax.random.normal(k_noise, bar.shape)
        return Life(times=self.times(k_jitter, bar + noise), angles=judged)

    def judge(self, task: Life, counts: Array) -> tuple[Array, dict[str, Array]]:
        fired = (counts > 0).astype(counts.dtype)
        n = jnp.sum(fired, axis=0)
        east = jnp.cos(2.0 * task.angles) @ fired
        north = jnp.sin(2.0 * task.angles) @ fired
        enough = n >= max(self.fewest, 2)
        square = (east**2 + north**2 - n) / jnp.maximum(n * (n - 1.0), 1.0)
        selectivity = jnp.where(enough, square, 0.0)
        turn = jnp.arctan2(north, east) / (2.0 * jnp.pi) % 1.0
        preferred = jnp.round(turn * self.angles).astype(int) % self.angles
        taken = jnp.zeros(self.angles).at[preferred].max(enough.astype(counts.dtype))
        metrics = {
            "selectivity": jnp.mean(selectivity),
            "orientations": jnp.sum(taken),
            "silent": jnp.sum(~enough).astype(counts.dtype),
            "fired": jnp.mean(n),
        }
        return 1.0 - jnp.mean(selectivity), metrics
