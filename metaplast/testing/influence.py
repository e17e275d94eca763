"""Locality, measured by jumps: the changes when one neuron or one synapse takes other values.

The changes show the true reach of a rule. A finite jump sees an effect that a derivative does not:
a threshold.
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
from metaplast.locality.mixing import SYNAPTIC
from metaplast.locality.reads import reach
from metaplast.rules.base import AbstractRule
from metaplast.signals import NeuronView, RuleState, SynapseView, Theta, pytree
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

NOISE = 1e-9
"""A change of this share of the largest change is rounding."""

N_MOMENTS = 6
"""Moments, graded and spiking in turn: a jump of one neuron must make it the largest in one."""

EDGE = Dense(N_POST, N_PRE)
OUTPUTS = {
    "delta": EDGE.shape,
    "post": (N_POST,),
    "pre": (N_PRE,),
    "synapse": EDGE.shape,
    "scalar": (),
}
"""The outputs of a rule, and the neurons or synapses to which each belongs."""

Changes = dict[str, dict[str, np.ndarray]]
"""The kind of jump -> the output -> its change [jumps, neurons or synapses]."""


@pytree
class Moment:
    """Everything on which one step of a rule may depend, save theta.

    view: the view of the edge
    state: the state of the rule
    """

    view: SynapseView
    state: RuleState


def check(
    rule: AbstractRule,
    theta: Theta,
    state: RuleState,
    channels: tuple[str, ...],
    fields: frozenset[str],
) -> None:
    """Check that the rule depends on the fields that it reads, exactly as far as its reach.

    Args:
        rule: the rule.
        theta: its theta.
        state: a state of the rule.
        channels: the modulators that it reads.
        fields: the fields of the view that it reads, as measured.
    """
    here, there = _worlds(state, channels)
    changes = _jumps(rule, theta, here, there)
    _demand_fields(changes["fixed"]["fields"], leaf_names(here.view), fields)
    declared: frozenset[str] = frozenset()
    if rule.mixes:
        declared = frozenset({MIXING[rule.mixes]})
    local = _allowed(declared)
    _demand(changes["fixed"], local, "with aggregates, feedback and modulators held fixed")
    if "free" in changes:
        _demand(changes["free"], _allowed(fields | declared), f"of reach `{reach(fields)}`")
        demand(
            _goes_beyond(changes["free"], local),
            f"the rule reads for reach `{reach(fields)}`, and needs no more than `synapse`",
        )
    mixed = fields & set(MIXING.values())
    demand(
        mixed == declared,
        f"`mixes` says {rule.mixes!r}; in its program the rule mixes {set(mixed) or 'nothing'}",
    )


def _demand_fields(
    changes: dict[str, np.ndarray], names: list[str], fields: frozenset[str]
) -> None:
    """Demand that a field matters where the rule reads it, and nowhere else.

    Args:
        changes: the output -> its change [fields that jump, neurons or synapses].
        names: the names of the fields, in the same order.
        fields: the fields that the rule reads.
    """
    largest = [x.reshape(len(x), -1).max(axis=1) for x in changes.values()]
    matters = np.stack(largest).max(axis=0) > NOISE
    for name, field_matters in zip(names, matters, strict=True):
        demand(
            field_matters or name not in fields,
            f"the rule reads {name}, but nothing depends on it",
        )
        demand(
            not field_matters or name in fields,
            f"the rule depends on {name}, which it is not found to read",
        )


def _goes_beyond(changes: Changes, local: Changes) -> bool:
    """Whether anything changes that a local rule could not change."""
    for source, allowed in local.items():
        for output, may_change in allowed.items():
            if np.any(changes[source][output][~may_change] > NOISE):
                return True
    return False


def _worlds(state: RuleState, channels: tuple[str, ...]) -> tuple[Moment, Moment]:
    """N_MOMENTS moments, stacked, and the values to which theirs may jump."""
    here = _views(10, channels)
    there = _views(20, channels)
    is_spiking = (np.arange(N_MOMENTS) % 2 == 1)[:, None]

    def other_side(here: NeuronView, there: NeuronView) -> NeuronView:
        """A spike jumps to silence, and silence to a spike."""
        activity = np.where(is_spiking, 1.0 - here.activity, there.activity)
        return replace(there, activity=activity)

    there = replace(
        there,
        pre=other_side(here.pre, there.pre),
        post=other_side(here.post, there.post),
        weight_max=np.full(N_MOMENTS, 1.3),
    )
    state_here = jax.tree.map(lambda x: np.stack([x] * N_MOMENTS), state)
    drawn = like(state_here, np.random.default_rng(30), low=0.5)
    state_there = jax.tree.map(lambda x, u: x * u + 0.01 * u, state_here, drawn)
    return Moment(view=here, state=state_here), Moment(view=there, state=state_there)


def _views(seed: int, channels: tuple[str, ...]) -> SynapseView:
    views = moment(draw_views(seed, channels, 1 + N_MOMENTS), slice(1, None))
    return replace(
        views,
        weight=draw_weights(seed, (N_MOMENTS, *EDGE.shape)),
        weight_initial=draw_weights(seed + 1, (N_MOMENTS, *EDGE.shape)),
    )


def _masks(n_fields: int) -> tuple[dict[str, np.ndarray], dict[str, slice]]:
    """The masks of all jumps, and the rows of each kind of jump.

    A mask has one row per jump: whether it moves a neuron of a side, a synapse, a field of the
    view.
    """
    n = N_POST * N_PRE
    sizes = {"pre": N_PRE, "post": N_POST, "synapse": n, "fields": n_fields}
    n_jumps = sum(sizes.values())
    masks = {}
    rows = {}
    start = 0
    for name, size in sizes.items():
        rows[name] = slice(start, start + size)
        masks[name] = np.zeros((n_jumps, size), bool)
        masks[name][rows[name]] = np.eye(size, dtype=bool)
        start += size
    masks["synapse"] = masks["synapse"].reshape(-1, *EDGE.shape)
    return masks, rows


def _jumps(rule: AbstractRule, theta: Theta, here: Moment, there: Moment) -> dict[str, Changes]:
    """The change of each output when one neuron, synapse or field jumps.

    Changes are shares of the largest change of the output. They are measured with the sums over
    synapses held `fixed` and, where the rule reads any, `free` to follow weights and activities.
    """
    modes = {"fixed": False}
    if is_wide(rule):
        modes["free"] = True
    masks, rows = _masks(len(jax.tree.leaves(here.view)))
    changes = _changes(rule, theta, here, there, masks, np.asarray(list(modes.values())))
    shares = {}
    for output, change in changes.items():
        over_moments = np.asarray(change).max(axis=1)
        shares[output] = over_moments / (over_moments.max() or 1.0)
    of_mode = {}
    for number, mode in enumerate(modes):
        of_kind = {}
        for kind, rows_of_kind in rows.items():
            of_kind[kind] = {name: share[number][rows_of_kind] for name, share in shares.items()}
        of_mode[mode] = of_kind
    return of_mode


@partial(quick_jit, static_argnums=0)
def _changes(
    rule: AbstractRule,
    theta: Theta,
    here: Moment,
    there: Moment,
    masks: dict[str, Array],
    free: Array,
) -> dict[str, Array]:
    """|output after a jump - output before|, each [modes, moments, jumps, neurons or synapses]."""

    def of_moment(here: Moment, there: Moment, free: Array) -> dict[str, Array]:
        before = _outputs(rule, theta, here, free)

        def of_jump(mask: dict[str, Array]) -> dict[str, Array]:
            after = _outputs(rule, theta, _jumped(here, there, mask), free)
            return _change(after, before)

        return jax.vmap(of_jump)(masks)

    def of_mode(free: Array) -> dict[str, Array]:
        return jax.vmap(lambda here, there: of_moment(here, there, free))(here, there)

    return jax.vmap(of_mode)(free)


def _jumped(here: Moment, there: Moment, mask: dict[str, Array]) -> Moment:
    """`here`, with the values of `there` for the neuron, synapse or field of the mask."""

    def swap(points: Array, a: Theta, b: Theta) -> Theta:
        def choose(x: Array, y: Array) -> Array:
            wide = points.reshape(points.shape + (1,) * (x.ndim - points.ndim))
            return jnp.where(wide, y, x)

        return jax.tree.map(choose, a, b)

    synaptic = {}
    for name in SYNAPTIC:
        synaptic[name] = swap(mask["synapse"], getattr(here.view, name), getattr(there.view, name))
    view = replace(
        here.view,
        pre=swap(mask["pre"], here.view.pre, there.view.pre),
        post=swap(mask["post"], here.view.post, there.view.post),
        **synaptic,
    )
    leaves, tree = jax.tree.flatten(view)
    others = jax.tree.leaves(there.view)
    fields = []
    for i, (leaf, other) in enumerate(zip(leaves, others, strict=True)):
        fields.append(jnp.where(mask["fields"][i], other, leaf))
    state = replace(
        here.state,
        pre=swap(mask["pre"], here.state.pre, there.state.pre),
        post=swap(mask["post"], here.state.post, there.state.post),
        synapse=swap(mask["synapse"], here.state.synapse, there.state.synapse),
    )
    return Moment(view=jax.tree.unflatten(tree, fields), state=state)


def _outputs(rule: AbstractRule, theta: Theta, at: Moment, free: Array) -> dict[str, Any]:
    """The outputs of one step. free: whether sums over synapses follow weights and activities."""
    if not is_wide(rule):
        return _step(rule, theta, at.state, at.view)
    followed = with_aggregates(EDGE, at.view, at.view.weight)
    leaves, structure = jax.tree.flatten(at.view)
    mixed = []
    for fixed, other in zip(leaves, jax.tree.leaves(followed), strict=True):
        if fixed is not other:
            fixed = jnp.where(free, other, fixed)
        mixed.append(fixed)
    return _step(rule, theta, at.state, jax.tree.unflatten(structure, mixed))


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
    """The largest change of any leaf, for each neuron or synapse to which it belongs."""

    def largest(name: str) -> Array:
        worst = jnp.zeros(OUTPUTS[name])
        for a, b in zip(jax.tree.leaves(new[name]), jax.tree.leaves(old[name]), strict=True):
            gap = jnp.where(a == b, 0.0, jnp.abs(a - b))
            worst = jnp.maximum(worst, jnp.max(gap.reshape(*OUTPUTS[name], -1), axis=-1))
        return worst

    return {name: largest(name) for name in OUTPUTS}


def _allowed(fields: frozenset[str]) -> Changes:
    """Whether an output may change when one neuron or synapse jumps.

    fields: the sums over synapses that the rule reads, and its mixing.
    """
    post = np.eye(N_POST, dtype=bool)
    pre = np.eye(N_PRE, dtype=bool)
    returned = "pre.returned" in fields
    inputs = "post.input_gain" in fields
    rows = bool(fields & {"post.weight_sum", "post.weight_norm"})
    columns = returned or bool(fields & {"pre.weight_sum", "pre.weight_norm"})
    layer = bool(fields & {"post.layer_power", "post.layer_backward", "post.layer_forward"})
    inputs |= MIXING["neuron"] in fields
    rows |= MIXING["neuron"] in fields
    columns |= MIXING["neuron"] in fields
    anywhere = MIXING["layer"] in fields
    layer |= anywhere
    n = N_POST * N_PRE
    both = (N_POST, N_PRE)
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


def _demand(changes: Changes, allowed: Changes, condition: str) -> None:
    """Demand that only the allowed outputs change."""
    for source in allowed:
        for output, change in changes[source].items():
            leak = np.where(allowed[source][output], 0.0, change)
            part = "delta_w" if output == "delta" else f"the {output}-side state"
            where = tuple(map(int, np.unravel_index(np.argmax(leak), leak.shape)))
            demand(
                leak.max() <= NOISE,
                f"locality: {condition}, {part} depends on no foreign {source} neuron or synapse; "
                f"it changed by {leak.max():.3g} at [jump, place] = {where}",
            )
