"""Fixed random matrices that carry errors back, and the walk that skips all layers in between."""

import math

import jax
from jax import Array

from metaplast.signals import Key
from metaplast.wiring import Wiring

Matrices = dict[str, Array]


def along_edges(wiring: Wiring, key: Key, gain: float) -> Matrices:
    """Random matrices B ~ N(0, gain^2 / fan-in) for every edge that returns credit, 0 off a mask.

    One flat draw is cut into pieces: each separate draw would cost about 0.3 s of compilation.

    Returns:
        {edge: B in the layout of its connection}; other edges have none (`Wiring.returns`).

    Args:
        wiring: the graph.
        key: the key of the draw.
        gain: the scale of B.
    """
    edges = [e for e in wiring.edges if wiring.returns(e)]
    sizes = [math.prod(edge.connection.shape) for edge in edges]
    flat = jax.random.normal(key, (sum(sizes),))
    back = {}
    start = 0
    for edge, size in zip(edges, sizes, strict=True):
        mask = edge.connection.mask()
        scale = gain / math.sqrt(edge.connection.fan_in)
        drawn = scale * flat[start : start + size].reshape(edge.connection.shape)
        if mask.ndim:
            drawn = drawn * mask
        back[edge.name] = drawn
        start += size
    return back


def from_output(wiring: Wiring, key: Key, gain: float) -> Matrices:
    """Random matrices B ~ N(0, gain^2 / n_out) for every population but the output.

    They are cut from one flat draw.

    Returns:
        {population: B [n, n_out]}.

    Args:
        wiring: the graph.
        key: the key of the draw.
        gain: the scale of B.
    """
    n_out = wiring.output.n
    below = [p for p in wiring.populations if p != wiring.output]
    n_below = sum(p.n for p in below)
    flat = gain / math.sqrt(n_out) * jax.random.normal(key, (n_below, n_out))
    back = {}
    start = 0
    for population in below:
        back[population.name] = flat[start : start + population.n]
        start += population.n
    return back


def jump(back: Matrices, signal: Array) -> dict[str, Array]:
    """The signals L_l = B_l signal of every population that has a B.

    Args:
        back: population -> B [n, n_out].
        signal: [n_out].
    """
    return {name: matrix @ signal for name, matrix in back.items()}
