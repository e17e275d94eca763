"""Small programs on registers, as a rule: their instructions are searched."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language.grammar import read
from metaplast.registry import BadInput, register
from metaplast.rules.base import AbstractRule, Clock, Mixes
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
ARITHMETIC = {"+": jnp.add, "-": jnp.subtract, "*": jnp.multiply}
N_GENES = 5
"""Of an instruction: operation, first and second argument, result, number."""


class Memory(NamedTuple):
    """The registers of every postsynaptic neuron.

    scalars: n_scalars of [n_post].
    vectors: n_vectors of the layout of the connection, one number for each input of the neuron.
    """

    scalars: list[Array]
    vectors: list[Array]


class Arguments(NamedTuple):
    """What an instruction may read: two scalars [n_post], two vectors and its number []."""

    s_a: Array
    s_b: Array
    v_a: Array
    v_b: Array
    number: Array


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
    setup, learn: the two parts of the program, lists of instructions such as `s_2 = s_0 - s_1`.

    An instruction writes the result of an operation (`OPERATIONS`) into one register: sums,
    differences and products of scalars or of vectors, number by number; a scalar times a vector;
    the inner product of two vectors; or a number. Registers keep their values between steps. The
    third part of a program of the source, predict, is the network's: the activity of a linear
    neuron is the inner product of w and its inputs.

    n_setup, n_learn: with n_learn > 0 the program is data, and these are the most instructions of
        each part. Outer loop program_evolution searches it, beginning at `setup` and `learn`.
        `settled` is the rule with the final program as text, without instructions that have no
        effect.
    target: the signal that s_0 holds: `target` or `error`.
    n_scalars, n_vectors: the registers.
    limit: every register stays within this bound on both sides.

    theta: {setup [n_setup, 5], learn [n_learn, 5]}, the genes of every instruction; {} where the
        program is text. A gene g chooses number floor(n (g - floor(g))) of n. The last gene is
        the number itself. Where all genes are 0 an instruction does nothing. Only numbers have a
        gradient.

    State: the registers, but the four that a step writes. A new trial keeps them. Clock `trial`: a
    program counts steps.
    Not local: the inner product adds up all inputs of the neuron.
    Limits: the program at the start is the delta rule, with a prediction of its own.

    Raises: BadInput for fewer than two registers of a kind, a line that is no instruction, n_setup
        without n_learn, and a text that is longer than its part.
    Source: Real, Liang, So & Le 2020 (AutoML-Zero), of which these are the operations for linear
    regression.
    """

    clock: ClassVar[Clock] = "trial"

    setup: tuple[str, ...] = ("s_3 = 0.1",)
    learn: tuple[str, ...] = (
        "s_2 = v_0 . v_1",
        "s_2 = s_0 - s_2",
        "s_2 = s_3 * s_2",
        "v_2 = s_2 * v_0",
        "v_1 = v_1 + v_2",
    )
    n_setup: Natural = 0
    n_learn: Natural = 0
    target: Literal["target", "error"] = "target"
    n_scalars: Count = 4
    n_vectors: Count = 3
    limit: Positive = 1e3

    def __post_init__(self) -> None:
        if min(self.n_scalars, self.n_vectors) < 2:
            what = f"n_scalars={self.n_scalars}, n_vectors={self.n_vectors}"
            raise BadInput(what, "two of each at least", "raise the smaller one")
        if self.n_setup and not self.n_learn:
            raise BadInput(f"n_setup={self.n_setup} without n_learn", "n_learn > 0", "raise it")
        for line in (*self.setup, *self.learn):
            genes_of(self, line)
        if self.n_learn:
            for name, lines, n in self._parts():
                if len(lines) > n:
                    what = f"{name} of {len(lines)} instructions, n_{name}={n}"
                    raise BadInput(what, f"at most {n} instructions", f"raise n_{name}")

    @property
    def mixes(self) -> Mixes:
        is_mixing = self.n_learn or any(" . " in line for line in (*self.setup, *self.learn))
        return "neuron" if is_mixing else ""

    @property
    def slow(self) -> frozenset[str]:
        return frozenset(f"s_{k}" for k in range(2, self.n_scalars))

    def _parts(self) -> tuple[tuple[str, tuple[str, ...], int], ...]:
        """(name, text, most instructions) of both parts."""
        return (("setup", self.setup, self.n_setup), ("learn", self.learn, self.n_learn))

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        if not self.n_learn:
            return {}
        theta = {}
        for name, lines, n in self._parts():
            genes = np.zeros((n, N_GENES))
            for row, line in enumerate(lines):
                genes[row] = genes_of(self, line)
            theta[name] = jnp.asarray(genes, float)
        return theta

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        scalars = [jnp.zeros(connection.n_post)] * self.n_scalars
        vectors = [jnp.zeros(connection.shape)] * self.n_vectors
        return self._kept(self._run("setup", theta, Memory(scalars, vectors), connection))

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
        memory = self._run("learn", theta, Memory(scalars, vectors), connection)
        return self._kept(memory), memory.vectors[1] - view.weight

    def settled(self, theta: Theta) -> tuple[AbstractRule, Theta]:
        if not self.n_learn:
            return self, theta
        text = {name: lines_of(self, np.asarray(theta[name])) for name in theta}
        setup, learn = effective(text["setup"], text["learn"])
        spec: Any = self
        rule = dataclasses.replace(spec, setup=setup, learn=learn, n_setup=0, n_learn=0)
        return rule, {}

    def _kept(self, memory: Memory) -> RuleState:
        """The state that holds the registers which no step writes."""
        post = {f"s_{k}": memory.scalars[k] for k in range(2, self.n_scalars)}
        synapse = {f"v_{k}": memory.vectors[k] for k in range(2, self.n_vectors)}
        return rule_state(post=post, synapse=synapse)

    def _run(
        self, part: str, theta: Theta, memory: Memory, connection: AbstractConnection
    ) -> Memory:
        """The registers after a part of the program."""
        if not self.n_learn:
            for line in getattr(self, part):
                memory = self._told(genes_of(self, line), memory, connection)
            return memory
        for row in range(len(theta[part])):
            memory = self._chosen(theta[part][row], memory, connection)
        return memory

    def _told(
        self, genes: Sequence[float], memory: Memory, connection: AbstractConnection
    ) -> Memory:
        """The registers after an instruction that is known before anything compiles."""
        operation = OPERATIONS[_place(genes[0], len(OPERATIONS))]
        s_a, s_b, s_to = (_place(gene, self.n_scalars) for gene in genes[1:4])
        v_a, v_b, v_to = (_place(gene, self.n_vectors) for gene in genes[1:4])
        scalars, vectors = list(memory.scalars), list(memory.vectors)
        number = jnp.asarray(genes[4], vectors[0].dtype)
        arguments = Arguments(scalars[s_a], scalars[s_b], vectors[v_a], vectors[v_b], number)
        value = jnp.clip(_computed(operation, arguments, connection), -self.limit, self.limit)
        if _kind(operation) == "s":
            scalars[s_to] = value
        else:
            vectors[v_to] = value
        return Memory(scalars, vectors)

    def _chosen(self, genes: Array, memory: Memory, connection: AbstractConnection) -> Memory:
        """The registers after an instruction of theta [5]."""
        operation = chosen(genes[0], len(OPERATIONS))
        scalar = [chosen(genes[k], self.n_scalars) for k in (1, 2, 3)]
        vector = [chosen(genes[k], self.n_vectors) for k in (1, 2, 3)]
        scalars, vectors = jnp.stack(memory.scalars), jnp.stack(memory.vectors)
        arguments = Arguments(
            s_a=scalars[scalar[0]],
            s_b=scalars[scalar[1]],
            v_a=vectors[vector[0]],
            v_b=vectors[vector[1]],
            number=genes[4],
        )
        results: dict[str, dict[int, Array]] = {"s": {}, "v": {}}
        for number, name in enumerate(OPERATIONS[1:], 1):
            results[_kind(name)][number] = _computed(name, arguments, connection)
        scalars = _written(scalars, operation, scalar[2], results["s"], self.limit)
        vectors = _written(vectors, operation, vector[2], results["v"], self.limit)
        return Memory(list(scalars), list(vectors))


