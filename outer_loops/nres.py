"""Noise-reuse evolution strategies: unbiased gradients from parts of a life, one noise for all of
it.
"""

import jax.numpy as jnp
from jax import Array

from metaplast.registry import register
from metaplast.spec import spec
from outer_loops._windows import AbstractPairs


@register("outer", "nres")
@spec
class Nres(AbstractPairs):
    """A pair keeps its noise for a whole life; the loss of every window of it is weighed with that
    noise.

        gradient = mean over pairs of  x (l+ - l-) / (2 sigma),      x ~ N(0, 1),
            drawn at the birth of a life

    l: the present window's part of the loss of a life, times n_windows. At a constant theta the
    mean of this over the windows of a life is the gradient of E[loss(theta + sigma x)], that of
    evolution strategies over whole lives. Its variance is less than that of `pes` where the losses
    of a life's windows rise and fall with theta together. sigma, population, window, metrics,
    sources of BadInput: as in `pes`.
    Source: Li, Harrison, Sohl-Dickstein, Smith & Metz 2023.
    """

    def noise(self, drawn: Array, kept: Array, due: Array) -> tuple[Array, Array]:
        noise = jnp.where(due, drawn, kept)
        return noise, noise
