"""Print bias and variance of four ways to take a gradient through spikes that are drawn.

    python -m benchmarks.estimators
    python -m benchmarks.estimators --seed 1

A network of stochastic units, 4-3-2, reads four bits, and its two outputs are a number of two bits:
how many of the inputs are on (at most three).

    loss = (2 z_1 + z_2 - count)^2

The expected loss is a sum over all 2^5 states of the units, and so is its gradient with respect to
the 18 weights. A draw of an estimator shows each of the 15 patterns once. With g the exact
gradient and e a draw:

    bias = |E[e] - g| / |g|
    variance = E[|e - E[e]|^2] / |g|^2
    cosine = E[e] . g / (|E[e]| |g|)
    error = sqrt(bias^2 + variance / 100)          of the mean of 100 draws
"""

import argparse
import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from metaplast.networks import base as networks
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.stochastic import Stochastic
from metaplast.results.statistics import student
from metaplast.signals import NeuronView, Synapses
from metaplast.wiring import Wiring

Weights = Mapping[str, Array]
Loss = Callable[[Array, Array], Array]
Estimator = Callable[[Weights, Array], Weights]

HIDDEN = (3,)
N_OUT = 2
DT = 1e-3
N_BATCHES = 50
BATCH = 2000
MEAN_OF = 100
TEMPERATURES = (0.1, 0.3, 1.0, 3.0)


def unit(**fields: Any) -> Stochastic:
    """A unit that spikes with the probability 1 / (1 + exp(-v)) of its drive v.

    fields: its surrogate and the numbers of that.
    """
    return Stochastic(tau_m=0.0, noise="sigmoid", threshold=0.0, width=1.0, **fields)


UNIT = unit()


def patterns() -> np.ndarray:
    """The patterns of four bits that are not all on [15, 4]."""
    return np.asarray(list(itertools.product((0.0, 1.0), repeat=4)))[:-1]


def counting(output: Array, pattern: Array) -> Array:
    """(2 z_1 + z_2 - count)^2 [...] of outputs z [..., 2]; count: the inputs of the pattern [4]."""
    return (2.0 * output[..., 0] + output[..., 1] - jnp.sum(pattern)) ** 2


def wiring_of(cell: Stochastic, hidden: tuple[int, ...] = HIDDEN) -> Wiring:
    """The wiring of the network whose hidden units and outputs are of one kind."""
    return Feedforward(hidden=hidden, neuron=cell, output=cell).wiring({"input": 4}, N_OUT)


def drawn_weights(seed: int, hidden: tuple[int, ...] = HIDDEN) -> Weights:
    """Weights ~ N(0, 1): {edge: [n_post, n_pre]}."""
    rng = np.random.default_rng(seed)
    weights = {}
    for edge in wiring_of(UNIT, hidden).edges:
        shape = edge.connection.n_post, edge.connection.n_pre
        weights[edge.name] = jnp.asarray(rng.normal(size=shape))
    return weights


def expected_loss(
    weights: Weights, loss: Loss = counting, hidden: tuple[int, ...] = HIDDEN
) -> Array:
    """The mean over patterns of E[loss], over every state of every layer.

        P(next) = sum_last P(last) prod_j p_j(last)^next_j (1 - p_j(last))^(1 - next_j)

    Args:
        weights: of the edges.
        loss: (output, pattern) -> loss.
        hidden: the sizes of the hidden layers.
    """
    edges = wiring_of(UNIT, hidden).edges

    def of_pattern(pattern: Array) -> Array:
        states = pattern[None]
        chance = jnp.ones(1)
        for edge in edges:
            p = jax.nn.sigmoid(states @ weights[edge.name].T)[:, None]
            states = jnp.asarray(list(itertools.product((0.0, 1.0), repeat=edge.connection.n_post)))
            chance = chance @ jnp.prod(jnp.where(states > 0, p, 1.0 - p), axis=2)
        return chance @ loss(states, pattern)

    return jnp.mean(jax.vmap(of_pattern)(jnp.asarray(patterns())))


def exact_gradient(
    weights: Weights, loss: Loss = counting, hidden: tuple[int, ...] = HIDDEN
) -> Weights:
    """d E[loss] / d weights."""
    return jax.jit(jax.grad(partial(expected_loss, loss=loss, hidden=hidden)))(weights)


def backward(
    cell: Stochastic, loss: Loss = counting, hidden: tuple[int, ...] = HIDDEN
) -> Estimator:
    """The gradient of the loss of one draw, through the derivative of the unit's own spikes."""
    wiring = wiring_of(cell, hidden)

    def of_draw(weights: Weights, pattern: Array, key: Array) -> Array:
        return loss(_views(wiring, weights, pattern, key)["output"].activity, pattern)

    return partial(_mean_over_patterns, jax.grad(of_draw))


def score_function(
    baseline: bool, loss: Loss = counting, hidden: tuple[int, ...] = HIDDEN
) -> Estimator:
    """(loss - b) score_j pre_i at each synapse.

    Args:
        baseline: whether b is the loss of another draw; otherwise it is 0.
        loss: (output, pattern) -> loss.
        hidden: the sizes of the hidden layers.
    """
    wiring = wiring_of(UNIT, hidden)

    def of_draw(weights: Weights, pattern: Array, key: Array) -> Weights:
        first, second = jax.random.split(key)
        views = _views(wiring, weights, pattern, first)
        surplus = loss(views["output"].activity, pattern)
        if baseline:
            other = _views(wiring, weights, pattern, second)
            surplus = surplus - loss(other["output"].activity, pattern)
        return {
            edge.name: surplus * jnp.outer(views[edge.post].score, views[edge.pre].activity)
            for edge in wiring.edges
        }

    return partial(_mean_over_patterns, of_draw)


