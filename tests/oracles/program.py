"""A program, instruction by instruction and neuron by neuron."""

from typing import Any

import numpy as np

from metaplast.rules.program import OPERATIONS, Program


def step(rule: Program, theta: Any, state: Any, view: Any, dt: float) -> tuple[Any, np.ndarray]:
    n_post, n_pre = view.weight.shape
    post = {name: np.array(values) for name, values in state.post.items()}
    synapse = {name: np.array(values) for name, values in state.synapse.items()}
    delta = np.zeros((n_post, n_pre))
    target = view.post.target if rule.target == "target" else view.post.feedback
    lines = rule.learn
    if "learn" in theta:
        lines = [words(rule, genes) for genes in np.asarray(theta["learn"])]
    for j in range(n_post):
        registers = {"s_0": target[j], "s_1": view.post.activity[j]}
        registers |= {"v_0": view.pre.activity.copy(), "v_1": view.weight[j].copy()}
        registers |= {name: values[j] for name, values in (post | synapse).items()}
        for line in lines:
            run(rule, line, registers)
        for name in post:
            post[name][j] = registers[name]
        for name in synapse:
            synapse[name][j] = registers[name]
        delta[j] = registers["v_1"] - view.weight[j]
    return state.replace(post=post, synapse=synapse), delta


def run(rule: Program, line: str, registers: dict[str, Any]) -> None:
    """One instruction on the registers of one neuron, in place."""
    to, sign, *work = line.split()
    if sign != "=":
        return
    if len(work) == 1:
        value = np.full(np.shape(registers[to]), float(work[0]))
    else:
        a, b = registers[work[0]], registers[work[2]]
        value = {"+": np.add, "-": np.subtract, "*": np.multiply, ".": np.dot}[work[1]](a, b)
    registers[to] = np.clip(value, -rule.limit, rule.limit)


def words(rule: Program, genes: np.ndarray) -> str:
    """The instruction of five genes."""
    place = lambda gene, n: min(int(np.floor((gene - np.floor(gene)) * n)), n - 1)
    operation = OPERATIONS[place(genes[0], len(OPERATIONS))].split()
    sizes = {"s": rule.n_scalars, "v": rule.n_vectors}
    named = lambda kind, gene: f"{kind}_{place(gene, sizes[kind])}"
    if operation == ["nothing"]:
        return "nothing at all"
    if operation[1] == "=":
        return f"{named(operation[0], genes[3])} = {float(genes[4])!r}"
    to = "v" if operation == ["s", "*", "v"] else "s" if operation[1] == "." else operation[0]
    first, second = named(operation[0], genes[1]), named(operation[2], genes[2])
    return f"{named(to, genes[3])} = {first} {operation[1]} {second}"
