"""Random surroundings for one rule: views, weights and a short life of a single edge.

Everything outside `life` is NumPy: slicing an array of JAX compiles a program each time.
"""

from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from metaplast.connections.base import AbstractConnection
from metaplast.connections.dense import Dense
from metaplast.language.aggregates import AGGREGATES
from metaplast.locality.reads import reads
from metaplast.rules.base import AbstractRule
from metaplast.signals import NeuronView, SynapseView, Theta
from metaplast.testing.base import ContractBroken, demand, keys, quick_jit

N_POST = 3
N_PRE = 4
N_STEPS = 6
DT = 2e-3


@lru_cache(maxsize=64)
def channels(rule: AbstractRule) -> tuple[str, ...]:
    """The modulators that a rule reads.

    The rule is offered none at first, and then each one that it misses.
    """
    names: tuple[str, ...] = ()
    while True:
        try:
            reads(rule, Dense(N_POST, N_PRE), names)
        except KeyError as missing:
            demand(missing.args[0] not in names, f"modulator {missing} is offered, yet missing")
            names = (*names, missing.args[0])
        else:
            return names


def is_wide(rule: AbstractRule) -> bool:
    """Whether the rule reads sums over synapses, which then have to follow the weights."""
    return not AGGREGATES.keys().isdisjoint(reads(rule, Dense(N_POST, N_PRE), channels(rule)))


def draw_views(seed: int, names: tuple[str, ...], n_steps: int = N_STEPS) -> SynapseView:
    """`n_steps` random moments of an edge, stacked.

    Activities are spikes (0 or 1) at even steps, and graded at odd ones. The weights are blank:
    `life` fills them in.

    Args:
        seed: the seed of the moments.
        names: the modulators.
        n_steps: the number of moments.
    """
    rng = np.random.default_rng(seed)
    return SynapseView(
        pre=_neurons(rng, n_steps, N_PRE),
        post=_neurons(rng, n_steps, N_POST),
        weight=np.zeros(n_steps),
        weight_initial=np.zeros(n_steps),
        weight_max=np.ones(n_steps),
        modulators={name: rng.normal(size=n_steps) for name in names},
        eligibility=rng.normal(size=(n_steps, N_POST, N_PRE)),
        credit=rng.normal(size=(n_steps, N_POST, N_PRE)),
        key=keys(seed, n_steps),
    )


def _neurons(rng: np.random.Generator, n_steps: int, n: int) -> NeuronView:
    """Random moments of one side of an edge, each field [n_steps, n]."""
    fields = {name: rng.normal(size=(n_steps, n)) for name in NeuronView.__dataclass_fields__}
    is_spiking = (np.arange(n_steps) % 2 == 0)[:, None]
    uniform = rng.random((n_steps, n))
    fields["activity"] = np.where(is_spiking, np.round(uniform), 1.5 * uniform)
    fields["gain"] = 1.0 / (1.0 + np.exp(-fields["gain"]))
    for name in ("weight_sum", "weight_norm"):
        fields[name] = 0.5 + np.abs(fields[name])
    return NeuronView(**fields)


