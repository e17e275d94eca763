"""Small programs on registers, as a rule: their instructions are searched."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.grammar import read
from metaplast.registry import BadInput, register
from metaplast.rules.base import AbstractRule, Mixes
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import Count, Natural, Positive, spec

OPERATIONS = (
    "nothing",
    *("s + s", "s - s", "s * s", "s = number"),
    *("v + v", "v - v", "v * v", "s * v", "v . v", "v = number"),
)
"""What an instruction may do, with scalars s and vectors v."""
RESULTS = {"s * v": "v", "v . v": "s"}
"""The kind of the result, where it is not that of the first argument."""
N_GENES = 5
"""Of an instruction: operation, first and second argument, result, number."""


class Memory(NamedTuple):
    """The registers of every postsynaptic neuron.

    scalars: [n_scalars, n_post].
    vectors: one number for each input of the neuron [n_vectors, *layout of the connection].
    """

    scalars: Array
    vectors: Array


@register("rule", "program")
@spec
class Program(AbstractRule):
    """Every neuron runs a program of a few instructions on scalars and on vectors of its inputs.

        delta_w = v_1 - w

    At birth the neuron runs setup. In every step s_0 is its target, s_1 its activity, v_0 its
    inputs and v_1 its weights w; then it runs learn.

    s_k: a scalar register of the neuron.
    v_k: a vector register of the neuron, with one number for each of its synapses.
    w: the weights onto the neuron.
    setup, learn: the two parts of the program, lists of instructions.

    An instruction writes the result of an operation (`OPERATIONS`) into one register: sums,
    differences and products of scalars or of vectors, number by number; a scalar times a vector;
    the inner product of two vectors; or a number. Registers keep their values between steps. The
    third part of a program of the source, predict, is the network's: the activity of a linear
    neuron is the inner product of w and its inputs.

    theta: {setup [n_setup, 5], learn [n_learn, 5]}: the genes of every instruction. A gene g in
        [0, 1) chooses number floor(g n) of n; genes outside are cut. The last gene is the number
        itself. At the start all genes are 0: no instruction does anything. Only numbers have a
        gradient.

    target: the signal that s_0 holds: `target` or `error`.
    n_setup, n_learn: the most instructions of each part.
    n_scalars, n_vectors: the registers.
    limit: every register stays within this bound on both sides.

    State: the registers, but the four that a step writes. A new trial keeps them.
    Not local: the inner product adds up all inputs of the neuron.
    Limits: `s_2 = s_0 - s_1; s_2 = s_3 s_2; v_2 = s_2 v_0; v_1 = v_1 + v_2`, with a number in s_3,
    is the delta rule.

    Raises: BadInput for fewer than two registers of a kind.
    Source: Real, Liang, So & Le 2020 (AutoML-Zero), of which these are the operations for linear
    regression.
    """

    mixes: ClassVar[Mixes] = "neuron"

    target: str = "target"
    n_setup: Natural = 2
    n_learn: Count = 6
    n_scalars: Count = 4
    n_vectors: Count = 3
    limit: Positive = 1e3

    def __post_init__(self) -> None:
        if self.target not in ("target", "error"):
            raise BadInput(f"target={self.target!r}", "'target' or 'error'", "correct it")
        if min(self.n_scalars, self.n_vectors) < 2:
            what = f"n_scalars={self.n_scalars}, n_vectors={self.n_vectors}"
            raise BadInput(what, "two of each at least", "raise the smaller one")

    @property
    def slow(self) -> frozenset[str]:
        return frozenset(f"s_{k}" for k in range(2, self.n_scalars))

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        sizes = {"setup": self.n_setup, "learn": self.n_learn}
        return {name: jnp.zeros((n, N_GENES)) for name, n in sizes.items()}

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        empty = Memory(
            jnp.zeros((self.n_scalars, connection.n_post)),
            jnp.zeros((self.n_vectors, *connection.shape)),
        )
        return self._kept(self._run(theta["setup"], empty, connection))

    def step(
        self,
        theta: Theta,
        state: RuleState,
        connection: AbstractConnection,
        view: SynapseView,
        dt: float,
    ) -> tuple[RuleState, Array]:
        scalars = [read(self.target, view), view.post.activity]
        scalars += [state.post[f"s_{k}"] for k in range(2, self.n_scalars)]
        inputs = jnp.broadcast_to(connection.at_pre(view.pre.activity), connection.shape)
        vectors = [inputs, view.weight]
        vectors += [state.synapse[f"v_{k}"] for k in range(2, self.n_vectors)]
        memory = Memory(jnp.stack(scalars), jnp.stack(vectors))
        memory = self._run(theta["learn"], memory, connection)
        return self._kept(memory), memory.vectors[1] - view.weight

    def _kept(self, memory: Memory) -> RuleState:
        """The state that holds the registers which no step writes."""
        post = {f"s_{k}": memory.scalars[k] for k in range(2, self.n_scalars)}
        synapse = {f"v_{k}": memory.vectors[k] for k in range(2, self.n_vectors)}
        return rule_state(post=post, synapse=synapse)

    def _run(self, genes: Array, memory: Memory, connection: AbstractConnection) -> Memory:
        """The registers after a list of instructions [n, 5]."""
        for row in range(genes.shape[0]):
            memory = self._instructed(genes[row], memory, connection)
        return memory

    def _instructed(self, genes: Array, memory: Memory, connection: AbstractConnection) -> Memory:
        """The registers after one instruction [5]."""
        operation = chosen(genes[0], len(OPERATIONS))
        scalar = [chosen(genes[k], self.n_scalars) for k in (1, 2, 3)]
        vector = [chosen(genes[k], self.n_vectors) for k in (1, 2, 3)]
        s_a, s_b = memory.scalars[scalar[0]], memory.scalars[scalar[1]]
        v_a, v_b = memory.vectors[vector[0]], memory.vectors[vector[1]]
        spread = jnp.broadcast_to(connection.at_post(s_a), connection.shape)
        number_s = jnp.broadcast_to(genes[4], s_a.shape)
        number_v = jnp.broadcast_to(genes[4], v_a.shape)
        exists = connection.mask()
        inner = connection.reduce_post(exists * v_a * v_b)
        of_scalars = {1: s_a + s_b, 2: s_a - s_b, 3: s_a * s_b, 4: number_s, 9: inner}
        of_vectors = {5: v_a + v_b, 6: v_a - v_b, 7: v_a * v_b, 8: spread * v_b, 10: number_v}
        scalars = _written(memory.scalars, operation, scalar[2], of_scalars, self.limit)
        vectors = _written(memory.vectors, operation, vector[2], of_vectors, self.limit)
        return Memory(scalars, vectors)


def chosen(gene: Array, n: int) -> Array:
    """The number in 0, ..., n - 1 that a gene in [0, 1) chooses []."""
    return jnp.clip(jnp.floor(gene * n), 0, n - 1).astype(jnp.int32)


def _written(
    registers: Array, operation: Array, place: Array, results: dict[int, Array], limit: float
) -> Array:
    """The registers after an operation whose result goes to a place.

    Args:
        registers: [n, ...].
        operation: the number of the operation [].
        place: the register that gets the result [].
        results: {operation: its result [...]}.
        limit: of a register.
    """
    value = registers[place]
    for number, result in results.items():
        value = jnp.where(operation == number, result, value)
    at_place = jnp.arange(registers.shape[0], dtype=jnp.int32) == place
    at_place = at_place.reshape(-1, *(1 for _ in registers.shape[1:]))
    return jnp.where(at_place, jnp.clip(value, -limit, limit)[None], registers)


def genes_of(rule: Program, line: str) -> list[float]:
    """The genes of an instruction, such as `s_2 = s_0 - s_1`, `s_3 = v_0 . v_1` or `s_2 = 0.5`.

    Args:
        rule: the form of the program.
        line: the instruction.

    Raises: BadInput for text that is no instruction of this form.
    """
    to, _, work = (part.strip() for part in line.partition("="))
    words = work.split()
    if len(words) == 1:
        operation = f"{to[:1]} = number"
        arguments, number = [], words[0]
    else:
        operation = " ".join([words[0][:1], words[1], words[2][:1]]) if len(words) == 3 else ""
        arguments, number = [words[0], words[2]] if operation else [], "0"
    registers = [*arguments, *["s_0"] * (2 - len(arguments)), to]
    sizes = {"s": rule.n_scalars, "v": rule.n_vectors}
    try:
        genes = [(OPERATIONS.index(operation) + 0.5) / len(OPERATIONS)]
        if to[:1] != RESULTS.get(operation, operation[:1]):
            raise ValueError(to)
        for register in registers:
            kind, place = register.split("_")
            if not 0 <= int(place) < sizes[kind]:
                raise ValueError(register)
            genes.append((int(place) + 0.5) / sizes[kind])
        return [*genes, float(number)]
    except (ValueError, KeyError):
        fix = f"operations: {', '.join(OPERATIONS[1:])}"
        raise BadInput(f"instruction {line!r}", "one such as s_2 = s_0 - s_1", fix) from None


def line_of(rule: Program, genes: Sequence[float]) -> str:
    """An instruction in words; `nothing` for one that does nothing.

    Args:
        rule: the form of the program.
        genes: of the instruction [5].
    """
    operation = OPERATIONS[_place(genes[0], len(OPERATIONS))]
    if operation == "nothing":
        return operation
    sizes = {"s": rule.n_scalars, "v": rule.n_vectors}
    words = operation.split()
    if "number" in words:
        to = words[0]
        return f"{to}_{_place(genes[3], sizes[to])} = {genes[4]:.4g}"
    to = RESULTS.get(operation, words[0])
    first = f"{words[0]}_{_place(genes[1], sizes[words[0]])}"
    second = f"{words[2]}_{_place(genes[2], sizes[words[2]])}"
    return f"{to}_{_place(genes[3], sizes[to])} = {first} {words[1]} {second}"


def _place(gene: float, n: int) -> int:
    """`chosen`, on the host."""
    return min(max(int(gene * n // 1), 0), n - 1)
