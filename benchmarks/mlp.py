"""W5: the rule `mlp`, a network 3-16-16-1 at every one of 784 x 128 synapses, for 20 steps.

It runs forward and as a gradient, with two nonlinearities. The plain scripts write the same life in
JAX: `products` with every product written out, `matrices` with matrix products at all synapses at
once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks._measure import Side, compare, first_call
from benchmarks.evolution import LayeredStream
from metaplast.genomes.given import Given
from metaplast.life.lifetime import Lifetime, Slot
from metaplast.networks.feedforward import Feedforward
from metaplast.neurons.tanh import Tanh
from metaplast.objectives.mean_loss import MeanLoss
from metaplast.problem.meta_problem import MetaProblem
from metaplast.rules.mlp import Mlp, Nonlinearity

N_PRE, N_POST, STEPS, HIDDEN, RATE = 784, 128, 20, (16, 16), 1e-3
SQUASH: dict[Nonlinearity, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "leaky_relu": lambda h: jnp.where(h > 0, h, 0.01 * h),
}


def problem(
    nonlinearity: Nonlinearity, sizes: tuple[int, int] = (N_PRE, N_POST), n_steps: int = STEPS
) -> MetaProblem:
    """The framework's side.

    Args:
        nonlinearity: of the hidden layers.
        sizes: numbers of presynaptic and postsynaptic neurons.
        n_steps: the length of a life.
    """
    rule = Mlp(hidden=HIDDEN, nonlinearity=nonlinearity, output="tanh", rate=RATE, scale=1.0)
    lifetime = Lifetime(
        task=LayeredStream(sizes=sizes, n_steps=n_steps),
        network=Feedforward(hidden=(), output=Tanh()),
        genome=Given(),
        slots=(Slot(rule=rule),),
    )
    return MetaProblem(lifetime, MeanLoss(), life_clip=0.0)


def products(layers: list[Any], squash: Callable[..., Array], units: list[Array]) -> Array:
    """The layers at all synapses as one chain of elementwise operations."""
    for k, (weight, bias) in enumerate(layers):
        sums = []
        for o in range(weight.shape[0]):
            total = sum(weight[o, i] * units[i] for i in range(len(units)))
            sums.append(total + bias[o])
        units = sums if k == len(layers) - 1 else [squash(total) for total in sums]
    return jnp.tanh(units[0])


def matrices(layers: list[Any], squash: Callable[..., Array], units: list[Array]) -> Array:
    """The layers at all synapses as matrix products."""
    shape = jnp.broadcast_shapes(*(unit.shape for unit in units))
    h = jnp.stack([jnp.broadcast_to(unit, shape).ravel() for unit in units])
    for k, (weight, bias) in enumerate(layers):
        h = weight @ h + bias[:, None]
        h = h if k == len(layers) - 1 else squash(h)
    return jnp.tanh(h[0]).reshape(shape)


def life(
    form: Callable[..., Array],
    squash: Callable[..., Array],
    checkpoint: bool,
    layers: list[Any],
    weights: Array,
    inputs: Array,
) -> Array:
    """The mean loss of one life [post, pre]."""

    def step(w: Array, x: Array) -> tuple[Array, Array]:
        y = jnp.tanh(w @ x)
        change = RATE * form(layers, squash, [x[None, :], y[:, None], w])
        return jnp.clip(w + change, -10.0, 10.0), jnp.mean(y * y)

    body = jax.checkpoint(step, prevent_cse=False) if checkpoint else step
    return jnp.mean(lax.scan(body, weights, inputs)[1])


def layers_of(rule_theta: Any) -> list[Any]:
    """The weight and the bias of every layer."""
    return [(layer["weight"], layer["bias"]) for _, layer in sorted(rule_theta.items())]


def rows() -> None:
    """W5: both nonlinearities, forward and as a gradient."""
    updates = N_PRE * N_POST * STEPS
    for nonlinearity, squash in SQUASH.items():
        world = problem(nonlinearity)
        sample = jax.jit(world.sample, static_argnums=(1, 2))
        batch = sample(jax.random.key(0), 1, "train")
        theta = jax.tree.map(lambda leaf: leaf + 0.01, world.init(jax.random.key(1)))
        weights = batch.tasks.weights["input_to_output"][0]
        args = (layers_of(theta["rules"]["rule"]), weights, batch.tasks.inputs[0])

        member = jax.tree.map(lambda leaf: leaf[None], theta)
        losses = jax.jit(lambda theta, batch, world=world: world.losses(theta, batch)[0])
        ours = Side("", losses, (member, batch))
        first = first_call(ours)
        plain = jax.jit(partial(life, products, squash, False))
        theirs = Side("products written out", plain, args)
        np.testing.assert_allclose(ours.run()[0], theirs.run(), rtol=1e-5)
        compare(f"W5 forward, {nonlinearity}", ours, theirs, updates, first)

        gradient = jax.jit(lambda theta, batch, world=world: world.value_and_grad(theta, batch)[:2])
        ours = Side("", gradient, (theta, batch))
        first = first_call(ours)
        for checkpoint in (False, True):
            plain = jax.jit(jax.value_and_grad(partial(life, matrices, squash, checkpoint)))
            name = "matrices, steps checkpointed" if checkpoint else "matrices"
            theirs = Side(name, plain, args)
            slope = ours.run()[1]["rules"]["rule"]["layer_0"]["weight"]
            wanted = theirs.run()[1][0][0]
            np.testing.assert_allclose(slope, wanted, rtol=2e-3, atol=1e-4 * np.abs(wanted).max())
            compare(f"W5 gradient, {nonlinearity}", ours, theirs, updates, first)
