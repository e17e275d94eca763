"""Persistent evolution strategies: unbiased gradients from parts of a life."""

import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.spec import spec
from outer_loops._windows import AbstractPairs, WindowNoise


@register("outer", "pes")
@spec
class Pes(AbstractPairs):
    """New noise in every window; a window is weighed with all noise since the birth of its life.

        gradient = mean_i (x_i1 + ... + x_ik) (l_i+ - l_i-) / (2 sigma)

    x_ij ~ N(0, 1): the noise of pair i in window j [n_theta]
    k: the present window of the pair
    l_i+, l_i-: the window's part of the loss of a life of either member, times n_windows
    sigma: in units of theta
    population: the number of members, even
    window: steps, a divisor of the steps of a life; 0: the smallest divisor that is at least their
        square root

    At a constant theta, the mean of this over the windows of a life is the gradient of
    E[loss(theta + sigma x_1, ..., theta + sigma x_n)], the loss of a life whose theta is drawn anew
    for each window. The variance grows with the number of windows; `nres` has less where losses are
    smooth. Pairs, first lives and lives that blow up: see `AbstractPairs`. optimiser, schedule,
    clip: see `AbstractDescent`.

    Metrics:
    `loss`: of a whole life, each window of it as last lived by anybody.
    `lives`: the steps lived, in whole lives, of members x tasks.

    Raises:
        BadInput: an odd population, a theta with nothing to learn, a window that does not divide a
            life, or an objective that is no sum over steps.

    Source: Vicol, Metz & Sohl-Dickstein 2021.
    """

    def noise(self, drawn: Array, kept: Array, due: Array) -> WindowNoise:
        return WindowNoise(acting=drawn, weight=drawn + jnp.where(due, 0.0, kept))
