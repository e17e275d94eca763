"""A rule that is a small neural network, the same at every synapse."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Le, MinLen
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.grammar import SIGNALS, Product, parse, read
from metaplast.registry import BadInput, register
from metaplast.rules.base import AbstractRule, KernelRule, at_all_synapses
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import Count, Natural, NonNegative, Positive, spec

Nonlinearity = Literal["tanh", "leaky_relu"]
Output = Literal["linear", "tanh"]

NONLINEAR: dict[str, Callable[[Array], Array]] = {
    "linear": lambda h: h,
    "tanh": jnp.tanh,
    "leaky_relu": lambda h: jnp.where(h > 0, h, 0.01 * h),
}

# The largest number of weights that the forward pass writes out one by one. Seconds to compile and
# millions of synapses a second, as matrix products and written out (784 x 128 synapses, tanh, one
# core with AVX-512, JAX 0.10.2): 64 weights .3, 77 and .3, 166; 320 weights .3, 35 and .8, 60; 672
# weights .4, 22 and 1.4, 35; 1152 weights .3, 14 and 2.3, 22.
UNROLLED = 700

# The number of synapses at a time in a derivative on a CPU: the hidden layers of a block, and their
# slopes, stay in the cache. CPU ms of a gradient of 784 x 128 synapses, 3-16-16-1, 20 steps, by the
# block (one core, L2 of 1 MB): 1024 151, 2048 145, 4096 175, all at once 198. The scratch memory
# falls from 31 to 8 MB.
BLOCK = 2048


@register("rule", "mlp")
@spec
class Mlp(KernelRule):
    """A network of layers at the synapse.

        (o, u) = MLP(inputs, s)
        s <- lambda s + (1 - lambda) tanh(u)
        lambda = exp(-dt/tau)
        delta_w = rate g(o)

    inputs: names of signals as in language/grammar.py (`pre`, `post`, `weight`, `error`,
        `modulator.<channel>`), each a scalar at one synapse.
    hidden: sizes of the hidden layers.
    nonlinearity: of the hidden layers. `leaky_relu` is h for h > 0, and 0.01 h otherwise.
    output: g. `linear` is the identity; `tanh` keeps one change within the rate.
    n_state: the number of states s on the synapse.
    tau: time constant of the states, in seconds.
    rate: of the unit of one change, so that an output of 0.1 matters.
    scale: size of the weights of the last layer at the start.
    o, u: linear outputs, [] and [n_state].

    theta: {layer_k: {weight [n_out, n_in], bias [n_out]}}. Weights of a hidden layer are drawn from
        N(0, 1 / n_in), those of the last layer from N(0, scale^2 / n_in); biases are 0.
    State: s_0 .. s_(n_state-1) on the synapse, 0 at birth. Clock `event`.
    Limits: hidden = () is a linear rule. n_state = 0 has no memory. A bias lets the weight change
    without any input.

    Raises: BadInput for an unknown signal, or a product where one signal is meant.
    Source: after Bengio, Bengio & Cloutier 1991, who learn the parameters of a local rule.
    """

    inputs: Annotated[tuple[str, ...], MinLen(1)] = ("pre", "post", "weight")
    hidden: tuple[Count, ...] = (16,)
    n_state: Annotated[Natural, Le(1000)] = 0  # each with a name of its own
    tau: Positive = 20e-3
    rate: Positive = 0.1
    scale: NonNegative = 0.1
    nonlinearity: Nonlinearity = "tanh"
    output: Output = "linear"

    def __post_init__(self) -> None:
        for name in self.inputs:
            if parse(name) != (Product(1.0, ((name, 1),)),):
                expected = f"one of {', '.join(SIGNALS)}, modulator.<channel>"
                raise BadInput(f"input {name!r}", expected, "give single signals")
        if len(set(self.inputs)) < len(self.inputs):
            raise BadInput("an input that stands twice", "distinct signals", "remove one")

    @property
    def per_synapse(self) -> bool:
        return False

    @property
    def unused(self) -> frozenset[str]:
        if self.n_state:
            return frozenset()
        return frozenset({"tau"})

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        sizes = (len(self.inputs) + self.n_state, *self.hidden, 1 + self.n_state)
        theta = {}
        for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            gain = self.scale if k == len(self.hidden) else 1.0
            drawn = jax.random.normal(jax.random.fold_in(key, k), (n_out, n_in))
            weight = gain / math.sqrt(n_in) * drawn
            theta[f"layer_{k}"] = {"weight": weight, "bias": jnp.zeros(n_out)}
        return theta

    def embed(self, other: AbstractRule | None, theta: Theta, start: Theta) -> Theta | None:
        """It contains the default, and the rule that changes nothing.

        Nothing changes where the output o has no weights and no bias.
        """
        if other is not None:
            return super().embed(other, theta, start)
        last = f"layer_{len(self.hidden)}"
        silent = {}
        for name, values in start[last].items():
            silent[name] = np.concatenate([np.zeros_like(values[:1]), values[1:]])
        return {**start, last: silent}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        return rule_state(synapse={f"s_{k}": connection.zeros() for k in range(self.n_state)})

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        """The kernel on the arrays of all synapses at once, so that layers are matrix products.

        In a gradient it took .70 of the time of a map over synapses (784 x 128 of them, tanh).
        """
        signals = at_all_synapses(connection, view)
        synaptic, delta = self.kernel(theta, state.synapse, signals, dt)
        delta = jnp.broadcast_to(delta, connection.shape)  # inputs may all be of no synapse
        return replace(state, synapse=synaptic), delta

    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        s = [state[f"s_{k}"] for k in range(self.n_state)]
        signals = [read(name, synapse) for name in self.inputs]
        h = _layers(self.nonlinearity)(theta, jnp.stack(jnp.broadcast_arrays(*signals, *s)))
        keep = math.exp(-dt / self.tau)
        new = dict(state)
        for k in range(self.n_state):
            new[f"s_{k}"] = keep * s[k] + (1.0 - keep) * jnp.tanh(h[1 + k])
        return new, self.rate * NONLINEAR[self.output](h[0])


@lru_cache
def _layers(nonlinearity: Nonlinearity) -> Callable[[Theta, Array], Array]:
    """The layers at all synapses: (theta, inputs [n_in, ...]) -> outputs [n_out + 1, ...].

    The outputs are those of `_stacked`.

    A forward pass writes out every product, because XLA then keeps all of them in registers: no
    hidden layer of all synapses stands in memory. A derivative takes matrix products, of `BLOCK`
    synapses at a time: written out, the gradient of 3-16-16-1 took 13.6 instead of 2.8 s to
    compile, and 1.5 times as long to run as matrix products at all synapses at once.
    """
    squash = NONLINEAR[nonlinearity]

    @jax.custom_jvp
    def layers(theta: Theta, h: Array) -> Array:
        n_weights = sum(layer["weight"].size for layer in theta.values())
        if n_weights <= UNROLLED:
            return _written_out(theta, h, squash)
        return _matrices(theta, h, squash)

    @layers.defjvp
    def _(primals: tuple[Theta, Array], tangents: tuple[Theta, Array]) -> tuple[Array, Array]:
        return jax.jvp(lambda theta, h: _in_blocks(theta, h, squash), primals, tangents)

    return layers


def _matrices(theta: Theta, h: Array, squash: Callable[[Array], Array]) -> Array:
    shape = h.shape[1:]
    h = h.reshape(h.shape[0], -1)
    for k in range(len(theta)):
        layer = theta[f"layer_{k}"]
        h = layer["weight"] @ h + layer["bias"][:, None]
        if k < len(theta) - 1:
            h = squash(h)
    return _stacked([unit.reshape(shape) for unit in h])


def _in_blocks(theta: Theta, h: Array, squash: Callable[[Array], Array]) -> Array:
    """`_matrices`, block by block of synapses; a backward pass computes each block again."""
    shape = h.shape[1:]
    n_synapses = math.prod(shape)
    n_blocks = -(-n_synapses // BLOCK)
    if n_blocks <= 1 or jax.default_backend() != "cpu":
        return _matrices(theta, h, squash)
    size = -(-n_synapses // n_blocks)
    padding = ((0, 0), (0, n_blocks * size - n_synapses))
    padded = jnp.pad(h.reshape(h.shape[0], -1), padding)
    blocks = jnp.moveaxis(padded.reshape(-1, n_blocks, size), 1, 0)

    @partial(jax.checkpoint, prevent_cse=False)
    def outputs(block: Array) -> Array:
        return _matrices(theta, block, squash)[:-1]

    out = jnp.moveaxis(jax.lax.map(outputs, blocks), 0, 1)
    out = out.reshape(out.shape[0], -1)[:, :n_synapses]
    return _stacked([unit.reshape(shape) for unit in out])


def _written_out(theta: Theta, h: Array, squash: Callable[[Array], Array]) -> Array:
    units = list(h)
    for k in range(len(theta)):
        weight, bias = theta[f"layer_{k}"]["weight"], theta[f"layer_{k}"]["bias"]
        sums = []
        for o in range(weight.shape[0]):
            total = weight[o, 0] * units[0]
            for i in range(1, len(units)):
                total = total + weight[o, i] * units[i]
            sums.append(total + bias[o])
        if k < len(theta) - 1:
            sums = list(map(squash, sums))
        units = sums
    return _stacked(units)


def _stacked(units: list[Array]) -> Array:
    """The units, and the first of them once more.

    custom_jvp asks that both forms have the axis of a vmap at one place. A concatenation of two
    arrays and more puts it first.
    """
    return jnp.stack([*units, units[0]])
