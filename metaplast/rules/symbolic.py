"""A rule that is one expression over the signals of a synapse."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.base import AbstractConnection
from metaplast.language import expression, machine
from metaplast.language.account import Account, Moved, grown
from metaplast.language.expression import ELIGIBILITY, Apply, Number, Signal, Tree
from metaplast.language.grammar import RATE_UNIT, read
from metaplast.registry import BadInput, register
from metaplast.rules._traces import faded
from metaplast.rules.base import AbstractRule, KernelRule
from metaplast.signals import Key, RuleState, SynapseView, Theta, rule_state
from metaplast.spec import Natural, Positive, spec


@register("rule", "symbolic")
@spec
class Symbolic(KernelRule):
    """One expression over the signals of a synapse.

        delta_w = rate exp(5 log_rate) f(signals)

    expression: f as text in the grammar of language/expression.py, such as
        `post*(pre - post*weight)`. `constants` [n_numbers] of theta are added to its numbers.
    rate: the factor in front of f.
    learn: which of `constants` and `log_rate` [] are in theta.
    eligibility: an expression. Where it is given, every synapse keeps
        e <- exp(-dt/tau) e + (value of this expression), which `expression` reads as
        `eligibility`. Such a rule belongs on a task with a gate: e fades without any event.
    tau: time constant of the eligibility, in seconds.
    size: with size > 0, the tree is data, `code` [3 size + 1] in theta: at most `size` operators
        over `inputs` and `n_constants` numbers. Outer loop genetic_programming searches it, all
        trees in one program. `settled` is the rule with the final tree as its expression.
    inputs: the signals that a searched tree may read.
    n_constants: the numbers that a searched tree may read: those of `expression`, where it starts,
        then 1.

    Clock `event`.
    Limits: `post*(pre - post*weight)` is Oja's rule (1982). Division is plain.

    Raises: BadInput for an unknown signal, a signal that nothing keeps, inputs without size, or a
        size that is too small.

    Source: after Jordan, Schmidt, Senn & Petrovici 2021, who evolve such expressions.
    """

    expression: str = "post*(pre - post*weight)"
    rate: Positive = 0.1
    learn: Literal["none", "rate", "constants", "both"] = "both"
    eligibility: str = ""
    tau: Positive = 20e-3
    size: Natural = 0
    inputs: tuple[str, ...] = ()
    n_constants: Natural = 0

    def __post_init__(self) -> None:
        if self.eligibility:
            kept = expression.parse(self.eligibility)
            if ELIGIBILITY in expression.signals(kept):
                expected = "an expression of signals"
                raise BadInput("eligibility that reads itself", expected, "remove it")
        if ELIGIBILITY in (*expression.signals(self.tree()), *self.inputs) and not self.eligibility:
            fix = "give eligibility: score*pre"
            raise BadInput("a rule that reads eligibility", "an expression for it", fix)
        if not self.size and (self.inputs or self.n_constants):
            what = "inputs or n_constants without size"
            raise BadInput(what, "size > 0", "they are for a search")
        if any(expression.parse(name) != Signal(name) for name in self.inputs):
            raise BadInput(f"inputs {', '.join(self.inputs)}", "single signals", "correct them")
        if len(set(self.inputs)) < len(self.inputs):
            raise BadInput("an input that stands twice", "distinct signals", "remove one")
        if self.size:
            expression.encode(self.tree(), self.leaves(self.numbers()), self.size)

    def tree(self) -> Tree:
        """The tree of `expression`."""
        return expression.parse(self.expression)

    def numbers(self) -> tuple[float, ...]:
        """The constants at the start."""
        written = expression.numbers(self.tree())
        return written + (1.0,) * max(0, self.n_constants - len(written))

    def leaves(self, values: tuple[float, ...]) -> tuple[Tree, ...]:
        """The leaves that a searched tree may read: the inputs, then the numbers.

        Args:
            values: the numbers.
        """
        return (*map(Signal, self.inputs), *map(Number, values))

    @property
    def per_synapse(self) -> bool:
        return False

    def account(self) -> Account:
        moved = grown("rate") if self.learn in ("rate", "both") else {}
        if self.size:
            return Account(moved)
        if self.learn in ("constants", "both") and self.numbers():
            moved["expression"] = Moved("constants", "plus")
        return Account(moved, "expression", silent=True)

    def init(self, key: Key, connection: AbstractConnection) -> Theta:
        theta: Theta = {}
        if self.size:
            code = expression.encode(self.tree(), self.leaves(self.numbers()), self.size)
            theta["code"] = jnp.asarray([float(gene or 0.0) for gene in code])
        if self.learn in ("constants", "both") and self.numbers():
            theta["constants"] = jnp.zeros(len(self.numbers()))
        if self.learn in ("rate", "both"):
            theta["log_rate"] = jnp.zeros(())
        return theta

    def init_state(self, theta: Theta, connection: AbstractConnection) -> RuleState:
        if not self.eligibility:
            return rule_state()
        return rule_state(synapse={ELIGIBILITY: connection.zeros()})

    def kernel(
        self, theta: Theta, state: dict[str, Array], synapse: SynapseView, dt: float
    ) -> tuple[dict[str, Array], Array]:
        if self.eligibility:
            kept = expression.parse(self.eligibility)
            now = _value(kept, lambda name: read(name, synapse), iter(expression.numbers(kept)))
            state = {ELIGIBILITY: faded(state[ELIGIBILITY], self.tau, dt) + now}
        rate = self.rate
        if "log_rate" in theta:
            rate = self.rate * jnp.exp(RATE_UNIT * theta["log_rate"])

        def signal(name: str) -> Array:
            if name == ELIGIBILITY:
                return state[name]
            return read(name, synapse)

        return state, jnp.broadcast_to(rate * self.value(theta, signal), synapse.weight.shape)

    def value(self, theta: Theta, signal: Callable[[str], Array]) -> Array:
        """f, for signals of one shape.

        Args:
            theta: the learned parameters.
            signal: the values of a signal.
        """
        numbers = list(self.numbers())
        if "constants" in theta:
            numbers = [start + theta["constants"][k] for k, start in enumerate(numbers)]
        if not self.size:
            return jnp.asarray(_value(self.tree(), signal, iter(numbers)))
        return machine.run(theta["code"], [*map(signal, self.inputs), *map(jnp.asarray, numbers)])

    def settled(self, theta: Theta) -> tuple[AbstractRule, Theta]:
        if not self.size:
            return self, theta
        added = np.zeros(len(self.numbers()))
        if "constants" in theta:
            added = np.asarray(theta["constants"])
        values = np.asarray(self.numbers()) + added.astype(float)
        leaves = self.leaves(tuple(values.tolist()))
        tree = expression.decode(np.asarray(theta["code"]).tolist(), leaves)
        spec: Any = self
        rule = dataclasses.replace(
            spec, expression=expression.show(tree), size=0, inputs=(), n_constants=0
        )
        new = {}
        if "log_rate" in theta:
            new["log_rate"] = theta["log_rate"]
        n_numbers = len(expression.numbers(tree))
        if "constants" in theta and n_numbers:
            new["constants"] = jnp.zeros(n_numbers, theta["constants"].dtype)
        return rule, new


def _value(
    tree: Tree, signal: Callable[[str], Array], numbers: Iterator[float | Array]
) -> Array | float:
    """The value of a tree. Its numbers are taken from left to right."""
    if isinstance(tree, Number):
        return next(numbers)
    if isinstance(tree, Signal):
        return signal(tree.name)
    assert isinstance(tree, Apply)
    left = _value(tree.left, signal, numbers)
    right = _value(tree.right, signal, numbers)
    if tree.operator == "+":
        return left + right
    if tree.operator == "-":
        return left - right
    if tree.operator == "*":
        return left * right
    return jnp.asarray(left) / right
