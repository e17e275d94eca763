"""Print the speed of the rule `mlp` beside plain scripts: python -m benchmarks.mlp

W5: a network 3-16-16-1 at every one of 784 x 128 synapses, for STEPS steps of one life, forward and
as a gradient, with two nonlinearities. The plain scripts write the same life in JAX: `products`
with every product written out, `matrices` with matrix products at all synapses at once. CPU seconds
of a pinned core; both sides run in turn, and the median of the pairwise ratios is what to quote.
"""

from benchmarks._pin import pin

if __name__ == "__main__":
    pin()

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.evolution import LayeredStream
from benchmarks.run import compare
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


def scratch(function: Any, *args: Any) -> float:
    """The temporary memory of a compiled function, in MB."""
    return function.lower(*args).compile().memory_analysis().temp_size_in_bytes / 1e6


def main() -> None:
    for nonlinearity, squash in SQUASH.items():
        ours = problem(nonlinearity)
        batch = jax.jit(ours.sample, static_argnums=(1, 2))(jax.random.key(0), 1, "train")
        theta = jax.tree.map(lambda leaf: leaf + 0.01, ours.init(jax.random.key(1)))
        layers = layers_of(theta["rules"]["rule"])
        weights, inputs = batch.tasks.weights["input_to_output"][0], batch.tasks.inputs[0]
        updates = N_PRE * N_POST * STEPS

        member = jax.tree.map(lambda leaf: leaf[None], theta)
        forward = jax.jit(lambda t, b, p=ours: p.losses(t, b)[0])
        plain = jax.jit(partial(life, products, squash, False))
        args = (layers, weights, inputs)
        np.testing.assert_allclose(forward(member, batch)[0], plain(*args), rtol=1e-5)
        print(f"scratch: {scratch(forward, member, batch):.2f}, {scratch(plain, *args):.2f} MB")
        run, other = partial(forward, member, batch), partial(plain, *args)
        compare(f"W5 {nonlinearity}, forward", run, other, updates, "products")

        gradient = jax.jit(lambda t, b, p=ours: p.value_and_grad(t, b)[:2])
        for checkpoint in (False, True):
            plain = jax.jit(jax.value_and_grad(partial(life, matrices, squash, checkpoint)))
            got = gradient(theta, batch)[1]["rules"]["rule"]["layer_0"]["weight"]
            wanted = plain(*args)[1][0][0]
            np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=1e-4 * np.abs(wanted).max())
            print(f"scratch: {scratch(gradient, theta, batch):.1f}, {scratch(plain, *args):.1f} MB")
            run, other = partial(gradient, theta, batch), partial(plain, *args)
            kind = "checkpointed matrices" if checkpoint else "matrices"
            compare(f"W5 {nonlinearity}, gradient", run, other, updates, kind)


if __name__ == "__main__":
    main()