def chosen(gene: Array, n: int) -> Array:
    """The number in 0, ..., n - 1 that a gene chooses []."""
    return jnp.clip(jnp.floor((gene - jnp.floor(gene)) * n), 0, n - 1).astype(jnp.int32)


def _kind(operation: str) -> str:
    """The kind of register that an operation writes, `s` or `v`."""
    return RESULTS.get(operation, operation[0])


def _computed(operation: str, given: Arguments, connection: AbstractConnection) -> Array:
    """The result of an operation: [n_post], or in the layout of the connection."""
    if operation == "s = number":
        return jnp.broadcast_to(given.number, given.s_a.shape)
    if operation == "v = number":
        return jnp.broadcast_to(given.number, given.v_a.shape)
    if operation == "v . v":
        return connection.reduce_post(connection.mask() * given.v_a * given.v_b)
    if operation == "s * v":
        return connection.at_post(given.s_a) * given.v_b
    first, sign, _ = operation.split()
    if first == "s":
        return ARITHMETIC[sign](given.s_a, given.s_b)
    return ARITHMETIC[sign](given.v_a, given.v_b)


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


def line_of(rule: Program, genes: Sequence[float] | np.ndarray) -> str:
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
        number = np.format_float_positional(genes[4], trim="-")
        return f"{to}_{_place(genes[3], sizes[to])} = {number}"
    to = RESULTS.get(operation, words[0])
    first = f"{words[0]}_{_place(genes[1], sizes[words[0]])}"
    second = f"{words[2]}_{_place(genes[2], sizes[words[2]])}"
    return f"{to}_{_place(genes[3], sizes[to])} = {first} {words[1]} {second}"


def lines_of(rule: Program, genes: np.ndarray) -> tuple[str, ...]:
    """The instructions of a part [n, 5] in words, without those that do nothing."""
    lines = [line_of(rule, row) for row in genes]
    return tuple(line for line in lines if line != "nothing")


def effective(
    setup: Sequence[str], learn: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both parts of a program without the instructions that never reach v_1.

    An instruction counts where a later one reads its result, in this step or in a later one. What
    a step itself writes at its begin, s_0, s_1, v_0 and v_1, carries nothing between steps.
    """
    between: set[str] = set()
    while True:
        kept, before = _needed(learn, between | {"v_1"})
        carried = before - {"s_0", "s_1", "v_0", "v_1"}
        if carried <= between:
            return tuple(_needed(setup, between)[0]), tuple(kept)
        between |= carried


def _needed(lines: Sequence[str], wanted: set[str]) -> tuple[list[str], set[str]]:
    """(The lines that the wanted registers hang on, the registers that these lines read)."""
    kept = []
    wanted = set(wanted)
    for line in reversed(lines):
        to, _, work = line.partition(" = ")
        if to in wanted:
            wanted.discard(to)
            wanted |= {word for word in work.split() if word[:2] in ("s_", "v_")}
            kept.append(line)
    return kept[::-1], wanted


def _place(gene: float, n: int) -> int:
    """`chosen`, on the host."""
    return min(int((gene - gene // 1) * n), n - 1)
