"""Locality, measured by jumps: one neuron or one synapse takes other values, and what changes shows
the true reach.

A finite jump sees what a derivative does not: a threshold.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.connections.dense import Dense
from metaplast.language.grammar import MIXING
from metaplast.locality.reads import reach
from metaplast.rules.base import AbstractRule
from metaplast.signals import RuleState, SynapseView, Theta, pytree
from metaplast.testing.base import demand, like, quick_jit
from metaplast.testing.worlds import (
    DT,
    N_POST,
    N_PRE,
    draw_views,
    draw_weights,
    is_wide,
    leaf_names,
    moment,
    with_aggregates,
)

NOISE = 1e-9  # of the largest change: rounding
N_MOMENTS = (
    6  # graded and spiking in turn: a jump of one neuron must make it the largest in one of them
)
EDGE = Dense(N_POST, N_PRE)
OUTPUTS = {
    "delta": EDGE.shape,
    "post": (N_POST,),
    "pre": (N_PRE,),
    "synapse": EDGE.shape,
    "scalar": (),
}
Found = dict[
    str, dict[str, np.ndarray]
]  # what jumped -> what changed -> by how much, [jumps, neurons or synapses]


@pytree
class Moment:
    """All that one step of a rule may depend on, save theta."""

    view: SynapseView
    state: RuleState


def check(
    rule: AbstractRule,
    theta: Theta,
    state: RuleState,
    channels: tuple[str, ...],
    fields: frozenset[str],
) -> None:
    """What the rule reads is what matters, and it matters exactly as far as its reach says."""
    here, there = _worlds(state, channels)
    found = _jumps(rule, theta, here, there)
    by_field = np.stack(
        [x.reshape(len(x), -1).max(axis=1) for x in found["fixed"]["fields"].values()]
    ).max(axis=0)
    for name, moves in zip(leaf_names(here.view), by_field > NOISE, strict=True):
        demand(moves or name not in fields, f"the rule reads {name}, but nothing depends on it")
        demand(
            not moves or name in fields,
            f"the rule depends on {name}, which it is not found to read",
        )
    told = frozenset({MIXING[rule.mixes]} if rule.mixes else ())
    local = _allowed(told)
    _demand(found["fixed"], local, "with aggregates, feedback and modulators held fixed")
    if "free" in found:
        _demand(found["free"], _allowed(fields | told), f"of reach `{reach(fields)}`")
        wider = any(
            np.any(found["free"][a][b][~local[a][b]] > NOISE) for a in local for b in local[a]
        )
        demand(
            wider, f"the rule reads for reach `{reach(fields)}`, and needs no more than `synapse`"
        )
    mixed = fields & set(MIXING.values())
    demand(
        mixed == told,
        f"`mixes` says {rule.mixes!r}; in its program the rule mixes {set(mixed) or 'nothing'}",
    )


def _worlds(state: RuleState, channels: tuple[str, ...]) -> tuple[Moment, Moment]:
    """N_MOMENTS moments, stacked, and where every value of theirs may jump to."""
    here, there = (
        replace(
            moment(draw_views(seed, channels, 1 + N_MOMENTS), slice(1, None)),  # pyright: ignore[reportAttributeAccessIssue]
            weight=draw_weights(seed, (N_MOMENTS, *EDGE.shape)),
            weight_initial=draw_weights(seed + 1, (N_MOMENTS, *EDGE.shape)),
        )
        for seed in (10, 20)
    )
    spiking = (np.arange(N_MOMENTS) % 2 == 1)[:, None]
    sides = {
        side: replace(
            getattr(there, side),
            activity=np.where(
                spiking, 1.0 - getattr(here, side).activity, getattr(there, side).activity
            ),
        )
        for side in ("pre", "post")
    }
    there = replace(there, **sides, weight_max=np.full(N_MOMENTS, 1.3))
    now = jax.tree.map(lambda x: np.stack([x] * N_MOMENTS), state)
    drawn = like(now, np.random.default_rng(30), low=0.5)
    other = jax.tree.map(lambda x, u: x * u + 0.01 * u, now, drawn)
    return Moment(view=here, state=now), Moment(view=there, state=other)


def _masks(n_fields: int) -> tuple[dict[str, np.ndarray], dict[str, slice]]:
    """One row per jump: what it moves on each side and which fields of the view; and the rows of
    each kind of jump.
    """
    n = N_POST * N_PRE
    sizes = {"pre": N_PRE, "post": N_POST, "synapse": n, "fields": n_fields}
    ends = np.cumsum(list(sizes.values()))
    rows = {
        name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)
    }
    masks = {name: np.zeros((ends[-1], size), bool) for name, size in sizes.items()}
    for name, size in sizes.items():
        masks[name][rows[name]] = np.eye(size, dtype=bool)
    masks["synapse"] = masks["synapse"].reshape(-1, *EDGE.shape)
    return masks, rows


def _jumps(rule: AbstractRule, theta: Theta, here: Moment, there: Moment) -> dict[str, Found]:
    """How much each output changes, as a share of the most it ever does, when one neuron, synapse
    or field jumps.

    With the sums over synapses held `fixed` and, where the rule reads any, `free` to follow weights
    and activities.
    """
    modes = {"fixed": False, "free": True} if is_wide(rule) else {"fixed": False}
    masks, rows = _masks(len(jax.tree.leaves(here.view)))
    change = _changes(rule, theta, here, there, masks, np.asarray(list(modes.values())))
    worst = {name: np.asarray(x).max(axis=1) for name, x in change.items()}  # over the moments
    worst = {name: x / (x.max() or 1.0) for name, x in worst.items()}
    return {
        m: {kind: {out: worst[out][i][rows[kind]] for out in worst} for kind in rows}
        for i, m in enumerate(modes)
    }


@partial(quick_jit, static_argnums=0)
def _changes(
    rule: AbstractRule,
    theta: Theta,
    here: Moment,
    there: Moment,
    masks: dict[str, Array],
    free: Array,
) -> dict[str, Array]:
    """|output after a jump - before|: [modes, moments, jumps, neurons or synapses]."""

    def at(here: Moment, there: Moment, free: Array) -> dict[str, Array]:
        base = _outputs(rule, theta, here, free)
        return jax.vmap(
            lambda mask: _change(_outputs(rule, theta, _jumped(here, there, mask), free), base)
        )(masks)

    return jax.vmap(lambda free: jax.vmap(lambda h, t: at(h, t, free))(here, there))(free)


def _jumped(here: Moment, there: Moment, mask: dict[str, Array]) -> Moment:
    """`here`, but for everything that belongs to the neuron or synapse, or the field, the mask
    points at.
    """

    def swap(points: Array, a: Theta, b: Theta) -> Theta:
        wide = lambda x: points.reshape(points.shape + (1,) * (x.ndim - points.ndim))
        return jax.tree.map(lambda x, y: jnp.where(wide(x), y, x), a, b)

    sides = {"pre": "pre", "post": "post", "weight": "synapse", "weight_initial": "synapse"}
    view = replace(
        here.view,  # pyright: ignore[reportAttributeAccessIssue]
        **{
            name: swap(mask[side], getattr(here.view, name), getattr(there.view, name))
            for name, side in sides.items()
        },
    )
    leaves, tree = jax.tree.flatten(view)
    others = jax.tree.leaves(there.view)
    view = jax.tree.unflatten(
        tree,
        [
            jnp.where(mask["fields"][i], b, a)
            for i, (a, b) in enumerate(zip(leaves, others, strict=True))
        ],
    )
    state = {
        s: swap(mask[s], getattr(here.state, s), getattr(there.state, s))
        for s in ("pre", "post", "synapse")
    }
    return Moment(view=view, state=replace(here.state, **state))


def _outputs(rule: AbstractRule, theta: Theta, at: Moment, free: Array) -> dict[str, Any]:
    if not is_wide(rule):
        return _step(rule, theta, at.state, at.view)
    followed = with_aggregates(EDGE, at.view, at.view.weight)
    leaves, others = jax.tree.leaves(at.view), jax.tree.leaves(followed)
    mixed = [a if a is b else jnp.where(free, b, a) for a, b in zip(leaves, others, strict=True)]
    return _step(rule, theta, at.state, jax.tree.unflatten(jax.tree.structure(at.view), mixed))


def _step(rule: AbstractRule, theta: Theta, state: RuleState, view: SynapseView) -> dict[str, Any]:
    state, delta = rule.step(theta, state, EDGE, view, DT)
    return {
        "delta": delta,
        "post": state.post,
        "pre": state.pre,
        "synapse": state.synapse,
        "scalar": state.scalar,
    }


def _change(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Array]:
    """The largest change of any leaf, per neuron or synapse it belongs to."""

    def largest(name: str) -> Array:
        worst = jnp.zeros(OUTPUTS[name])
        for a, b in zip(jax.tree.leaves(new[name]), jax.tree.leaves(old[name]), strict=True):
            gap = jnp.where(a == b, 0.0, jnp.abs(a - b))
            worst = jnp.maximum(worst, jnp.max(gap.reshape(*OUTPUTS[name], -1), axis=-1))
        return worst

    return {name: largest(name) for name in OUTPUTS}


def _allowed(fields: frozenset[str]) -> dict[str, dict[str, np.ndarray]]:
    """What may change when one neuron or synapse jumps, given the sums over synapses that a rule
    reads.
    """
    post, pre = np.eye(N_POST, dtype=bool), np.eye(N_PRE, dtype=bool)
    returned, inputs = "pre.returned" in fields, "post.input_gain" in fields
    rows = bool(fields & {"post.weight_sum", "post.weight_norm"})
    columns = returned or bool(fields & {"pre.weight_sum", "pre.weight_norm"})
    layer = bool(fields & {"post.layer_power", "post.layer_backward", "post.layer_forward"})
    inputs |= MIXING["neuron"] in fields
    rows |= MIXING["neuron"] in fields
    columns |= MIXING["neuron"] in fields
    anywhere = MIXING["layer"] in fields
    layer |= anywhere
    n, both = N_POST * N_PRE, (N_POST, N_PRE)
    same_row = np.broadcast_to(post[:, None, :, None], (*both, *both)).reshape(n, *both)
    same_column = np.broadcast_to(pre[None, :, None, :], (*both, *both)).reshape(n, *both)
    near = (same_row & same_column) | (rows & same_row) | (columns & same_column) | layer
    by_post = np.broadcast_to(post[:, :, None] | returned | layer, (N_POST, *both))
    by_pre = np.broadcast_to(pre[:, None, :] | inputs | layer, (N_PRE, *both))
    return {
        "pre": {
            "delta": by_pre,
            "synapse": by_pre,
            "pre": pre | anywhere,
            "post": np.full((N_PRE, N_POST), inputs or layer),
            "scalar": np.full(N_PRE, anywhere),
        },
        "post": {
            "delta": by_post,
            "synapse": by_post,
            "post": post | layer,
            "pre": np.full((N_POST, N_PRE), returned or layer),
            "scalar": np.full(N_POST, anywhere),
        },
        "synapse": {
            "delta": near,
            "synapse": near,
            "post": (rows & same_row).any(axis=2) | layer,
            "pre": (columns & same_column).any(axis=1) | anywhere,
            "scalar": np.full(n, anywhere),
        },
    }


def _demand(found: Found, allowed: Found, condition: str) -> None:
    for source in allowed:
        for output, change in found[source].items():
            leak = np.where(allowed[source][output], 0.0, change)
            what = "delta_w" if output == "delta" else f"the {output}-side state"
            where = tuple(int(i) for i in np.unravel_index(np.argmax(leak), leak.shape))
            demand(
                leak.max() <= NOISE,
                f"locality: {condition}, {what} depends on no foreign {source} neuron or synapse; "
                f"it changed by {leak.max():.3g} at [jump, place] = {where}",
            )
