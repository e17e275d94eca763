"""The reach of a rule, seen from outside.

Numbers at one neuron or synapse are exchanged. Elsewhere, changes have to stay exactly equal.
"""

from typing import Any

import jax
import numpy as np

from metaplast.connections.dense import Dense
from metaplast.language.grammar import REACHES
from metaplast.locality.mixing import SYNAPTIC
from metaplast.locality.reads import blank_view
from metaplast.testing.base import quick_jit
from metaplast.testing.worlds import leaf_names

N_POST = 3
N_PRE = 4
N_STEPS = 20
EDGE = Dense(N_POST, N_PRE)
SEEDS = (0, 1, 2)


def observed(rule: Any, channels: tuple[str, ...]) -> str:
    """The narrowest reach that explains every change in 20 steps by a jump of one place."""
    widest = "synapse"
    for seed in SEEDS:
        deltas = _lives(rule, channels, seed)
        base = deltas[0]
        jumped = deltas[1:]
        for (kind, place), after in zip(_jumps(), jumped, strict=True):
            moved = np.argwhere((after != base).any(axis=0))
            for post, pre in moved:
                widest = max(widest, _needed(kind, place, int(post), int(pre)), key=REACHES.index)
    return widest


def _jumps() -> list[tuple[str, tuple[int, ...]]]:
    places = [("sent", (i,)) for i in range(N_PRE)] + [("pre", (i,)) for i in range(N_PRE)]
    places += [("post", (j,)) for j in range(N_POST)]
    return places + [("synapse", place) for place in np.ndindex(N_POST, N_PRE)]


def _needed(kind: str, place: tuple[int, ...], post: int, pre: int) -> str:
    """The reach of a rule in which the numbers of a place change the synapse `pre` to `post`."""
    if kind == "sent":
        return "synapse" if place == (pre,) else "neuron"
    if kind == "pre":
        return "synapse" if place == (pre,) else "layer"
    if kind == "post":
        return "synapse" if place == (post,) else "layer"
    if place == (post, pre):
        return "synapse"
    return "neuron" if place[0] == post or place[1] == pre else "layer"


def _lives(rule: Any, channels: tuple[str, ...], seed: int) -> np.ndarray:
    """delta_w of every step [1 + n_jumps, n_steps, n_post, n_pre]; the first life has no jump."""
    blank = blank_view(EDGE, channels)
    names = leaf_names(blank)
    here = _drawn(blank, names, 2 * seed)
    there = _drawn(blank, names, 2 * seed + 1)
    lives = [here, *(_jumped(names, here, there, jump) for jump in _jumps())]
    stacked = [np.stack(leaves) for leaves in zip(*lives, strict=True)]
    return np.asarray(_run(rule, jax.tree.structure(blank), stacked, seed))


@quick_jit(static_argnums=(0, 1))
def _run(rule: Any, tree: Any, lives: list[Any], seed: Any) -> Any:
    theta = rule.init(jax.random.key(0), EDGE)

    def one(leaves: list[Any]) -> Any:
        def step(carry: tuple[Any, Any], now: list[Any]) -> Any:
            state, i = carry
            # the same numbers drawn in every life
            key = jax.random.fold_in(jax.random.key(seed), i)
            view = jax.tree.unflatten(tree, now).replace(key=key)
            state, delta = rule.step(theta, state, EDGE, view, 1e-3)
            return (state, i + 1), delta

        return jax.lax.scan(step, (rule.init_state(theta, EDGE), 0), leaves)[1]

    return jax.vmap(one)(lives)


def _drawn(blank: Any, names: list[str], seed: int) -> list[np.ndarray]:
    """Every leaf for 20 steps: spikes in the first ten, graded values of either sign later."""
    random = np.random.default_rng(seed)
    leaves = []
    for name, leaf in zip(names, jax.tree.leaves(blank), strict=True):
        shape = (N_STEPS, *np.shape(leaf))
        values = random.normal(size=shape)
        if name.endswith("activity"):
            values[: N_STEPS // 2] = random.integers(0, 2, (N_STEPS // 2, *np.shape(leaf)))
        leaves.append(np.zeros(shape, np.uint32) if name == "key" else values.astype(np.float32))
    return leaves


def _jumped(
    names: list[str], here: Any, there: Any, jump: tuple[str, tuple[int, ...]]
) -> list[np.ndarray]:
    kind, place = jump
    kinds = {"pre.activity": "sent", **dict.fromkeys(SYNAPTIC, "synapse")}
    leaves = []
    for name, a, b in zip(names, here, there, strict=True):
        values = a.copy()
        if kinds.get(name, name.partition(".")[0]) == kind:
            values[(slice(None), *place)] = b[(slice(None), *place)]
        leaves.append(values)
    return leaves
