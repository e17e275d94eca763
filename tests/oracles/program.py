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
    for j in range(n_post):
        s = [target[j], view.post.activity[j]]
        s += [post[f"s_{k}"][j] for k in range(2, rule.n_scalars)]
        v = [view.pre.activity.copy(), view.weight[j].copy()]
        v += [synapse[f"v_{k}"][j].copy() for k in range(2, rule.n_vectors)]
        for genes in np.asarray(theta["learn"]):
            run(rule, genes, s, v)
        for k in range(2, rule.n_scalars):
            post[f"s_{k}"][j] = s[k]
        for k in range(2, rule.n_vectors):
            synapse[f"v_{k}"][j] = v[k]
        delta[j] = v[1] - view.weight[j]
    return state.replace(post=post, synapse=synapse), delta


def run(rule: Program, genes: np.ndarray, s: list[Any], v: list[Any]) -> None:
    """One instruction on the registers of one neuron, in place."""
    place = lambda gene, n: int(min(max(np.floor(gene * n), 0), n - 1))
    operation = OPERATIONS[place(genes[0], len(OPERATIONS))]
    s_a, s_b, s_to = (place(gene, rule.n_scalars) for gene in genes[1:4])
    v_a, v_b, v_to = (place(gene, rule.n_vectors) for gene in genes[1:4])
    cut = lambda value: np.clip(value, -rule.limit, rule.limit)
    if operation == "s + s":
        s[s_to] = cut(s[s_a] + s[s_b])
    elif operation == "s - s":
        s[s_to] = cut(s[s_a] - s[s_b])
    elif operation == "s * s":
        s[s_to] = cut(s[s_a] * s[s_b])
    elif operation == "s = number":
        s[s_to] = cut(genes[4])
    elif operation == "v + v":
        v[v_to] = cut(v[v_a] + v[v_b])
    elif operation == "v - v":
        v[v_to] = cut(v[v_a] - v[v_b])
    elif operation == "v * v":
        v[v_to] = cut(v[v_a] * v[v_b])
    elif operation == "s * v":
        v[v_to] = cut(s[s_a] * v[v_b])
    elif operation == "v . v":
        s[s_to] = cut(float(np.dot(v[v_a], v[v_b])))
    elif operation == "v = number":
        v[v_to] = np.full(len(v[0]), cut(genes[4]))