def draw_weights(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random weights well inside the bounds 0 and 1.

    Rules for signed and for unsigned weights both accept them.

    Args:
        seed: the seed of the weights.
        shape: their shape.
    """
    return np.random.default_rng(seed).uniform(0.2, 0.8, shape)


def moment(views: SynapseView, t: int | slice) -> SynapseView:
    """The moment at step t, or the moments of some steps.

    Args:
        views: moments of an edge, stacked.
        t: one step, or a slice of steps.
    """
    return jax.tree.map(lambda x: x[t], views)


def with_aggregates(
    connection: AbstractConnection, view: SynapseView, weight: Array
) -> SynapseView:
    """The view with its sums over synapses recomputed from a plain matrix of the weights.

    Args:
        connection: the connection of the edge.
        view: one moment.
        weight: the weights, in the layout of the connection.
    """
    support = jnp.broadcast_to(connection.mask(), weight.shape)
    if weight.ndim == 2:
        matrix = weight
        exists = support
    else:
        matrix = jnp.tensordot(weight, _places(connection), 1)
        exists = jnp.tensordot(support, _places(connection), 1)
    x = view.pre.activity
    y = view.post.activity
    e_pre = view.pre.feedback
    e_post = view.post.feedback
    layer_power = jnp.sum(y**2)
    layer_backward = jnp.sum(matrix * y[:, None] * e_pre[None, :])
    layer_forward = jnp.sum(matrix * e_post[:, None] * x[None, :])
    pre = replace(
        view.pre,
        returned=jnp.sum(matrix * y[:, None], axis=0),
        weight_sum=jnp.sum(matrix, axis=0),
        weight_norm=jnp.sqrt(jnp.sum(matrix**2, axis=0)),
    )
    post = replace(
        view.post,
        returned=jnp.zeros(connection.n_post),
        weight_sum=jnp.sum(matrix, axis=1),
        weight_norm=jnp.sqrt(jnp.sum(matrix**2, axis=1)),
        input_gain=1.0 / (1.0 + jnp.sum(exists * x[None, :] ** 2, axis=1)),
        layer_power=jnp.full(connection.n_post, layer_power),
        layer_backward=jnp.full(connection.n_post, layer_backward),
        layer_forward=jnp.full(connection.n_post, layer_forward),
    )
    return replace(view, pre=pre, post=post)


@lru_cache(maxsize=16)
def _places(connection: AbstractConnection) -> np.ndarray:
    """1 where a synapse lies in the matrix [n_synapses, n_post, n_pre], else 0."""
    with jax.ensure_compile_time_eval():
        post = np.asarray(connection.at_post(jnp.arange(connection.n_post)))
        pre = np.asarray(connection.at_pre(jnp.arange(connection.n_pre)))
    places = np.zeros((len(post), connection.n_post, connection.n_pre))
    places[np.arange(len(post)), post, pre] = 1.0
    return places


def life(
    rule: AbstractRule,
    connection: AbstractConnection,
    dt: float,
    theta: Theta,
    views: SynapseView,
    weight: Array,
    mask: Array,
) -> dict[str, Any]:
    """The life of one edge with its rule through all `views`.

    Only the signals that the rule reads pass through the scan: that halves the program.

    Args:
        rule: the rule.
        connection: the connection of the edge.
        dt: seconds per step.
        theta: the theta of the rule.
        views: moments of the edge, stacked.
        weight: the weights at birth.
        mask: 1 where a synapse exists.

    Returns:
        {"state", "weight"} at the end, and the changes "deltas" of every step.
    """
    leaves, tree = jax.tree.flatten(views)
    read = reads(rule, Dense(N_POST, N_PRE), channels(rule)) | {"post.activity"}
    moving = [i for i, name in enumerate(leaf_names(views)) if name in read]

    def step(carry: tuple[Any, Array], now: list[Array]) -> tuple[tuple[Any, Array], Array]:
        state, w = carry
        here = [leaf[0] for leaf in leaves]
        for place, leaf in zip(moving, now, strict=True):
            here[place] = leaf
        view = replace(jax.tree.unflatten(tree, here), weight=w, weight_initial=weight)
        if is_wide(rule):
            view = with_aggregates(connection, view, w)
        state, delta = rule.step(theta, state, connection, view, dt)
        return (state, jnp.clip(w + mask * delta, 0.0, 1.0)), delta

    birth = (rule.init_state(theta, connection), weight)
    (state, last), deltas = lax.scan(step, birth, [leaves[i] for i in moving])
    return {"state": state, "weight": last, "deltas": deltas}


run = quick_jit(life, static_argnums=(0, 1, 2))


def leaf_names(view: SynapseView) -> list[str]:
    """The names that locality/reads.py gives to the leaves of a view."""
    names = []
    for path, _ in jax.tree_util.tree_flatten_with_path(view)[0]:
        parts = [str(getattr(part, "name", getattr(part, "key", part))) for part in path]
        names.append(".".join(parts))
    return names


def layout(rule: AbstractRule) -> Any:
    """The layout of every leaf of theta: `shared`, or one value per `synapse`, `post` or `pre`.

    Raises:
        ContractBroken: a leaf has none of these layouts.
    """
    small_edge = Dense(N_POST, N_PRE)
    large_edge = Dense(N_POST + 2, N_PRE + 3)
    leading_axes = {
        "synapse": (small_edge.shape, large_edge.shape),
        "post": ((small_edge.n_post,), (large_edge.n_post,)),
        "pre": ((small_edge.n_pre,), (large_edge.n_pre,)),
    }

    def shapes(edge: Dense) -> Any:
        return jax.eval_shape(partial(rule.init, connection=edge), jax.random.key(0))

    def kind(small: Any, large: Any) -> str:
        if small.shape == large.shape:
            return "shared"
        for name, axes in leading_axes.items():
            n = len(axes[0])
            has_axes = (small.shape[:n], large.shape[:n]) == axes
            if has_axes and small.shape[n:] == large.shape[n:]:
                return name
        raise ContractBroken(
            f"theta leaf {small.shape} is shared, or laid out like the synapses, the post or the "
            "pre neurons"
        )

    return jax.tree.map(kind, shapes(small_edge), shapes(large_edge))


def take(theta: Theta, kinds: Any, rows: Any, columns: Any, paired: bool = False) -> Theta:
    """theta of some neurons of a dense edge, or of some of its synapses.

    Args:
        theta: the theta of the whole edge.
        kinds: the layout of its leaves, from `layout`.
        rows: the postsynaptic neurons.
        columns: the presynaptic neurons.
        paired: the result is for the synapses (row, column) one by one.
    """

    def one(kind: str, leaf: Array) -> Array:
        if kind == "shared":
            return leaf
        if kind == "synapse":
            return leaf[rows, columns] if paired else leaf[rows][:, columns]
        if kind == "post":
            return leaf[rows]
        return leaf[columns]

    return jax.tree.map(one, kinds, theta)
