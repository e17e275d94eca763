"""Noise-reuse evolution strategies: unbiased gradients from parts of a life, with one noise."""

import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.spec import spec
from outer_loops._windows import AbstractPairs, WindowNoise


@register("outer", "nres")
@spec
class Nres(AbstractPairs):
    """A pair keeps its noise for a whole life, and every window of the life is weighed with it.

        gradient = mean_i x_i (l_i+ - l_i-) / (2 sigma)

    x_i ~ N(0, 1): the noise of pair i, drawn at the birth of a life [n_theta]
    l_i+, l_i-: the present window's part of the loss of a life of either member, times n_windows

    At a constant theta, the mean of this over the windows of a life is the gradient of
    E[loss(theta + sigma x)], the one of evolution strategies over whole lives. Its variance is less
    than in `pes` where the losses of a life's windows rise and fall with theta together. sigma,
    population, window, metrics, sources of BadInput: see `pes`.

    Source: Li, Harrison, Sohl-Dickstein, Smith & Metz 2023.
    """

    def noise(self, drawn: Array, kept: Array, due: Array) -> WindowNoise:
        noise = jnp.where(due, drawn, kept)
        return WindowNoise(acting=noise, weight=noise)