def estimators() -> dict[str, Estimator]:
    """The estimators of the table."""
    found = {
        "score function": score_function(False),
        "score function, baseline": score_function(True),
        "straight-through": backward(UNIT),
    }
    for slope in (1.0, 25.0):
        found[f"surrogate, superspike of slope {slope:g}"] = backward(
            unit(surrogate="superspike", slope=slope)
        )
    for output in ("spikes", "relaxed"):
        for temperature in TEMPERATURES:
            cell = unit(surrogate="concrete", temperature=temperature, output=output)
            found[f"Gumbel, {output}, temperature {temperature:g}"] = backward(cell)
    return found


def _views(wiring: Wiring, weights: Weights, pattern: Array, key: Array) -> dict[str, NeuronView]:
    """The views of every population in one step of the network."""
    synapses = {name: Synapses(weight=w, mask=jnp.ones(())) for name, w in weights.items()}
    rest = networks.init_state(wiring, {}, DT)
    stimulus = {"input": pattern}
    return networks.step(wiring, {}, synapses, rest, stimulus, DT, key)[1].views


def _mean_over_patterns(
    of_draw: Callable[[Weights, Array, Array], Weights], weights: Weights, key: Array
) -> Weights:
    """One draw of an estimator: the mean over patterns, each with noise of its own."""
    shown = jnp.asarray(patterns())
    keys = jax.random.split(key, len(shown))
    each = jax.vmap(of_draw, in_axes=(None, 0, 0))(weights, shown, keys)
    return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)


class Moments(NamedTuple):
    """What many draws of an estimator tell.

    means [n_batches, n]: the mean of each batch.
    variance: the sum over weights of the variance of one draw.
    """

    means: np.ndarray
    variance: float


def moments(
    estimator: Estimator, weights: Weights, n_batches: int = N_BATCHES, batch: int = BATCH
) -> Moments:
    """The moments of n_batches times `batch` draws; batch k has the keys of fold_in(key(0), k)."""

    @jax.jit
    def of_batch(index: Array) -> tuple[Array, Array]:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), index), batch)
        draws = jax.vmap(lambda key: ravel_pytree(estimator(weights, key))[0])(keys)
        return jnp.mean(draws, axis=0), jnp.sum(jnp.var(draws, axis=0, ddof=1))

    means, variances = zip(*map(of_batch, np.arange(n_batches)), strict=True)
    return Moments(np.asarray(means), float(np.mean(variances)))


class Quality(NamedTuple):
    """An estimator against the exact gradient.

    bias, low, high: the relative bias and its 95 % interval.
    variance: of one draw, relative to the squared norm of the gradient.
    cosine: between the mean of all draws and the gradient.
    error: relative error of the mean of MEAN_OF draws.
    """

    bias: float
    low: float
    high: float
    variance: float
    cosine: float
    error: float


def quality(found: Moments, exact: Weights) -> Quality:
    """The quality of an estimator.

        bias^2 = mean over pairs of batches a != b of (m_a - g) . (m_b - g) / |g|^2

    Pairs of different batches leave the noise of the means out. The interval is Student's, of the
    pseudo-values that leave one batch out each; where it reaches below 0, no bias was seen.

    Args:
        found: the moments of its draws.
        exact: the exact gradient g.
    """
    gradient = np.asarray(ravel_pytree(exact)[0])
    squared = float(gradient @ gradient)
    off = found.means - gradient
    n = len(off)

    def over_pairs(rows: np.ndarray) -> float:
        total = rows.sum(axis=0)
        return float(total @ total - np.sum(rows**2)) / (len(rows) * (len(rows) - 1) * squared)

    whole = over_pairs(off)
    pseudo = []
    for row in range(n):
        pseudo.append(n * whole - (n - 1) * over_pairs(np.delete(off, row, axis=0)))
    estimate = student(pseudo)
    mean = found.means.mean(axis=0)
    variance = found.variance / squared
    bias = max(whole, 0.0)
    return Quality(
        bias=math.sqrt(bias),
        low=math.sqrt(max(estimate.low, 0.0)),
        high=math.sqrt(max(estimate.high, 0.0)),
        variance=variance,
        cosine=float(mean @ gradient / np.linalg.norm(mean) / math.sqrt(squared)),
        error=math.sqrt(bias + variance / MEAN_OF),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Print bias and variance of four estimators.")
    parser.add_argument("--seed", type=int, default=0, help="of the weights")
    seed = parser.parse_args().seed
    print(f"weights of seed {seed}, {N_BATCHES * BATCH} draws of every estimator")
    print(f"| estimator | bias (95 %) | variance | cosine | error of {MEAN_OF} draws |")
    print("|---|---|---|---|---|")
    with jax.enable_x64(True):
        weights = drawn_weights(seed)
        exact = exact_gradient(weights)
        for name, estimator in estimators().items():
            q = quality(moments(estimator, weights), exact)
            bias = f"{q.bias:.3f} ({q.low:.3f} to {q.high:.3f})"
            print(f"| {name} | {bias} | {q.variance:.3g} | {q.cosine:.3f} | {q.error:.3f} |")


if __name__ == "__main__":
    main()
